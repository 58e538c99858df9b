//! Little that inflates to much.

use std::net::SocketAddr;
use std::time::Duration;

use abuse::{End, Peer, Trial, connect, crowd};
use anyhow::Result;
use flate2::{Compress, Compression, FlushCompress};
use sockeye_websocket::{Opcode, masked_frame};

use crate::SERVER;

const OFFER: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n";

/// A compressed message of one frame.
fn frame(message: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::with_capacity(message.len() / 500 + 1024);
    Compress::new(Compression::best(), false).compress_vec(message, &mut compressed, FlushCompress::Sync)?;
    // The empty block at the end is left out (RFC 7692, section 7.2.1).
    compressed.truncate(compressed.len() - 4);
    let mut frame = masked_frame(Opcode::Text, &compressed, [0; 4]).to_vec();
    frame[0] |= 0x40;
    Ok(frame)
}

#[tokio::test]
async fn a_bomb_ends_its_own_connection_at_the_limit() -> Result<()> {
    let mut trial = Trial::begin("bombs beyond the limit", SERVER, "--deflate").await?.slack(2 << 20);
    let address = trial.address();
    let bomb = frame(&vec![b'x'; 32 << 20])?;
    assert!(bomb.len() < 100_000);
    for _ in 0..5 {
        for end in crowd(20, 20, |_| throw(address, bomb.clone())).await? {
            assert_eq!(end, End::Closed(Some(1009)));
        }
    }
    assert!(trial.growth()? < 16 << 20, "it holds {} bytes", trial.growth()?);
    trial.end().await?;
    Ok(())
}

/// Joins, sends it, and tells how the connection ends.
async fn throw(address: SocketAddr, bomb: Vec<u8>) -> Result<End> {
    let mut peer = Peer::open_on(connect(address).await?, OFFER).await?;
    peer.enter("").await?;
    peer.write(&bomb).await?;
    peer.end().await
}

#[tokio::test]
async fn bombs_within_the_limit_keep_no_memory_and_delay_nobody_for_long() -> Result<()> {
    let trial = Trial::begin("bombs within the limit", SERVER, "--deflate").await?;
    // What inflates takes its time, above all in a build for debugging.
    let mut trial = trial.slack(2 << 20).patience(Duration::from_secs(6));
    let address = trial.address();
    let text = format!(r#"42["nobody listens","{}"]"#, "x".repeat(900_000));
    let bombs = frame(text.as_bytes())?.repeat(5);
    let throw = move |bombs: Vec<u8>| async move {
        let mut peer = Peer::open_on(connect(address).await?, OFFER).await?;
        peer.enter("").await?;
        for _ in 0..5 {
            peer.write(&bombs).await?;
            peer.ask(r#"["echo",1]"#).await?;
        }
        peer.reset();
        Ok(())
    };
    crowd(4, 4, |_| throw(bombs.clone())).await?;
    assert!(trial.growth()? < 16 << 20);
    trial.end().await?;
    Ok(())
}
