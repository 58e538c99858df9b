//! Questions that nobody answers.

use abuse::{Peer, Trial, crowd};
use anyhow::Result;

use crate::SERVER;

const CLIENTS: usize = 20;

#[tokio::test]
async fn questions_that_are_never_answered_are_bounded_and_end_in_time() -> Result<()> {
    let mut trial = Trial::begin("acks never answered", SERVER, "").await?;
    let address = trial.address();
    let ask = move |_| async move {
        let mut peer = Peer::join(address).await?;
        let outcome = peer.ask(r#"["ask",5000,1000]"#).await?;
        peer.reset();
        Ok(outcome)
    };
    for outcome in crowd(CLIENTS, CLIENTS, ask).await? {
        assert_eq!(outcome, r#"[{"answered":0,"gone":0,"late":4096,"refused":904}]"#);
    }
    assert_eq!(trial.count("not answered in time")?, 4096 * CLIENTS as u64);
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn questions_to_clients_that_go_end_at_once() -> Result<()> {
    let mut trial = Trial::begin("acks of clients that go", SERVER, "").await?;
    let address = trial.address();
    let ask = move |_| async move {
        let mut peer = Peer::join(address).await?;
        peer.send(r#"42["ask",4096,600000]"#).await?;
        // The first question is there, so that all have been asked.
        while !peer.text().await?.contains("question") {}
        peer.reset();
        Ok(())
    };
    crowd(CLIENTS, CLIENTS, ask).await?;
    let all = 4096 * CLIENTS as u64;
    trial.until("all questions to end", |status| status.count("gone before the answer") == all).await?;
    trial.end().await?;
    Ok(())
}
