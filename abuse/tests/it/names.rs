//! Namespaces and rooms without end.

use abuse::{Peer, Trial, crowd};
use anyhow::{Result, ensure};

use crate::SERVER;

#[tokio::test]
async fn namespaces_and_rooms_of_one_client_are_bounded() -> Result<()> {
    let trial = Trial::begin("namespaces and rooms of one client", SERVER, "").await?;
    let mut peer = Peer::join(trial.address()).await?;
    for number in 1..2_000 {
        peer.send(&format!("40/made-{number},")).await?;
        let answer = peer.text().await?;
        if number < 64 {
            ensure!(answer.starts_with("40/made-"), "the namespace {number}: {answer}");
        } else {
            ensure!(answer.starts_with("44/made-"), "the namespace {number}: {answer}");
        }
    }
    for part in 0..100 {
        let rooms: Vec<_> = (0..100).map(|number| format!("\"room {}\"", part * 100 + number)).collect();
        let answer = peer.ask(&format!(r#"["join",[{}]]"#, rooms.join(","))).await?;
        // Its own room counts.
        assert_eq!(answer == r#"["joined"]"#, part < 10, "{part}: {answer}");
    }
    peer.reset();
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn namespaces_and_rooms_that_are_left_leave_nothing() -> Result<()> {
    let mut trial = Trial::begin("made-up names", SERVER, "").await?;
    let address = trial.address();
    let make_up = move |client: usize| async move {
        let mut peer = Peer::join(address).await?;
        for round in 0..20 {
            for number in 0..50 {
                let name = format!("/made-{client}-{round}-{number}-{}", "x".repeat(400));
                for packet in ["40", "42", "41"] {
                    let event = if packet == "42" { format!(r#"["join",["{name}"]]"#) } else { String::new() };
                    peer.send(&format!("{packet}{name},{event}")).await?;
                }
                peer.send(&format!(r#"42["join",["{name}"]]"#)).await?;
                peer.send(&format!(r#"42["leave","{name}"]"#)).await?;
            }
            peer.ask(r#"["echo",1]"#).await?;
        }
        peer.reset();
        Ok(())
    };
    crowd(20, 20, make_up).await?;
    assert!(trial.growth()? < 4 << 20);
    trial.end().await?;
    Ok(())
}
