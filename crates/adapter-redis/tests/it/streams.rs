use std::num::NonZeroU32;

use proptest::prelude::*;
use sockeye_adapter::{PrivateId, cluster::Envelope};
use sockeye_protocol::socket::Value;
use sockeye_redis::wire::{
    DecodeError,
    streams::{
        Carrier, Channels, Session, Streams, SubscriptionMode, carrier, decode, decode_entry, encode, encode_entry,
    },
};

use crate::support::{Look, any, meaning, messages};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/streams.json")).unwrap()
}

type Entry = Vec<(&'static str, String)>;

fn read(entry: &Entry) -> Result<Envelope, DecodeError> {
    decode_entry(entry.iter().map(|(name, value)| (*name, value.as_bytes())))
}

fn entry(json: &Value) -> Entry {
    let fields = ["uid", "nsp", "type", "data"].into_iter();
    fields.filter_map(|name| Some((name, json.at(name).text_if_any()?.to_owned()))).collect()
}

#[test]
fn what_node_writes_is_read_and_written_alike() {
    for golden in messages(&golden()) {
        if let Some(json) = golden.json.get("entry") {
            assert_eq!(carrier(&golden.envelope), Carrier::Stream, "{}", golden.name);
            golden.check(&entry(json), read, encode_entry);
        } else {
            assert_eq!(carrier(&golden.envelope), Carrier::Channel, "{}", golden.name);
            golden.check(&golden.bytes(), |bytes| decode(bytes), encode);
        }
    }
}

#[test]
fn messages_go_where_node_sends_them() {
    let streams = Streams::new("socket.io", NonZeroU32::MIN);
    for golden in messages(&golden()) {
        let namespace = &golden.envelope.namespace;
        let channels = Channels::new("socket.io", namespace, SubscriptionMode::Static);
        let ours = match (carrier(&golden.envelope), golden.asker()) {
            (Carrier::Stream, _) => streams.of(namespace),
            (Carrier::Channel, Some(asker)) => channels.answers_for(&asker),
            (Carrier::Channel, None) => channels.destination(&golden.envelope.message),
        };
        assert_eq!(ours, golden.destination(), "{}", golden.name);
    }
}

#[test]
fn a_namespace_has_the_stream_that_node_gives_it() {
    for golden in golden().at("streamNames").list() {
        let count = u32::try_from(golden.at("streamCount").number_if_any().unwrap()).unwrap();
        let streams = Streams::new("s", NonZeroU32::new(count).unwrap());
        assert_eq!(streams.of(golden.at("namespace").text()), golden.at("stream").text(), "{golden:?}");
    }
}

#[test]
fn sessions_are_node_s() {
    for golden in golden().at("sessions").list() {
        let text = |name: &str| golden.at(name).text();
        let session = Session {
            id: text("id").into(),
            private_id: PrivateId::new(text("private_id")),
            rooms: meaning::rooms(golden.at("rooms")),
            data: meaning::value(golden.at("data")),
        };
        assert_eq!(Session::decode(text("value").as_bytes()).as_ref(), Ok(&session));
        assert_eq!(session.encode().unwrap(), text("value"));
        assert_eq!(Session::key("sio:session:", &session.private_id), text("key"));
    }
}

#[track_caller]
fn check(fields: &[(&str, &str)], error: &str) {
    let entry = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    assert_eq!(decode_entry(entry).unwrap_err().to_string(), error);
}

#[test]
fn an_entry_that_is_none_says_what_is_missing() {
    check(&[], r#"expected a number in "type", found nothing"#);
    check(&[("type", "1")], r#"expected a namespace in "nsp", found nothing"#);
    check(&[("type", "x"), ("nsp", "/")], "expected a message type from 1 to 13, found x");
    check(&[("type", "3"), ("nsp", "/")], r#"expected an object in "data", found nothing"#);
    check(&[("type", "3"), ("nsp", "/"), ("data", "[]")], r#"expected JSON or base64 in "data", found other bytes"#);
    let error = Session::decode(b"oA==").unwrap_err().to_string();
    assert_eq!(error, r#"expected an object in "session", found a text of 0 bytes"#);
}

#[test]
fn base64_needs_no_padding() {
    let session = Session { id: "a".into(), private_id: PrivateId::new("b"), rooms: vec![], data: ().into() };
    let padded = session.encode().unwrap();
    assert!(padded.ends_with('='));
    assert_eq!(Session::decode(padded.trim_end_matches('=').as_bytes()), Ok(session));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(envelope in any::envelope(true)) {
        let entry = encode_entry(&envelope).unwrap();
        prop_assert_eq!(read(&entry), Ok(envelope.clone()));
        prop_assert_eq!(decode(&encode(&envelope).unwrap()), Ok(envelope));
    }
}
