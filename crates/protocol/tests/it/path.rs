//! The way of a packet through both layers, in the words of the protocol documents.

use bytes::Bytes;
use sockeye_protocol::{
    Limits,
    engine::{BodyKind, Message, Packet, PeerEncoding, Protocol, decode_payload, encode_payload},
    socket::{Assembler, PacketType, Value, encode_event},
};

/// Decodes a body, and gives what each message of Socket.IO is: type, namespace, name or payload, arguments.
fn read(protocol: Protocol, kind: BodyKind, body: &[u8]) -> Vec<(PacketType, String, String, Vec<Value>)> {
    let mut assembler = Assembler::default();
    let mut read = Vec::new();
    for packet in decode_payload(protocol, kind, body) {
        let whole = match packet.unwrap() {
            Packet::Message(Message::Text(text)) => {
                if let Some(packet) = assembler.text(&text, &Limits::default()).unwrap() {
                    read.push((packet.kind, packet.namespace.to_owned(), packet.payload.to_owned(), Vec::new()));
                }
                continue;
            }
            Packet::Message(Message::Binary(bytes)) => assembler.binary(bytes.into_owned()).unwrap(),
            other => panic!("{other:?}"),
        };
        if let Some(whole) = whole {
            let event = whole.event().unwrap();
            let arguments = event.arguments.to_raw().unwrap().to_values().unwrap();
            let (kind, namespace) = (whole.packet().kind, whole.packet().namespace.to_owned());
            read.push((kind, namespace, event.name.into_owned(), arguments));
        }
    }
    read
}

#[test]
fn both_revisions_carry_an_event_with_attachments() {
    let (mut text, mut attachments) = (Vec::new(), Vec::new());
    let arguments = (Bytes::from_static(&[1, 2, 3]), "€😀", vec![Bytes::from_static(&[4, 5])]);
    encode_event(&mut text, "/admin", None, "baz", &arguments, &mut attachments, &Limits::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let packets = || {
        let binaries = attachments.iter().map(|bytes| Packet::binary(&bytes[..]));
        std::iter::once(Packet::text(text.as_str())).chain(binaries)
    };
    let expected = vec![
        Value::Binary(Bytes::from_static(&[1, 2, 3])),
        "€😀".into(),
        vec![Value::Binary(Bytes::from_static(&[4, 5]))].into(),
    ];
    for protocol in [Protocol::V3, Protocol::V4] {
        for peer in [PeerEncoding::BinaryCapable, PeerEncoding::TextOnly] {
            let payload = encode_payload(protocol, peer, packets());
            let found = read(protocol, payload.kind, &payload.body);
            let event = (PacketType::BinaryEvent, "/admin".to_owned(), "baz".to_owned(), expected.clone());
            assert_eq!(found, [event], "{protocol:?} {peer:?}");
        }
    }
}

#[test]
fn a_session_of_revision_4_begins_with_a_connect() {
    let found = read(Protocol::V4, BodyKind::Text, b"40{\"token\":\"x\"}\x1e40/admin,\x1e41/admin,\x1e42[\"hi\"]");
    let packet = |kind, namespace: &str, payload: &str| (kind, namespace.to_owned(), payload.to_owned(), Vec::new());
    let expected = [
        packet(PacketType::Connect, "/", r#"{"token":"x"}"#),
        packet(PacketType::Connect, "/admin", ""),
        packet(PacketType::Disconnect, "/admin", ""),
        packet(PacketType::Event, "/", r#"["hi"]"#),
    ];
    assert_eq!(found, expected);
}

#[test]
fn revision_3_is_told_of_its_root_namespace_behind_the_open_packet() {
    let packets = [Packet::Open("{}".into()), Packet::text("0")];
    let payload = encode_payload(Protocol::V3, PeerEncoding::BinaryCapable, packets.into_iter());
    assert_eq!((payload.kind, payload.body.as_slice()), (BodyKind::Text, b"3:0{}2:40".as_slice()));
}
