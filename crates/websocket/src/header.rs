use std::ops::Deref;

/// Longest header of an unmasked frame, in bytes.
pub const MAX_SERVER_HEADER: usize = 10;

/// Longest header of any frame: an unmasked one and the four bytes of the mask.
pub(crate) const MAX_HEADER: usize = MAX_SERVER_HEADER + 4;

/// A control frame carries no more than this ([RFC 6455, section 5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)).
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// What a frame is for ([RFC 6455, section 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// Goes on with the message that an earlier frame began.
    Continuation,
    /// Begins a message of UTF-8 text.
    Text,
    /// Begins a message of bytes.
    Binary,
    /// Ends the connection; nothing follows it.
    Close,
    /// Asks for a pong with the same payload.
    Ping,
    /// Answers a ping, or shows unasked that the peer is there.
    Pong,
}

impl Opcode {
    /// Whether frames of this kind may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn from_wire(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }
}

impl From<Opcode> for u8 {
    fn from(opcode: Opcode) -> Self {
        match opcode {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }
}

/// The head of a frame, for callers that fragment messages or put payloads behind headers themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub opcode: Opcode,
    /// Whether this is the last frame of its message.
    pub is_final: bool,
    /// Whether the message is compressed; stands on its first frame only.
    pub is_compressed: bool,
    /// The key the payload is masked with; frames of a client have one, frames of a server have none.
    pub mask: Option<[u8; 4]>,
    /// Bytes that follow the header.
    pub payload_len: u64,
}

impl Header {
    /// The header of a whole, plain, unmasked message.
    pub fn new(opcode: Opcode, payload_len: usize) -> Self {
        Self { opcode, is_final: true, is_compressed: false, mask: None, payload_len: payload_len as u64 }
    }

    /// Reads the header at the front of `bytes` and its length; `None` if more bytes are needed.
    ///
    /// A length written in more bytes than it needs is taken, as Node's `ws` takes it.
    ///
    /// # Errors
    /// [`InvalidHeader`] as soon as the bytes that are there can't begin any frame.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, InvalidHeader> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        if first & RSV2_RSV3 != 0 {
            return Err(InvalidHeader::ReservedBits { found: first });
        }
        let nibble = first & 0x0F;
        let opcode = Opcode::from_wire(nibble).ok_or(InvalidHeader::UnknownOpcode { found: nibble })?;
        let (is_final, is_compressed) = (first & FIN != 0, first & RSV1 != 0);
        if is_compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(InvalidHeader::ReservedBits { found: first });
        }
        if opcode.is_control() && !is_final {
            return Err(InvalidHeader::FragmentedControl { opcode });
        }
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        let short_len = second & !MASKED;
        if opcode.is_control() && usize::from(short_len) > MAX_CONTROL_PAYLOAD {
            return Err(InvalidHeader::LongControl { opcode });
        }
        let (payload_len, rest) = match short_len {
            LENGTH_16 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => return Ok(None),
            },
            LENGTH_64 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => return Ok(None),
            },
            len => (u64::from(len), rest),
        };
        let (mask, rest) = match (second & MASKED != 0, rest.split_first_chunk()) {
            (false, _) => (None, rest),
            (true, Some((key, rest))) => (Some(*key), rest),
            (true, None) => return Ok(None),
        };
        Ok(Some((Self { opcode, is_final, is_compressed, mask, payload_len }, bytes.len() - rest.len())))
    }

    /// Writes the header in its shortest form.
    pub fn encode(&self) -> HeaderBytes {
        let mut out = HeaderBytes { bytes: [0; MAX_HEADER], len: 0 };
        let fin = if self.is_final { FIN } else { 0 };
        let rsv1 = if self.is_compressed { RSV1 } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        out.push(&[fin | rsv1 | u8::from(self.opcode)]);
        match (u8::try_from(self.payload_len), u16::try_from(self.payload_len)) {
            (Ok(len), _) if len < LENGTH_16 => out.push(&[masked | len]),
            (_, Ok(len)) => {
                out.push(&[masked | LENGTH_16]);
                out.push(&len.to_be_bytes());
            }
            _ => {
                out.push(&[masked | LENGTH_64]);
                out.push(&self.payload_len.to_be_bytes());
            }
        }
        out.push(self.mask.as_ref().map_or(&[], |key| key));
        out
    }
}

