//! The client that has to be served meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep};

use crate::peer::Peer;

/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// A decent client on a thread of its own, which asks for an echo again and again and takes the time.
#[derive(Debug)]
pub struct Witness {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Seen>>>,
}

/// What a witness has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// How many echoes came.
    pub echoes: usize,
    /// How many events came that were for everybody.
    pub events: usize,
    /// The slowest of 99 in 100.
    pub most: Duration,
    /// The slowest.
    pub slowest: Duration,
}

impl Witness {
    /// Connects and begins to ask.
    pub fn start(address: SocketAddr) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked_to = stop.clone();
        let (joined, has_joined) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("witness".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let peer = Peer::join(address).await?;
                let _ = joined.send(());
                watch(peer, &asked_to).await
            })
        })?;
        let mut witness = Self { stop, thread: Some(thread) };
        if has_joined.recv().is_err() {
            witness.end()?;
        }
        Ok(witness)
    }

    /// Stops asking, leaves, and tells.
    pub fn end(&mut self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("has told already"))?;
        thread.join().map_err(|_| anyhow!("the witness panicked"))?
    }
}

async fn watch(mut peer: Peer, stop: &AtomicBool) -> Result<Seen> {
    let mut times = Vec::new();
    let mut events = 0;
    while !stop.load(Ordering::Relaxed) {
        let (number, start) = (times.len(), Instant::now());
        peer.send(&format!(r#"421["echo",{number}]"#)).await?;
        let answer = format!("431[{number}]");
        while peer.text().await? != answer {
            events += 1;
        }
        times.push(start.elapsed());
        sleep(PAUSE).await;
    }
    times.sort_unstable();
    let most = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    Ok(Seen { echoes: times.len(), events, most, slowest: times.last().copied().unwrap_or_default() })
}
