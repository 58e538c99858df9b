use std::fmt;

use memchr::memchr;
use serde::de::IgnoredAny;

use super::event::{invalid_json, split_event};
use crate::Limits;

/// What a Socket.IO packet is for ([Socket.IO v5, "Packet encoding"]).
///
/// [Socket.IO v5, "Packet encoding"]: https://socket.io/docs/v4/socket-io-protocol/#packet-encoding
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// Joins a namespace, or says that it was joined.
    Connect = 0,
    /// Leaves a namespace.
    Disconnect,
    /// An event.
    Event,
    /// The answer to an event that had an id.
    Ack,
    /// A namespace was not joined.
    ConnectError,
    /// An event with attachments.
    BinaryEvent,
    /// An answer with attachments.
    BinaryAck,
}

impl PacketType {
    /// Whether attachments follow, and their number stands in the head.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

impl From<PacketType> for u8 {
    fn from(kind: PacketType) -> Self {
        kind as Self
    }
}

impl TryFrom<u8> for PacketType {
    type Error = DecodeError;

    /// The type of this number, 0 to 6.
    fn try_from(kind: u8) -> Result<Self, DecodeError> {
        Ok(match kind {
            0 => Self::Connect,
            1 => Self::Disconnect,
            2 => Self::Event,
            3 => Self::Ack,
            4 => Self::ConnectError,
            5 => Self::BinaryEvent,
            6 => Self::BinaryAck,
            _ => return Err(DecodeError::InvalidType),
        })
    }
}

/// The head of a packet, and its payload as it came: JSON that nobody has looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is for.
    pub kind: PacketType,
    /// The namespace, `/` if none was named.
    pub namespace: &'a str,
    /// Number of the event that an answer is wanted to, or that this is the answer to.
    pub id: Option<u64>,
    /// Binary messages that follow.
    pub attachments: usize,
    /// JSON, or nothing.
    pub payload: &'a str,
}

impl Packet<'_> {
    /// Checks what [`decode`] left open: that an event has a name it may have, and that the payload is JSON.
    ///
    /// Not needed for what is deserialised, which is checked on the way.
    ///
    /// # Errors
    /// [`DecodeError`]: the peer broke the protocol.
    pub fn validate(&self) -> Result<(), DecodeError> {
        if self.payload.is_empty() {
            return Ok(());
        }
        match self.kind {
            PacketType::Event | PacketType::BinaryEvent => split_event(self.payload)?.arguments.validate(),
            _ => match serde_json::from_str(self.payload) {
                Ok(IgnoredAny) => Ok(()),
                Err(error) => Err(invalid_json(&error)),
            },
        }
    }
}

/// Reads the text of a packet, up to its JSON: `<type>[<attachments>-][<namespace>,][<id>]<json>`.
///
/// The JSON is not parsed, but seen to be of the kind the type allows: it begins and ends as an array, an object or a
/// string does. [`split_event`] and [`Arguments`](super::Arguments) find out the rest. A missing
/// payload is let through, as in Node.
///
/// ```
/// use sockeye_protocol::{Limits, socket::{PacketType, decode}};
///
/// let packet = decode(r#"2/admin,12["kick","bob"]"#, &Limits::default())?;
/// assert_eq!((packet.kind, packet.namespace, packet.id), (PacketType::Event, "/admin", Some(12)));
/// assert_eq!(packet.payload, r#"["kick","bob"]"#);
/// # Ok::<(), sockeye_protocol::socket::DecodeError>(())
/// ```
///
/// # Errors
/// [`DecodeError`] that names the first thing out of place.
pub fn decode<'a>(text: &'a str, limits: &Limits) -> Result<Packet<'a>, DecodeError> {
    let (kind, mut rest) = split_type(text)?;
    let mut attachments = 0;
    if kind.is_binary() {
        (attachments, rest) = split_attachments(rest, limits.max_attachments)?;
    }
    let (namespace, rest) = split_namespace(rest);
    let (id, rest) = split_id(rest)?;
    Ok(Packet { kind, namespace, id, attachments, payload: check_payload(kind, rest)? })
}

