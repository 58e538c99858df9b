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
    match memchr(RECORD_SEPARATOR, rest.as_bytes()).and_then(|end| rest.split_at_checked(end)) {
        Some((packet, rest)) => (Raw::Text(packet), Form::Separated(rest.get(1..).unwrap_or_default())),
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

/// Most bodies are no longer, and need no memory a second time.
const USUAL_BODY: usize = 512;

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
    let mut body = Vec::with_capacity(USUAL_BODY);
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

#[cfg(test)]
mod tests {
    use BodyKind::{Binary, Text};
    use PeerEncoding::{BinaryCapable, TextOnly};
    use Protocol::{V3, V4};

    use super::*;

    fn decode(protocol: Protocol, kind: BodyKind, body: &[u8]) -> Vec<Result<Packet<'_>, DecodeError>> {
        decode_payload(protocol, kind, body).collect()
    }

    #[track_caller]
    fn check(protocol: Protocol, peer: PeerEncoding, kind: BodyKind, body: &[u8], packets: &[Packet<'_>]) {
        let encoded = encode_payload(protocol, peer, packets.iter().cloned());
        assert_eq!(encoded, EncodedPayload { body: body.to_vec(), kind });
        let decoded: Vec<_> = decode_payload(protocol, kind, body).map(Result::unwrap).collect();
        assert_eq!(decoded, packets);
    }

    #[track_caller]
    fn check_invalid(protocol: Protocol, kind: BodyKind, body: &[u8], error: DecodeError) {
        assert_eq!(decode(protocol, kind, body), [Err(error)], "{body:?}");
    }

    fn text(data: &str) -> Packet<'_> {
        Packet::text(data)
    }

    fn bytes() -> Packet<'static> {
        Packet::binary(vec![1, 2, 3, 4])
    }

    #[test]
    fn revision_4_separates_its_packets() {
        for peer in [BinaryCapable, TextOnly] {
            let ping = Packet::Ping("".into());
            check(V4, peer, Text, b"4hello\x1e2\x1e4world", &[text("hello"), ping, text("world")]);
            check(V4, peer, Text, b"4hello\x1ebAQIDBA==", &[text("hello"), bytes()]);
            check(V4, peer, Text, b"6\x1e1", &[Packet::Noop, Packet::Close]);
            check(V4, peer, Text, "4€\u{1e}4😀".as_bytes(), &[text("€"), text("😀")]);
        }
    }

    #[test]
    fn revision_3_counts_utf_16() {
        check(V3, TextOnly, Text, "6:4hello2:4€".as_bytes(), &[text("hello"), text("€")]);
        check(V3, TextOnly, Text, "3:4😀1:2".as_bytes(), &[text("😀"), Packet::Ping("".into())]);
        check(V3, BinaryCapable, Text, b"6:4hello", &[text("hello")]);
        check(V3, BinaryCapable, Text, b"12:0{\"sid\":\"x\"}2:40", &[Packet::Open(r#"{"sid":"x"}"#.into()), text("0")]);
        check(V3, TextOnly, Text, b"10:b4AQIDBA==", &[bytes()]);
        check(V3, TextOnly, Text, b"0:", &[]);
    }

    #[test]
    fn revision_3_turns_into_bytes_for_a_binary_packet() {
        let body = b"\x00\x04\xff4hel\x01\x05\xff\x04\x01\x02\x03\x04";
        check(V3, BinaryCapable, Binary, body, &[text("hel"), bytes()]);
        let body = "\0\u{1}\u{1}\u{ff}4äöü€";
        let mut wire = vec![0, 1, 0, 0xff];
        wire.extend_from_slice("4äöü€".as_bytes());
        wire.extend_from_slice(&[1, 1, 0xff, 4]);
        check(V3, BinaryCapable, Binary, &wire, &[text("äöü€"), Packet::binary(vec![])]);
        assert_ne!(body.as_bytes(), wire, "a text with the same characters is another payload");
    }

    #[test]
    fn empty_bodies_and_empty_packets_are_errors() {
        for protocol in [V3, V4] {
            for kind in [Text, Binary] {
                check_invalid(protocol, kind, b"", DecodeError::Empty);
            }
        }
        assert_eq!(decode(V4, Text, b"4a\x1e"), [Ok(text("a")), Err(DecodeError::Empty)]);
        check_invalid(V4, Text, b"\x1e4a", DecodeError::Empty);
        check_invalid(V3, Binary, b"\x00\x00\xff", DecodeError::Empty);
        check_invalid(V3, Binary, b"\x01\x00\xff", DecodeError::Empty);
    }

    #[test]
    fn nothing_is_read_behind_an_error() {
        let error = DecodeError::UnknownType { found: 'x' };
        assert_eq!(decode(V4, Text, b"4a\x1ex\x1e4b"), [Ok(text("a")), Err(error.clone())]);
        assert_eq!(decode(V3, Text, b"2:4a1:x2:4b"), [Ok(text("a")), Err(error)]);
        check_invalid(V4, Text, b"{}", DecodeError::UnknownType { found: '{' });
        check_invalid(V4, Text, b"a123456", DecodeError::UnknownType { found: 'a' });
    }

    #[test]
    fn invalid_utf_8_is_an_error() {
        check_invalid(V4, Text, b"4\xff", DecodeError::InvalidUtf8);
        check_invalid(V3, Text, b"2:4\xff", DecodeError::InvalidUtf8);
        check_invalid(V3, Binary, b"\x00\x02\xff4\xff", DecodeError::InvalidUtf8);
    }

    #[test]
    fn revision_4_has_no_binary_bodies() {
        check_invalid(V4, Binary, b"4a", DecodeError::BinaryBody);
    }

    #[test]
    fn wrong_lengths_of_texts_are_errors() {
        for body in ["1!", "))", "aaaa", ":4", "-1:4", "1.5:4a", "+1:4", "1e0:4", "1", "9999999999999999:4"] {
            check_invalid(V3, Text, body.as_bytes(), DecodeError::InvalidLength);
        }
        check_invalid(V3, Text, "1".repeat(400).as_bytes(), DecodeError::InvalidLength);
        check_invalid(V3, Text, b"1:", DecodeError::Truncated { expected: 1 });
        check_invalid(V3, Text, b"5:4a", DecodeError::Truncated { expected: 5 });
        check_invalid(V3, Text, "2:4😀".as_bytes(), DecodeError::Truncated { expected: 2 });
    }

    #[test]
    fn wrong_lengths_of_bytes_are_errors() {
        for body in [&b"\x00"[..], b"\x00\xff", b"\x00\x01", b"\x00\x0a\xff4", b"\x00114a"] {
            check_invalid(V3, Binary, body, DecodeError::InvalidLength);
        }
        check_invalid(V3, Binary, &[0].repeat(400), DecodeError::InvalidLength);
        check_invalid(V3, Binary, b"\x00\x05\xff4a", DecodeError::Truncated { expected: 5 });
        check_invalid(V3, Binary, b"\x02\x01\xff4", DecodeError::UnknownMark { found: 2 });
        check_invalid(V3, Binary, b"\x01\x01\xff2", DecodeError::UnknownBinaryType { found: b'2' });
    }

    #[test]
    fn half_a_million_packets_are_read_in_linear_time() {
        // Were any step to look at all that is left, this would take minutes.
        for (protocol, kind, packet) in
            [(V4, Text, &b"6\x1e"[..]), (V3, Text, b"1:6"), (V3, Text, b"0:1:6"), (V3, Binary, b"\x00\x01\xff6")]
        {
            let mut body = packet.repeat(500_000);
            if protocol == V4 {
                body.pop();
            }
            let count = decode_payload(protocol, kind, &body).filter(|packet| *packet == Ok(Packet::Noop)).count();
            assert_eq!(count, 500_000);
        }
    }
}