/// An encoded header: a few bytes on the stack, to be copied in front of a payload.
///
/// ```
/// use sockeye_websocket::{MAX_SERVER_HEADER, Opcode, header};
///
/// let mut buffer = vec![0; MAX_SERVER_HEADER];
/// buffer.extend_from_slice(b"Hello");
/// let header = header(Opcode::Text, buffer.len() - MAX_SERVER_HEADER);
/// let start = MAX_SERVER_HEADER - header.len();
/// buffer[start..MAX_SERVER_HEADER].copy_from_slice(&header);
/// assert_eq!(&buffer[start..], b"\x81\x05Hello");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HeaderBytes {
    bytes: [u8; MAX_HEADER],
    len: usize,
}

impl HeaderBytes {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Why bytes can't be the head of a frame. Always the peer's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// A bit is set that no agreed extension gives a meaning.
    #[error(
        "reserved bits in first byte {found:#04x}: expected none, or RSV1 on the first frame of a compressed message"
    )]
    ReservedBits {
        /// The frame's first byte.
        found: u8,
    },
    /// An opcode that the protocol does not define.
    #[error("unknown opcode {found:#x}: expected 0x0-0x2 or 0x8-0xa")]
    UnknownOpcode {
        /// The four bits found.
        found: u8,
    },
    /// A control frame that announces further fragments.
    #[error("fragmented {opcode:?} frame: a control frame is whole")]
    FragmentedControl {
        /// Which control frame it was.
        opcode: Opcode,
    },
    /// A control frame whose payload needs a long length.
    #[error("{opcode:?} frame of more than {MAX_CONTROL_PAYLOAD} bytes: a control frame carries no more")]
    LongControl {
        /// Which control frame it was.
        opcode: Opcode,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(wire: &[u8], header: Header) {
        assert_eq!(&*header.encode(), wire);
        assert_eq!(Header::parse(wire), Ok(Some((header, wire.len()))));
        for cut in 0..wire.len() {
            assert_eq!(Header::parse(&wire[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[track_caller]
    fn check_invalid(wire: &[u8], error: InvalidHeader) {
        assert_eq!(Header::parse(wire), Err(error));
    }

    #[test]
    fn the_length_takes_its_shortest_form() {
        check(b"\x81\x05", Header::new(Opcode::Text, 5));
        check(b"\x82\x7d", Header::new(Opcode::Binary, 125));
        check(b"\x82\x7e\x00\x7e", Header::new(Opcode::Binary, 126));
        check(b"\x82\x7e\x01\x00", Header::new(Opcode::Binary, 256));
        check(b"\x82\x7e\xff\xff", Header::new(Opcode::Binary, 65_535));
        check(b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", Header::new(Opcode::Binary, 65_536));
    }

    #[test]
    fn flags_and_mask_have_their_places() {
        check(b"\x01\x03", Header { is_final: false, ..Header::new(Opcode::Text, 3) });
        check(b"\x80\x02", Header::new(Opcode::Continuation, 2));
        check(b"\xc1\x07", Header { is_compressed: true, ..Header::new(Opcode::Text, 7) });
        let mask = Some([0x37, 0xfa, 0x21, 0x3d]);
        check(b"\x8a\x85\x37\xfa\x21\x3d", Header { mask, ..Header::new(Opcode::Pong, 5) });
    }

    #[test]
    fn what_begins_no_frame_is_refused_at_the_first_wrong_byte() {
        check_invalid(b"\xa1", InvalidHeader::ReservedBits { found: 0xa1 });
        check_invalid(b"\x91", InvalidHeader::ReservedBits { found: 0x91 });
        check_invalid(b"\xc9", InvalidHeader::ReservedBits { found: 0xc9 });
        check_invalid(b"\xc0", InvalidHeader::ReservedBits { found: 0xc0 });
        check_invalid(b"\x83", InvalidHeader::UnknownOpcode { found: 3 });
        check_invalid(b"\x8f", InvalidHeader::UnknownOpcode { found: 15 });
        check_invalid(b"\x09", InvalidHeader::FragmentedControl { opcode: Opcode::Ping });
        check_invalid(b"\x88\x7e", InvalidHeader::LongControl { opcode: Opcode::Close });
    }

    proptest! {
        #[test]
        fn what_is_parsed_was_there(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(Some((header, len))) = Header::parse(&bytes) {
                prop_assert!(header.encode().len() <= len);
                prop_assert!(len <= bytes.len());
            }
        }
    }
}
