//! The project's own npm packages.

use std::{fs, path::Path, process::Command};

use crate::{failure::Failure, program};

/// Installs what the lock file of `folder` names, unless just that is installed already. Needs [`program::NPM`].
pub(crate) fn install(folder: &str) -> Result<(), Failure> {
    let lock = Path::new(folder).join("package-lock.json");
    // What was installed is known by a copy of its lock file; `npm ci` begins by removing the folder with it.
    let installed = Path::new(folder).join("node_modules/.installed.json");
    let wanted = fs::read(&lock).map_err(|error| Failure::new(format!("cannot read {}: {error}", lock.display())))?;
    if fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    program::run(Command::new(program::NPM_PROGRAM).args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))?;
    fs::write(&installed, wanted)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", installed.display())))
}
