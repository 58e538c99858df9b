//! WebSocket messages of both revisions: whatever is read is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::engine::{BodyKind, Packet, PeerEncoding, Protocol};

fn decode(protocol: Protocol, kind: BodyKind, wire: &[u8]) -> Option<Packet<'_>> {
    match kind {
        BodyKind::Text => Packet::decode_text(protocol, std::str::from_utf8(wire).ok()?.into()).ok(),
        BodyKind::Binary => Packet::decode_binary(protocol, wire.into()).ok(),
    }
}

fuzz_target!(|input: (bool, bool, bool, &[u8])| {
    let (old, binary, plain, wire) = input;
    let protocol = if old { Protocol::V3 } else { Protocol::V4 };
    let peer = if plain { PeerEncoding::TextOnly } else { PeerEncoding::BinaryCapable };
    let kind = if binary { BodyKind::Binary } else { BodyKind::Text };
    if let Some(packet) = decode(protocol, kind, wire) {
        let mut out = Vec::new();
        let kind = packet.write(protocol, peer, &mut out);
        assert_eq!(decode(protocol, kind, &out).as_ref(), Some(&packet));
    }
});
