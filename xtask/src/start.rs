//! The chat example, from nothing.

use std::process::Command;

use crate::{bundles, failure::Failure, program};

/// `cargo xtask start`: the arguments are the example's.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    bundles::ensure()?;
    program::run(Command::new("cargo").args(["build", "--release", "--package", "chat"]))?;
    let chat = program::target_dir()?.join("release").join(format!("chat{}", std::env::consts::EXE_SUFFIX));
    become_program(Command::new(chat).args(arguments))
}

/// Puts the program in our place: its signals and its exit code are the user's and a supervisor's, with nobody between.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<(), Failure> {
    let error = std::os::unix::process::CommandExt::exec(command);
    Err(Failure::new(format!("cannot start {}: {error}", command.get_program().display())))
}

#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<(), Failure> {
    program::run(command)
}
