//! Handlers that panic.

use abuse::{End, Peer, Trial, crowd};
use anyhow::Result;

use crate::SERVER;

#[tokio::test]
async fn a_panicking_handler_ends_its_own_socket_and_nothing_else() -> Result<()> {
    let mut trial = Trial::begin("panicking handlers", SERVER, "").await?;
    let address = trial.address();
    let neighbours = crowd(20, 20, |_| Peer::join(address)).await?;
    let panic = move |number: usize| async move {
        let mut peer = Peer::join(address).await?;
        peer.enter("/other,").await?;
        let event = if number.is_multiple_of(2) { r#"42["panic"]"# } else { r#"42["panic later"]"# };
        peer.send(event).await?;
        peer.end().await
    };
    for end in crowd(400, 20, panic).await? {
        assert!(matches!(end, End::Closed(_)), "{end:?}");
    }
    assert_eq!(trial.count("panicking")?, 400);
    // Both of its sockets.
    assert_eq!(trial.count("forced server close, Panic")?, 800);
    for mut neighbour in neighbours {
        assert_eq!(neighbour.ask(r#"["echo",1]"#).await?, "[1]");
        neighbour.reset();
    }
    trial.end().await?;
    Ok(())
}
