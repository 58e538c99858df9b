use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use super::{BodyKind, PeerEncoding, Protocol};

/// What one Engine.IO packet carries: one message of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message.
    Text(Cow<'a, str>),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
}

impl Message<'_> {
    /// Length in bytes, as it counts against `max_payload`.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it. Empty messages are valid.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same message with its own memory.
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => Message::Binary(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// One Engine.IO packet ([Engine.IO v4, "Packet types"]).
///
/// ```
/// use sockeye_protocol::engine::{Packet, Protocol};
///
/// let packet = Packet::decode_text(Protocol::V4, "2probe".into())?;
/// assert_eq!(packet, Packet::Ping("probe".into()));
/// let mut out = Vec::new();
/// packet.write_text(Protocol::V4, &mut out);
/// assert_eq!(out, b"2probe");
/// # Ok::<(), sockeye_protocol::engine::DecodeError>(())
/// ```
///
/// [Engine.IO v4, "Packet types"]: https://socket.io/docs/v4/engine-io-protocol/#packet-types
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: the session is open; JSON, see [`Open`](super::Open).
    Open(Cow<'a, str>),
    /// `1`: the session is over.
    Close,
    /// `2`: are you there? `probe` while a transport is tried.
    Ping(Cow<'a, str>),
    /// `3`: the answer to a ping.
    Pong(Cow<'a, str>),
    /// `4`: a message.
    Message(Message<'a>),
    /// `5`: the new transport is taken.
    Upgrade,
    /// `6`: nothing; ends a pending poll.
    Noop,
}

impl<'a> Packet<'a> {
    /// A text message.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Message(Message::Text(text.into()))
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::Message(Message::Binary(bytes.into()))
    }

    /// Reads a packet written as text: a WebSocket text message, or one part of a polling body.
    ///
    /// What is borrowed stays borrowed, base64 excepted. Data behind a close, upgrade or noop is dropped, as in Node.
    ///
    /// # Errors
    /// [`DecodeError`] if there is no type, an unknown one, or if base64 is broken.
    pub fn decode_text(protocol: Protocol, text: Cow<'a, str>) -> Result<Self, DecodeError> {
        match text.bytes().next() {
            Some(b'0') => Ok(Self::Open(without_type(text))),
            Some(b'1') => Ok(Self::Close),
            Some(b'2') => Ok(Self::Ping(without_type(text))),
            Some(b'3') => Ok(Self::Pong(without_type(text))),
            Some(b'4') => Ok(Self::Message(Message::Text(without_type(text)))),
            Some(b'5') => Ok(Self::Upgrade),
            Some(b'6') => Ok(Self::Noop),
            Some(b'b') => decode_base64(protocol, &text),
            _ => Err(text.chars().next().map_or(DecodeError::Empty, |found| DecodeError::UnknownType { found })),
        }
    }

    /// Reads a packet of bytes, which is always a message: as it is in revision 4, behind the type byte 4 in revision 3.
    ///
    /// # Errors
    /// [`DecodeError`] if revision 3's type byte is missing or not 4.
    pub fn decode_binary(protocol: Protocol, bytes: Cow<'a, [u8]>) -> Result<Self, DecodeError> {
        if protocol == Protocol::V4 {
            return Ok(Self::binary(bytes));
        }
        match bytes.first() {
            Some(4) => Ok(Self::binary(match bytes {
                Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(1..).unwrap_or_default()),
                Cow::Owned(mut bytes) => {
                    bytes.remove(0);
                    Cow::Owned(bytes)
                }
            })),
            Some(&found) => Err(DecodeError::UnknownBinaryType { found }),
            None => Err(DecodeError::Empty),
        }
    }

    /// Whether this is a binary message.
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Message(Message::Binary(_)))
    }

    /// Appends the packet as text, a binary message as base64.
    pub fn write_text(&self, protocol: Protocol, out: &mut Vec<u8>) {
        let (digit, data) = match self {
            Self::Open(data) => (b'0', &**data),
            Self::Close => (b'1', ""),
            Self::Ping(data) => (b'2', &**data),
            Self::Pong(data) => (b'3', &**data),
            Self::Message(Message::Text(data)) => (b'4', &**data),
            Self::Message(Message::Binary(bytes)) => return write_base64(protocol, bytes, out),
            Self::Upgrade => (b'5', ""),
            Self::Noop => (b'6', ""),
        };
        out.push(digit);
        out.extend_from_slice(data.as_bytes());
    }

    /// Appends the packet as bytes: a binary message as it is, or behind revision 3's type byte.
    ///
    /// All other packets have no form but text, and that is what is appended for them; [`write`](Self::write) tells.
    pub fn write_binary(&self, protocol: Protocol, out: &mut Vec<u8>) {
        let Self::Message(Message::Binary(bytes)) = self else { return self.write_text(protocol, out) };
        out.extend_from_slice(protocol.binary_prefix());
        out.extend_from_slice(bytes);
    }

    /// Appends the packet in the form one WebSocket message has for this peer, and tells which form that is.
    pub fn write(&self, protocol: Protocol, peer: PeerEncoding, out: &mut Vec<u8>) -> BodyKind {
        if self.is_binary() && peer == PeerEncoding::BinaryCapable {
            self.write_binary(protocol, out);
            return BodyKind::Binary;
        }
        self.write_text(protocol, out);
        BodyKind::Text
    }

    /// The same packet with its own memory.
    pub fn into_owned(self) -> Packet<'static> {
        match self {
            Self::Open(data) => Packet::Open(Cow::Owned(data.into_owned())),
            Self::Close => Packet::Close,
            Self::Ping(data) => Packet::Ping(Cow::Owned(data.into_owned())),
            Self::Pong(data) => Packet::Pong(Cow::Owned(data.into_owned())),
            Self::Message(message) => Packet::Message(message.into_owned()),
            Self::Upgrade => Packet::Upgrade,
            Self::Noop => Packet::Noop,
        }
    }
}

