//! The same traffic through tungstenite, in both directions and both roles.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use sockeye_websocket::{CloseFrame, Decoder, Input, Limits, Message, Opcode, Role};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{self, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role as TheirRole, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message as Theirs};

use crate::support::script::{self, Step};

/// What the peer has sent, and what it will receive.
#[derive(Debug, Default)]
struct Wire {
    incoming: Cursor<Vec<u8>>,
    outgoing: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.incoming.read(out)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn peer(role: Role, incoming: Vec<u8>) -> WebSocket<Wire> {
    let role = if role == Role::Server { TheirRole::Server } else { TheirRole::Client };
    let wire = Wire { incoming: Cursor::new(incoming), outgoing: Vec::new() };
    WebSocket::from_raw_socket(wire, role, None)
}

fn other(role: Role) -> Role {
    if role == Role::Server { Role::Client } else { Role::Server }
}

fn ours(message: Theirs) -> Message<'static> {
    match message {
        Theirs::Text(text) => Message::Text(text.as_str().to_owned().into()),
        Theirs::Binary(bytes) => Message::Binary(bytes.to_vec().into()),
        Theirs::Ping(bytes) => Message::Ping(bytes.to_vec().into()),
        Theirs::Pong(bytes) => Message::Pong(bytes.to_vec().into()),
        Theirs::Close(close) => Message::Close(
            close.map(|close| CloseFrame { code: close.code.into(), reason: close.reason.as_str().to_owned() }),
        ),
        Theirs::Frame(_) => unreachable!("never handed out by `read`"),
    }
}

fn theirs(opcode: Opcode, is_final: bool, payload: Vec<u8>) -> Theirs {
    let data = match opcode {
        Opcode::Continuation => Data::Continue,
        Opcode::Text => Data::Text,
        Opcode::Binary => Data::Binary,
        Opcode::Ping => return Theirs::Ping(payload.into()),
        Opcode::Pong => return Theirs::Pong(payload.into()),
        Opcode::Close => unreachable!("the scripts close apart"),
    };
    Theirs::Frame(Frame::message(payload, OpCode::Data(data), is_final))
}

/// Everything tungstenite reads from `wire`, and whether it found a fault before the end.
fn read_by_them(role: Role, wire: Vec<u8>) -> (Vec<Message<'static>>, bool) {
    let mut peer = peer(role, wire);
    let mut messages = Vec::new();
    loop {
        match peer.read() {
            // Handed out in place of a close frame it does not accept.
            Ok(Theirs::Close(Some(close))) if close.reason == "Protocol violation" => return (messages, true),
            Ok(message @ Theirs::Close(_)) => {
                messages.push(ours(message));
                return (messages, false);
            }
            Ok(message) => messages.push(ours(message)),
            Err(Error::Io(_) | Error::ConnectionClosed) => return (messages, false),
            Err(Error::Protocol(error)) if error.to_string().contains("without closing handshake") => {
                return (messages, false);
            }
            Err(_) => return (messages, true),
        }
    }
}

fn read_by_us(role: Role, mut wire: Vec<u8>) -> (Vec<Message<'static>>, bool) {
    let mut decoder = Decoder::new(role, Limits::default());
    let mut input = Input::new(&mut wire);
    let mut messages = Vec::new();
    loop {
        match decoder.decode(&mut input) {
            Ok(Some(message)) => messages.push(message.into_owned()),
            Ok(None) => return (messages, false),
            Err(_) => return (messages, true),
        }
    }
}

fn encode(steps: &[Step], close: Option<&CloseFrame>, sender: Role) -> Vec<u8> {
    let mut wire: Vec<u8> = steps.iter().flat_map(|step| step.encode(sender, None)).collect();
    wire.extend(script::encode_close(close, sender));
    wire
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn tungstenite_reads_what_we_write(steps in script::steps(), close in script::close()) {
        let mut expected: Vec<_> = steps.iter().flat_map(Step::messages).collect();
        expected.push(Message::Close(close.clone()));
        for sender in [Role::Server, Role::Client] {
            let wire = encode(&steps, close.as_ref(), sender);
            prop_assert_eq!(read_by_them(other(sender), wire), (expected.clone(), false));
        }
    }

    #[test]
    fn we_read_what_tungstenite_writes(
        steps in script::steps(), close in script::close(), read_sizes in proptest::collection::vec(1..5_000_usize, 1..5),
    ) {
        let mut expected: Vec<_> = steps.iter().flat_map(Step::messages).collect();
        expected.push(Message::Close(close.clone()));
        for sender in [Role::Server, Role::Client] {
            let mut peer = peer(sender, Vec::new());
            for (opcode, is_final, payload) in steps.iter().flat_map(Step::frames) {
                peer.send(theirs(opcode, is_final, payload)).unwrap();
            }
            let close = close.as_ref().map(|close| frame::CloseFrame {
                code: close.code.into(),
                reason: close.reason.as_str().into(),
            });
            peer.close(close).unwrap();
            let wire = &peer.get_ref().outgoing;
            prop_assert_eq!(script::decode(wire, other(sender), None, &read_sizes), expected.clone());
        }
    }

    #[test]
    fn a_damaged_stream_gives_the_same_messages(
        steps in script::steps(), close in script::close(), place in any::<prop::sample::Index>(), bits in 1..=255_u8,
    ) {
        for sender in [Role::Server, Role::Client] {
            let mut wire = encode(&steps, close.as_ref(), sender);
            let place = place.index(wire.len());
            wire[place] ^= bits;
            let (messages, found_fault) = read_by_us(other(sender), wire.clone());
            let (their_messages, they_found_fault) = read_by_them(other(sender), wire);
            prop_assert_eq!(messages, their_messages);
            // They judge a frame when all of it is there, we by its header; so only one direction holds.
            prop_assert!(found_fault || !they_found_fault);
        }
    }
}
