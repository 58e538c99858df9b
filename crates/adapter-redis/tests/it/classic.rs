use proptest::prelude::*;
use sockeye_adapter::{
    Selection,
    cluster::{Broadcast, Envelope, Message, NodeId},
};
use sockeye_protocol::socket::Value;
use sockeye_redis::wire::{
    DecodeError, EncodeError,
    classic::{Channel, Channels, decode, encode},
};

use crate::support::{Look, any, messages};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/classic.json")).unwrap()
}

/// What a channel begins with, by its name.
fn key(channel: &str) -> &str {
    if channel.starts_with("mine") { "mine" } else { "socket.io" }
}

#[test]
fn what_node_writes_is_read_and_written_alike() {
    for golden in messages(&golden()) {
        let channels = Channels::new(key(golden.destination()), &golden.envelope.namespace);
        let channel = channels.recognize(golden.destination()).unwrap();
        golden.check(&golden.bytes(), |bytes| decode(channel, &golden.envelope.namespace, bytes), encode);
    }
}

#[test]
fn messages_go_where_node_sends_them() {
    for golden in messages(&golden()).iter().filter(|golden| !golden.is_for_nobody()) {
        let channels = Channels::new(key(golden.destination()), &golden.envelope.namespace);
        let ours = channels.destination(&golden.envelope.message, golden.asker().as_ref());
        assert_eq!(ours, golden.destination(), "{}", golden.name);
    }
}

#[test]
fn the_same_channels_are_subscribed_to() {
    for subscription in golden().at("subscriptions").list() {
        let text = |name: &str| subscription.at(name).text();
        let channels = Channels::new(text("key"), text("namespace"));
        let own = channels.answers_for(&"k3Fz-_".into());
        let ours = [&channels.pattern(), channels.requests(), channels.answers(), &own];
        // Node's server has the namespace `/` as well, first.
        assert!(subscription.at("channels").texts().ends_with(&ours));
    }
}

#[track_caller]
fn check_request(json: &str, error: &str) {
    assert_eq!(decode(Channel::Requests, "/", json.as_bytes()).unwrap_err().to_string(), error, "{json}");
}

#[test]
fn a_request_that_is_none_says_what_is_missing() {
    check_request("", "expected MessagePack");
    check_request("{", "expected JSON: EOF while parsing an object at line 1 column 1");
    check_request("\u{1}", r#"expected an object in "request", found 1"#);
    check_request("{}", "expected a message type from 0 to 7, found null");
    check_request(r#"{"type":"2"}"#, r#"expected a message type from 0 to 7, found "2""#);
    check_request(r#"{"type":8}"#, "expected a message type from 0 to 7, found 8");
    check_request(r#"{"type":1}"#, r#"expected a text in "requestId", found nothing"#);
    check_request(r#"{"type":2,"opts":[]}"#, r#"expected an object in "opts", found a list of 0 items"#);
    check_request(r#"{"type":2}"#, r#"expected a text in "sid", found nothing"#);
    check_request(r#"{"type":2,"sid":"a","room":[]}"#, r#"expected a text in "room", found a list of 0 items"#);
    check_request(
        r#"{"type":6,"data":[{}]}"#,
        r#"expected a list that begins with the name of an event in "data", found an object of 0 keys"#,
    );
    check_request(r#"{"type":7,"requestId":"r"}"#, r#"expected an object in "packet", found nothing"#);
    check_request(
        r#"{"type":7,"requestId":"r","packet":{"type":3,"data":["x"]}}"#,
        r#"expected 2 or 5 in "packet.type", found 3"#,
    );
}

#[test]
fn requests_of_version_5_are_not_taken_for_others() {
    for bytes in [r#"{"type":2,"requestid":"r"}"#, r#"{"requestid":"r","rooms":[]}"#] {
        assert_eq!(decode(Channel::Requests, "/", bytes.as_bytes()), Err(DecodeError::TooOld));
        assert_eq!(decode(Channel::Answers, "/", bytes.as_bytes()), Err(DecodeError::TooOld));
    }
}

#[test]
fn what_receivers_do_not_need_may_be_missing() {
    let read = |json: &str| decode(Channel::Requests, "/", json.as_bytes()).unwrap().message;
    let everybody = Message::Join { to: Selection::all(), rooms: vec!["a".into()] };
    assert_eq!(read(r#"{"type":2,"opts":{},"rooms":["a"],"other":1}"#), everybody);
    assert_eq!(read(r#"{"type":2,"opts":{"rooms":null},"rooms":["a",null,{}]}"#), everybody);
    let nobody = Selection::all().to(Vec::<&str>::new());
    assert_eq!(read(r#"{"type":4,"opts":{"rooms":[null]}}"#), Message::Disconnect { to: nobody, close: false });
}

#[test]
fn a_broadcast_of_another_namespace_is_told_apart() {
    let envelope = Envelope {
        from: "abcdef".into(),
        namespace: "/#x".into(),
        message: Message::Broadcast(Broadcast::new(vec!["hi".into()])),
    };
    let channel = Channels::new("socket.io", "/#x").destination(&envelope.message, None);
    let channel = Channels::new("socket.io", "/").recognize(&channel).unwrap();
    let error = decode(channel, "/", &encode(&envelope).unwrap()).unwrap_err();
    assert_eq!(error, DecodeError::OtherNamespace { expected: "/".into(), found: "/#x".into() });
}

#[test]
fn what_the_format_has_not_is_an_error() {
    let encode = |message| encode(&Envelope { from: "abcdef".into(), namespace: "/".into(), message });
    let nobody = Selection::all().to(Vec::<&str>::new());
    let error = encode(Message::Join { to: nobody, rooms: vec![] }).unwrap_err();
    assert!(matches!(error, EncodeError::Nobody));
    assert_eq!(error.to_string(), "the message is for nobody: expected a room, or everybody");
    for message in [Message::Hello, Message::Heartbeat, Message::Farewell] {
        let error = encode(message.clone()).unwrap_err().to_string();
        assert_eq!(error, format!("the classic format has no form for this: {}", message.name()));
    }
    let both = Selection::all().to(["a", "b"]);
    let order = Box::new(Message::Disconnect { to: both, close: false });
    assert!(encode(Message::Ordered { request: "r".into(), order }).is_err());
}

#[test]
fn an_answer_may_name_its_sender_behind_what_node_reads() {
    let message = Message::ClientCount { request: "r".into(), count: 3 };
    let envelope = |from: NodeId| Envelope { from, namespace: "/".into(), message: message.clone() };
    let anonymous = encode(&envelope(NodeId::unknown())).unwrap();
    assert_eq!(anonymous, br#"{"type":8,"requestId":"r","clientCount":3}"#);
    let named = encode(&envelope("abcdef".into())).unwrap();
    assert_eq!(named, br#"{"type":8,"requestId":"r","clientCount":3,"uid":"abcdef"}"#);
    assert_eq!(decode(Channel::Answers, "/", &named), Ok(envelope("abcdef".into())));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(envelope in any::envelope(false)) {
        let channels = Channels::new("socket.io", &envelope.namespace);
        let channel = channels.destination(&envelope.message, None);
        let channel = channels.recognize(&channel).unwrap();
        let bytes = encode(&envelope).unwrap();
        prop_assert_eq!(decode(channel, &envelope.namespace, &bytes), Ok(envelope));
    }
}
