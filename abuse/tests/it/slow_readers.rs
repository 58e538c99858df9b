//! Clients that do not take what is sent to them.

use std::time::Duration;

use abuse::{Peer, Trial, connect_from};
use anyhow::Result;
use tokio::time::Instant;

use crate::SERVER;

const READERS: usize = 50;

#[tokio::test]
async fn readers_with_a_closed_window_are_gone_after_the_patience() -> Result<()> {
    let mut trial = Trial::begin("closed windows", SERVER, "--outbox-patience 1000 --outbox-limit 67108864").await?;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Peer::join_on(connect_from(trial.address(), 2, Some(2048)).await?).await?);
    }
    let mut speaker = Peer::join(trial.address()).await?;
    // Far more than the kernel takes for anybody.
    assert_eq!(speaker.ask(r#"["blast",200,50000]"#).await?, r#"["sent"]"#);
    let start = Instant::now();
    let all_gone = |status: &abuse::Status| status.connections == 2;
    let status = trial.until("the readers to be gone", all_gone).await?;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    assert_eq!(status.count("forced server close, SlowConsumer"), READERS as u64);
    speaker.reset();
    let seen = trial.end().await?;
    assert_eq!(seen.events, 200, "the witness got all of it");
    drop(readers);
    Ok(())
}
