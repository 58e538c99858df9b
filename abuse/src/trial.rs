//! Before and after an attack.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::DEADLINE;
use crate::peer::Peer;
use crate::polling::Polling;
use crate::process::Process;
use crate::status::Status;
use crate::witness::{Seen, Witness};

/// How much the server may have allocated for good by an attack, unless the trial says otherwise.
///
/// Maps and lists keep the room that the most of them took: some ten bytes for each connection.
const SLACK: usize = 512 << 10;
/// When nothing has been given back for so long, nothing more will be.
const SETTLES_WITHIN: Duration = Duration::from_secs(4);
/// How long the witness may wait for an echo, unless the trial says otherwise.
///
/// Generous: the attacker, the server and the witness share what may be two slow cores.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server, a witness, and how things were before the attack.
#[derive(Debug)]
pub struct Trial {
    name: &'static str,
    /// The server.
    pub server: Process,
    witness: Witness,
    before: Measured,
    peak: Measured,
    slack: usize,
    patience: Duration,
    start: Instant,
}

#[derive(Clone, Debug, Default)]
struct Measured {
    status: Status,
    sockets: usize,
    resident: usize,
}

impl Measured {
    fn of(server: &mut Process) -> Result<Self> {
        Ok(Self { status: server.status()?, sockets: server.sockets()?, resident: server.resident()? })
    }
}

impl Trial {
    /// Starts the server with these options, and the witness.
    pub async fn begin(name: &'static str, program: &str, options: &str) -> Result<Self> {
        let server = Process::start(Path::new(program), options)?;
        // What the server allocates once, for each of its threads, is there then.
        for _ in 0..8 {
            Peer::join(server.address()).await?.reset();
            Polling::join(server.address()).await?.post("1").await?;
        }
        let witness = Witness::start(server.address())?;
        let mut trial = Self {
            name,
            server,
            witness,
            before: Measured::default(),
            peak: Measured::default(),
            slack: SLACK,
            patience: PATIENCE,
            start: Instant::now(),
        };
        trial.until("the first clients to be gone", |status| status.connections() == 1).await?;
        sleep(Duration::from_millis(100)).await;
        trial.before = Measured::of(&mut trial.server)?;
        Ok(trial)
    }

    /// Lets the server keep more bytes than usual.
    #[must_use]
    pub fn slack(mut self, bytes: usize) -> Self {
        self.slack = bytes;
        self
    }

    /// Lets the witness wait for longer than usual.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How long it has been since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What the server says of itself; the most of it that was seen is told in the end.
    pub fn status(&mut self) -> Result<Status> {
        let now = Measured::of(&mut self.server)?;
        self.peak.sockets = self.peak.sockets.max(now.sockets);
        let peak = &mut self.peak.status;
        peak.live = peak.live.max(now.status.live);
        for (name, value) in &now.status.gauges {
            let most = peak.gauges.entry(name.clone()).or_default();
            *most = (*most).max(*value);
        }
        Ok(now.status)
    }

    /// How many more bytes the server holds than before.
    pub fn growth(&mut self) -> Result<usize> {
        Ok(self.status()?.live.saturating_sub(self.before.status.live))
    }

    /// How often something has been counted since the beginning.
    pub fn count(&mut self, what: &str) -> Result<u64> {
        Ok(self.status()?.count(what) - self.before.status.count(what))
    }

    /// Waits until the server says so.
    pub async fn until(&mut self, what: &str, happened: impl Fn(&Status) -> bool) -> Result<Status> {
        let start = Instant::now();
        loop {
            let status = self.status()?;
            if happened(&status) {
                return Ok(status);
            }
            ensure!(start.elapsed() < DEADLINE, "waiting for {what}: {status:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until everything is as before. From here on the server may keep these bytes more than it keeps now: what maps
    /// and lists hold on to for the next time, they hold.
    ///
    /// So what is kept of each client shows, however small it is.
    pub async fn settle(&mut self, slack: usize) -> Result<()> {
        let (mut least, mut since) = (self.is_as_before().await?.status.live, Instant::now());
        while since.elapsed() < SETTLES_WITHIN {
            sleep(Duration::from_millis(100)).await;
            let live = self.status()?.live;
            if live < least {
                (least, since) = (live, Instant::now());
            }
        }
        (self.before.status.live, self.slack) = (least, slack);
        Ok(())
    }

    async fn is_as_before(&mut self) -> Result<Measured> {
        let start = Instant::now();
        loop {
            self.status()?;
            let now = Measured::of(&mut self.server)?;
            match self.difference(&now) {
                None => return Ok(now),
                Some(difference) if start.elapsed() > DEADLINE => bail!("{}: {difference}", self.name),
                Some(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Waits until everything is as before, and asks the witness how it was.
    pub async fn end(mut self) -> Result<Seen> {
        let after = self.is_as_before().await?;
        let seen = self.witness.end()?;
        self.peak.resident = self.server.most_resident()?;
        self.report(&after, seen);
        ensure!(seen.slowest < self.patience, "{}: an echo took {:?}", self.name, seen.slowest);
        Ok(seen)
    }

    /// What is not as before.
    fn difference(&self, now: &Measured) -> Option<String> {
        let (was, is) = (&self.before.status, &now.status);
        let differs = |what: &str, was: usize, is: usize| Some(format!("{is} {what}, before the attack {was}"));
        if now.sockets > self.before.sockets {
            return differs("sockets of the kernel", self.before.sockets, now.sockets);
        }
        if is.live > was.live + self.slack {
            return differs("live bytes", was.live, is.live);
        }
        // Messages come and go with the witness; nothing else may be more.
        let grown = is.gauges.iter().find(|(name, value)| **value > was.gauges.get(*name).copied().unwrap_or(0));
        grown.map(|(name, value)| format!("{value} {name}, before the attack {:?}", was.gauges.get(name)))
    }

    fn report(&self, after: &Measured, seen: Seen) {
        let kib = |bytes: usize| bytes / 1024;
        let (before, peak) = (&self.before, &self.peak);
        #[expect(clippy::print_stdout, reason = "these are figures for who reads the test's output")]
        {
            println!(
                "{:<44} {:>5.1} s | most: {:>5} sessions {:>5} sockets | live KiB {:>6} {:>7} {:>6} | resident KiB {:>6} {:>7} {:>6} | \
                 {} echoes, 99 % {:?}, slowest {:?}",
                self.name,
                self.start.elapsed().as_secs_f64(),
                peak.status.connections(),
                peak.sockets,
                kib(before.status.live),
                kib(peak.status.live),
                kib(after.status.live),
                kib(before.resident),
                kib(peak.resident),
                kib(after.resident),
                seen.echoes,
                seen.most,
                seen.slowest,
            );
        }
    }
}
