//! The commands of this project: `cargo xtask <command>`. The list below is the only one; CI calls the same.

mod bundles; // The browser bundles of socket.io-client.
mod failure; // Why a command could not do its work.
mod fuzz; // The fuzz targets.
mod instructions; // The instructions that each unit of work costs.
mod npm; // The project's own npm packages.
mod program; // Programs we run, and the ones we need.
mod start; // The chat example, from nothing.
mod test; // The test command and its steps.
mod wheel; // Rust tools that the Python registry has ready-built.

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, ExitCode},
};

use failure::Failure;

/// One line of the list.
struct Task {
    name: &'static str,
    arguments: &'static str,
    purpose: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

const TASKS: &[Task] = &[
    Task {
        name: "start",
        arguments: "[--port N]",
        purpose: "build the chat example and serve it on port 3000",
        run: start::run,
    },
    Task {
        name: "test",
        arguments: "[--only STEP]",
        purpose: "install what is missing, build and run all tests",
        run: test::run,
    },
    Task {
        name: "client-dist",
        arguments: "",
        purpose: "lay out the browser bundles of socket.io-client",
        run: bundles::run,
    },
    Task {
        name: "bench",
        arguments: "[ARGUMENTS]",
        purpose: "measure Sockeye and its peers (bench/run.mjs)",
        run: bench,
    },
    Task {
        name: "instructions",
        arguments: "[SCENE]… | --update [SCENE]… | --profile SCENE [--lines]",
        purpose: "count what a unit of work costs, against bench/instructions.json",
        run: instructions::run,
    },
    Task {
        name: "fuzz",
        arguments: "TARGET [ARGUMENTS]",
        purpose: "run a target of fuzz/fuzz_targets",
        run: fuzz::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match enter_root().and_then(|()| dispatch(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// All commands and paths below count from the root of the repository.
fn enter_root() -> Result<(), Failure> {
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = manifest_dir.as_deref().and_then(|dir| dir.parent());
    let root = root.ok_or_else(|| Failure::new("call this through cargo: `cargo xtask <command>`"))?;
    env::set_current_dir(root).map_err(|error| Failure::new(format!("cannot enter {}: {error}", root.display())))
}

fn dispatch(arguments: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = arguments.split_first() else { return help() };
    if ["help", "-h", "--help"].contains(&name.as_str()) || rest.iter().any(|argument| argument == "--help") {
        return help();
    }
    let task = TASKS.iter().find(|task| task.name == name);
    let task = task.ok_or_else(|| Failure::new(format!("no command `{name}`: `cargo xtask --help` lists them")))?;
    (task.run)(rest)
}

fn help() -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let mut print = || {
        writeln!(out, "Usage: cargo xtask COMMAND\n")?;
        for task in TASKS {
            writeln!(out, "  {:<32}{}", format!("{} {}", task.name, task.arguments), task.purpose)?;
        }
        writeln!(out, "\nSteps of the test command, in order: {}", test::step_names())
    };
    print().map_err(|error: io::Error| Failure::new(format!("cannot print: {error}")))
}

fn bench(arguments: &[String]) -> Result<(), Failure> {
    program::require(&[program::NODE])?;
    program::run(Command::new("node").arg("bench/run.mjs").args(arguments))
}
