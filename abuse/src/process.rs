//! The server's process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::status::Status;

/// Attacks take the machine for themselves, or they would be each other's witnesses.
static TURN: Mutex<()> = Mutex::new(());

/// A server under test, of which a process has one at a time. It ends with its handle.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
    _turn: MutexGuard<'static, ()>,
}

impl Process {
    /// Starts the program with these options and waits until it listens.
    pub fn start(program: &Path, options: &str) -> Result<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // The server inherits it.
        rlimit::increase_nofile_limit(u64::MAX)?;
        let mut command = Command::new(program);
        command.args(options.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut process = Self { child, input, output, address: ([127, 0, 0, 1], 0).into(), _turn: turn };
        let line = process.line()?;
        let address = line.strip_prefix("listening on http://").with_context(|| format!("not an address: {line:?}"))?;
        process.address = address.parse()?;
        Ok(process)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next line that the server says.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "the server has ended: {:?}", self.child.try_wait()?);
        Ok(line.trim_end().to_owned())
    }

    /// What the server says of itself.
    pub fn status(&mut self) -> Result<Status> {
        self.input.write_all(b"status\n")?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    /// Its resident memory in bytes.
    pub fn resident(&self) -> Result<usize> {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: usize = statm.split(' ').nth(1).context("no second field in statm")?.parse()?;
        Ok(pages * 4096)
    }

    /// The most resident memory that it has had, in bytes.
    pub fn most_resident(&self) -> Result<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
    }

    /// How many sockets the kernel holds for it, listening ones included.
    pub fn sockets(&self) -> Result<usize> {
        let mut sockets = 0;
        for entry in fs::read_dir(format!("/proc/{}/fd", self.child.id()))? {
            // It may have been closed since it was listed.
            let target = entry.and_then(|entry| fs::read_link(entry.path()));
            sockets += usize::from(target.is_ok_and(|target| target.to_string_lossy().starts_with("socket:")));
        }
        Ok(sockets)
    }

    /// Asks the process to end, as an operator does.
    pub fn terminate(&self) -> Result<()> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "no such process");
        Ok(())
    }

    /// Waits for the end of a process that was asked to end.
    pub fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let start = tokio::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(start.elapsed() < within, "the server still runs after {within:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
