//! permessage-deflate: what is agreed on, what is compressed, and what a peer can't do with it.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use http::header::SEC_WEBSOCKET_EXTENSIONS;
use sockeye_engine::{
    CloseCause, CloseReason, Closed, Compression, Connection, EngineConfig, Frames, Guarantee, PerMessageDeflate,
    SendOptions, Transport,
};
use sockeye_websocket::deflate::{self, Deflate};
use sockeye_websocket::{Decoder, Input, Limits, Message, Opcode, Role, masked_frame};

use crate::support::{Answer, Polling, Request, Server, eventually};

const KEY: [u8; 4] = [1, 2, 3, 4];
const OFFER: &str = "permessage-deflate; client_max_window_bits";
const OPEN: &str = "/engine.io/?transport=websocket&EIO=4";

fn config() -> EngineConfig {
    EngineConfig::default().per_message_deflate(PerMessageDeflate::default())
}

/// Text that compresses well.
fn long(length: usize) -> String {
    "the same again, ".repeat(length / 16 + 1)[..length].to_owned()
}

/// A client's compressed frame, however short.
fn compressed(opcode: Opcode, payload: &[u8]) -> Bytes {
    let request = [(SEC_WEBSOCKET_EXTENSIONS, deflate::offer())].into_iter().collect();
    let always = deflate::negotiate(&request, deflate::Config::default().threshold(0)).unwrap();
    always.masked_frame(opcode, payload, KEY)
}

/// A client that sees whether a frame came compressed.
struct Peer {
    stream: TcpStream,
    answer: Answer,
    deflate: Option<Deflate>,
}

impl Peer {
    fn connect(server: &Server, target: &str, offer: &str) -> Self {
        let mut pending = Request::websocket(target).header("Sec-WebSocket-Extensions", offer).send(server.address);
        let answer = pending.read_answer();
        assert_eq!(answer.status, 101);
        let agreed = answer.header("sec-websocket-extensions").map(|value| value.parse().unwrap());
        let agreed = agreed.map(|value| [(SEC_WEBSOCKET_EXTENSIONS, value)].into_iter().collect());
        let deflate = agreed.and_then(|answer| deflate::accept(&answer, deflate::Config::default()).unwrap());
        Self { stream: pending.0, answer, deflate }
    }

    /// A session that begins on WebSocket.
    fn open(server: &Server, offer: &str) -> (Self, Connection) {
        let mut peer = Self::connect(server, OPEN, offer);
        let (compressed, open) = peer.text();
        assert!(!compressed && open.starts_with("0{"), "{open}");
        (peer, server.opened())
    }

