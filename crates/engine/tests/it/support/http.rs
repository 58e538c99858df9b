//! HTTP/1.1 by hand: one connection per request, so that a test sees every byte.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A request that is still being written down.
pub(crate) struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { head: format!("{method} {target} HTTP/1.1\r\nHost: server\r\n"), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A body with its length.
    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut request = Self::new("POST", target).header("Content-Length", &body.len().to_string());
        request.body = body;
        request
    }

    /// A WebSocket handshake.
    pub(crate) fn websocket(target: &str) -> Self {
        Self::get(target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        write!(self.head, "{name}: {value}\r\n").unwrap();
        self
    }

    pub(crate) fn send(self, address: SocketAddr) -> Pending {
        let mut bytes = self.head.into_bytes();
        bytes.extend(b"\r\n");
        bytes.extend(self.body);
        Pending::raw(address, &bytes)
    }

    pub(crate) fn answer(self, address: SocketAddr) -> Answer {
        self.send(address).answer()
    }
}

/// A connection on which something has been sent.
pub(crate) struct Pending(pub(crate) TcpStream);

impl Pending {
    pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> Self {
        let mut pending = Self(connect(address));
        pending.write(bytes);
        pending
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn answer(mut self) -> Answer {
        self.read_answer()
    }

    /// Reads one answer; the connection stays open.
    pub(crate) fn read_answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.0.read(&mut byte).expect("an answer within the deadline") {
                0 => panic!("end of stream in the head of an answer: {:?}", String::from_utf8_lossy(&head)),
                _ => head.push(byte[0]),
            }
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// Whether the server ends the connection.
    pub(crate) fn is_ended(&mut self) -> bool {
        // A reset is an end too.
        !matches!(self.0.read(&mut [0]), Ok(1..))
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn check(&self, status: u16, body: &str) {
        assert_eq!((self.status, &*self.text()), (status, body));
    }
}
