use std::{borrow::Cow, mem};

use memchr::memchr;

use super::{DecodeError, Message, Packet, Protocol};

/// Whether a body, or a WebSocket message, is text or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// `text/plain; charset=UTF-8`.
    Text,
    /// `application/octet-stream`.
    Binary,
}

/// What a peer can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerEncoding {
    /// Bytes as bytes, where the transport has a form for them.
    BinaryCapable,
    /// Everything as text: the client asked by `b64=1`, or polls by JSONP.
    TextOnly,
}

/// A polling body, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPayload {
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// Decides the `Content-Type`.
    pub kind: BodyKind,
}

/// Reads the packets of a polling body, in order, up to the first error ([Engine.IO v4, "HTTP long-polling"]).
///
/// Takes time and memory linear in the body, however many packets are in it. An empty body is an error.
///
/// ```
/// use sockeye_protocol::engine::{BodyKind, Packet, Protocol, decode_payload};
///
/// let packets: Result<Vec<_>, _> = decode_payload(Protocol::V4, BodyKind::Text, b"4hello\x1e2").collect();
/// assert_eq!(packets?, [Packet::text("hello"), Packet::Ping("".into())]);
/// # Ok::<(), sockeye_protocol::engine::DecodeError>(())
/// ```
///
/// [Engine.IO v4, "HTTP long-polling"]: https://socket.io/docs/v4/engine-io-protocol/#http-long-polling-1
pub fn decode_payload(protocol: Protocol, kind: BodyKind, body: &[u8]) -> PayloadDecoder<'_> {
    let text = |form: fn(&str) -> Form<'_>| match simdutf8::basic::from_utf8(body) {
        Ok(text) => form(text),
        Err(_) => Form::Failed(DecodeError::InvalidUtf8),
    };
    let form = match (protocol, kind) {
        (_, _) if body.is_empty() => Form::Failed(DecodeError::Empty),
        (Protocol::V4, BodyKind::Text) => text(|body| Form::Separated(body)),
        (Protocol::V4, BodyKind::Binary) => Form::Failed(DecodeError::BinaryBody),
        (Protocol::V3, BodyKind::Text) => text(|body| Form::Counted(body)),
        (Protocol::V3, BodyKind::Binary) => Form::Marked(body),
    };
    PayloadDecoder { protocol, form }
}

/// The packets of a body, as [`decode_payload`] finds them. Ends after its first error.
#[derive(Clone, Debug)]
pub struct PayloadDecoder<'a> {
    protocol: Protocol,
    form: Form<'a>,
}

/// What is left to read, by the form of the body.
#[derive(Clone, Debug)]
enum Form<'a> {
    /// Revision 4: packets with record separators between them.
    Separated(&'a str),
    /// Revision 3 as text: a length and a packet, again and again.
    Counted(&'a str),
    /// Revision 3 as bytes: a mark, a length and a packet, again and again.
    Marked(&'a [u8]),
    /// The error is still to be told.
    Failed(DecodeError),
    /// Nothing is left.
    Ended,
}

impl<'a> Iterator for PayloadDecoder<'a> {
    type Item = Result<Packet<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = match mem::replace(&mut self.form, Form::Ended) {
            Form::Separated(rest) => Ok(Some(split_separated(rest))),
            Form::Counted(rest) => split_counted(rest),
            Form::Marked(rest) => split_marked(rest),
            Form::Failed(error) => Err(error),
            Form::Ended => Ok(None),
        };
        let (packet, rest) = match step {
            Ok(step) => step?,
            Err(error) => return Some(Err(error)),
        };
        let packet = match packet {
            Raw::Text(text) => Packet::decode_text(self.protocol, Cow::Borrowed(text)),
            Raw::Binary(bytes) => Packet::decode_binary(self.protocol, Cow::Borrowed(bytes)),
        };
        if packet.is_ok() {
            self.form = rest;
        }
        Some(packet)
    }
}

/// A packet cut out of its payload.
enum Raw<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// The next packet and what follows it, if one is left.
type Split<'a> = Option<(Raw<'a>, Form<'a>)>;

const RECORD_SEPARATOR: u8 = 0x1e;

fn split_separated(rest: &str) -> (Raw<'_>, Form<'_>) {
    match rest.split_once(char::from(RECORD_SEPARATOR)) {
        Some((packet, rest)) => (Raw::Text(packet), Form::Separated(rest)),
        None => (Raw::Text(rest), Form::Ended),
    }
}

/// Longer lengths are lies, and would not be exact in JavaScript either.
const MAX_LENGTH_DIGITS: usize = 15;

fn split_counted(mut rest: &str) -> Result<Split<'_>, DecodeError> {
    while !rest.is_empty() {
        let head = rest.as_bytes().iter().take(MAX_LENGTH_DIGITS + 1);
        let colon = head.clone().position(|&byte| byte == b':').ok_or(DecodeError::InvalidLength)?;
        let length = decimal(head.take(colon).map(|digit| digit.wrapping_sub(b'0')))?;
        let data = rest.get(colon + 1..).unwrap_or_default();
        let (packet, after) = split_utf16(data, length).ok_or(DecodeError::Truncated { expected: length })?;
        if !packet.is_empty() {
            return Ok(Some((Raw::Text(packet), Form::Counted(after))));
        }
        // `0:` is how revision 3 writes a payload without packets.
        rest = after;
    }
    Ok(None)
}

