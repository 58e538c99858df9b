//! Packets as MessagePack: whatever is read is written, and read again.

use sockeye_protocol::{
    Limits,
    engine::{Message, Protocol},
    socket::{Assembled, DecodeError, MessagePackParser, Parser},
};

/// Reads bytes as clients of either protocol. What is a packet is JSON inside, and the same again once it is written.
pub(crate) fn run(bytes: &[u8]) {
    let _old = read(Protocol::V3, bytes);
    let Some(found) = read(Protocol::V4, bytes) else { return };
    assert!(!matches!(found.packet().validate(), Err(DecodeError::InvalidJson { .. })));
    let written = MessagePackParser.encode(&found.packet(), found.attachments());
    let written = written.expect("what was read can be written");
    let same = read(Protocol::V4, &written.binaries()[0]).expect("what was written can be read");
    assert_eq!((same.packet().kind, same.packet().id), (found.packet().kind, found.packet().id));
    assert_eq!((same.packet().namespace, same.attachments()), (found.packet().namespace, found.attachments()));
}

fn read(protocol: Protocol, bytes: &[u8]) -> Option<Assembled> {
    MessagePackParser.decoder(protocol).decode(Message::Binary(bytes.into()), &Limits::default()).ok().flatten()
}
