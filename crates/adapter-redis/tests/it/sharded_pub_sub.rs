//! The cluster over sharded Redis pub/sub, on a Redis of its own for each test.

use std::sync::Arc;

use sockeye_adapter::cluster::{Broadcast, Broker, BrokerError};
use sockeye_adapter::{Room, RoomKind, Selection};
use sockeye_redis::ShardedRedisAdapter;
use sockeye_redis::wire::sharded::SubscriptionMode;

use crate::conformance::{Hub, Node, Recorder, all_hear, conformance, event, eventually};
use crate::support::redis_server::RedisServer;

struct Sharded {
    redis: RedisServer,
    mode: SubscriptionMode,
}

impl Sharded {
    async fn start(mode: SubscriptionMode) -> Self {
        Self { redis: RedisServer::start().await, mode }
    }

    async fn two_nodes(&self) -> (Node, Node) {
        let (one, two) = (Node::start(self).await, Node::answering(self, &["b"]).await);
        all_hear("/", &[&one, &two]).await;
        (one, two)
    }

    /// Waits until so many connections are subscribed to a channel.
    async fn subscribed(&self, channel: &str, count: usize) {
        let is_so = async || {
            let counted: Vec<(String, usize)> = self.redis.run(&["PUBSUB", "SHARDNUMSUB", channel]).await;
            counted == [(channel.to_owned(), count)]
        };
        eventually(channel, is_so).await;
    }
}

impl Hub for Sharded {
    async fn broker(&self) -> Arc<dyn Broker> {
        let adapter = ShardedRedisAdapter::builder().subscription_mode(self.mode);
        adapter.connect(self.redis.address()).await.unwrap().into()
    }
}

mod fixed {
    use super::{Sharded, SubscriptionMode, conformance};
    conformance! { tokio::test, Sharded::start(SubscriptionMode::Static).await }
}

mod dynamic {
    use super::{Sharded, SubscriptionMode, conformance};
    conformance! { tokio::test, Sharded::start(SubscriptionMode::Dynamic).await }
}

mod dynamic_private {
    use super::{Sharded, SubscriptionMode, conformance};
    conformance! { tokio::test, Sharded::start(SubscriptionMode::DynamicPrivate).await }
}

fn to(room: &str) -> Broadcast {
    Broadcast { to: Selection::all().to(room), ..event(room) }
}

const SOCKET: &str = "Yd8mfSIUa1pK3cmaAAAB";

/// What a node hears of what is sent to a room it has not, a room, a user and a socket; and for how many of these it has
/// subscribed.
async fn heard(mode: SubscriptionMode) -> (Vec<String>, usize) {
    let hub = Sharded::start(mode).await;
    let (one, two) = hub.two_nodes().await;
    let user = Room::of_user("u");
    let rooms = [(user.as_str(), RoomKind::User), (SOCKET, RoomKind::SocketId), ("joined", RoomKind::Joined)];
    if let Some(interest) = two.broker.interest() {
        for (room, kind) in rooms {
            interest.room_created("/", &room.into(), kind);
        }
        hub.subscribed("socket.io#/#joined#", 1).await;
    }
    for room in ["elsewhere", "joined", user.as_str(), SOCKET] {
        one.cluster.broadcast("/", Broadcast { to: Selection::all().to(room), ..event(&room.replace('\0', "")) });
    }
    one.cluster.server_side_emit("/", vec!["last".into()]);
    let is_last = async || two.recorder.told.lock().iter().any(|told| told.contains("last"));
    eventually("the last is told", is_last).await;
    let heard = two.told().iter().filter_map(|told| told.split('"').nth(1).map(str::to_owned)).collect();
    let channels: Vec<String> = hub.redis.run(&["PUBSUB", "SHARDCHANNELS", "socket.io#/#*"]).await;
    // Beside those for all, and for the answers to each.
    (heard, channels.len() - 3)
}

#[tokio::test]
async fn a_node_hears_of_the_rooms_that_the_mode_has_channels_for() {
    let of = |heard: &[&str], rooms: usize| (heard.iter().map(|&room| room.to_owned()).collect::<Vec<_>>(), rooms);
    let all = ["elsewhere", "joined", "useru", SOCKET, "last"];
    assert_eq!(heard(SubscriptionMode::Static).await, of(&all, 0));
    assert_eq!(heard(SubscriptionMode::Dynamic).await, of(&all[1..], 2));
    assert_eq!(heard(SubscriptionMode::DynamicPrivate).await, of(&all[1..], 3));
}

#[tokio::test]
async fn a_room_is_subscribed_to_until_nobody_is_in_it_as_room_or_socket() {
    let hub = Sharded::start(SubscriptionMode::DynamicPrivate).await;
    let (_one, two) = hub.two_nodes().await;
    let (interest, room) = (two.broker.interest().unwrap(), Room::new("Yd8mfSIUa1pK3cmaAAAB"));
    let channel = "socket.io#/#Yd8mfSIUa1pK3cmaAAAB#";
    interest.room_created("/", &room, RoomKind::SocketId);
    hub.subscribed(channel, 1).await;
    interest.room_created("/", &room, RoomKind::Joined);
    interest.room_deleted("/", &room, RoomKind::Joined);
    interest.room_created("/", &"later".into(), RoomKind::Joined);
    hub.subscribed("socket.io#/#later#", 1).await;
    hub.subscribed(channel, 1).await;
    interest.room_deleted("/", &room, RoomKind::SocketId);
    hub.subscribed(channel, 0).await;
}

