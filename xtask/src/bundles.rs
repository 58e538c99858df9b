//! The browser bundles of socket.io-client.

use std::{path::Path, process::Command};

use crate::{failure::Failure, npm, program};

const PACKAGE: &str = "crates/client-dist/npm";
const MANIFEST: &str = "crates/client-dist/dist/manifest.txt";

/// `cargo xtask client-dist`: lays the bundles out anew, where the next build of the crate finds them.
pub(crate) fn run(_: &[String]) -> Result<(), Failure> {
    program::require(&[program::NODE, program::NPM])?;
    npm::install(PACKAGE)?;
    program::run(Command::new("node").arg("pack.mjs").current_dir(PACKAGE))
}

/// Lays the bundles out unless those of the locked version are there: a new file would rebuild all that embeds it.
pub(crate) fn ensure() -> Result<(), Failure> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let manifest = read(Path::new(MANIFEST));
    let lock = read(&Path::new(PACKAGE).join("package.json"));
    let version = manifest.lines().next().unwrap_or_default();
    if !version.is_empty() && lock.contains(&format!("\"socket.io-client\": \"{version}\"")) {
        return Ok(());
    }
    run(&[])
}
