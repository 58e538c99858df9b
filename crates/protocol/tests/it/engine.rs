//! Engine.IO: what is written is read, and no bytes do harm.

use proptest::prelude::*;
use sockeye_protocol::engine::{
    BodyKind, EncodedPayload, Message, Packet, PeerEncoding, Protocol, Query, SessionId, decode_payload,
    encode_payload, unwrap_jsonp, wrap_jsonp,
};

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::V3), Just(Protocol::V4)]
}

fn kind() -> impl Strategy<Value = BodyKind> {
    prop_oneof![Just(BodyKind::Text), Just(BodyKind::Binary)]
}

fn peer() -> impl Strategy<Value = PeerEncoding> {
    prop_oneof![Just(PeerEncoding::BinaryCapable), Just(PeerEncoding::TextOnly)]
}

/// Texts with characters of every width, without the separator, which no payload of revision 4 can hold.
fn text() -> impl Strategy<Value = String> {
    "[a-c0-9:äß€😀\\x00-\\x1d\u{fffd}]{0,12}"
}

fn packet() -> impl Strategy<Value = Packet<'static>> {
    prop_oneof![
        text().prop_map(|data| Packet::Open(data.into())),
        Just(Packet::Close),
        text().prop_map(|data| Packet::Ping(data.into())),
        text().prop_map(|data| Packet::Pong(data.into())),
        text().prop_map(Packet::text),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Packet::binary),
        Just(Packet::Upgrade),
        Just(Packet::Noop),
    ]
}

proptest! {
    #[test]
    fn a_written_packet_is_read_again(protocol in protocol(), peer in peer(), packet in packet()) {
        let mut wire = Vec::new();
        let kind = packet.write(protocol, peer, &mut wire);
        let read = match kind {
            BodyKind::Text => Packet::decode_text(protocol, str::from_utf8(&wire).unwrap().into()),
            BodyKind::Binary => Packet::decode_binary(protocol, wire.as_slice().into()),
        };
        prop_assert_eq!(read, Ok(packet));
    }

    #[test]
    fn a_written_payload_is_read_again(
        protocol in protocol(),
        peer in peer(),
        packets in prop::collection::vec(packet(), 1..8),
    ) {
        let EncodedPayload { body, kind } = encode_payload(protocol, peer, packets.iter().cloned());
        let bytes = packets.iter().any(Packet::is_binary);
        let binary = protocol == Protocol::V3 && peer == PeerEncoding::BinaryCapable && bytes;
        prop_assert_eq!(kind == BodyKind::Binary, binary);
        let read: Result<Vec<_>, _> = decode_payload(protocol, kind, &body).collect();
        prop_assert_eq!(read, Ok(packets));
    }

    #[test]
    fn no_body_does_harm(protocol in protocol(), kind in kind(), body in prop::collection::vec(any::<u8>(), 0..64)) {
        let packets: Vec<_> = decode_payload(protocol, kind, &body).collect();
        prop_assert!(packets.iter().rev().skip(1).all(Result::is_ok), "{:?}", packets);
        prop_assert!(packets.len() <= body.len().max(1));
    }

    #[test]
    fn no_nearly_valid_body_does_harm(
        protocol in protocol(),
        peer in peer(),
        packets in prop::collection::vec(packet(), 1..4),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let EncodedPayload { mut body, kind } = encode_payload(protocol, peer, packets.into_iter());
        let at = at.index(body.len());
        body[at] = byte;
        let read: Vec<_> = decode_payload(protocol, kind, &body).collect();
        prop_assert!(read.iter().rev().skip(1).all(Result::is_ok));
    }

    #[test]
    fn revision_3_counts_what_javascript_counts(data in text()) {
        let body = encode_payload(Protocol::V3, PeerEncoding::TextOnly, [Packet::text(data.as_str())].into_iter()).body;
        let length = 1 + data.encode_utf16().count();
        prop_assert_eq!(String::from_utf8(body).unwrap(), format!("{length}:4{data}"));
    }

    #[test]
    fn no_text_does_harm(protocol in protocol(), text in any::<String>()) {
        if let Ok(Packet::Message(Message::Text(data))) = Packet::decode_text(protocol, text.as_str().into()) {
            prop_assert_eq!(format!("4{data}"), text);
        }
    }

    #[test]
    fn every_random_id_is_a_session_id(bytes in any::<[u8; 15]>()) {
        let sid = SessionId::from_random(bytes);
        prop_assert_eq!(sid.as_str().parse(), Ok(sid));
        prop_assert_eq!(Query::parse(&format!("sid={sid}")).sid, Some(Ok(sid)));
    }

    #[test]
    fn no_query_does_harm(query in any::<String>()) {
        Query::parse(&query);
    }

    #[test]
    fn a_script_hands_over_its_payload_and_nothing_else(number in "[0-9]{0,4}", payload in any::<String>()) {
        let script = wrap_jsonp(&number, &payload);
        let argument = script.strip_prefix(&format!("___eio[{number}](")).and_then(|rest| rest.strip_suffix(");"));
        prop_assert!(!script.contains(['\n', '\r', '\u{2028}', '\u{2029}']), "no line ends within a string");
        prop_assert_eq!(argument.map(serde_json::from_str::<String>).unwrap().unwrap(), payload);
    }

    #[test]
    fn a_form_brings_what_a_client_wrote(payload in "[a-z0-9:\"&=+% €😀\n]{0,20}") {
        let mut form = "d=".to_owned();
        form.extend(form_urlencoded::byte_serialize(payload.replace('\n', "\\n").as_bytes()));
        prop_assert_eq!(unwrap_jsonp(form.as_bytes()), Ok(payload));
    }

    #[test]
    fn no_form_does_harm(form in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = unwrap_jsonp(&form);
        let _ = unwrap_jsonp(&[b"d=", &form[..]].concat());
    }
}
