use memchr::memchr;

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

/// Reads the text of a packet, up to its JSON: `<type>[<attachments>-][<namespace>,][<id>]<json>`.
///
/// The JSON is not parsed, but seen to be of the kind the type allows: it begins and ends as an array, an object or a
/// string does. [`split_event`](super::split_event) and [`Arguments`](super::Arguments) find out the rest. A missing
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
    /// More attachments than allowed.
    #[error("too many attachments: {found} exceed `max_attachments` ({limit})")]
    TooManyAttachments {
        /// The number in the head.
        found: usize,
        /// The limit that holds.
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

fn split_type(text: &str) -> Result<(PacketType, &str), DecodeError> {
    let kind = match text.bytes().next() {
        Some(b'0') => PacketType::Connect,
        Some(b'1') => PacketType::Disconnect,
        Some(b'2') => PacketType::Event,
        Some(b'3') => PacketType::Ack,
        Some(b'4') => PacketType::ConnectError,
        Some(b'5') => PacketType::BinaryEvent,
        Some(b'6') => PacketType::BinaryAck,
        _ => return Err(DecodeError::UnknownType { found: text.chars().next() }),
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

fn check_payload(kind: PacketType, payload: &str) -> Result<&str, DecodeError> {
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
    text.trim_matches([' ', '\t', '\n', '\r'])
}
