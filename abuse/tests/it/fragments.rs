//! Messages that do not end.

use std::net::SocketAddr;

use abuse::{End, Peer, Status, Trial, crowd};
use anyhow::Result;
use sockeye_websocket::{Opcode, masked_frame};

use crate::SERVER;

const ATTACKERS: usize = 20;

/// A frame that does not end its message.
fn fragment(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = masked_frame(opcode, payload, [0; 4]).to_vec();
    frame[0] &= 0x7f;
    frame
}

/// Begins a message with `first` and goes on with `rest`, more often than is allowed.
async fn never_end(address: SocketAddr, first: Vec<u8>, rest: Vec<u8>, often: usize) -> Result<End> {
    let mut peer = Peer::join(address).await?;
    peer.write(&first).await?;
    for _ in 0..often {
        if peer.write(&rest).await.is_err() {
            break;
        }
    }
    peer.end().await
}

#[tokio::test]
async fn fragments_without_end_end_at_the_limit() -> Result<()> {
    let mut trial = Trial::begin("fragments without end", SERVER, "").await?;
    let address = trial.address();
    let (first, rest) = (fragment(Opcode::Text, b"42"), fragment(Opcode::Continuation, &vec![b'x'; 50_000]));
    for end in crowd(ATTACKERS, ATTACKERS, |_| never_end(address, first.clone(), rest.clone(), 100)).await? {
        assert!(matches!(end, End::Closed(Some(1009)) | End::Lost), "{end:?}");
    }
    assert_eq!(trial.count("transport error, TooLarge")?, ATTACKERS as u64);
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn tiny_and_empty_fragments_end_at_the_limit() -> Result<()> {
    let mut trial = Trial::begin("tiny and empty fragments", SERVER, "").await?;
    let address = trial.address();
    let ping = masked_frame(Opcode::Ping, b"", [0; 4]).to_vec();
    for (round, payload) in [&b"x"[..], b""].into_iter().enumerate() {
        let tiny = fragment(Opcode::Continuation, payload);
        // A ping between two of them makes no new message.
        let rest = [tiny.repeat(100), ping.clone()].concat();
        let first = fragment(Opcode::Text, payload);
        for end in crowd(ATTACKERS, ATTACKERS, |_| never_end(address, first.clone(), rest.clone(), 200)).await? {
            assert!(matches!(end, End::Closed(Some(1008)) | End::Lost), "{end:?}");
        }
        assert_eq!(trial.count("bounds_reached/max_fragments")?, ((round + 1) * ATTACKERS) as u64);
    }
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn unfinished_messages_hold_what_has_come_and_go_with_the_heartbeat() -> Result<()> {
    const HALF: usize = 900_000;
    let mut trial = Trial::begin("unfinished messages", SERVER, "--ping-timeout 2000").await?;
    let address = trial.address();
    let begin = move |number: usize| async move {
        let mut peer = Peer::join(address).await?;
        let announced = masked_frame(Opcode::Binary, &vec![0; 1_000_000], [0; 4]);
        // Every second one announces a megabyte and sends a hundred bytes.
        peer.write(&announced[..if number.is_multiple_of(2) { HALF } else { 100 }]).await?;
        Ok(peer)
    };
    let peers = crowd(100, 100, begin).await?;
    let held = trial.growth()?;
    assert!(held < 50 * 2 * HALF, "{held} bytes for 50 times {HALF}");
    let gone = |status: &Status| status.count("ping timeout, Silence") == 100;
    trial.until("their end", gone).await?;
    trial.end().await?;
    drop(peers);
    Ok(())
}