/// Why a packet or a payload could not be read. Always the peer's doing.
///
/// The session ends with [`CloseReason::ParseError`](super::CloseReason::ParseError), save for
/// [`BinaryBody`](Self::BinaryBody): Node calls that one a transport error. Over HTTP the answer is an empty 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Nothing where a packet should be.
    #[error("empty packet: expected a type digit 0-6")]
    Empty,
    /// A packet of text begins with something that is no type.
    #[error("unknown packet type {found:?}: expected a digit 0-6, or `b` and base64")]
    UnknownType {
        /// The first character.
        found: char,
    },
    /// A packet of bytes in revision 3 begins with something else than the type of a message.
    #[error("unknown binary packet type {found:#04x}: expected 0x04")]
    UnknownBinaryType {
        /// The first byte.
        found: u8,
    },
    /// What follows `b` is not base64.
    #[error("invalid base64 in a binary packet: expected the standard alphabet")]
    InvalidBase64,
    /// Text that is not UTF-8.
    #[error("invalid UTF-8 in a text payload")]
    InvalidUtf8,
    /// A body of bytes in revision 4, whose bodies are text.
    #[error("binary body: expected text, as Engine.IO 4 writes bytes as base64")]
    BinaryBody,
    /// A JSONP form without its one field.
    #[error("invalid JSONP form: expected exactly one field `d`")]
    InvalidForm,
    /// The length before a packet of a revision 3 payload is no number or too long.
    #[error("invalid length in a payload: expected 1-15 digits and their end mark")]
    InvalidLength,
    /// A revision 3 payload ends, or splits a character, before its packet is complete.
    #[error("truncated payload: expected a packet of length {expected}")]
    Truncated {
        /// The length told.
        expected: usize,
    },
    /// A packet of a binary revision 3 payload is neither text nor bytes.
    #[error("unknown packet mark {found:#04x} in a binary payload: expected 0 or 1")]
    UnknownMark {
        /// The byte in the mark's place.
        found: u8,
    },
}

/// Takes the type, which the caller has seen to be one byte, off the front.
fn without_type(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(1..).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.remove(0);
            Cow::Owned(text)
        }
    }
}

/// Node reads base64 without padding too, and so do we.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn decode_base64(protocol: Protocol, text: &str) -> Result<Packet<'static>, DecodeError> {
    let Some(base64) = text.strip_prefix(protocol.base64_prefix()) else {
        // Only revision 3 has a second character to get wrong.
        return Err(text.chars().nth(1).map_or(DecodeError::Empty, |found| DecodeError::UnknownType { found }));
    };
    let bytes = LENIENT.decode(base64).map_err(|_| DecodeError::InvalidBase64)?;
    Ok(Packet::binary(bytes))
}

