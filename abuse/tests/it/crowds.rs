//! Everybody at once.

use std::time::Duration;

use abuse::{Peer, Polling, Trial, connect_from, crowd, host};
use anyhow::{Result, ensure};
use tokio::time::Instant;

use crate::SERVER;

const CROWD: usize = 15_000;
const SESSIONS: usize = 4_000;
/// Both ends have a descriptor for each connection, and some more.
const DESCRIPTORS: u64 = 15_500;

#[tokio::test]
async fn fifteen_thousand_clients_that_reconnect_at_once_are_all_served() -> Result<()> {
    let options = "--ping-interval 15000 --ping-timeout 15000 --connect-timeout 60000 --head-timeout 60000";
    let trial = Trial::begin("15,000 reconnect at once", SERVER, options).await?.slack(4 << 20);
    // So many handshakes take seconds of two slow cores; all that can be asked is that the others get their part.
    let mut trial = trial.patience(Duration::from_secs(6));
    let (limit, _) = rlimit::Resource::NOFILE.get()?;
    ensure!(limit >= DESCRIPTORS, "the limit of open files is {limit}, expected {DESCRIPTORS} at least: `ulimit -n`");
    let address = trial.address();
    let join = move |number| async move { Peer::join_on(connect_from(address, host(number), None).await?).await };
    for wave in ["connected", "connected again, while the others' ends were noticed,"] {
        let start = Instant::now();
        let peers = crowd(CROWD, CROWD, join).await?;
        let took = start.elapsed();
        let held = trial.growth()?;
        println!("{CROWD} clients {wave} in {took:.1?}; each holds {} bytes of heap", held / CROWD);
        peers.into_iter().for_each(Peer::reset);
    }
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn sessions_that_are_opened_and_never_polled_end_by_their_ping() -> Result<()> {
    let mut trial = Trial::begin("sessions never polled", SERVER, "--ping-timeout 2000").await?.slack(2 << 20);
    let address = trial.address();
    let open = move |_| async move {
        let mut polling = Polling::open(address).await?;
        // In the namespace, so that it is the heartbeat that ends it and not `connect_timeout`.
        polling.post("40").await?;
        Ok(())
    };
    crowd(SESSIONS, 100, open).await?;
    let gone = |status: &abuse::Status| status.count("ping timeout, Silence") == SESSIONS as u64;
    trial.until("all sessions to end", gone).await?;
    trial.end().await?;
    Ok(())
}
