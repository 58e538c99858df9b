//! A scripted WebSocket client.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use sockeye_engine::SessionId;
use sockeye_websocket::{Decoder, Input, Limits, Message, Opcode, Role, masked_close_frame, masked_frame};

use super::{DEADLINE, Request, Server, now};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) struct WebSocket {
    pub(crate) stream: TcpStream,
    decoder: Decoder,
    messages: VecDeque<Message<'static>>,
    pub(crate) sid: Option<SessionId>,
}

impl WebSocket {
    /// A session of protocol 4 whose open packet has been read.
    pub(crate) fn open(server: &Server) -> Self {
        Self::open_with(server, "EIO=4")
    }

    pub(crate) fn open_with(server: &Server, query: &str) -> Self {
        let mut socket = Self::connect(server.address, &format!("/engine.io/?transport=websocket&{query}"));
        let open = socket.text();
        let (_, after) = open.split_once(r#""sid":""#).unwrap();
        socket.sid = after[..20].parse().ok();
        socket
    }

    /// A WebSocket on which nothing has been read.
    pub(crate) fn connect(address: SocketAddr, target: &str) -> Self {
        let mut pending = Request::websocket(target).send(address);
        let answer = pending.read_answer();
        assert_eq!(answer.status, 101, "{}", answer.text());
        Self::over(pending.0)
    }

    /// A stream whose handshake is done.
    pub(crate) fn over(stream: TcpStream) -> Self {
        let decoder = Decoder::new(Role::Client, Limits::default().max_message(64 << 20));
        Self { stream, decoder, messages: VecDeque::new(), sid: None }
    }

    pub(crate) fn sid(&self) -> SessionId {
        self.sid.unwrap()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        self.write(&masked_frame(opcode, payload, KEY));
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, packet: &str) {
        self.frame(Opcode::Text, packet.as_bytes());
    }

    pub(crate) fn send_close(&mut self, code: u16) {
        self.write(&masked_close_frame(code, "", KEY));
    }

    /// The next message; `None` at the end of the stream.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Message<'static>> {
        let start = now();
        let mut buffer = vec![0; 64 * 1024];
        while self.messages.is_empty() {
            assert!(now() - start < DEADLINE, "no whole message within {DEADLINE:?}");
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.decode(&mut buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("expected a message: {error}"),
            }
        }
        self.messages.pop_front()
    }

    fn decode(&mut self, bytes: &mut [u8]) {
        let mut input = Input::new(bytes);
        while let Some(message) = self.decoder.decode(&mut input).expect("valid frames from the server") {
            self.messages.push_back(message.into_owned());
        }
    }

    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        match self.next() {
            Some(Message::Text(text)) => text.into_owned(),
            other => panic!("expected a text message, found {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, packet: &str) {
        assert_eq!(self.text(), packet);
    }

    #[track_caller]
    pub(crate) fn expect_binary(&mut self, payload: &[u8]) {
        match self.next() {
            Some(Message::Binary(bytes)) => assert_eq!(bytes, payload),
            other => panic!("expected a binary message, found {other:?}"),
        }
    }

    /// Expects a close frame with this code, then the end of the stream.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: Option<u16>) {
        match self.next() {
            Some(Message::Close(close)) => assert_eq!(close.map(|close| close.code), code),
            other => panic!("expected a close frame, found {other:?}"),
        }
        self.expect_end();
    }

    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.next(), None);
    }

    #[track_caller]
    pub(crate) fn echo(&mut self, text: &str) {
        self.send(&format!("4{text}"));
        self.expect(&format!("4{text}"));
    }
}
