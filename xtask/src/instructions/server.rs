//! The server on a machine that counts its instructions.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::scenes::Scene;
use crate::{failure::Failure, program};

const START_WITHIN: Duration = Duration::from_secs(60);

/// What a run has cost.
pub(super) struct Run {
    pub(super) units: usize,
    /// What callgrind has written.
    pub(super) report: PathBuf,
}

/// Builds the server as it is released and gives its file.
pub(super) fn build() -> Result<PathBuf, Failure> {
    program::run(Command::new("cargo").args(["build", "--quiet", "--locked", "--release", "--package", "load"]))?;
    Ok(program::target_dir()?.join("release").join("load"))
}

/// Exchanges so many rounds of a scene with a server of their own.
pub(super) fn run(server: &Path, scene: &Scene, rounds: usize) -> Result<Run, Failure> {
    let folder = program::target_dir()?.join("instructions");
    let report = folder.join(format!("{}-{rounds}.callgrind", scene.name));
    let units = fs::create_dir_all(&folder)
        .and_then(|()| Counted::start(server, &report))
        .and_then(|mut counted| {
            let exchanged = (scene.run)(counted.address, rounds)?;
            counted.stop()?;
            drop(exchanged.open);
            Ok(exchanged.units)
        })
        .map_err(|error| Failure::new(format!("scene `{}`, {rounds} rounds: {error}", scene.name)))?;
    Ok(Run { units, report })
}

struct Counted {
    process: Child,
    address: SocketAddr,
}

impl Counted {
    fn start(server: &Path, report: &Path) -> io::Result<Self> {
        let mut command = Command::new("valgrind");
        // Names in full, and lines as numbers of their own: so a report can be read without a memory.
        command.args(["--tool=callgrind", "--quiet", "--compress-strings=no", "--compress-pos=no"]);
        command.arg(format!("--callgrind-out-file={}", report.display())).arg(server).arg("0");
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        // Whatever goes wrong from here on, the process is ended.
        let mut counted = Self { process, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let out = counted.process.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        let (told, line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(out).read_line(&mut line);
            // Nobody listens after the patience has ended.
            let _ended = told.send(read.map(|_| line));
        });
        let line = line.recv_timeout(START_WITHIN).map_err(|_| io::Error::other("the server does not listen"))??;
        let address = line.trim().rsplit('/').next().and_then(|address| address.parse().ok());
        counted.address =
            address.ok_or_else(|| io::Error::other(format!("the server says no address but `{line}`")))?;
        Ok(counted)
    }

    /// Ends the server, which makes callgrind write.
    fn stop(&mut self) -> io::Result<()> {
        Command::new("kill").arg(self.process.id().to_string()).status()?;
        self.process.wait().map(drop)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // It has ended already unless something went wrong.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}
