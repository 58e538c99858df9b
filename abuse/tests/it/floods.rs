//! More events than can be handled.

use std::time::Duration;

use abuse::{Peer, Status, Trial, crowd};
use anyhow::Result;
use sockeye_websocket::{Opcode, masked_frame};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::SERVER;

const FLOODERS: usize = 8;
const FLOOD: Duration = Duration::from_secs(3);

/// What may wait for one socket: 256 handlers and 1 MiB of events, of 10 KB each, and what is being read.
const HELD_FOR_EACH: usize = 256 * 11_000 + (1 << 20) + (256 << 10);

#[tokio::test]
async fn a_flood_that_handlers_are_too_slow_for_is_not_read_and_stays_in_order() -> Result<()> {
    let mut trial = Trial::begin("floods of slow events", SERVER, "").await?;
    let address = trial.address();
    let mut flooding = JoinSet::new();
    for _ in 0..FLOODERS {
        flooding.spawn(async move {
            let mut peer = Peer::join(address).await?;
            let filling = "x".repeat(10_000);
            let start = Instant::now();
            let mut events = 0_u64;
            while start.elapsed() < FLOOD {
                // 256 of them at a time, of a second each: 2.5 MB in a second.
                let event = format!(r#"42["slow",{events},1000,"{filling}"]"#);
                peer.write(&masked_frame(Opcode::Text, event.as_bytes(), [0; 4])).await?;
                events += 1;
            }
            // It stays, and answers its pings.
            anyhow::Ok((peer, events))
        });
    }
    let (mut sent, mut peers, mut most) = (0, JoinSet::new(), 0);
    while !flooding.is_empty() {
        most = most.max(trial.growth()?);
        sleep(Duration::from_millis(20)).await;
        while let Some(flooder) = flooding.try_join_next() {
            let (mut peer, events) = flooder??;
            sent += events;
            peers.spawn(async move { while peer.text().await.is_ok() {} });
        }
    }
    assert!(most < FLOODERS * HELD_FOR_EACH, "{most} bytes for {FLOODERS} clients");
    let status = trial.until("all events to be handled", |status: &Status| status.count("slow") == sent).await?;
    assert_eq!(status.count("out of order"), 0);
    println!("{sent} events of 10 KB, at most {} KiB held for {FLOODERS} clients", most / 1024);
    peers.abort_all();
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn a_flood_whose_answers_are_not_read_ends_its_connection() -> Result<()> {
    let mut trial = Trial::begin("floods without reading", SERVER, "").await?;
    let address = trial.address();
    let flood = move |_| async move {
        let mut peer = Peer::join(address).await?;
        let event = format!(r#"421["echo","{}"]"#, "x".repeat(10_000));
        let events = masked_frame(Opcode::Text, event.as_bytes(), [0; 4]).repeat(10);
        while peer.write(&events).await.is_ok() {}
        Ok(())
    };
    crowd(FLOODERS, FLOODERS, flood).await?;
    let gone = |status: &Status| status.count("forced server close, SlowConsumer") == FLOODERS as u64;
    trial.until("the flooders to be gone", gone).await?;
    trial.end().await?;
    Ok(())
}