/// Appends the head of a packet; its JSON follows.
///
/// The root namespace is not written, and `attachments` only for the two binary types.
///
/// ```
/// use sockeye_protocol::socket::{PacketType, write_head};
///
/// let mut out = Vec::new();
/// write_head(&mut out, PacketType::BinaryAck, 1, "/admin", Some(12));
/// assert_eq!(out, b"61-/admin,12");
/// ```
pub fn write_head(out: &mut Vec<u8>, kind: PacketType, attachments: usize, namespace: &str, id: Option<u64>) {
    out.push(b'0' + u8::from(kind));
    if kind.is_binary() {
        out.extend_from_slice(itoa::Buffer::new().format(attachments).as_bytes());
        out.push(b'-');
    }
    if namespace != "/" {
        out.extend_from_slice(namespace.as_bytes());
        out.push(b',');
    }
    if let Some(id) = id {
        out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    }
}

/// Why a packet, or the JSON in it, could not be read. Always the peer's doing.
///
/// The whole connection ends with Engine.IO's `parse error`: what follows a broken packet can't be trusted.
/// Where Node has words for an error, the text begins with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The packet begins with no type.
    #[error("unknown packet type {}: expected a digit 0-6", .found.map_or_else(|| "(empty)".to_owned(), String::from))]
    UnknownType {
        /// The first character, if there is one.
        found: Option<char>,
    },
    /// The type has attachments, but their number is missing or none.
    #[error("Illegal attachments: expected digits and `-` behind the type")]
    IllegalAttachmentCount,
    /// A packet of another [`Parser`](super::Parser) has no type.
    #[error("invalid packet type: expected one of the numbers that stand for types")]
    InvalidType,
    /// A packet of another [`Parser`](super::Parser) has no namespace.
    #[error("invalid namespace: expected a text")]
    InvalidNamespace,
    /// A message is not what the [`Parser`](super::Parser) reads.
    #[error("malformed message: {reason}")]
    Malformed {
        /// What was found or expected.
        reason: String,
    },
    /// More attachments than allowed.
    #[error("too many attachments: {found} exceed `max_attachments` ({limit})")]
    TooManyAttachments {
        /// The number in the head.
        found: usize,
        /// The limit that holds.
        limit: usize,
    },
    /// Values nest deeper than any type could hold that is read.
    #[error("malformed message: values nested over {limit} levels deep")]
    TooDeep {
        /// The most levels.
        limit: usize,
    },
    /// The id does not fit 64 bits.
    #[error("invalid packet id: expected a number below 2^64")]
    InvalidId,
    /// The payload is not what the type allows.
    #[error("invalid payload: expected {expected}")]
    InvalidPayload {
        /// What the type allows.
        expected: &'static str,
    },
    /// The event has a name that only the library itself may use.
    #[error("invalid payload: event name {name:?} is reserved")]
    ReservedName {
        /// The name.
        name: String,
    },
    /// The payload is not JSON.
    #[error("invalid payload: {reason}")]
    InvalidJson {
        /// What the JSON parser found and expected.
        reason: String,
    },
    /// A placeholder names an attachment that is not there.
    #[error("illegal attachments: expected the `num` of a placeholder to be a whole number below {count}")]
    IllegalPlaceholder {
        /// Attachments of this packet.
        count: usize,
    },
    /// A text came where an attachment had to.
    #[error("got plaintext data when reconstructing a packet: expected {missing} more attachments")]
    UnexpectedText {
        /// Attachments that did not come.
        missing: usize,
    },
    /// Bytes came where no attachment was announced.
    #[error("got binary data when not reconstructing a packet")]
    UnexpectedBinary,
}

impl DecodeError {
    /// A message that is not what a [`Parser`](super::Parser) reads, and why.
    pub fn malformed(reason: impl fmt::Display) -> Self {
        Self::Malformed { reason: reason.to_string() }
    }
}

fn split_type(text: &str) -> Result<(PacketType, &str), DecodeError> {
    let digit = text.bytes().next().map(|digit| digit.wrapping_sub(b'0'));
    let Some(Ok(kind)) = digit.map(PacketType::try_from) else {
        return Err(DecodeError::UnknownType { found: text.chars().next() });
    };
    Ok((kind, text.get(1..).unwrap_or_default()))
}

fn split_attachments(rest: &str, limit: usize) -> Result<(usize, &str), DecodeError> {
    let (digits, rest) = split_digits(rest);
    let rest = rest.strip_prefix('-').ok_or(DecodeError::IllegalAttachmentCount)?;
    // Saturates, for any number too large is too many. No digits mean none, as in Node.
    let found =
        digits.bytes().fold(0_usize, |count, digit| count.saturating_mul(10).saturating_add((digit - b'0').into()));
    if found > limit {
        return Err(DecodeError::TooManyAttachments { found, limit });
    }
    Ok((found, rest))
}