fn write_base64(protocol: Protocol, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(protocol.base64_prefix().as_bytes());
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The room is exact, so this can't fail.
    let _written = STANDARD.encode_slice(bytes, out.get_mut(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use Protocol::{V3, V4};

    use super::*;

    #[track_caller]
    fn check(protocol: Protocol, wire: &str, packet: &Packet<'_>) {
        for text in [Cow::Borrowed(wire), Cow::Owned(wire.to_owned())] {
            assert_eq!(Packet::decode_text(protocol, text).as_ref(), Ok(packet));
        }
        let mut out = Vec::new();
        packet.write_text(protocol, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), wire);
    }

    #[track_caller]
    fn check_binary(protocol: Protocol, wire: &[u8], packet: &Packet<'_>) {
        for bytes in [Cow::Borrowed(wire), Cow::Owned(wire.to_owned())] {
            assert_eq!(Packet::decode_binary(protocol, bytes).as_ref(), Ok(packet));
        }
        let mut out = Vec::new();
        assert_eq!(packet.write(protocol, PeerEncoding::BinaryCapable, &mut out), BodyKind::Binary);
        assert_eq!(out, wire);
    }

    #[track_caller]
    fn check_invalid(protocol: Protocol, wire: &str, error: DecodeError) {
        assert_eq!(Packet::decode_text(protocol, wire.into()), Err(error));
    }

    #[test]
    fn both_revisions_share_their_texts() {
        for protocol in [V3, V4] {
            check(protocol, r#"0{"sid":"x"}"#, &Packet::Open(r#"{"sid":"x"}"#.into()));
            check(protocol, "1", &Packet::Close);
            check(protocol, "2", &Packet::Ping("".into()));
            check(protocol, "2probe", &Packet::Ping("probe".into()));
            check(protocol, "3", &Packet::Pong("".into()));
            check(protocol, "3probe", &Packet::Pong("probe".into()));
            check(protocol, "4", &Packet::text(""));
            check(protocol, "4hello", &Packet::text("hello"));
            check(protocol, "4€😀", &Packet::text("€😀"));
            check(protocol, "5", &Packet::Upgrade);
            check(protocol, "6", &Packet::Noop);
        }
    }

    #[test]
    fn bytes_as_text_are_base64() {
        check(V4, "bAQIDBA==", &Packet::binary(vec![1, 2, 3, 4]));
        check(V4, "b", &Packet::binary(vec![]));
        check(V4, "b4AQI", &Packet::binary(vec![0xe0, 0x04, 0x08]));
        check(V3, "b4AQIDBA==", &Packet::binary(vec![1, 2, 3, 4]));
        check(V3, "b4", &Packet::binary(vec![]));
    }

    #[test]
    fn base64_may_lack_its_padding() {
        assert_eq!(Packet::decode_text(V4, "bAQIDBA".into()), Ok(Packet::binary(vec![1, 2, 3, 4])));
    }

    #[test]
    fn bytes_are_bare_in_revision_4_and_typed_in_revision_3() {
        check_binary(V4, &[1, 2, 3, 4], &Packet::binary(vec![1, 2, 3, 4]));
        check_binary(V4, &[], &Packet::binary(vec![]));
        check_binary(V3, &[4, 1, 2, 3, 4], &Packet::binary(vec![1, 2, 3, 4]));
        check_binary(V3, &[4], &Packet::binary(vec![]));
    }

    #[test]
    fn a_text_only_peer_gets_text() {
        let mut out = Vec::new();
        assert_eq!(Packet::binary(vec![1]).write(V4, PeerEncoding::TextOnly, &mut out), BodyKind::Text);
        assert_eq!(out, b"bAQ==");
    }

    #[test]
    fn data_behind_a_close_is_dropped() {
        assert_eq!(Packet::decode_text(V4, "1abc".into()), Ok(Packet::Close));
    }

    #[test]
    fn what_is_borrowed_stays_borrowed() {
        let packet = Packet::decode_text(V4, "4hello".into()).unwrap();
        assert!(matches!(packet, Packet::Message(Message::Text(Cow::Borrowed("hello")))));
    }

    #[test]
    fn invalid_packets_say_what_was_found() {
        for protocol in [V3, V4] {
            check_invalid(protocol, "", DecodeError::Empty);
            check_invalid(protocol, "7", DecodeError::UnknownType { found: '7' });
            check_invalid(protocol, "abc", DecodeError::UnknownType { found: 'a' });
            check_invalid(protocol, "😀", DecodeError::UnknownType { found: '😀' });
            check_invalid(protocol, "b4$$$$", DecodeError::InvalidBase64);
        }
        check_invalid(V3, "b", DecodeError::Empty);
        check_invalid(V3, "b2AQID", DecodeError::UnknownType { found: '2' });
        assert_eq!(Packet::decode_binary(V3, Cow::Borrowed(&[])), Err(DecodeError::Empty));
        let error = DecodeError::UnknownBinaryType { found: b'4' };
        assert_eq!(Packet::decode_binary(V3, Cow::Borrowed(b"4a")), Err(error));
    }
}
