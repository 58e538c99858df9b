//! Bodies of polling, of both revisions and kinds: whatever is read is written, and read again.

use sockeye_protocol::engine::{BodyKind, DecodeError, Packet, PeerEncoding, Protocol, decode_payload, encode_payload};

/// Reads a body. The first byte chooses: 1 is the old revision, 2 a binary body, 4 a peer that takes text only.
///
/// # Panics
/// If something is read behind an error, if there are more packets than bytes, or if they are others when they are
/// written and read.
pub(crate) fn run(input: &[u8]) {
    let Some((&choice, body)) = input.split_first() else { return };
    let protocol = if choice & 1 == 0 { Protocol::V4 } else { Protocol::V3 };
    let kind = if choice & 2 == 0 { BodyKind::Text } else { BodyKind::Binary };
    let peer = if choice & 4 == 0 { PeerEncoding::BinaryCapable } else { PeerEncoding::TextOnly };
    let read: Vec<Result<Packet<'_>, DecodeError>> = decode_payload(protocol, kind, body).collect();
    assert!(read.iter().rev().skip(1).all(Result::is_ok));
    assert!(read.len() <= body.len().max(1));
    let packets: Vec<Packet<'_>> = read.into_iter().map_while(Result::ok).collect();
    if !packets.is_empty() {
        let payload = encode_payload(protocol, peer, packets.iter().cloned());
        let again: Result<Vec<_>, _> = decode_payload(protocol, payload.kind, &payload.body).collect();
        assert_eq!(again.as_ref(), Ok(&packets));
    }
}
