use std::collections::VecDeque;
use std::net::SocketAddr;

use sockeye_websocket::{Decoder, Input, Limits, Message, Opcode, Role, masked_close_frame, masked_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// A client over WebSocket that speaks raw packets, such as `42["event",1]`. It answers pings by itself.
pub struct Client {
    stream: TcpStream,
    decoder: Decoder,
    inbox: VecDeque<Incoming>,
    pongs: usize,
    pub session: String,
    protocol: u8,
    /// Whether it answers the heartbeat.
    pub answers_pings: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    Text(String),
    Binary(Vec<u8>),
    Closed,
}

impl Client {
    /// Opens a session; no namespace is joined.
    pub async fn open(address: SocketAddr, protocol: u8) -> Self {
        Self::open_at(address, &format!("/socket.io/?EIO={protocol}&transport=websocket"), protocol).await
    }

    /// Opens a session with this target of the request.
    pub async fn open_at(address: SocketAddr, target: &str, protocol: u8) -> Self {
        let mut stream = within("a TCP connection", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Test: yes\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("the answer to the upgrade", stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut client = Self {
            stream,
            decoder: Decoder::new(Role::Client, Limits::default()),
            inbox: VecDeque::new(),
            pongs: 0,
            session: String::new(),
            protocol,
            answers_pings: true,
        };
        let open = client.text().await;
        let (_, from_sid) = open.split_once(r#""sid":""#).expect("an open packet");
        from_sid.split('"').next().unwrap().clone_into(&mut client.session);
        client
    }

    /// Joins a namespace and returns the id of the socket.
    pub async fn join(&mut self, namespace: &str) -> String {
        self.join_with(namespace, "").await
    }

    /// Joins a namespace with this `auth`.
    pub async fn join_with(&mut self, namespace: &str, auth: &str) -> String {
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        self.send(&format!("40{prefix}{auth}")).await;
        let answer = self.text().await;
        let id = answer.strip_prefix(&format!(r#"40{prefix}{{"sid":""#)).and_then(|rest| rest.strip_suffix("\"}"));
        id.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Sends a text message.
    pub async fn send(&mut self, text: &str) {
        self.write(&masked_frame(Opcode::Text, text.as_bytes(), [1, 2, 3, 4])).await;
    }

    /// Sends several text messages in one write.
    pub async fn send_all(&mut self, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        let frames =
            texts.into_iter().flat_map(|text| masked_frame(Opcode::Text, text.as_ref().as_bytes(), [5, 6, 7, 8]));
        let frames: Vec<u8> = frames.collect();
        self.write(&frames).await;
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, bytes: &[u8]) {
        let mut message = if self.protocol == 3 { vec![4] } else { Vec::new() };
        message.extend_from_slice(bytes);
        self.write(&masked_frame(Opcode::Binary, &message, [1, 2, 3, 4])).await;
    }

    /// Writes bytes, if the server still reads.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = within("a write", self.stream.write_all(bytes)).await;
    }

    /// As [`write`](Self::write); says how much went out before the server stopped reading for a while.
    pub fn try_write(&self, bytes: &[u8]) -> usize {
        self.stream.try_write(bytes).unwrap_or(0)
    }

    /// Says goodbye on the level of WebSocket.
    pub async fn close(mut self) {
        self.write(&masked_close_frame(1000, "", [1, 2, 3, 4])).await;
        self.rest().await;
    }

    /// Breaks the connection off, with a reset.
    pub fn abort(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// What comes next.
    pub async fn next(&mut self) -> Incoming {
        // Pings are no progress.
        let something = async {
            while self.inbox.is_empty() {
                self.read().await;
            }
        };
        within("a message", something).await;
        match self.inbox.pop_front() {
            Some(incoming) if incoming != Incoming::Closed => incoming,
            _ => {
                self.inbox.push_front(Incoming::Closed);
                Incoming::Closed
            }
        }
    }

    /// The next message, which must be text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Incoming::Text(text) => text,
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// The next message, which must be bytes; those of old clients without the packet type.
    pub async fn next_binary(&mut self) -> Vec<u8> {
        match self.next().await {
            Incoming::Binary(bytes) if self.protocol == 3 => bytes[1..].to_vec(),
            Incoming::Binary(bytes) => bytes,
            other => panic!("expected bytes, got {other:?}"),
        }
    }

    /// The next message must be this text.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move { assert_eq!(self.next().await, Incoming::Text(text.to_owned()), "at {caller}") }
    }

    /// The next message must be these bytes.
    #[track_caller]
    pub fn expect_binary(&mut self, bytes: &[u8]) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let header = if self.protocol == 3 { &[4][..] } else { &[] };
            let expected = Incoming::Binary([header, bytes].concat());
            assert_eq!(self.next().await, expected, "at {caller}");
        }
    }

    /// The next text, which must be an event with an ack id: what it is but for the id, and the id.
    pub async fn asked(&mut self) -> (String, String) {
        let text = self.text().await;
        let from = text.find('[').unwrap_or_else(|| panic!("{text}"));
        let digits = text[..from].chars().rev().take_while(char::is_ascii_digit).count();
        let start = (from - digits).max(if text[..from].contains(',') { 0 } else { 2 });
        (format!("{}{}", &text[..start], &text[from..]), text[start..from].to_owned())
    }

    /// Everything until the connection ends.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.next().await {
                Incoming::Text(text) => rest.push(text),
                Incoming::Binary(bytes) => rest.push(format!("{bytes:?}")),
                Incoming::Closed => return rest,
            }
        }
    }

    /// The connection must end, with nothing before.
    #[track_caller]
    pub fn expect_closed(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move { assert_eq!(self.rest().await, Vec::<String>::new(), "at {caller}") }
    }

    /// Waits until the server has handled all that was sent, and all that this caused has come.
    ///
    /// Twice, for the first pong may overtake what waits.
    pub async fn settle(&mut self) {
        for _ in 0..2 {
            let awaited = self.pongs + 1;
            self.write(&masked_frame(Opcode::Ping, b"settle", [1, 2, 3, 4])).await;
            let answered = async {
                while self.pongs < awaited {
                    assert_ne!(self.inbox.back(), Some(&Incoming::Closed), "closed: {:?}", self.inbox);
                    self.read().await;
                }
            };
            within("a pong", answered).await;
        }
    }

    /// Nothing may have come once all that was sent is handled.
    #[track_caller]
    pub fn expect_nothing(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            self.settle().await;
            assert_eq!(self.inbox, [], "at {caller}");
        }
    }

    /// Reads once and sorts what came.
    async fn read(&mut self) {
        let mut buffer = vec![0; 64 * 1024];
        let count = self.stream.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            self.inbox.push_back(Incoming::Closed);
            return;
        }
        let mut input = Input::new(&mut buffer[..count]);
        let mut answers = Vec::new();
        while let Some(message) = self.decoder.decode(&mut input).expect("well-formed frames") {
            match message {
                Message::Text(text) if text == "2" && self.protocol == 4 => {
                    if self.answers_pings {
                        answers.extend_from_slice(&masked_frame(Opcode::Text, b"3", [1, 2, 3, 4]));
                    }
                }
                Message::Text(text) => self.inbox.push_back(Incoming::Text(text.into_owned())),
                Message::Binary(bytes) => self.inbox.push_back(Incoming::Binary(bytes.into_owned())),
                Message::Pong(_) => self.pongs += 1,
                Message::Ping(_) => {}
                Message::Close(_) => {
                    answers.extend_from_slice(&masked_close_frame(1000, "", [1, 2, 3, 4]));
                    self.inbox.push_back(Incoming::Closed);
                }
            }
        }
        if !answers.is_empty() {
            self.write(&answers).await;
        }
    }
}
