//! The cluster over Redis pub/sub, on a Redis of its own for each test.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sockeye_adapter::Selection;
use sockeye_adapter::cluster::{Broadcast, Broker, BrokerError, Cluster, ClusterSettings, Local};
use sockeye_redis::RedisAdapter;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use crate::conformance::{Hub, Node, Recorder, all_hear, conformance, event, eventually};
use crate::support::redis_server::{RedisServer, free_port};

impl Hub for RedisServer {
    async fn broker(&self) -> Arc<dyn Broker> {
        RedisAdapter::connect(self.address()).await.unwrap().into()
    }
}

conformance! { tokio::test, RedisServer::start().await }

async fn two_nodes(redis: &RedisServer) -> (Node, Node) {
    let (one, two) = (Node::start(redis).await, Node::answering(redis, &["b"]).await);
    all_hear("/", &[&one, &two]).await;
    (one, two)
}

#[tokio::test]
async fn answers_come_on_the_asker_s_channel_too() {
    let redis = RedisServer::start().await;
    let node = async || {
        let adapter = RedisAdapter::builder().publish_on_specific_response_channel(true);
        let broker = adapter.connect(redis.address()).await.unwrap().into();
        Node::run(broker, Recorder { sockets: vec!["b"], answers: true, ..Recorder::default() })
    };
    let (one, two, three) = (node().await, node().await, node().await);
    all_hear("/", &[&one, &two, &three]).await;
    assert_eq!(one.cluster.fetch_sockets("/", Selection::all(), None).await.answers.len(), 2);
    assert_eq!(one.cluster.ask_clients("/", event("ask"), None).await.answers.len(), 2);
    assert_eq!(one.cluster.server_side_ask("/", vec!["ask".into()], None).await.answers.len(), 2);
}

#[tokio::test]
async fn nodes_of_another_key_are_of_another_cluster() {
    let redis = RedisServer::start().await;
    let other = RedisAdapter::builder().key("other").connect(redis.address()).await.unwrap();
    let other = Node::run(other.into(), Recorder::default());
    let (one, two) = two_nodes(&redis).await;
    all_hear("/", &[&other]).await;
    one.cluster.broadcast("/", event("a"));
    assert_eq!(two.told_all(1).await.len(), 1);
    assert_eq!(other.cluster.counts().received, 0);
}

