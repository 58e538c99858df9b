use bytes::Bytes;

use crate::header::{Header, HeaderBytes};
use crate::{Opcode, mask};

/// A complete unmasked frame: build it once, clones share its bytes.
///
/// ```
/// use sockeye_websocket::{Opcode, frame};
///
/// assert_eq!(frame(Opcode::Text, b"Hello"), b"\x81\x05Hello"[..]);
/// ```
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let header = header(opcode, payload.len());
    Bytes::from([&*header, payload].concat())
}

/// A complete frame of a client, masked with `key`: four bytes the server can't foresee, new ones for every frame.
///
/// ```
/// use sockeye_websocket::{Opcode, masked_frame};
///
/// let frame = masked_frame(Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(frame, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..]);
/// ```
pub fn masked_frame(opcode: Opcode, payload: &[u8], key: [u8; 4]) -> Bytes {
    let header = Header { mask: Some(key), ..Header::new(opcode, payload.len()) }.encode();
    let mut frame = [&*header, payload].concat();
    mask::apply(&mut frame[header.len()..], key, 0);
    Bytes::from(frame)
}

/// The header of a whole unmasked message, for callers that already hold the payload in a buffer.
pub fn header(opcode: Opcode, payload_len: usize) -> HeaderBytes {
    Header::new(opcode, payload_len).encode()
}

/// Appends the header of a whole unmasked message to `out`; its payload has to follow.
pub fn write_header(out: &mut Vec<u8>, opcode: Opcode, payload_len: usize) {
    out.extend_from_slice(&header(opcode, payload_len));
}

/// Walks the complete, plain, unmasked frames at the front of `bytes`, such as [`frame()`] makes.
///
/// It ends before the first frame that is cut off, masked, compressed or none at all.
///
/// ```
/// use sockeye_websocket::{Opcode, frame, frames};
///
/// let outbox = [frame(Opcode::Text, b"a"), frame(Opcode::Binary, b"b")].concat();
/// let unwrapped: Vec<_> = frames(&outbox).collect();
/// assert_eq!(unwrapped, [(Opcode::Text, &b"a"[..]), (Opcode::Binary, b"b")]);
/// ```
pub fn frames(bytes: &[u8]) -> Frames<'_> {
    Frames { rest: bytes }
}

/// The iterator of [`frames`]: opcode and payload of each.
#[derive(Clone, Debug)]
pub struct Frames<'b> {
    rest: &'b [u8],
}

impl<'b> Frames<'b> {
    /// What has not been walked yet.
    pub fn remainder(&self) -> &'b [u8] {
        self.rest
    }
}

impl<'b> Iterator for Frames<'b> {
    type Item = (Opcode, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, len) = Header::parse(self.rest).ok()??;
        if header.mask.is_some() || header.is_compressed {
            return None;
        }
        let (payload, rest) = self.rest.get(len..)?.split_at_checked(usize::try_from(header.payload_len).ok()?)?;
        self.rest = rest;
        Some((header.opcode, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walking_ends_at_a_frame_that_is_not_ours() {
        let ours = frame(Opcode::Text, b"ours");
        for foreign in [&b"\x81\x05cut"[..], b"\xc1\x00", b"\x81\x80\0\0\0\0", b"\xff"] {
            let bytes = [&ours, foreign].concat();
            let mut frames = frames(&bytes);
            assert_eq!(frames.next(), Some((Opcode::Text, &b"ours"[..])));
            assert_eq!(frames.next(), None);
            assert_eq!(frames.remainder(), foreign);
        }
    }
}
