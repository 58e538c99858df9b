//! Polling bodies of both revisions and kinds: whatever is read is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::engine::{BodyKind, Packet, PeerEncoding, Protocol, decode_payload, encode_payload};

fuzz_target!(|input: (bool, bool, &[u8])| {
    let (old, binary, body) = input;
    let protocol = if old { Protocol::V3 } else { Protocol::V4 };
    let kind = if binary { BodyKind::Binary } else { BodyKind::Text };
    let packets: Vec<Packet<'_>> = decode_payload(protocol, kind, body).map_while(Result::ok).collect();
    if !packets.is_empty() {
        let payload = encode_payload(protocol, PeerEncoding::BinaryCapable, packets.iter().cloned());
        let again: Result<Vec<_>, _> = decode_payload(protocol, payload.kind, &payload.body).collect();
        assert_eq!(again.as_ref(), Ok(&packets));
    }
});
