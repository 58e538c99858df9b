//! Messages of a WebSocket, of both revisions: whatever is read is written, and read again.

use sockeye_protocol::engine::{BodyKind, Packet, PeerEncoding, Protocol};

/// Reads a message. The first byte chooses: 1 is the old revision, 2 a binary message, 4 a peer that takes text only.
///
/// # Panics
/// If the packet is another one when it is written and read.
pub(crate) fn run(input: &[u8]) {
    let Some((&choice, wire)) = input.split_first() else { return };
    let protocol = if choice & 1 == 0 { Protocol::V4 } else { Protocol::V3 };
    let kind = if choice & 2 == 0 { BodyKind::Text } else { BodyKind::Binary };
    let peer = if choice & 4 == 0 { PeerEncoding::BinaryCapable } else { PeerEncoding::TextOnly };
    let Some(packet) = decode(protocol, kind, wire) else { return };
    let mut out = Vec::new();
    let kind = packet.write(protocol, peer, &mut out);
    assert_eq!(decode(protocol, kind, &out).as_ref(), Some(&packet));
}

fn decode(protocol: Protocol, kind: BodyKind, wire: &[u8]) -> Option<Packet<'_>> {
    match kind {
        BodyKind::Text => Packet::decode_text(protocol, str::from_utf8(wire).ok()?.into()).ok(),
        BodyKind::Binary => Packet::decode_binary(protocol, wire.into()).ok(),
    }
}
