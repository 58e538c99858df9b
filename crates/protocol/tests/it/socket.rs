//! Socket.IO: what is written is read, bytes at any place included, and no text does harm.

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use sockeye_protocol::{
    Limits,
    socket::{
        ArgumentsError, Assembler, ConnectError, ConnectTarget, Event, PacketType, ToArguments, Value, decode,
        encode_ack, encode_event, split_event, write_head,
    },
};

fn limits() -> Limits {
    Limits::default().with_max_attachments(1000)
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i16>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        any::<String>().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Binary(bytes.into())),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z\"\\\\ä]{0,4}", inner), 0..4).prop_map(Value::from),
        ]
    })
}

fn namespace() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), "/[a-z0-9?=ä \\[\\-]{1,8}"]
}

/// Several arguments of which nobody knows the number beforehand.
pub(crate) struct All(pub(crate) Vec<Value>);

impl ToArguments for All {
    fn write_arguments(
        &self,
        out: &mut Vec<u8>,
        attachments: &mut Vec<Bytes>,
    ) -> Result<(), sockeye_protocol::socket::EncodeError> {
        self.0.iter().try_for_each(|value| value.write_arguments(out, attachments))
    }
}

/// Feeds a packet and its attachments in, and gives `read` what comes out.
fn receive<T>(text: &[u8], attachments: &[Bytes], read: impl Fn(Event<'_>) -> T) -> T {
    let mut assembler = Assembler::default();
    if let Some(packet) = assembler.text(str::from_utf8(text).unwrap(), &limits()).unwrap() {
        assert!(attachments.is_empty());
        return read(split_event(packet.payload).unwrap());
    }
    for (index, bytes) in attachments.iter().enumerate() {
        if let Some(assembled) = assembler.binary(bytes.clone()).unwrap() {
            assert_eq!(index + 1, attachments.len());
            return read(assembled.event().unwrap());
        }
    }
    panic!("{} attachments were not enough", attachments.len());
}

proptest! {
    #[test]
    fn an_emitted_event_is_received(
        namespace in namespace(),
        id in any::<Option<u64>>(),
        name in "[a-z\"\\\\\\x00-\\x1f😀 \\[\\]]{0,8}",
        values in prop::collection::vec(value(), 0..4),
    ) {
        let (mut text, mut attachments) = (Vec::new(), Vec::new());
        encode_event(&mut text, &namespace, id, &name, &All(values.clone()), &mut attachments, &limits()).unwrap();
        let head = decode(str::from_utf8(&text).unwrap(), &limits()).unwrap();
        prop_assert_eq!((head.namespace, head.id, head.attachments), (&*namespace, id, attachments.len()));
        let (found, raw) = receive(&text, &attachments, |event| (event.name.into_owned(), event.arguments.to_raw().unwrap()));
        prop_assert_eq!(&found, &name);
        prop_assert_eq!(raw.to_values(), Ok(values));

        let (mut again, mut same) = (Vec::new(), Vec::new());
        encode_event(&mut again, &namespace, id, &name, &raw, &mut same, &limits()).unwrap();
        prop_assert_eq!((again, same), (text, attachments));
    }

    #[test]
    fn one_value_is_one_argument(value in value()) {
        let (mut text, mut attachments) = (Vec::new(), Vec::new());
        encode_event(&mut text, "/", None, "e", &value, &mut attachments, &limits()).unwrap();
        let (first, rest) = receive(&text, &attachments, |event| {
            let first: Value = event.arguments.deserialize().unwrap();
            let (same, rest): (Value, Option<Value>) = event.arguments.deserialize().unwrap();
            assert_eq!(first, same);
            (first, rest)
        });
        prop_assert_eq!(first, value);
        prop_assert_eq!(rest, None);
    }

    #[test]
    fn an_answer_is_received(id in any::<u64>(), values in prop::collection::vec(value(), 0..4)) {
        let (mut text, mut attachments) = (Vec::new(), Vec::new());
        encode_ack(&mut text, "/a", id, &All(values.clone()), &mut attachments, &limits()).unwrap();
        let packet = decode(str::from_utf8(&text).unwrap(), &limits()).unwrap();
        prop_assert_eq!(packet.id, Some(id));
        let arguments = sockeye_protocol::socket::Arguments::from_ack(packet.payload, &attachments).unwrap();
        prop_assert_eq!(arguments.to_raw().unwrap().to_values(), Ok(values));
    }

    #[test]
    fn a_written_head_is_read_again(
        kind in prop_oneof![Just(PacketType::Event), Just(PacketType::BinaryEvent), Just(PacketType::Ack)],
        attachments in 0_usize..=10,
        namespace in namespace(),
        id in any::<Option<u64>>(),
    ) {
        let mut out = Vec::new();
        write_head(&mut out, kind, attachments, &namespace, id);
        out.extend_from_slice(b"[]");
        let packet = decode(str::from_utf8(&out).unwrap(), &Limits::default()).unwrap();
        let attachments = if kind.is_binary() { attachments } else { 0 };
        prop_assert_eq!((packet.kind, packet.attachments), (kind, attachments));
        prop_assert_eq!((packet.namespace, packet.id, packet.payload), (&*namespace, id, "[]"));
    }

    #[test]
    fn no_text_does_harm(text in any::<String>()) {
        let _read = decode(&text, &Limits::default()).and_then(|packet| packet.validate());
        let _read = split_event(&text);
        let _read = ConnectError::parse(&text);
        ConnectTarget::parse(&text).auth_json();
    }

    #[test]
    fn no_nearly_valid_packet_does_harm(
        text in "[0-7][0-9]{0,2}-?(/[a-z]?,)?[0-9]{0,2}[\\[{\"](\"[a-z\\\\\"]{0,3}\")?[,:0-9a-z{}\\[\\]\" \\\\]{0,12}[\\]}\"]",
    ) {
        if let Ok(packet) = decode(&text, &Limits::default())
            && let Ok(event) = split_event(packet.payload)
        {
            let valid = event.arguments.validate().is_ok();
            let json = serde_json::from_str::<IgnoredAny>(packet.payload);
            prop_assert_eq!(valid, json.is_ok(), "{}", packet.payload);
            let any = event.arguments.deserialize::<(Value, Option<Value>)>();
            prop_assert_eq!(valid, !matches!(any, Err(ArgumentsError::Malformed(_))));
        }
    }
}
