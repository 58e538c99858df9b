//! A client that says the same bytes in the same pieces each time, so that counts repeat.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Under a counting machine everything takes fifty times as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// No mask that a server could find nothing to do for.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x0f, 0x96];

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

/// Say that the length follows, in 2 bytes or in 8.
const MEDIUM: u8 = 126;
const LONG: u8 = 127;

/// A masked frame of a text.
pub(super) fn text(payload: &str) -> Vec<u8> {
    masked(TEXT, payload.as_bytes())
}

/// A masked frame of bytes.
pub(super) fn binary(payload: &[u8]) -> Vec<u8> {
    masked(BINARY, payload)
}

/// A text as the server frames it.
pub(super) fn text_answer(payload: &str) -> Vec<u8> {
    let mut frame = header(TEXT, payload.len(), 0);
    frame.extend_from_slice(payload.as_bytes());
    frame
}

/// Bytes as the server frames them.
pub(super) fn binary_answer(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(BINARY, payload.len(), 0);
    frame.extend_from_slice(payload);
    frame
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len(), 0x80);
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn header(first: u8, len: usize, mark: u8) -> Vec<u8> {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..MEDIUM), _) => vec![first, mark | len],
        (_, Ok(len)) => [&[first, mark | MEDIUM][..], &len.to_be_bytes()].concat(),
        _ => [&[first, mark | LONG][..], &(len as u64).to_be_bytes()].concat(),
    }
}

/// A connection to the server.
pub(super) struct Link {
    stream: TcpStream,
    address: SocketAddr,
}

impl Link {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, address })
    }

    /// A WebSocket of a new session, in the main namespace.
    pub(super) fn join(address: SocketAddr) -> io::Result<Self> {
        let mut link = Self::open(address)?;
        link.upgrade("")?;
        link.until(b"}")?;
        link.send(&text("40"))?;
        link.until(b"}")?;
        Ok(link)
    }

    /// Asks for a WebSocket; `session` is empty or `&sid=…`.
    pub(super) fn upgrade(&mut self, session: &str) -> io::Result<()> {
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket{session} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.address
        );
        self.send(request.as_bytes())?;
        let head = self.until(b"\r\n\r\n")?;
        if head.starts_with(b"HTTP/1.1 101") { Ok(()) } else { Err(unexpected("a 101", &head)) }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads just these bytes.
    pub(super) fn expect(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut found = vec![0; bytes.len()];
        self.stream.read_exact(&mut found)?;
        if found == bytes { Ok(()) } else { Err(unexpected(&String::from_utf8_lossy(bytes), &found)) }
    }

    /// Reads up to these bytes.
    pub(super) fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut found = Vec::with_capacity(512);
        let mut byte = [0];
        while !found.ends_with(end) {
            self.stream.read_exact(&mut byte)?;
            found.extend_from_slice(&byte);
        }
        Ok(found)
    }

    /// Closes a WebSocket, up to the server's end of it.
    pub(super) fn close(mut self) -> io::Result<()> {
        self.send(&masked(CLOSE, &1000_u16.to_be_bytes()))?;
        self.stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

/// A session that polls, over one kept connection.
pub(super) struct Polling {
    link: Link,
    sid: String,
}

impl Polling {
    /// A new session, in the main namespace.
    pub(super) fn join(address: SocketAddr) -> io::Result<Self> {
        let mut polling = Self { link: Link::open(address)?, sid: String::new() };
        let handshake = polling.get()?;
        let sid = handshake.split_once(r#""sid":""#).and_then(|(_, rest)| rest.split_once('"'));
        polling.sid = sid.map(|(sid, _)| sid.to_owned()).ok_or_else(|| unexpected("a sid", handshake.as_bytes()))?;
        polling.post("40")?;
        let joined = polling.get()?;
        if joined.starts_with("40{") { Ok(polling) } else { Err(unexpected("40{", joined.as_bytes())) }
    }

    pub(super) fn get(&mut self) -> io::Result<String> {
        self.poll()?;
        self.answer()
    }

    /// Asks, and leaves the answer for [`answer`](Self::answer).
    pub(super) fn poll(&mut self) -> io::Result<()> {
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.target(), self.link.address);
        self.link.send(request.as_bytes())
    }

    pub(super) fn post(&mut self, body: &str) -> io::Result<()> {
        let (target, host, length) = (self.target(), self.link.address, body.len());
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/plain;charset=UTF-8\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.link.send(request.as_bytes())?;
        let answer = self.answer()?;
        if answer == "ok" { Ok(()) } else { Err(unexpected("ok", answer.as_bytes())) }
    }

    /// The body of the next answer.
    pub(super) fn answer(&mut self) -> io::Result<String> {
        let head = self.link.until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length = length.filter(|_| head.starts_with("http/1.1 200"));
        let mut body = vec![0; length.ok_or_else(|| unexpected("200 with a length", head.as_bytes()))?];
        self.link.stream.read_exact(&mut body)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// A WebSocket takes the session over, with a poll pending as a browser has it.
    pub(super) fn upgraded(mut self) -> io::Result<Link> {
        self.poll()?;
        let mut link = Link::open(self.link.address)?;
        link.upgrade(&format!("&sid={}", self.sid))?;
        link.send(&text("2probe"))?;
        link.expect(&text_answer("3probe"))?;
        let noop = self.answer()?;
        if noop != "6" {
            return Err(unexpected("6", noop.as_bytes()));
        }
        link.send(&text("5"))?;
        Ok(link)
    }

    pub(super) fn into_link(self) -> Link {
        self.link
    }

    fn target(&self) -> String {
        let session = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        format!("/socket.io/?EIO=4&transport=polling{session}")
    }
}

fn unexpected(expected: &str, found: &[u8]) -> io::Error {
    io::Error::other(format!("expected {expected}, found {}", String::from_utf8_lossy(found)))
}
