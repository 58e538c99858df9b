use proptest::prelude::*;
use sockeye_adapter::cluster::{Envelope, Message};
use sockeye_protocol::socket::Value;
use sockeye_redis::wire::sharded::{Channels, SubscriptionMode, decode, encode};

use crate::support::{Look, any, messages};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/sharded.json")).unwrap()
}

fn channels(json: &Value) -> Channels {
    let mode = match json.at("mode").text_if_any() {
        Some("static") => SubscriptionMode::Static,
        Some("dynamic") => SubscriptionMode::Dynamic,
        _ => SubscriptionMode::DynamicPrivate,
    };
    Channels::new(json.at("prefix").text(), json.at("namespace").text(), mode)
}

#[test]
fn what_node_writes_is_read_and_written_alike() {
    for golden in messages(&golden()) {
        golden.check(&golden.bytes(), |bytes| decode(bytes), encode);
    }
}

#[test]
fn messages_go_where_node_sends_them() {
    for golden in messages(&golden()).iter().filter(|golden| !golden.is_for_nobody()) {
        let channels = channels(&golden.json);
        let ours = match golden.asker() {
            Some(asker) => channels.answers_for(&asker),
            None => channels.destination(&golden.envelope.message),
        };
        assert_eq!(ours, golden.destination(), "{}", golden.name);
    }
}

#[test]
fn the_same_channels_are_subscribed_to() {
    for subscription in golden().at("subscriptions").list() {
        let channels = channels(subscription);
        let mut ours = vec![channels.all().to_owned()];
        ours.push(channels.answers_for(&subscription.at("uid").text().into()));
        ours.extend(subscription.at("rooms").texts().iter().filter_map(|&room| channels.of_room(&room.into())));
        ours.extend(subscription.at("sockets").texts().iter().filter_map(|&socket| channels.of_socket(&socket.into())));
        // Node's server has the namespace `/` as well.
        let own = |channel: &&str| channel.starts_with(channels.all());
        let mut node: Vec<&str> = subscription.at("channels").texts().into_iter().filter(own).collect();
        ours.sort();
        node.sort_unstable();
        assert_eq!(ours, node);
    }
}

#[track_caller]
fn check(json: &str, error: &str) {
    assert_eq!(decode(json.as_bytes()).unwrap_err().to_string(), error, "{json}");
}

#[test]
fn a_message_that_is_none_says_what_is_missing() {
    check("{}", r#"expected a text in "nsp", found nothing"#);
    check(r#"{"nsp":"/"}"#, r#"expected a whole number in "type", found nothing"#);
    check(r#"{"nsp":"/","type":14}"#, "expected a message type from 1 to 13, found 14");
    check(r#"{"nsp":"/","type":3}"#, r#"expected an object in "data", found nothing"#);
    check(r#"{"nsp":"/","type":7,"data":{"opts":{}}}"#, r#"expected a text in "requestId", found nothing"#);
}

#[test]
fn rooms_are_asked_for_in_the_classic_format_only() {
    let message = Message::AllRooms { request: "r".into() };
    let error = encode(&Envelope { from: "a".into(), namespace: "/".into(), message }).unwrap_err();
    assert_eq!(error.to_string(), "the sharded and streams format has no form for this: request for rooms");
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(envelope in any::envelope(true)) {
        prop_assert_eq!(decode(&encode(&envelope).unwrap()), Ok(envelope));
    }
}