#[tokio::test]
async fn what_is_for_a_room_that_nobody_is_in_is_not_read() {
    let redis = RedisServer::start().await;
    let (one, two) = two_nodes(&redis).await;
    two.open_room("here");
    for room in ["elsewhere", "here"] {
        one.cluster.broadcast("/", Broadcast { to: Selection::all().to(room), ..event(room) });
    }
    redis.publish("PUBLISH", "socket.io#/#elsewhere#", b"not even a message").await;
    redis.publish("PUBLISH", "socket.io#/#here#", b"no message").await;
    eventually("one is read", async || two.cluster.counts().ignored == 1).await;
    assert_eq!((two.told(), two.cluster.counts().received), (vec![r#"/ "here" 1 to ["here"]"#.to_owned()], 1));
}

#[tokio::test]
async fn what_is_no_message_is_ignored_and_counted() {
    let redis = RedisServer::start().await;
    let (one, two) = two_nodes(&redis).await;
    let channels = [
        "socket.io#/#",
        "socket.io-request#/#",
        "socket.io-response#/#",
        &format!("socket.io-response#/#{}#", two.cluster.id()),
    ];
    let wrong: [&[u8]; 5] = [b"", b"{", b"\xc1\xff", b"{\"type\":99}", &[0x93; 10_000]];
    for channel in channels {
        for bytes in wrong {
            redis.publish("PUBLISH", channel, bytes).await;
        }
    }
    // Channels that only begin as ours do are those of other namespaces.
    redis.publish("PUBLISH", "socket.io#/other#", b"{").await;
    one.cluster.broadcast("/", event("last"));
    assert_eq!(two.told_all(1).await, [r#"/ "last" 1 to []"#]);
    assert_eq!(two.cluster.counts().ignored, (channels.len() * wrong.len()) as u64);
}

async fn refusal(address: &str) -> String {
    let start = Instant::now();
    let error = RedisAdapter::connect(address).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    error.to_string()
}

#[tokio::test]
async fn a_redis_that_can_t_be_used_is_an_error_that_says_what_to_do() {
    let redis = RedisServer::with(&["--requirepass", "right"]).await;
    let host = format!("127.0.0.1:{}", redis.port());
    let contains = |error: String, parts: &[&str]| {
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    };
    contains(refusal(&format!("redis://{host}")).await, &["refuses", "give user and password in the address"]);
    contains(refusal(&format!("redis://:wrong@{host}")).await, &["refuses", "user or password in the address"]);
    assert!(RedisAdapter::connect(format!("redis://:right@{host}")).await.is_ok());

    let nobody = format!("127.0.0.1:{}", free_port());
    contains(refusal(&format!("redis://{nobody}")).await, &["is away", &nobody, "is Redis running there"]);
    contains(refusal("http://127.0.0.1").await, &["refuses", "expected an address such as `redis://"]);

    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = web.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = web.accept().await {
            stream.try_write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    contains(refusal(&format!("redis://{address}")).await, &["refuses", &address.to_string(), "is this Redis"]);
}

#[tokio::test]
async fn an_address_that_accepts_and_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    assert!(refusal(&format!("redis://{address}")).await.contains("is away"));
}

#[tokio::test]
async fn a_user_who_may_not_subscribe_is_told_so_at_the_start() {
    let redis = RedisServer::start().await;
    let () = redis.run(&["ACL", "SETUSER", "weak", "on", ">pw", "+@all", "resetchannels"]).await;
    let broker: Arc<dyn Broker> =
        RedisAdapter::connect(format!("redis://weak:pw@127.0.0.1:{}", redis.port())).await.unwrap().into();
    let (cluster, recorder) = (Cluster::new(broker, ClusterSettings::default()), Arc::new(Recorder::default()));
    cluster.enter("/");
    let local = Arc::downgrade(&recorder) as Weak<dyn Local>;
    let Err(error) = timeout(Duration::from_secs(5), cluster.run(local)).await.unwrap();
    assert!(matches!(error, BrokerError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("its user needs the commands for pub/sub and the channels"), "{error}");
}

#[tokio::test]
async fn a_killed_redis_loses_what_is_published_meanwhile_and_all_heals_when_it_is_back() {
    let mut redis = RedisServer::start().await;
    let (one, two) = two_nodes(&redis).await;
    one.cluster.broadcast("/", event("before"));
    assert_eq!(two.told_all(1).await, [r#"/ "before" 1 to []"#]);
    redis.kill();

    let start = Instant::now();
    for _ in 0..10 {
        one.cluster.broadcast("/", event("meanwhile"));
    }
    assert!(start.elapsed() < Duration::from_millis(50), "local calls wait: {:?}", start.elapsed());
    one.cluster.flushed().await;
    assert_eq!((one.cluster.counts().published, one.cluster.counts().lost), (1, 10));
    let asked = one.cluster.fetch_sockets("/", Selection::all(), None).await;
    assert!(asked.missing.unknown && asked.answers.is_empty());
    one.cluster.flushed().await;
    let lost = one.cluster.counts().lost;

    redis.restart().await;
    all_hear("/", &[&one, &two]).await;
    one.cluster.broadcast("/", event("after"));
    two.cluster.broadcast("/", event("back"));
    assert_eq!(two.told_all(1).await, [r#"/ "after" 1 to []"#]);
    assert_eq!(one.told_all(1).await, [r#"/ "back" 1 to []"#]);
    assert_eq!(one.cluster.fetch_sockets("/", Selection::all(), None).await.answers.len(), 1);
    assert_eq!((one.cluster.counts().lost, two.cluster.counts().lost), (lost, 0));
}

#[tokio::test]
async fn a_restart_in_a_quiet_moment_costs_nothing() {
    let mut redis = RedisServer::start().await;
    let (one, two) = two_nodes(&redis).await;
    redis.kill();
    redis.restart().await;
    eventually("both hear again", async || redis.publish("PUBLISH", "socket.io-request#/#", b"?").await == 2).await;
    one.cluster.broadcast("/", event("after"));
    two.cluster.broadcast("/", event("back"));
    one.cluster.flushed().await;
    two.cluster.flushed().await;
    assert_eq!((one.cluster.counts().lost, two.cluster.counts().lost), (0, 0));
    assert_eq!((one.told_all(1).await.len(), two.told_all(1).await.len()), (1, 1));
}

#[tokio::test]
async fn a_node_may_start_to_run_while_redis_is_away() {
    let mut redis = RedisServer::start().await;
    let brokers = [redis.broker().await, redis.broker().await];
    redis.kill();
    let [one, two] = brokers.map(|broker| Node::run(broker, Recorder::default()));
    one.cluster.broadcast("/", event("lost"));
    eventually("what is published is counted as lost", async || one.cluster.counts().lost == 1).await;
    redis.restart().await;
    all_hear("/", &[&one, &two]).await;
    one.cluster.broadcast("/", event("after"));
    assert_eq!(two.told_all(1).await, [r#"/ "after" 1 to []"#]);
}

#[tokio::test]
async fn a_redis_that_hangs_for_some_seconds_delays_nobody_here() {
    let redis = RedisServer::start().await;
    let (one, two) = two_nodes(&redis).await;
    redis.signal("STOP");
    let start = Instant::now();
    one.cluster.broadcast("/", event("meanwhile"));
    assert!(start.elapsed() < Duration::from_millis(50));
    sleep(Duration::from_secs(3)).await;
    // Given up, though Redis may find it when it wakes.
    assert_eq!(one.cluster.counts().lost, 1);
    let asked = one.cluster.fetch_sockets("/", Selection::all(), Some(Duration::from_millis(200))).await;
    assert!(asked.missing.unknown);
    redis.signal("CONT");
    all_hear("/", &[&one, &two]).await;
    one.cluster.broadcast("/", event("after"));
    eventually("it goes on", async || two.recorder.told.lock().iter().any(|told| told.contains("after"))).await;
    let told = two.told();
    assert!(told.iter().filter(|told| told.contains("meanwhile")).count() <= 1, "{told:?}");
}

#[tokio::test]
async fn a_subscription_that_redis_ends_heals() {
    let redis = RedisServer::start().await;
    let (one, two) = two_nodes(&redis).await;
    let killed: usize = redis.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(killed, 2);
    all_hear("/", &[&one, &two]).await;
    one.cluster.broadcast("/", event("after"));
    assert_eq!(two.told_all(1).await, [r#"/ "after" 1 to []"#]);
    // What it heard before it still hears, and no more.
    two.cluster.leave("/");
    all_hear("/", &[&one]).await;
}

#[tokio::test]
async fn a_lost_connection_for_commands_is_replaced() {
    let redis = RedisServer::start().await;
    let (one, two) = two_nodes(&redis).await;
    let () = redis.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    sleep(Duration::from_millis(100)).await;
    one.cluster.broadcast("/", event("after"));
    assert_eq!(two.told_all(1).await, [r#"/ "after" 1 to []"#]);
    assert_eq!(one.cluster.counts().lost, 0);
}

#[tokio::test]
async fn a_message_that_redis_refuses_takes_no_other_with_it() {
    let redis = RedisServer::start().await;
    let () = redis.run(&["ACL", "SETUSER", "some", "on", ">pw", "+@all", "allchannels"]).await;
    let address = format!("redis://some:pw@127.0.0.1:{}", redis.port());
    let one = Node::run(RedisAdapter::connect(address).await.unwrap().into(), Recorder::default());
    let two = Node::start(&redis).await;
    all_hear("/", &[&one, &two]).await;
    let forbid = ["ACL", "SETUSER", "some", "resetchannels", "&socket.io#/#*", "&socket.io-request#/#"];
    let () = redis.run(&forbid).await;
    eventually("it goes on", async || {
        one.cluster.broadcast("/forbidden", event("a"));
        one.cluster.broadcast("/", event("b"));
        one.cluster.flushed().await;
        one.cluster.counts().published > 0
    })
    .await;
    assert!(one.cluster.counts().lost > 0);
    assert_eq!(two.told_all(1).await[0], r#"/ "b" 1 to []"#);
}

#[tokio::test]
async fn a_node_that_closes_is_gone_at_once() {
    let redis = RedisServer::start().await;
    let (one, two) = two_nodes(&redis).await;
    two.cluster.close().await;
    all_hear("/", &[&one]).await;
}
