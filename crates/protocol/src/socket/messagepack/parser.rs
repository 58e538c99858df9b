use bytes::Bytes;

use super::{old, packet};
use crate::{
    Limits,
    engine::{Message, Protocol},
    socket::{Assembled, DecodeError, Decoder, EncodeError, Encoded, Packet, Parser},
};

/// Packets as MessagePack: the counterpart of the npm package `socket.io-msgpack-parser`, version 3.
///
/// A packet is one binary message, its bytes included. What JavaScript sends arrives in handlers as it would with the
/// text parser, and more of it:
///
/// | JavaScript | arrives as |
/// |---|---|
/// | `Buffer`, `ArrayBuffer`, typed arrays | bytes, at any depth (of a typed array its whole buffer, as the package sends it) |
/// | `Date` | text such as `2024-02-29T23:59:59.999Z`, what `JSON.stringify` makes of it; any type that reads RFC 3339 takes it |
/// | `undefined` | no key of an object, `null` in a list, nothing as the data of a packet |
/// | a number without fraction | a whole number, though it was written as a float |
/// | `NaN`, `Infinity` | `null` |
/// | bytes in the `auth` of a client | `{"type":"Buffer","data":[…]}`, what `JSON.stringify` makes of them |
///
/// An object with a true `_placeholder` is what JSON uses to stand for bytes. Without bytes in the same packet it is an
/// object like any other; beside bytes it is refused, both ways, so that nothing is ever taken for other bytes.
///
/// Values may nest as deep as `serde_json` reads, which is 127 levels with the list of arguments, and bytes are a level. `max_attachments` is not applied: bytes come within the message, which
/// `max_payload` bounds; what is read out of it takes at most some thirty times its size. Unlike the npm package,
/// reserved event names are refused.
///
/// Clients of Engine.IO 3 use the package's version 2, whose types 5 and 6 and whose texts are understood on their
/// connections only.
///
/// ```
/// use sockeye_protocol::{
///     Limits,
///     engine::{Message, Protocol},
///     socket::{MessagePackParser, Packet, PacketType, Parser},
/// };
///
/// let packet = Packet { kind: PacketType::Event, namespace: "/", id: Some(7), attachments: 0, payload: r#"["hi",1]"# };
/// let encoded = MessagePackParser.encode(&packet, &[])?;
/// assert_eq!(encoded.binaries()[0], b"\x84\xa4type\x02\xa4data\x92\xa2hi\x01\xa2id\x07\xa3nsp\xa1/".as_slice());
///
/// let message = Message::Binary(encoded.binaries()[0].to_vec().into());
/// let read = MessagePackParser.decoder(Protocol::V4).decode(message, &Limits::default())?.expect("one is all");
/// assert_eq!(read.packet(), packet);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagePackParser;

impl Parser for MessagePackParser {
    fn encode(&self, packet: &Packet<'_>, attachments: &[Bytes]) -> Result<Encoded, EncodeError> {
        packet::write(packet, attachments).map(Encoded::binary)
    }

    fn decoder(&self, protocol: Protocol) -> Box<dyn Decoder> {
        match protocol {
            Protocol::V3 => Box::new(OldDecoder),
            Protocol::V4 => Box::new(PacketDecoder),
        }
    }
}

/// Reads what version 3 of the npm package writes. It keeps nothing.
struct PacketDecoder;

impl Decoder for PacketDecoder {
    fn decode(&mut self, message: Message<'_>, _: &Limits) -> Result<Option<Assembled>, DecodeError> {
        match message {
            Message::Binary(bytes) => packet::read(&bytes, packet::Types::Plain).map(Some),
            Message::Text(_) => Err(DecodeError::malformed("expected a binary message")),
        }
    }
}

/// Reads what version 2 of the npm package writes. It keeps nothing.
struct OldDecoder;

impl Decoder for OldDecoder {
    fn decode(&mut self, message: Message<'_>, _: &Limits) -> Result<Option<Assembled>, DecodeError> {
        match message {
            Message::Binary(bytes) => packet::read(&bytes, packet::Types::WithBinary).map(Some),
            Message::Text(text) => old::read_text(&text).map(Some),
        }
    }
}
