//! The end in the middle of load.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use abuse::{Peer, Polling, Process};
use anyhow::{Context, Result, bail, ensure};
use sockeye_websocket::Message;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::SERVER;

/// What the default `Drain` allows, and a second for a busy machine.
const GRACE: Duration = Duration::from_millis(500 + 3000 + 1000);

/// The numbers of the first and the last tick that came; all between them came in order.
#[derive(Debug, Default)]
struct Ticks {
    first: Option<u64>,
    last: u64,
}

impl Ticks {
    fn take(&mut self, packet: &str) -> Result<()> {
        let Some(number) = packet.strip_prefix(r#"42["tick","#) else { return Ok(()) };
        let number = number.trim_end_matches(']').parse()?;
        if self.first.replace(self.first.unwrap_or(number)).is_some() {
            ensure!(number == self.last + 1, "tick {number} behind {}", self.last);
        }
        self.last = number;
        Ok(())
    }
}

/// Asks and listens until the end, which must be a close frame; no DISCONNECT may come before it.
async fn listen(address: SocketAddr) -> Result<u64> {
    let mut peer = Peer::join(address).await?;
    let mut ticks = Ticks::default();
    loop {
        match peer.next().await? {
            Some(Message::Text(text)) => {
                ensure!(!text.starts_with("41"), "a DISCONNECT");
                ticks.take(&text)?;
                // Load both ways; that it can't be sent any more shows on the way in.
                let load = if text == "2" { "3" } else { r#"42["echo","load"]"# };
                let _ = peer.send(load).await;
            }
            Some(Message::Close(_)) => return Ok(ticks.last),
            other => bail!("the end without a close frame, after tick {}: {other:?}", ticks.last),
        }
    }
}

/// Polls until the end, which must be told by a close packet.
async fn poll(address: SocketAddr) -> Result<u64> {
    let mut polling = Polling::join(address).await?;
    let mut ticks = Ticks::default();
    loop {
        let packets = polling.poll().await.with_context(|| format!("after tick {}", ticks.last))?;
        for packet in packets.split('\u{1e}') {
            match packet {
                // The session may have ended meanwhile; what is left of it comes with the next polls.
                "2" => drop(polling.post("3").await),
                "1" => return Ok(ticks.last),
                _ => ticks.take(packet)?,
            }
            ensure!(!packet.starts_with("41"), "a DISCONNECT");
        }
    }
}

#[tokio::test]
async fn a_shutdown_under_load_loses_nothing_and_ends_within_the_grace() -> Result<()> {
    let mut server = Process::start(Path::new(SERVER), "--tick 2 --close-timeout 3000")?;
    let address = server.address();
    let mut listeners = JoinSet::new();
    let mut pollers = JoinSet::new();
    for _ in 0..100 {
        listeners.spawn(listen(address));
    }
    for _ in 0..20 {
        pollers.spawn(poll(address));
    }
    sleep(Duration::from_secs(2)).await;
    let start = Instant::now();
    server.terminate()?;
    let mut lasts = Vec::new();
    while let Some(last) = listeners.join_next().await {
        lasts.push(last??);
    }
    let line = server.line()?;
    let last: u64 = line.strip_prefix("ticks ").context("no count of ticks")?.parse()?;
    assert!(lasts.iter().all(|seen| *seen == last), "{last} ticks, but some saw {lasts:?}");
    while let Some(seen) = pollers.join_next().await {
        assert_eq!(seen??, last);
    }
    let status = server.ended(GRACE)?;
    assert!(status.success(), "{status}");
    println!("a shutdown under load: {last} ticks, the end after {:.1?}", start.elapsed());
    assert!(start.elapsed() < GRACE);
    Ok(())
}

#[tokio::test]
async fn a_shutdown_waits_for_nobody_beyond_the_grace() -> Result<()> {
    let mut server = Process::start(Path::new(SERVER), "--tick 2")?;
    let mut deaf = Vec::new();
    for number in 0..20 {
        let mut peer = Peer::join(server.address()).await?;
        // Handlers that never end, and clients that never read.
        peer.send(if number % 2 == 0 { r#"42["wait for ever"]"# } else { r#"42["ask",10,600000]"# }).await?;
        deaf.push(peer);
    }
    sleep(Duration::from_millis(500)).await;
    server.terminate()?;
    let start = Instant::now();
    let status = server.ended(GRACE)?;
    assert!(status.success(), "{status}");
    println!("a shutdown that nobody helps: {:.1?}", start.elapsed());
    drop(deaf);
    Ok(())
}
