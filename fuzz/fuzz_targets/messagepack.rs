//! A MessagePack packet; one that can be read can be written and is the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::{
    Limits,
    engine::{Message, Protocol},
    socket::{Assembled, DecodeError, MessagePackParser, Parser},
};

fn read(protocol: Protocol, bytes: &[u8]) -> Option<Assembled> {
    MessagePackParser.decoder(protocol).decode(Message::Binary(bytes.into()), &Limits::default()).ok().flatten()
}

fuzz_target!(|bytes: &[u8]| {
    let _old = read(Protocol::V3, bytes);
    let Some(packet) = read(Protocol::V4, bytes) else { return };
    assert!(!matches!(packet.packet().validate(), Err(DecodeError::InvalidJson { .. })));
    let Ok(written) = MessagePackParser.encode(&packet.packet(), packet.attachments()) else { return };
    let same = read(Protocol::V4, &written.binaries()[0]).expect("what was written can be read");
    assert_eq!(same.packet().id, packet.packet().id);
    assert_eq!(same.attachments(), packet.attachments());
});