/// Splits after `units` UTF-16 code units, in which JavaScript counts; not within a character.
fn split_utf16(text: &str, units: usize) -> Option<(&str, &str)> {
    if let Some((head, tail)) = text.split_at_checked(units)
        && head.is_ascii()
    {
        return Some((head, tail));
    }
    let mut left = units;
    let mut characters = text.chars();
    while left > 0 {
        left = left.checked_sub(characters.next()?.len_utf16())?;
    }
    text.split_at_checked(text.len() - characters.as_str().len())
}

fn split_marked(rest: &[u8]) -> Result<Split<'_>, DecodeError> {
    let Some((&mark, rest)) = rest.split_first() else { return Ok(None) };
    let head = rest.get(..MAX_LENGTH_DIGITS + 1).unwrap_or(rest);
    let end = memchr(0xff, head).ok_or(DecodeError::InvalidLength)?;
    let length = decimal(head.iter().take(end).copied())?;
    let data = rest.get(end + 1..).unwrap_or_default();
    let (packet, rest) = data.split_at_checked(length).ok_or(DecodeError::Truncated { expected: length })?;
    let packet = match mark {
        0 => Raw::Text(simdutf8::basic::from_utf8(packet).map_err(|_| DecodeError::InvalidUtf8)?),
        1 => Raw::Binary(packet),
        found => return Err(DecodeError::UnknownMark { found }),
    };
    Ok(Some((packet, Form::Marked(rest))))
}

fn decimal(digits: impl ExactSizeIterator<Item = u8>) -> Result<usize, DecodeError> {
    if digits.len() == 0 {
        return Err(DecodeError::InvalidLength);
    }
    digits
        .into_iter()
        .try_fold(0_usize, |number, digit| match digit {
            0..=9 => number.checked_mul(10).and_then(|number| number.checked_add(digit.into())),
            _ => None,
        })
        .ok_or(DecodeError::InvalidLength)
}

/// Writes packets as one polling body for this peer.
///
/// Revision 4 writes bytes as base64. Revision 3 turns the whole body into bytes as soon as one packet is binary and the
/// peer can take it.
///
/// ```
/// use sockeye_protocol::engine::{BodyKind, Packet, PeerEncoding, Protocol, encode_payload};
///
/// let packets = [Packet::text("hello"), Packet::binary(vec![1, 2, 3, 4])];
/// let payload = encode_payload(Protocol::V4, PeerEncoding::BinaryCapable, packets.iter().cloned());
/// assert_eq!(payload.body, b"4hello\x1ebAQIDBA==");
/// let payload = encode_payload(Protocol::V3, PeerEncoding::BinaryCapable, packets.iter().cloned());
/// assert_eq!(payload.kind, BodyKind::Binary);
/// ```
pub fn encode_payload<'a>(
    protocol: Protocol,
    peer: PeerEncoding,
    packets: impl Iterator<Item = Packet<'a>> + Clone,
) -> EncodedPayload {
    let mut body = Vec::new();
    match protocol {
        Protocol::V4 => write_separated(&mut body, packets),
        Protocol::V3 if peer == PeerEncoding::BinaryCapable && packets.clone().any(|packet| packet.is_binary()) => {
            packets.for_each(|packet| write_marked(&mut body, &packet));
            return EncodedPayload { body, kind: BodyKind::Binary };
        }
        Protocol::V3 => write_counted(&mut body, packets),
    }
    EncodedPayload { body, kind: BodyKind::Text }
}

fn write_separated<'a>(body: &mut Vec<u8>, packets: impl Iterator<Item = Packet<'a>>) {
    for (index, packet) in packets.enumerate() {
        if index > 0 {
            body.push(RECORD_SEPARATOR);
        }
        packet.write_text(Protocol::V4, body);
    }
}

fn write_counted<'a>(body: &mut Vec<u8>, packets: impl Iterator<Item = Packet<'a>>) {
    for packet in packets {
        body.extend_from_slice(itoa::Buffer::new().format(text_units(&packet)).as_bytes());
        body.push(b':');
        packet.write_text(Protocol::V3, body);
    }
    if body.is_empty() {
        body.extend_from_slice(b"0:");
    }
}

/// Length of the packet's text in UTF-16 code units.
fn text_units(packet: &Packet<'_>) -> usize {
    match packet {
        Packet::Open(data) | Packet::Ping(data) | Packet::Pong(data) | Packet::Message(Message::Text(data)) => {
            let units = if data.is_ascii() { data.len() } else { data.encode_utf16().count() };
            1 + units
        }
        Packet::Message(Message::Binary(bytes)) => Protocol::V3.base64_prefix().len() + bytes.len().div_ceil(3) * 4,
        Packet::Close | Packet::Upgrade | Packet::Noop => 1,
    }
}

fn write_marked(body: &mut Vec<u8>, packet: &Packet<'_>) {
    let length = match packet {
        Packet::Open(data) | Packet::Ping(data) | Packet::Pong(data) => 1 + data.len(),
        Packet::Message(message) => 1 + message.len(),
        Packet::Close | Packet::Upgrade | Packet::Noop => 1,
    };
    body.push(u8::from(packet.is_binary()));
    body.extend(itoa::Buffer::new().format(length).bytes().map(|digit| digit - b'0'));
    body.push(0xff);
    packet.write_binary(Protocol::V3, body);
}