    /// The next message, and whether it came compressed.
    #[track_caller]
    fn next(&mut self) -> (bool, Message<'static>) {
        let mut frame = vec![0; 2];
        self.stream.read_exact(&mut frame).unwrap();
        let more = match frame[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        self.read_more(&mut frame, more);
        let length = match more {
            0 => usize::from(frame[1]),
            _ => frame[2..].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        self.read_more(&mut frame, length);
        let compressed = frame[0] & 0x40 != 0;
        let mut decoder = Decoder::new(Role::Client, Limits::default()).with_deflate(self.deflate);
        let message = decoder.decode(&mut Input::new(&mut frame)).unwrap().unwrap().into_owned();
        (compressed, message)
    }

    fn read_more(&mut self, frame: &mut Vec<u8>, count: usize) {
        let start = frame.len();
        frame.resize(start + count, 0);
        self.stream.read_exact(&mut frame[start..]).unwrap();
    }

    #[track_caller]
    fn text(&mut self) -> (bool, String) {
        match self.next() {
            (compressed, Message::Text(text)) => (compressed, text.into_owned()),
            other => panic!("expected a text message, found {other:?}"),
        }
    }

    #[track_caller]
    fn expect(&mut self, compressed: bool, packet: &str) {
        assert_eq!(self.text(), (compressed, packet.to_owned()));
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a message compressed, however short.
    fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.write(&compressed(opcode, payload));
    }

    #[track_caller]
    fn expect_close(&mut self, code: u16) {
        match self.next() {
            (false, Message::Close(Some(close))) => assert_eq!(close.code, code),
            other => panic!("expected a close frame, found {other:?}"),
        }
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn compression_is_agreed_on_if_both_want_it() {
    let agreed = Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    Server::each(&EngineConfig::default(), |server| {
        let peer = Peer::connect(server, OPEN, OFFER);
        assert_eq!(peer.answer.header("sec-websocket-extensions"), None, "it is off by default");
    });
    Server::each(&config(), |server| {
        for (offer, answer) in [
            (OFFER, agreed),
            ("x-other, permessage-deflate; server_max_window_bits=10, permessage-deflate", agreed),
            ("permessage-deflate; server_max_window_bits=10", None),
            ("permessage-deflate; unknown", None),
            ("x-other", None),
        ] {
            let peer = Peer::connect(server, OPEN, offer);
            assert_eq!(peer.answer.header("sec-websocket-extensions"), answer, "{offer}");
        }
    });
}

#[test]
fn what_is_long_enough_is_compressed_both_ways() {
    Server::each(&config(), |server| {
        let (mut peer, connection) = Peer::open(server, OFFER);
        for (length, compressed) in [(1, false), (1022, false), (1023, true), (500_000, true)] {
            let packet = format!("4{}", long(length));
            peer.send(Opcode::Text, packet.as_bytes());
            assert_eq!(server.received(connection.id()).len(), length);
            peer.expect(compressed, &packet);
            peer.send(Opcode::Binary, packet.as_bytes());
            assert_eq!(server.received(connection.id()), packet.as_bytes());
            let (was_compressed, echo) = peer.next();
            assert_eq!((was_compressed, echo.payload()), (packet.len() >= 1024, packet.as_bytes()));
        }
        // A client may leave any message as it is.
        peer.write(&masked_frame(Opcode::Text, b"4plain", KEY));
        peer.expect(false, "4plain");
    });
}

#[test]
fn a_compressed_message_may_come_in_fragments() {
    Server::each(&config(), |server| {
        let (mut peer, _) = Peer::open(server, OFFER);
        let mut hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec();
        // The packet type stands before it, in a block of its own.
        hello.splice(0..0, b"\x00\x01\x00\xfe\xff4".iter().copied());
        let (first, last) = hello.split_at(8);
        peer.write(&[&b"\x41\x88\0\0\0\0"[..], first].concat());
        peer.write(&[&[0x80, 0x80 | u8::try_from(last.len()).unwrap(), 0, 0, 0, 0], last].concat());
        peer.expect(false, "4Hello");
    });
}

#[test]
fn threshold_and_level_are_settings() {
    let all = PerMessageDeflate::default().threshold(0).level(1);
    Server::each(&EngineConfig::default().per_message_deflate(all), |server| {
        let mut peer = Peer::connect(server, OPEN, OFFER);
        let connection = server.opened();
        assert!(peer.text().1.starts_with("0{"));
        connection.send_text(b"a", &[], Guarantee::Reliable);
        peer.expect(true, "4a");
        peer.write(&masked_frame(Opcode::Ping, &[b'p'; 100], KEY));
        assert_eq!(peer.next(), (false, Message::Pong(vec![b'p'; 100].into())), "control frames never are compressed");
    });
}

#[test]
fn a_message_can_be_excepted() {
    Server::each(&config(), |server| {
        let (mut peer, connection) = Peer::open(server, OFFER);
        let text = long(2000);
        let never = SendOptions { compression: Compression::Never, ..Guarantee::Reliable.into() };
        connection.send(&Frames::new(text.as_bytes(), vec![]), never);
        connection.send_text(text.as_bytes(), &[], Compression::Never);
        connection.send_text(text.as_bytes(), &[], Compression::Allowed);
        peer.expect(false, &format!("4{text}"));
        peer.expect(false, &format!("4{text}"));
        peer.expect(true, &format!("4{text}"));
        connection.send_binary(text.as_bytes(), Compression::Never);
        assert_eq!(peer.next(), (false, Message::Binary(text.into_bytes().into())));
    });
}

#[test]
fn a_broadcast_reaches_everybody_in_his_form() {
    Server::each(&config(), |server| {
        let (mut compressing, first) = Peer::open(server, OFFER);
        let (mut plain, second) = Peer::open(server, "x-other");
        let polling = Polling::open(server);
        let third = server.opened();
        let text = long(5000);
        let attachment = Bytes::from(vec![7; 3000]);
        let frames = Frames::new(text.as_bytes(), vec![attachment.clone()]);
        for connection in [&first, &second, &third] {
            connection.send(&frames, Guarantee::Reliable);
        }
        first.send_text(text.as_bytes(), std::slice::from_ref(&attachment), Guarantee::Reliable);
        for _ in 0..2 {
            compressing.expect(true, &format!("4{text}"));
            assert_eq!(compressing.next(), (false, Message::Binary(attachment.to_vec().into())));
        }
        plain.expect(false, &format!("4{text}"));
        assert_eq!(plain.next(), (false, Message::Binary(attachment.to_vec().into())));
        let polled = polling.poll().text();
        assert!(polled.starts_with(&format!("4{text}\u{1e}bBwcH")), "{polled}");
    });
}

#[test]
fn a_session_compresses_from_its_upgrade_on() {
    Server::each(&config(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        let text = long(3000);
        let say = || connection.send_text(text.as_bytes(), &[], Guarantee::Reliable);
        say();
        polling.expect(&format!("4{text}"));

        let mut peer = Peer::connect(server, &polling.upgrade_target(), OFFER);
        peer.send(Opcode::Text, b"2probe");
        peer.expect(false, "3probe");
        say();
        polling.expect(&format!("4{text}"));
        say();
        peer.send(Opcode::Text, b"5");
        eventually("the upgrade", || connection.transport() == Transport::WebSocket);
        // It was queued when a poll could still have fetched it.
        peer.expect(false, &format!("4{text}"));
        say();
        peer.expect(true, &format!("4{text}"));
        peer.send(Opcode::Text, format!("4{text}").as_bytes());
        peer.expect(true, &format!("4{text}"));
    });
}

#[test]
fn an_upgrade_without_an_offer_stays_plain() {
    Server::each(&config(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        let mut peer = Peer::connect(server, &polling.upgrade_target(), "x-other");
        peer.write(&masked_frame(Opcode::Text, b"2probe", KEY));
        peer.expect(false, "3probe");
        peer.write(&masked_frame(Opcode::Text, b"5", KEY));
        eventually("the upgrade", || connection.transport() == Transport::WebSocket);
        connection.send_text(long(2000).as_bytes(), &[], Guarantee::Reliable);
        peer.expect(false, &format!("4{}", long(2000)));
    });
}

#[test]
fn bombs_and_garbage_end_their_connection_only() {
    Server::each(&config().max_payload(100_000), |server| {
        let ends = [
            (1009, CloseCause::TooLarge, compressed(Opcode::Text, &vec![b'4'; 1_000_000])),
            (1007, CloseCause::Malformed, Bytes::from_static(b"\xc1\x83\0\0\0\0\xff\xff\xff")),
            (1007, CloseCause::Malformed, compressed(Opcode::Text, b"4\xff")),
            // A control frame can't be compressed.
            (1002, CloseCause::Malformed, Bytes::from_static(b"\xc9\x80\0\0\0\0")),
        ];
        for (code, cause, bytes) in &ends {
            let (mut peer, connection) = Peer::open(server, OFFER);
            peer.write(bytes);
            peer.expect_close(*code);
            let closed = server.closed(connection.id());
            assert_eq!(closed, Closed { reason: CloseReason::TransportError, cause: *cause });
        }
    });
}

#[test]
fn a_compressed_message_nobody_agreed_on_ends_its_connection() {
    Server::each(&config(), |server| {
        let (mut peer, connection) = Peer::open(server, "x-other");
        peer.send(Opcode::Text, b"4hello");
        peer.expect_close(1002);
        assert_eq!(server.closed(connection.id()).cause, CloseCause::Malformed);
    });
}