fn split_namespace(rest: &str) -> (&str, &str) {
    if !rest.starts_with('/') {
        return ("/", rest);
    }
    match memchr(b',', rest.as_bytes()).and_then(|comma| rest.split_at_checked(comma)) {
        Some((namespace, rest)) => (namespace, rest.get(1..).unwrap_or_default()),
        None => (rest, ""),
    }
}

fn split_id(rest: &str) -> Result<(Option<u64>, &str), DecodeError> {
    let (digits, rest) = split_digits(rest);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let id = digits.parse().map_err(|_| DecodeError::InvalidId)?;
    Ok((Some(id), rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Sees that a payload is of the kind its type allows, and takes the white space off.
pub(super) fn check_payload(kind: PacketType, payload: &str) -> Result<&str, DecodeError> {
    let payload = trim_json(payload);
    let between = |open: char, close: char| payload.len() > 1 && payload.starts_with(open) && payload.ends_with(close);
    let (valid, expected) = match kind {
        _ if payload.is_empty() => return Ok(payload),
        PacketType::Connect => (between('{', '}'), "an object or nothing"),
        PacketType::Disconnect => (false, "nothing"),
        PacketType::ConnectError => (between('{', '}') || between('"', '"'), "an object or a string"),
        PacketType::Event | PacketType::Ack | PacketType::BinaryEvent | PacketType::BinaryAck => {
            (between('[', ']'), "an array")
        }
    };
    if valid { Ok(payload) } else { Err(DecodeError::InvalidPayload { expected }) }
}

/// Takes off the white space that JSON knows.
pub(super) fn trim_json(text: &str) -> &str {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t' | b'\n' | b'\r'));
    let bytes = text.as_bytes();
    // Mostly there is nothing to trim, and this is asked several times of each event.
    if is_space(bytes.first()) || is_space(bytes.last()) { text.trim_matches([' ', '\t', '\n', '\r']) } else { text }
}

#[cfg(test)]
mod tests {
    use PacketType::{Ack, BinaryAck, BinaryEvent, Connect, ConnectError, Disconnect, Event};

    use super::*;

    #[track_caller]
    fn check(wire: &str, packet: Packet<'_>) {
        assert_eq!(decode(wire, &Limits::default()), Ok(packet));
        assert_eq!(packet.validate(), Ok(()));
        let mut out = Vec::new();
        write_head(&mut out, packet.kind, packet.attachments, packet.namespace, packet.id);
        out.extend_from_slice(packet.payload.as_bytes());
        assert_eq!(String::from_utf8(out).unwrap(), wire);
    }

    #[track_caller]
    fn check_invalid(wire: &str, message: &str) {
        let error = decode(wire, &Limits::default()).and_then(|packet| packet.validate()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }

    fn packet(kind: PacketType, payload: &str) -> Packet<'_> {
        Packet { kind, namespace: "/", id: None, attachments: 0, payload }
    }

    #[test]
    fn every_type_is_read_and_written() {
        check("0", packet(Connect, ""));
        check(r#"0{"token":"x"}"#, packet(Connect, r#"{"token":"x"}"#));
        check(r#"0{"sid":"oSO0OpakMV_3jnilAAAA"}"#, packet(Connect, r#"{"sid":"oSO0OpakMV_3jnilAAAA"}"#));
        check("1", packet(Disconnect, ""));
        check(r#"2["foo",1]"#, packet(Event, r#"["foo",1]"#));
        check("2[7,1]", packet(Event, "[7,1]"));
        check(r#"312["ok"]"#, Packet { id: Some(12), ..packet(Ack, r#"["ok"]"#) });
        check("30[]", Packet { id: Some(0), ..packet(Ack, "[]") });
        check(r#"4{"message":"no","data":1}"#, packet(ConnectError, r#"{"message":"no","data":1}"#));
        check(r#"4"no""#, packet(ConnectError, r#""no""#));
        let one = r#"["f",{"_placeholder":true,"num":0}]"#;
        check(&format!("51-{one}"), Packet { attachments: 1, ..packet(BinaryEvent, one) });
        let two = r#"["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
        check(&format!("52-{two}"), Packet { attachments: 2, ..packet(BinaryEvent, two) });
        check(&format!("50-{one}"), packet(BinaryEvent, one));
        let ack = r#"[{"_placeholder":true,"num":0}]"#;
        let expected = Packet { namespace: "/admin", id: Some(12), attachments: 1, ..packet(BinaryAck, ack) };
        check(&format!("61-/admin,12{ack}"), expected);
    }

    #[test]
    fn a_namespace_ends_at_a_comma() {
        let admin = |kind, payload| Packet { namespace: "/admin", ..packet(kind, payload) };
        check("0/admin,", admin(Connect, ""));
        check(r#"0/admin,{"a":1}"#, admin(Connect, r#"{"a":1}"#));
        check("1/admin,", admin(Disconnect, ""));
        check(r#"2/admin,12["foo"]"#, Packet { id: Some(12), ..admin(Event, r#"["foo"]"#) });
        check(r#"4/admin,"Invalid namespace""#, admin(ConnectError, r#""Invalid namespace""#));
        check(r#"2/ü ?[1],["foo"]"#, Packet { namespace: "/ü ?[1]", ..packet(Event, r#"["foo"]"#) });
        check("0/nsp?token=x,", Packet { namespace: "/nsp?token=x", ..packet(Connect, "") });
    }

    #[test]
    fn a_namespace_may_end_with_the_text() {
        assert_eq!(decode("0/admin", &Limits::default()), Ok(Packet { namespace: "/admin", ..packet(Connect, "") }));
        assert_eq!(decode("0/", &Limits::default()), Ok(packet(Connect, "")));
    }

    #[test]
    fn node_s_tolerance_is_ours() {
        let limits = Limits::default();
        assert_eq!(decode(r#"5-["a"]"#, &limits), Ok(packet(BinaryEvent, r#"["a"]"#)));
        for (wire, kind) in [("2", Event), ("3", Ack), ("4", ConnectError), ("50-", BinaryEvent)] {
            assert_eq!(decode(wire, &limits), Ok(packet(kind, "")));
            assert_eq!(packet(kind, "").validate(), Ok(()));
        }
        assert_eq!(decode("2 [\"a\"]\n", &limits), Ok(packet(Event, r#"["a"]"#)));
    }

    #[test]
    fn unknown_types_are_refused() {
        check_invalid("", "unknown packet type (empty)");
        check_invalid("999", "unknown packet type 9");
        check_invalid("7", "unknown packet type 7");
        check_invalid("abc", "unknown packet type a");
        check_invalid("😀", "unknown packet type 😀");
    }

    #[test]
    fn illegal_attachment_counts_are_refused() {
        for wire in ["5", "51", "5a-", "51.23-", "50x1-[]", "5 1-[]", "5-1-[]", "6", "61", "5+1-[]"] {
            let message = if wire == "5-1-[]" { "invalid payload" } else { "Illegal attachments" };
            check_invalid(wire, message);
        }
    }

    #[test]
    fn more_than_ten_attachments_are_refused() {
        let wire = r#"510-["a"]"#;
        assert_eq!(decode(wire, &Limits::default()).map(|packet| packet.attachments), Ok(10));
        check_invalid(r#"511-["a"]"#, "too many attachments: 11 exceed `max_attachments` (10)");
        check_invalid(&format!("5{}-[\"a\"]", "9".repeat(400)), "too many attachments");
        let none = Limits::default().with_max_attachments(0);
        assert_eq!(decode(r#"51-["a"]"#, &none), Err(DecodeError::TooManyAttachments { found: 1, limit: 0 }));
    }

    #[test]
    fn payloads_of_the_wrong_kind_are_refused() {
        for wire in [
            r#"442["some","data""#,
            r#"0/admin,"invalid""#,
            "0[]",
            "1/admin,{}",
            "1[]",
            r#"2/admin,"invalid"#,
            "2/admin,{}",
            r#"2[{"toString":"foo"}]"#,
            r#"2[true,"foo"]"#,
            r#"2[null,"bar"]"#,
            r#"2["connect"]"#,
            r#"2["disconnect","123"]"#,
            "4abc",
            "2{}",
            r#"2abc["message-with-ack",1,"2",{"3":[false]}]"#,
            "2[]",
            "2[",
            "2]",
            r#"4""#,
            "4{",
            "47[]",
            "3{}",
            r#"3["a""#,
            "0{a}",
            r#"3["a",]"#,
        ] {
            check_invalid(wire, "invalid payload");
        }
    }

    #[test]
    fn an_id_has_64_bits() {
        let max = u64::MAX.to_string();
        assert_eq!(decode(&format!("2{max}[\"a\"]"), &Limits::default()).map(|packet| packet.id), Ok(Some(u64::MAX)));
        check_invalid(&format!("2{max}0[\"a\"]"), "invalid packet id");
        check_invalid("2-1[\"a\"]", "invalid payload");
    }
}
