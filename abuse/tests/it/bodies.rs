//! Requests that do not end, or say too much.

use std::time::Duration;

use abuse::{Http, Peer, Polling, Trial, connect, crowd};
use anyhow::Result;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::SERVER;

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_ends_with_its_session() -> Result<()> {
    let trial = Trial::begin("bodies byte by byte", SERVER, "--ping-timeout 2000").await?;
    let address = trial.address();
    let drip = move |_| async move {
        let mut polling = Polling::join(address).await?;
        polling.http.begin("POST", &polling.target, "Content-Length: 100000\r\n", b"42[\"echo\",\"").await?;
        // Until the server has enough of it: a session that posts can't answer its pings.
        let mut written = 0;
        while polling.http.stream.write_all(b"x").await.is_ok() {
            written += 1;
            sleep(Duration::from_millis(50)).await;
        }
        Ok(written)
    };
    for written in crowd(300, 300, drip).await? {
        assert!((20..120).contains(&written), "it ended after {written} bytes");
    }
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn a_body_of_chunks_without_end_is_refused_at_the_limit() -> Result<()> {
    let mut trial = Trial::begin("bodies without end", SERVER, "--ping-timeout 2000").await?;
    let address = trial.address();
    let pour = move |_| async move {
        let mut polling = Polling::join(address).await?;
        polling.http.begin("POST", &polling.target, "Transfer-Encoding: chunked\r\n", b"").await?;
        let chunk = [&b"10000\r\n"[..], &vec![b'x'; 0x10000], b"\r\n"].concat();
        let mut written = 0_usize;
        // A megabyte is taken, some more is thrown away.
        while written < 64 << 20 && polling.http.stream.write_all(&chunk).await.is_ok() {
            written += chunk.len();
        }
        Ok(written)
    };
    for written in crowd(16, 16, pour).await? {
        assert!(written < 32 << 20, "{written} bytes were taken");
    }
    assert!(trial.growth()? < 64 << 20);
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn a_body_with_a_content_encoding_is_not_inflated() -> Result<()> {
    let trial = Trial::begin("bodies that say they are compressed", SERVER, "--ping-timeout 2000").await?;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b'4'; 8 << 20])?;
    let bomb = bomb.finish()?;
    for encoding in ["gzip", "deflate", "br", "gzip, gzip"] {
        let mut polling = Polling::join(trial.address()).await?;
        let header = format!("Content-Encoding: {encoding}\r\n");
        let answer = polling.http.request("POST", &polling.target, &header, &bomb).await?;
        // What came is no packet.
        assert_eq!(answer.status, 400, "{encoding}");
    }
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn heads_that_are_too_long_are_refused() -> Result<()> {
    let trial = Trial::begin("heads that are too long", SERVER, "").await?;
    let many = "X-Many: 1\r\n".repeat(2_000);
    let long = format!("X-Long: {}\r\n", "x".repeat(100_000));
    for headers in [many, long] {
        let mut http = Http::connect(trial.address()).await?;
        let answer = http.request("GET", "/socket.io/?EIO=4&transport=polling", &headers, b"").await?;
        assert_eq!(answer.status, 431);
    }
    let target = format!("/socket.io/?EIO=4&transport=polling&x={}", "x".repeat(80_000));
    let answer = Http::connect(trial.address()).await?.request("GET", &target, "", b"").await?;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    trial.end().await?;
    Ok(())
}

#[tokio::test]
async fn pipelined_requests_without_end_are_bounded() -> Result<()> {
    let mut trial = Trial::begin("pipelined requests", SERVER, "").await?;
    let address = trial.address();
    let flood = move |_| async move {
        let mut stream = connect(address).await?;
        let requests = b"GET /nowhere HTTP/1.1\r\nHost: abuse\r\n\r\n".repeat(1_000);
        // Nothing is read; once nobody reads here either, the server gives up.
        while stream.write_all(&requests).await.is_ok() {}
        Ok(())
    };
    crowd(8, 8, flood).await?;
    assert!(trial.growth()? < 8 << 20);
    let mut peer = Peer::join(address).await?;
    assert_eq!(peer.ask(r#"["echo",1]"#).await?, "[1]");
    peer.reset();
    trial.end().await?;
    Ok(())
}
