//! Programs we run, and the ones we need.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use crate::failure::Failure;

/// A program that has to be there before a command starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    name: &'static str,
    /// A command that succeeds where the program is there.
    probe: (&'static str, &'static [&'static str]),
    source: Source,
}

/// Where a missing program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// We leave it to the user, and say how.
    User { hint: &'static str },
    /// The Debian package of this name, installed where we may.
    Apt { package: &'static str },
}

pub(crate) const NODE: Requirement = Requirement {
    name: "node (20 or newer)",
    probe: ("node", &["--eval", "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)"]),
    source: Source::User { hint: "install Node.js 20 or newer, with npm" },
};
pub(crate) const NPM: Requirement = Requirement {
    name: "npm",
    probe: (NPM_PROGRAM, &["--version"]),
    source: Source::User { hint: "install npm; it comes with Node.js, or as a package of its own (Debian: npm)" },
};
pub(crate) const PYTHON: Requirement = Requirement {
    name: "python3 with venv",
    probe: ("python3", &["-c", "import ensurepip, venv"]),
    source: Source::Apt { package: "python3-venv" },
};
pub(crate) const CXX: Requirement =
    Requirement { name: "a C++ compiler", probe: ("c++", &["--version"]), source: Source::Apt { package: "g++" } };
pub(crate) const CHROMIUM: Requirement =
    Requirement { name: "chromium", probe: ("chromium", &["--version"]), source: Source::Apt { package: "chromium" } };
pub(crate) const REDIS: Requirement = Requirement {
    name: "redis-server",
    probe: ("redis-server", &["--version"]),
    source: Source::Apt { package: "redis-server" },
};
pub(crate) const VALGRIND: Requirement =
    Requirement { name: "valgrind", probe: ("valgrind", &["--version"]), source: Source::Apt { package: "valgrind" } };

/// npm is a script on Windows, which only its full name starts.
pub(crate) const NPM_PROGRAM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// Sees to it that all of `requirements` are there: installs what apt-get has and names what else is missing.
pub(crate) fn require(requirements: &[Requirement]) -> Result<(), Failure> {
    let mut hints = Vec::new();
    let mut packages = Vec::new();
    for requirement in requirements.iter().filter(|requirement| !requirement.is_met()) {
        match requirement.source {
            Source::User { hint } => hints.push(format!("{} not found: {hint}", requirement.name)),
            Source::Apt { package } => packages.push(package),
        }
    }
    if !hints.is_empty() {
        return Err(Failure::new(hints.join("\n       ")));
    }
    if packages.is_empty() {
        return Ok(());
    }
    install(&packages)?;
    match requirements.iter().find(|requirement| !requirement.is_met()) {
        Some(missing) => Err(Failure::new(format!("{} not found, though {packages:?} are installed", missing.name))),
        None => Ok(()),
    }
}

impl Requirement {
    fn is_met(&self) -> bool {
        let (program, arguments) = self.probe;
        quietly(Command::new(program).args(arguments)).is_ok_and(|status| status.success())
    }
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let by_hand = format!("install by hand what is missing: {}", packages.join(" "));
    if quietly(Command::new("apt-get").arg("--version")).is_err() {
        return Err(Failure::new(format!("no apt-get here; {by_hand}")));
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let apt_get = |arguments: &[&str]| {
        // sudo drops the environment, and asks for no password where nobody could type one.
        let prefix: &[&str] = if is_root { &["env"] } else { &["sudo", "-n", "env"] };
        let mut command = Command::new(prefix[0]);
        command.args(&prefix[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes"]);
        run(command.args(arguments)).map_err(|failure| Failure::new(format!("{failure}; {by_hand}")))
    };
    apt_get(&["update"])?;
    apt_get(&[&["install", "--no-install-recommends"], packages].concat())
}

/// Runs a command to its end, with our terminal but no input. It says what it runs.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    eprintln!("$ {}", line(command));
    let status = command.stdin(Stdio::null()).status();
    ended(command, status)
}

/// As [`run`], and shows each line of the standard output to `watch` too.
pub(crate) fn run_watched(command: &mut Command, mut watch: impl FnMut(&str)) -> Result<(), Failure> {
    eprintln!("$ {}", line(command));
    let status = (|| {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            watch(&String::from_utf8_lossy(&line));
            let mut out = io::stdout().lock();
            out.write_all(&line)?;
            out.write_all(b"\n")?;
        }
        child.wait()
    })();
    ended(command, status)
}

/// Runs a command to its end, unseen but for its errors, and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let (status, printed) = match output {
        Ok(output) => (Ok(output.status), output.stdout),
        Err(error) => (Err(error), Vec::new()),
    };
    ended(command, status).map(|()| String::from_utf8_lossy(&printed).into_owned())
}

/// The folder of everything that is built, wherever cargo has been told to put it.
pub(crate) fn target_dir() -> Result<PathBuf, Failure> {
    let program =
        std::env::current_exe().map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    let target = program.parent().and_then(Path::parent);
    target.map(Path::to_owned).ok_or_else(|| Failure::new(format!("{} lies in no target folder", program.display())))
}

fn quietly(command: &mut Command) -> io::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
}

fn ended(command: &Command, status: io::Result<ExitStatus>) -> Result<(), Failure> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{}` ended with {status}", line(command)))),
        Err(error) => Err(Failure::new(format!("`{}` did not run: {error}", line(command)))),
    }
}

/// A command as one would type it, with its settings of the environment and its folder.
fn line(command: &Command) -> String {
    let mut words = Vec::new();
    words.extend(command.get_current_dir().map(|dir| format!("cd {} &&", dir.display())));
    let settings = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    words.extend(settings.map(|(name, value)| format!("{}={}", name.display(), quoted(&value.to_string_lossy()))));
    words.push(command.get_program().to_string_lossy().into_owned());
    words.extend(command.get_args().map(|argument| quoted(&argument.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    if word.contains([' ', '*', '(']) { format!("'{word}'") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").current_dir("interop");
        assert_eq!(line(&command), "cd interop && RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let missing = Requirement {
            name: "nothing",
            probe: ("a-program-that-is-nowhere", &[]),
            source: Source::User { hint: "make it" },
        };
        let failure = require(&[missing]).unwrap_err();
        assert_eq!(failure.to_string(), "nothing not found: make it");
    }

    #[test]
    fn a_failing_command_is_named() {
        let failure = run(Command::new("a-program-that-is-nowhere").arg("x")).unwrap_err();
        assert!(failure.to_string().starts_with("`a-program-that-is-nowhere x` did not run: "), "{failure}");
    }

    #[test]
    fn each_line_is_watched() {
        let mut lines = Vec::new();
        run_watched(Command::new("cargo").arg("--version"), |line| lines.push(line.to_owned())).unwrap();
        assert!(lines.len() == 1 && lines[0].starts_with("cargo "), "{lines:?}");
    }
}
