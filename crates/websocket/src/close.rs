use bytes::Bytes;

use crate::header::MAX_CONTROL_PAYLOAD;
use crate::{Opcode, frame, masked_frame};

/// Why the peer ended the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// One of the codes that may travel: 1000-1003, 1007-1014 or 3000-4999.
    pub code: u16,
    /// For people; often empty.
    pub reason: String,
}

impl CloseFrame {
    /// Reads the payload of a close frame; an empty one gives no code.
    pub(crate) fn parse(payload: &[u8]) -> Result<Option<Self>, InvalidClose> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() { Ok(None) } else { Err(InvalidClose::HalfCode) };
        };
        let code = u16::from_be_bytes(*code);
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(InvalidClose::Code { found: code });
        }
        let reason = simdutf8::basic::from_utf8(reason).map_err(|_| InvalidClose::ReasonNotUtf8)?;
        Ok(Some(Self { code, reason: reason.to_owned() }))
    }
}

/// A close frame of a server. A reason of more than 123 bytes is cut at a character.
///
/// ```
/// assert_eq!(sockeye_websocket::close_frame(1000, "bye"), b"\x88\x05\x03\xe8bye"[..]);
/// ```
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    frame(Opcode::Close, &close_payload(code, reason))
}

/// A close frame of a client, masked with `key`. A reason of more than 123 bytes is cut at a character.
pub fn masked_close_frame(code: u16, reason: &str, key: [u8; 4]) -> Bytes {
    masked_frame(Opcode::Close, &close_payload(code, reason), key)
}

fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let room = MAX_CONTROL_PAYLOAD - size_of_val(&code);
    let end = (0..=room.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    [&code.to_be_bytes(), &reason.as_bytes()[..end]].concat()
}

/// Why the payload of a close frame could not be read. Always the peer's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClose {
    /// A payload of one byte.
    #[error("close frame with a payload of 1 byte: expected none, or a code of 2 bytes")]
    HalfCode,
    /// A code that is reserved or never travels.
    #[error("close code {found}: expected 1000-1003, 1007-1014 or 3000-4999")]
    Code {
        /// The code found.
        found: u16,
    },
    /// A reason that is no text.
    #[error("close reason is not UTF-8")]
    ReasonNotUtf8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &[u8], expected: Result<Option<(u16, &str)>, InvalidClose>) {
        let expected = expected.map(|close| close.map(|(code, reason)| CloseFrame { code, reason: reason.to_owned() }));
        assert_eq!(CloseFrame::parse(payload), expected);
    }

    #[test]
    fn a_code_and_its_reason_are_read() {
        check(b"", Ok(None));
        check(b"\x03\xe8", Ok(Some((1000, ""))));
        check(b"\x03\xf3gone", Ok(Some((1011, "gone"))));
        check(b"\x0b\xb8", Ok(Some((3000, ""))));
        check(b"\x13\x87\xc3\xa4", Ok(Some((4999, "ä"))));
    }

    #[test]
    fn what_may_not_travel_is_refused() {
        check(b"\x03", Err(InvalidClose::HalfCode));
        for found in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            check(&found.to_be_bytes(), Err(InvalidClose::Code { found }));
        }
        check(b"\x03\xe8\xc3", Err(InvalidClose::ReasonNotUtf8));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let frame = close_frame(1000, &"ä".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert_eq!(CloseFrame::parse(&frame[2..]).unwrap().unwrap().reason, "ä".repeat(61));
    }
}
