//! Clients that do not take what is sent to them.

use std::time::Duration;

use abuse::{DEADLINE, Http, Peer, Polling, Trial, connect_from};
use anyhow::Result;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

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
    let all_gone = |status: &abuse::Status| status.connections() == 2;
    let status = trial.until("the readers to be gone", all_gone).await?;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    assert_eq!(status.count("forced server close, SlowConsumer"), READERS as u64);
    speaker.reset();
    let seen = trial.end().await?;
    assert_eq!(seen.events, 200, "the witness got all of it");
    for mut reader in readers {
        // Neither the server nor the kernel kept the rest for it.
        let mut came = Vec::new();
        let _ = timeout(DEADLINE, reader.stream.read_to_end(&mut came)).await?;
        assert!(came.len() < 100_000, "{} bytes were kept", came.len());
    }
    Ok(())
}

#[tokio::test]
async fn polls_whose_answers_are_not_read_are_given_up_after_the_patience() -> Result<()> {
    let mut trial =
        Trial::begin("answers that are not read", SERVER, "--outbox-limit 67108864 --ping-timeout 2000").await?;
    let mut speaker = Peer::join(trial.address()).await?;
    let mut pollers = Vec::new();
    for _ in 0..20 {
        let stream = connect_from(trial.address(), 2, Some(2048)).await?;
        let mut polling = Polling::open_on(Http { stream }).await?;
        polling.post("40").await?;
        polling.poll().await?;
        pollers.push(polling);
    }
    assert_eq!(speaker.ask(r#"["blast",200,50000]"#).await?, r#"["sent"]"#);
    for polling in &mut pollers {
        polling.http.begin("GET", &polling.target, "", b"").await?;
    }
    speaker.reset();
    // Their sessions end by silence: what was answered is on its way. What counts is that nothing is held for them.
    trial.until("the pollers to be gone", |status| status.connections() == 1).await?;
    trial.end().await?;
    drop(pollers);
    Ok(())
}
