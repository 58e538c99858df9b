//! The fuzz targets: one for as long as somebody likes, or all for a while.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{
    failure::Failure,
    program::{self, CXX},
};

/// How long each target runs in the test command. One runs on each core: with two cores, eleven targets take 6 × 30 s.
const SECONDS: usize = 30;

/// What ends a run beside a panic: 10 s for one input, 1 GiB of memory. Longer inputs than these would find little more.
const BOUNDS: &[&str] = &["-timeout=10", "-rss_limit_mb=1024", "-max_len=4096"];

/// libFuzzer's coverage, which the stable compiler has too, unlike sanitizers; without unsafe code there is little for
/// those to find. So a fresh machine needs no other tool than cargo, and a C++ compiler for libFuzzer itself.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Everything that is built with coverage, and the inputs that runs have found.
const TARGET_DIR: &str = "fuzz/target";
/// Inputs that did harm.
const FOUND: &str = "artifacts/fuzz";

/// `cargo xtask fuzz`: runs one target until it crashes or is stopped, or as libFuzzer's arguments say.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let names = names()?;
    let known = arguments.split_first().filter(|(name, _)| names.contains(name));
    let Some((name, arguments)) = known else {
        return Err(Failure::new(format!("expected one of the targets {}", names.join(" "))));
    };
    build(&["--bin", name])?.run(name, arguments)
}

/// Runs all targets for some time, each on a core of its own.
pub(crate) fn run_all() -> Result<(), Failure> {
    let names = names()?;
    let targets = build(&[])?;
    let lanes = thread::available_parallelism().map_or(1, usize::from).min(names.len());
    let total = names.len().div_ceil(lanes) * SECONDS;
    eprintln!("{} targets for {SECONDS} s each, {lanes} at a time: {total} s", names.len());

    let waiting = Mutex::new(VecDeque::from(names));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(name) = next() {
                    match targets.run_for(&name, SECONDS) {
                        Ok(summary) => eprintln!("    {name:<20}{summary}"),
                        Err(failure) => failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failures.is_empty() {
        return Ok(());
    }
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    Err(Failure::new(failures.join("\n       ")))
}

/// The targets, by the names of their files.
fn names() -> Result<Vec<String>, Failure> {
    let folder = "fuzz/fuzz_targets";
    let entries = fs::read_dir(folder).map_err(|error| Failure::new(format!("cannot list {folder}: {error}")))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut names: Vec<String> =
        paths.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

fn build(which: &[&str]) -> Result<Built, Failure> {
    program::require(&[CXX])?;
    // Naming the host keeps the coverage out of build scripts and macros, which could not be linked with it.
    let host = program::output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let host = host.trim();
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml"]).args(which);
    cargo.args(["--target", host, "--target-dir", TARGET_DIR]);
    cargo.env("RUSTFLAGS", COVERAGE).env_remove("CARGO_ENCODED_RUSTFLAGS");
    program::run(&mut cargo)?;
    Ok(Built { programs: Path::new(TARGET_DIR).join(host).join("release") })
}

/// Targets that can run.
struct Built {
    programs: PathBuf,
}

impl Built {
    /// Runs a target in sight. Unless the arguments name files, it starts from all inputs that are known.
    fn run(&self, name: &str, arguments: &[String]) -> Result<(), Failure> {
        let mut command = self.command(name)?;
        command.args(arguments);
        if arguments.iter().all(|argument| argument.starts_with('-')) {
            command.arg(folder("corpus", name)?).arg(known(name));
        }
        program::run(&mut command)
    }

    /// Runs a target for some time, its many lines going to a file, and says how often it ran. Only known inputs are its
    /// beginning, not what former runs here have found.
    fn run_for(&self, name: &str, seconds: usize) -> Result<String, Failure> {
        let log = Path::new(TARGET_DIR).join(format!("{name}.log"));
        let cannot = |error: std::io::Error| Failure::new(format!("cannot run {name} with {}: {error}", log.display()));
        let out = fs::File::create(&log).map_err(cannot)?;
        let mut command = self.command(name)?;
        let found = folder("found", name)?;
        fs::remove_dir_all(&found).and_then(|()| fs::create_dir(&found)).map_err(cannot)?;
        command.arg(format!("-max_total_time={seconds}")).arg(found).arg(known(name));
        command.stdin(Stdio::null()).stdout(out.try_clone().map_err(cannot)?).stderr(out);
        let status = command.status().map_err(cannot)?;
        let said = fs::read(&log).map_err(cannot)?;
        let said = String::from_utf8_lossy(&said);
        if status.success() {
            return Ok(said
                .lines()
                .rev()
                .find(|line| line.starts_with("Done "))
                .unwrap_or("no word of the end")
                .into());
        }
        Err(Failure::new(format!("{name} ended with {status}, see {}: {}", log.display(), crash(name, &said))))
    }

    fn command(&self, name: &str) -> Result<Command, Failure> {
        fs::create_dir_all(FOUND).map_err(|error| Failure::new(format!("cannot make {FOUND}: {error}")))?;
        let mut command = Command::new(self.programs.join(name).with_extension(std::env::consts::EXE_EXTENSION));
        command.args(BOUNDS).arg(format!("-artifact_prefix={FOUND}/{name}-"));
        Ok(command)
    }
}

/// A target's own folder for new inputs: libFuzzer writes to the first of its folders, and only reads all others.
fn folder(kind: &str, name: &str) -> Result<PathBuf, Failure> {
    let folder = Path::new(TARGET_DIR).join(kind).join(name);
    fs::create_dir_all(&folder).map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    Ok(folder)
}

/// The inputs that are part of the project.
fn known(name: &str) -> PathBuf {
    Path::new("fuzz/corpus").join(name)
}

/// What a target said of its end, and the input that was its end.
fn crash(name: &str, said: &str) -> String {
    let mut told = String::new();
    let panic = said.lines().skip_while(|line| !line.contains("panicked at ")).take(4);
    let error = said.lines().filter(|line| line.contains("ERROR: libFuzzer"));
    for line in panic.chain(error) {
        let _infallible = write!(told, "\n         {line}");
    }
    let path = said.lines().rev().find_map(|line| Some(line.split_once("Test unit written to ")?.1.trim()));
    match path.map(|path| (path, fs::read(path))) {
        Some((path, Ok(input))) => {
            let hex = input.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            told + &format!(
                "\n         {} bytes in {path}: {hex}\n         again: cargo xtask fuzz {name} {path}",
                input.len()
            )
        }
        Some((path, Err(error))) => told + &format!("\n         {path}: {error}"),
        None => told + "\n         no input was written",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_told_with_its_input() {
        let input = std::env::temp_dir().join(format!("sockeye-xtask-crash-{}", std::process::id()));
        fs::write(&input, b"4\x00\xff").unwrap();
        let said = format!(
            "#2 INITED cov: 3\nthread '<unnamed>' panicked at src/a.rs:1:2:\nlonger: 3\n==1== ERROR: libFuzzer: deadly signal\n\
             artifact_prefix='x'; Test unit written to {}\nBase64: NAD/\n",
            input.display()
        );
        let told = crash("session", &said);
        fs::remove_file(&input).unwrap();
        assert!(told.contains("panicked at src/a.rs:1:2:\n         longer: 3"), "{told}");
        assert!(told.contains(&format!("3 bytes in {}: 3400ff", input.display())), "{told}");
        assert!(told.contains("again: cargo xtask fuzz session "), "{told}");
    }
}
