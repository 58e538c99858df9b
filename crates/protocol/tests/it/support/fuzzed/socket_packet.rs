//! Messages of one connection, texts and attachments in any order, and the packets that they make.

use sockeye_protocol::{
    Limits,
    socket::{Arguments, Assembler, ConnectError, ConnectTarget, Packet, split_event},
};

/// Between messages. A message that begins with `b` is an attachment, all others are texts, which begin with a digit.
const SEPARATOR: u8 = 0x1e;

/// Receives messages one after the other, as the server does: an error ends it.
///
/// # Panics
/// If a packet has more attachments than allowed, other ones than were announced, or comes while one is incomplete.
pub(crate) fn run(input: &[u8]) {
    let mut assembler = Assembler::default();
    let mut missing = 0;
    for message in input.split(|byte| *byte == SEPARATOR) {
        if let Some(bytes) = message.strip_prefix(b"b") {
            let Ok(whole) = assembler.binary(bytes.to_vec()) else {
                return assert_eq!(missing, 0, "an expected attachment is refused");
            };
            missing -= 1;
            assert_eq!(whole.is_some(), missing == 0);
            if let Some(whole) = whole {
                assert_eq!(whole.attachments().len(), whole.packet().attachments);
                let _checked = whole.event().map(|event| event.arguments.validate());
                let _checked = whole.ack().map(|arguments| arguments.validate());
            }
            continue;
        }
        let Ok(text) = str::from_utf8(message) else { return };
        let Ok(packet) = assembler.text(text, &limits()) else { return };
        assert_eq!(missing, 0, "a packet in between");
        match packet {
            Some(packet) => read(&packet),
            None => missing = announced(text),
        }
    }
}

fn limits() -> Limits {
    Limits::default()
}

/// How many attachments a text says it has.
fn announced(text: &str) -> usize {
    let packet = sockeye_protocol::socket::decode(text, &limits()).expect("the assembler read it");
    assert!((1..=limits().max_attachments).contains(&packet.attachments));
    packet.attachments
}

fn read(packet: &Packet<'_>) {
    let _checked = packet.validate();
    let _checked = split_event(packet.payload).map(|event| event.arguments.validate());
    let _checked = Arguments::from_ack(packet.payload, &[]).map(|arguments| arguments.validate());
    let auth = ConnectTarget::parse(packet.namespace).auth_json();
    assert!(serde_json::from_str::<serde_json::Value>(&auth).is_ok(), "no JSON: {auth}");
    let _error = ConnectError::parse(packet.payload);
}