#[tokio::test]
async fn thousands_of_rooms_are_subscribed_to_and_again_after_a_restart() {
    let mut hub = Sharded::start(SubscriptionMode::Dynamic).await;
    let (one, two) = hub.two_nodes().await;
    for number in 0..3_000 {
        two.broker.interest().unwrap().room_created("/", &format!("room {number}").into(), RoomKind::Joined);
    }
    hub.subscribed("socket.io#/#room 2999#", 1).await;
    hub.redis.kill();
    two.broker.interest().unwrap().room_deleted("/", &"room 0".into(), RoomKind::Joined);
    hub.redis.restart().await;
    hub.subscribed("socket.io#/#room 2999#", 1).await;
    all_hear("/", &[&one, &two]).await;
    hub.subscribed("socket.io#/#room 0#", 0).await;
    for room in ["room 0", "room 1", "room 2999"] {
        one.cluster.broadcast("/", to(room));
    }
    let expected = [r#"/ "room 1" 1 to ["room 1"]"#, r#"/ "room 2999" 1 to ["room 2999"]"#];
    assert_eq!(two.told_all(2).await, expected);
}

#[tokio::test]
async fn what_is_no_message_is_ignored_and_counted() {
    let hub = Sharded::start(SubscriptionMode::Dynamic).await;
    let (one, two) = hub.two_nodes().await;
    let own = format!("socket.io#/#{}#", two.cluster.id());
    let wrong: [&[u8]; 5] = [b"", b"{", b"\xc1\xff", br#"{"nsp":"/","type":99}"#, &[0x93; 10_000]];
    for channel in ["socket.io#/#", &own] {
        for bytes in wrong {
            hub.redis.publish("SPUBLISH", channel, bytes).await;
        }
    }
    // A message of another namespace than the channel's.
    hub.redis.publish("SPUBLISH", "socket.io#/#", br#"{"nsp":"/other","type":2,"uid":"x"}"#).await;
    one.cluster.broadcast("/", event("last"));
    assert_eq!(two.told_all(1).await, [r#"/ "last" 1 to []"#]);
    assert_eq!(two.cluster.counts().ignored, 2 * wrong.len() as u64);
}

#[tokio::test]
async fn nodes_of_another_prefix_are_of_another_cluster() {
    let hub = Sharded::start(SubscriptionMode::Dynamic).await;
    let other = ShardedRedisAdapter::builder().channel_prefix("other").connect(hub.redis.address()).await.unwrap();
    let other = Node::run(other.into(), Recorder::default());
    let (one, two) = hub.two_nodes().await;
    all_hear("/", &[&other]).await;
    one.cluster.broadcast("/", event("a"));
    assert_eq!(two.told_all(1).await.len(), 1);
    assert_eq!(other.cluster.counts().received, 0);
}

#[tokio::test]
async fn a_redis_without_sharded_pub_sub_is_an_error_that_names_the_remedy() {
    // What Redis 6.2 answers.
    let old = old_redis().await;
    let error = ShardedRedisAdapter::connect(format!("redis://{old}")).await.unwrap_err();
    assert!(matches!(error, BrokerError::Refused { .. }), "{error}");
    let error = error.to_string();
    for part in [&*old, "sharded pub/sub needs Redis 7 or newer", "use `RedisAdapter` on all nodes"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Speaks as Redis 6.2 does, as far as it is asked here.
async fn old_redis() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 10_000];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    for command in
                        asked.split("\r\n").filter(|part| ["HELLO", "CLIENT", "INFO", "PUBSUB"].contains(part))
                    {
                        let answer: &[u8] = match command {
                            "HELLO" => b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n",
                            "PUBSUB" => {
                                b"-ERR Unknown subcommand or wrong number of arguments for 'SHARDNUMSUB'. Try PUBSUB HELP.\r\n"
                            }
                            "INFO" => b"$32\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n\r\n",
                            _ => b"+OK\r\n",
                        };
                        stream.write_all(answer).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_subscription_that_redis_ends_heals() {
    let hub = Sharded::start(SubscriptionMode::Dynamic).await;
    let (one, two) = hub.two_nodes().await;
    two.broker.interest().unwrap().room_created("/", &"x".into(), RoomKind::Joined);
    hub.subscribed("socket.io#/#x#", 1).await;
    let killed: usize = hub.redis.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(killed, 2);
    all_hear("/", &[&one, &two]).await;
    hub.subscribed("socket.io#/#x#", 1).await;
    one.cluster.broadcast("/", to("x"));
    assert_eq!(two.told_all(1).await, [r#"/ "x" 1 to ["x"]"#]);
}
