//! A polling client by hand.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::peer::{connect, head_of, read};

/// A connection that requests are written to.
#[derive(Debug)]
pub struct Http {
    /// Its connection, for what no decent client does with it.
    pub stream: TcpStream,
}

/// An answer with its body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Http {
    /// A connection on which nothing has been said.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self { stream: connect(address).await? })
    }

    /// Sends a request with further headers, which are whole lines, and waits for its answer.
    pub async fn request(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Result<Answer> {
        self.begin(method, target, headers, body).await?;
        self.answer().await
    }

    /// Sends a request.
    pub async fn begin(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Result<()> {
        let length =
            if method == "POST" && !headers.contains("Transfer-Encoding") && !headers.contains("Content-Length") {
                format!("Content-Length: {}\r\n", body.len())
            } else {
                String::new()
            };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: abuse\r\n{length}{headers}\r\n");
        self.stream.write_all(&[head.as_bytes(), body].concat()).await?;
        Ok(())
    }

    /// The answer to the request before.
    pub async fn answer(&mut self) -> Result<Answer> {
        let (head, mut body) = head_of(&self.stream).await?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(Ok(0), str::parse)?;
        while body.len() < length {
            let more = timeout(DEADLINE, read(&self.stream)).await.context("no body in time")??;
            ensure!(!more.is_empty(), "the body ends after {} bytes of {length}", body.len());
            body.extend(more);
        }
        Ok(Answer { status, body: String::from_utf8(body)? })
    }
}

/// A session on polling, with one connection for its requests.
#[derive(Debug)]
pub struct Polling {
    /// Where its requests go.
    pub http: Http,
    /// The target of its requests.
    pub target: String,
}

impl Polling {
    /// An Engine.IO session.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::open_on(Http::connect(address).await?).await
    }

    /// A session on this connection.
    pub async fn open_on(mut http: Http) -> Result<Self> {
        let answer = http.request("GET", "/socket.io/?EIO=4&transport=polling", "", b"").await?;
        ensure!(answer.status == 200, "refused: {answer:?}");
        let (_, after) = answer.body.split_once(r#""sid":""#).context("no sid")?;
        let sid = after.split('"').next().context("no sid")?;
        Ok(Self { http, target: format!("/socket.io/?EIO=4&transport=polling&sid={sid}") })
    }

    /// A socket in the main namespace, told of with its first poll.
    pub async fn join(address: SocketAddr) -> Result<Self> {
        let mut polling = Self::open(address).await?;
        polling.post("40").await?;
        polling.until("40{").await?;
        Ok(polling)
    }

    /// Sends packets.
    pub async fn post(&mut self, packets: &str) -> Result<()> {
        let answer = self.http.request("POST", &self.target, "", packets.as_bytes()).await?;
        ensure!(answer.status == 200, "a POST was answered with {answer:?}");
        Ok(())
    }

    /// Waits for packets.
    pub async fn poll(&mut self) -> Result<String> {
        let answer = self.http.request("GET", &self.target, "", b"").await?;
        ensure!(answer.status == 200, "a poll was answered with {answer:?}");
        Ok(answer.body)
    }

    /// Polls until a packet comes that begins with this, and answers pings meanwhile.
    pub async fn until(&mut self, beginning: &str) -> Result<()> {
        loop {
            let packets = self.poll().await?;
            if packets.split('\u{1e}').any(|packet| packet == "2") {
                self.post("3").await?;
            }
            if packets.split('\u{1e}').any(|packet| packet.starts_with(beginning)) {
                return Ok(());
            }
        }
    }

    /// The session's id.
    pub fn sid(&self) -> &str {
        self.target.rsplit_once('=').map_or("", |(_, sid)| sid)
    }
}
