//! Handshakes that are never finished.

use std::time::Duration;

use abuse::{End, Peer, Trial, connect_from, crowd, host};
use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::SERVER;

const MANY: usize = 10_000;

/// However it ends: with an answer or without.
async fn until_the_end(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn ten_thousand_halves_of_a_request_go_after_the_head_timeout() -> Result<()> {
    let mut trial = Trial::begin("10,000 half requests", SERVER, "--head-timeout 8000").await?.slack(2 << 20);
    let address = trial.address();
    let begin = move |number: usize| async move {
        let mut stream = connect_from(address, host(number), None).await?;
        // Some say nothing at all.
        let said = &b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: abu"[..number % 60];
        stream.write_all(said).await?;
        Ok(stream)
    };
    let start = Instant::now();
    let streams = crowd(MANY, 500, begin).await?;
    let held = trial.growth()?;
    println!(
        "{MANY} connections without a request in {:.1?}; each holds {} bytes of heap",
        start.elapsed(),
        held / MANY
    );
    let sockets = trial.server.sockets()?;
    ensure!(sockets > MANY / 2, "the server has accepted only {sockets}");
    let mut ended = 0;
    for stream in streams {
        // The kernel may have forgotten one that said nothing before it was accepted: that is no matter of the server's.
        ended += usize::from(timeout(Duration::from_secs(10), until_the_end(stream)).await.is_ok());
    }
    ensure!(ended > MANY * 99 / 100, "only {ended} were ended");
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn ten_thousand_connections_without_a_namespace_go_after_the_connect_timeout() -> Result<()> {
    let options = "--connect-timeout 12000 --ping-interval 14000";
    let mut trial = Trial::begin("10,000 without a namespace", SERVER, options).await?.slack(2 << 20);
    let address = trial.address();
    let open = move |number| async move { Peer::open_on(connect_from(address, host(number), None).await?, "").await };
    let mut peers = crowd(MANY, 500, open).await?;
    let status = trial.status()?;
    println!("{} sessions are open", status.connections());
    for peer in &mut peers {
        assert_eq!(peer.end().await?, End::Closed(None));
    }
    trial.end().await?;
    Ok(())
}
