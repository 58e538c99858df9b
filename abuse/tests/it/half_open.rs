//! Handshakes that are never finished.

use std::time::Duration;

use abuse::{End, Peer, Trial, connect_from, crowd, host};
use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::SERVER;

const MANY: usize = 10_000;

#[tokio::test]
async fn ten_thousand_halves_of_a_request_go_after_the_head_timeout() -> Result<()> {
    let mut trial = Trial::begin("10,000 half requests", SERVER, "--head-timeout 6000").await?.slack(2 << 20);
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
    println!("{MANY} connections without a request in {:.1?}; each holds {} bytes of heap", start.elapsed(), held / MANY);
    let end = |mut stream: tokio::net::TcpStream| async move {
        let mut said = Vec::new();
        // However it ends: with an answer or without.
        let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await?;
        Ok(())
    };
    let streams: Vec<_> = streams.into_iter().map(|stream| std::sync::Mutex::new(Some(stream))).collect();
    let take = |number: usize| streams[number].lock().ok().and_then(|mut stream| stream.take());
    crowd(MANY, MANY, |number| {
        let stream = take(number);
        async move {
            match stream {
                Some(stream) => end(stream).await,
                None => Ok(()),
            }
        }
    })
    .await?;
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn ten_thousand_connections_without_a_namespace_go_after_the_connect_timeout() -> Result<()> {
    let options = "--connect-timeout 12000 --ping-interval 60000";
    let mut trial = Trial::begin("10,000 without a namespace", SERVER, options).await?.slack(2 << 20);
    let address = trial.address();
    let open = move |number| async move { Peer::open_on(connect_from(address, host(number), None).await?, "").await };
    let mut peers = crowd(MANY, 500, open).await?;
    let status = trial.status()?;
    println!("{} sessions are open", status.connections);
    for peer in &mut peers {
        assert_eq!(peer.end().await?, End::Closed(None));
    }
    trial.end().await?;
    Ok(())
}
