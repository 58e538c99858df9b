//! A WebSocket client by hand.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use sockeye_websocket::{Decoder, Input, Limits, Message, Opcode, Role, masked_frame};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::DEADLINE;

/// A client that says what it is told to and no more, but for pongs while it waits for something else.
#[derive(Debug)]
pub struct Peer {
    /// Its connection, for what no decent client does with it.
    pub stream: TcpStream,
    decoder: Decoder,
    messages: VecDeque<Message<'static>>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a close frame, and its code if it had one.
    Closed(Option<u16>),
    /// Without a word.
    Lost,
}

/// A plain connection.
pub async fn connect(address: SocketAddr) -> Result<TcpStream> {
    Ok(timeout(DEADLINE, TcpStream::connect(address)).await.context("no connection in time")??)
}

/// A connection from 127.0.0.`host`, which takes at most `window` bytes unread if that is given.
pub async fn connect_from(address: SocketAddr, host: u8, window: Option<u32>) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into())?;
    if let Some(window) = window {
        socket.set_recv_buffer_size(window)?;
    }
    Ok(timeout(DEADLINE * 2, socket.connect(address)).await.context("no connection in time")??)
}

/// The request that opens a WebSocket; `headers` are whole lines.
pub fn upgrade_request(query: &str, headers: &str) -> String {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: abuse\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

impl Peer {
    /// An Engine.IO session.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::open_on(connect(address).await?, "").await
    }

    /// A session on this connection, asked for with further headers, which are whole lines.
    pub async fn open_on(stream: TcpStream, headers: &str) -> Result<Self> {
        let mut peer = Self::upgrade(stream, &upgrade_request("", headers)).await?;
        let open = peer.text().await?;
        ensure!(open.starts_with("0{"), "not an open packet: {open}");
        Ok(peer)
    }

    /// A WebSocket that was asked for with this request, and on which nothing has been said.
    pub async fn upgrade(mut stream: TcpStream, request: &str) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await?;
        let (head, rest) = head_of(&stream).await?;
        ensure!(head.starts_with("HTTP/1.1 101"), "refused: {head}");
        let decoder = Decoder::new(Role::Client, Limits::default().max_message(64 << 20));
        let mut peer = Self { stream, decoder, messages: VecDeque::new() };
        peer.decode(rest)?;
        Ok(peer)
    }

    /// A socket in the main namespace.
    pub async fn join(address: SocketAddr) -> Result<Self> {
        Self::join_on(connect(address).await?).await
    }

    /// A socket in the main namespace, on this connection.
    pub async fn join_on(stream: TcpStream) -> Result<Self> {
        let mut peer = Self::open_on(stream, "").await?;
        peer.enter("").await?;
        Ok(peer)
    }

    /// Joins a namespace with what stands behind the type in the CONNECT packet; returns the server's answer.
    pub async fn enter(&mut self, what: &str) -> Result<String> {
        self.send(&format!("40{what}")).await?;
        loop {
            let answer = self.text().await?;
            ensure!(!answer.starts_with("44"), "not let in: {answer}");
            if answer.starts_with("40") {
                return Ok(answer);
            }
        }
    }

    /// Sends a packet.
    pub async fn send(&mut self, packet: &str) -> Result<()> {
        self.write(&masked_frame(Opcode::Text, packet.as_bytes(), [0; 4])).await
    }

    /// Sends bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        timeout(DEADLINE, self.stream.write_all(bytes)).await.context("nobody reads")??;
        Ok(())
    }

    /// Sends an event and waits for its answer, passing over everything else.
    pub async fn ask(&mut self, event: &str) -> Result<String> {
        self.send(&format!("4297{event}")).await?;
        let answer = async {
            loop {
                if let Some(answer) = self.text().await?.strip_prefix("4397") {
                    return Ok(answer.to_owned());
                }
            }
        };
        timeout(DEADLINE, answer).await.with_context(|| format!("no answer to {event} in time"))?
    }

    /// The next packet of text that is no ping, which is answered.
    pub async fn text(&mut self) -> Result<String> {
        loop {
            match self.next().await? {
                Some(Message::Text(text)) if text == "2" => self.send("3").await?,
                Some(Message::Text(text)) => return Ok(text.into_owned()),
                other => bail!("expected text, found {other:?}"),
            }
        }
    }

    /// The next message; `None` at the end of the connection, whatever kind of end.
    pub async fn next(&mut self) -> Result<Option<Message<'static>>> {
        let next = async {
            while self.messages.is_empty() {
                match read(&self.stream).await {
                    Ok(bytes) if !bytes.is_empty() => self.decode(bytes)?,
                    _ => return Ok(None),
                }
            }
            Ok(self.messages.pop_front())
        };
        timeout(DEADLINE, next).await.context("no message in time")?
    }

    fn decode(&mut self, mut bytes: Vec<u8>) -> Result<()> {
        let mut input = Input::new(&mut bytes);
        while let Some(message) = self.decoder.decode(&mut input)? {
            self.messages.push_back(message.into_owned());
        }
        Ok(())
    }

    /// Waits for the end, giving no answer to anything.
    pub async fn end(&mut self) -> Result<End> {
        loop {
            match self.next().await? {
                Some(Message::Close(frame)) => return Ok(End::Closed(frame.map(|frame| frame.code))),
                Some(_) => {}
                None => return Ok(End::Lost),
            }
        }
    }

    /// Breaks the connection: what is on its way is lost.
    pub fn reset(self) {
        // If it can't be told, the connection is gone anyway.
        let _ = self.stream.set_zero_linger();
    }
}

/// What the next read brings; nothing at the end.
pub(crate) async fn read(stream: &TcpStream) -> io::Result<Vec<u8>> {
    loop {
        stream.readable().await?;
        // Made when there is something to read, or thousands that wait would each hold one.
        let mut bytes = vec![0; 16 << 10];
        match stream.try_read(&mut bytes) {
            Ok(count) => {
                bytes.truncate(count);
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The head of an answer, and what came behind it.
pub(crate) async fn head_of(stream: &TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes)?, rest));
        }
        let more = timeout(DEADLINE * 2, read(stream)).await.context("no answer in time")??;
        ensure!(!more.is_empty(), "no answer: {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend(more);
    }
}
