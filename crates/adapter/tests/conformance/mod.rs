//! What holds of a cluster over every broker. Included by the tests of each of them.

#![allow(clippy::disallowed_methods, reason = "nodes of a test end with it")]

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sockeye_adapter::cluster::{
    Answers, Broadcast, Broker, ClientAnswers, Cluster, ClusterSettings, Flags, Local, Missing, Reply, SocketDetails,
};
use sockeye_adapter::{Room, RoomKind, Selection, SocketId};
use sockeye_protocol::socket::Value;
use tokio::time::{Instant, sleep};

/// Where the nodes of one cluster come from.
pub(crate) trait Hub {
    /// A broker for one more node.
    fn broker(&self) -> impl Future<Output = Arc<dyn Broker>>;
}

/// A node whose sockets are a list of ids, and which remembers what it was told.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) sockets: Vec<&'static str>,
    /// Whether its servers and clients answer.
    pub(crate) answers: bool,
    pub(crate) rooms: Mutex<HashSet<String>>,
    pub(crate) told: Mutex<Vec<String>>,
}

impl Recorder {
    fn tell(&self, what: String) {
        self.told.lock().push(what);
    }
}

fn name(event: &[Value]) -> String {
    event.iter().map(|value| serde_json::to_string(value).unwrap()).collect::<Vec<_>>().join(" ")
}

fn rooms(to: &Selection) -> Vec<&str> {
    to.rooms().unwrap_or_default().iter().map(Room::as_str).collect()
}

impl Local for Recorder {
    fn deliver(&self, namespace: &str, broadcast: Broadcast) {
        self.tell(format!("{namespace} {} to {:?}", name(&broadcast.event), rooms(&broadcast.to)));
    }

    fn ask(&self, namespace: &str, broadcast: Broadcast, answers: ClientAnswers) -> u64 {
        self.tell(format!("{namespace} ask {}", name(&broadcast.event)));
        for socket in self.sockets.iter().filter(|_| self.answers) {
            answers.answer(Value::from(*socket));
        }
        self.sockets.len() as u64
    }

    fn join(&self, namespace: &str, to: &Selection, joined: &[Room]) {
        self.tell(format!("{namespace} {:?} join {joined:?}", rooms(to)));
    }

    fn leave(&self, namespace: &str, to: &Selection, left: &[Room]) {
        self.tell(format!("{namespace} {:?} leave {left:?}", rooms(to)));
    }

    fn disconnect(&self, namespace: &str, to: &Selection, close: bool) {
        self.tell(format!("{namespace} {:?} disconnect {close}", rooms(to)));
    }

    fn has(&self, _: &str, room: &str) -> bool {
        self.rooms.lock().contains(room)
    }

    fn sockets(&self, _: &str, _: &Selection) -> Vec<SocketDetails> {
        let details = |id: &&str| SocketDetails {
            id: SocketId::new(id),
            handshake: Value::Null,
            rooms: vec![Room::new(id)],
            data: Value::Null,
        };
        self.sockets.iter().map(details).collect()
    }

    fn rooms(&self, _: &str) -> Vec<Room> {
        Vec::new()
    }

    fn server_side(&self, namespace: &str, event: Vec<Value>, reply: Option<Reply>) {
        self.tell(format!("{namespace} server-side {}", name(&event)));
        if let Some(reply) = reply.filter(|_| self.answers) {
            reply.send(Value::from(self.sockets[0]));
        }
    }
}

/// One node in the cluster, until it is dropped.
pub(crate) struct Node {
    pub(crate) cluster: Cluster,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) recorder: Arc<Recorder>,
    running: tokio::task::JoinHandle<()>,
}

impl Node {
    pub(crate) fn run(broker: Arc<dyn Broker>, recorder: Recorder) -> Self {
        let recorder = Arc::new(recorder);
        let cluster = Cluster::new(broker.clone(), ClusterSettings::default());
        let (run, local) = (cluster.clone(), Arc::downgrade(&recorder) as Weak<dyn Local>);
        let running = tokio::spawn(async move {
            let Err(error) = run.run(local).await;
            panic!("the broker can't be used: {error}");
        });
        cluster.enter("/");
        Self { cluster, broker, recorder, running }
    }

    pub(crate) async fn start(hub: &impl Hub) -> Self {
        Self::run(hub.broker().await, Recorder::default())
    }

    pub(crate) async fn silent(hub: &impl Hub, sockets: &[&'static str]) -> Self {
        Self::run(hub.broker().await, Recorder { sockets: sockets.to_vec(), ..Recorder::default() })
    }

    pub(crate) async fn answering(hub: &impl Hub, sockets: &[&'static str]) -> Self {
        let recorder = Recorder { sockets: sockets.to_vec(), answers: true, ..Recorder::default() };
        Self::run(hub.broker().await, recorder)
    }

    /// What it was told since it was asked last.
    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.recorder.told.lock())
    }

    /// What it was told, once that is so much.
    pub(crate) async fn told_all(&self, count: usize) -> Vec<String> {
        eventually("all is told", async || self.recorder.told.lock().len() >= count).await;
        self.told()
    }

    /// Somebody is in this room of `/` now.
    pub(crate) fn open_room(&self, room: &str) {
        self.recorder.rooms.lock().insert(room.to_owned());
        if let Some(interest) = self.broker.interest() {
            interest.room_created("/", &room.into(), RoomKind::Joined);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Waits until something is so, and fails if it does not become so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not so within 20 s: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until all these nodes, and no others, hear each other.
pub(crate) async fn all_hear(namespace: &str, nodes: &[&Node]) {
    for node in nodes {
        let count = async || node.broker.count_nodes(namespace).await == Ok(nodes.len());
        eventually("all nodes are counted", count).await;
    }
}

pub(crate) fn event(text: &str) -> Broadcast {
    Broadcast::new(vec![Value::from(text), Value::from(1)])
}

pub(crate) async fn what_a_node_tells_reaches_all_others_in_order_and_not_itself(hub: &impl Hub) {
    let (one, two, three) = (Node::start(hub).await, Node::start(hub).await, Node::start(hub).await);
    for node in [&one, &two, &three] {
        node.open_room("x");
    }
    all_hear("/", &[&one, &two, &three]).await;
    one.cluster.broadcast("/", event("a"));
    one.cluster.broadcast("/", Broadcast { to: Selection::all().to("x"), ..event("b") });
    one.cluster.join("/", Selection::all().to("x"), vec!["y".into()]);
    one.cluster.leave_rooms("/", Selection::all().to("y"), vec!["x".into()]);
    one.cluster.server_side_emit("/", vec!["hello".into()]);
    one.cluster.disconnect("/", Selection::all().to("y"), true);
    one.cluster.flushed().await;
    let expected = [
        r#"/ "a" 1 to []"#,
        r#"/ "b" 1 to ["x"]"#,
        r#"/ ["x"] join ["y"]"#,
        r#"/ ["y"] leave ["x"]"#,
        r#"/ server-side "hello""#,
        r#"/ ["y"] disconnect true"#,
    ];
    assert_eq!(two.told_all(6).await, expected);
    assert_eq!(three.told_all(6).await, expected);
    assert_eq!(one.told(), [""; 0]);
    assert_eq!((one.cluster.counts().published, two.cluster.counts().received), (6, 6));
}

pub(crate) async fn many_messages_keep_their_order(hub: &impl Hub) {
    let (one, two) = (Node::start(hub).await, Node::start(hub).await);
    all_hear("/", &[&one, &two]).await;
    for number in 0..2_000 {
        one.cluster.broadcast("/", Broadcast::new(vec!["n".into(), number.into()]));
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let expected: Vec<_> = (0..2_000).map(|number| format!(r#"/ "n" {number} to []"#)).collect();
    assert_eq!(two.told_all(2_000).await, expected);
}

pub(crate) async fn values_arrive_as_they_were(hub: &impl Hub) {
    let (one, two) = (Node::start(hub).await, Node::start(hub).await);
    all_hear("/", &[&one, &two]).await;
    let value: Value = serde_json::from_str(r#"{"b":[1,-2.5,"ü😀",null,true],"a":{"":9007199254740993}}"#).unwrap();
    let bytes = Value::Binary(bytes::Bytes::from_static(&[0, 255, 123]));
    let flags = Flags { volatile: true, compress: Some(false), ..Flags::default() };
    let sent = Broadcast { flags, ..Broadcast::new(vec!["x".into(), value.clone(), bytes.clone()]) };
    one.cluster.broadcast("/", sent);
    let expected = format!("/ {} to []", name(&["x".into(), value, bytes]));
    assert_eq!(two.told_all(1).await, [expected]);
}

pub(crate) async fn a_node_hears_only_of_namespaces_that_it_has(hub: &impl Hub) {
    let (one, two) = (Node::start(hub).await, Node::start(hub).await);
    two.cluster.enter("/a");
    all_hear("/", &[&one, &two]).await;
    all_hear("/a", &[&two]).await;
    one.cluster.broadcast("/a", event("heard"));
    one.cluster.broadcast("/b", event("not heard"));
    one.cluster.flushed().await;
    let heard = two.told_all(1).await;
    two.cluster.leave("/a");
    all_hear("/a", &[]).await;
    eventually("it is left", async || two.broker.count_nodes("/a").await == Ok(0)).await;
    one.cluster.broadcast("/a", event("too late"));
    one.cluster.broadcast("/", event("last"));
    assert_eq!(heard, [r#"/a "heard" 1 to []"#]);
    assert_eq!(two.told_all(1).await, [r#"/ "last" 1 to []"#]);
}

pub(crate) async fn sockets_of_all_nodes_are_found(hub: &impl Hub) {
    let (one, two, three) =
        (Node::silent(hub, &["a"]).await, Node::silent(hub, &["b", "c"]).await, Node::silent(hub, &["d"]).await);
    all_hear("/", &[&one, &two, &three]).await;
    let Answers { answers, missing } = one.cluster.fetch_sockets("/", Selection::all(), None).await;
    let mut ids: Vec<_> = answers.iter().map(|socket| socket.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!((ids, missing), (vec!["b", "c", "d"], Missing::default()));
}

pub(crate) async fn a_node_that_is_alone_waits_for_nobody(hub: &impl Hub) {
    let one = Node::silent(hub, &["a"]).await;
    all_hear("/", &[&one]).await;
    let start = Instant::now();
    assert_eq!(one.cluster.fetch_sockets("/", Selection::all(), None).await, Answers::default());
    assert_eq!(one.cluster.server_side_ask("/", vec!["ask".into()], None).await, Answers::default());
    assert_eq!(one.cluster.ask_clients("/", event("ask"), None).await.asked, 0);
    assert!(start.elapsed() < ClusterSettings::default().requests_timeout);
}

pub(crate) async fn servers_answer_and_who_does_not_is_told_in_time(hub: &impl Hub) {
    let (one, two, silent) =
        (Node::start(hub).await, Node::answering(hub, &["two"]).await, Node::silent(hub, &[]).await);
    all_hear("/", &[&one, &two, &silent]).await;
    let (start, timeout) = (Instant::now(), Duration::from_millis(500));
    let Answers { answers, missing } = one.cluster.server_side_ask("/", vec!["who".into()], Some(timeout)).await;
    assert_eq!((answers, missing.others), (vec![Value::from("two")], 1));
    assert!(start.elapsed() >= timeout && start.elapsed() < timeout * 4);
    assert_eq!(one.cluster.counts().late, 1);
    assert_eq!(silent.told(), [r#"/ server-side "who""#]);
}

pub(crate) async fn clients_of_all_nodes_answer(hub: &impl Hub) {
    let (one, two, three) =
        (Node::start(hub).await, Node::answering(hub, &["b", "c"]).await, Node::answering(hub, &["d"]).await);
    all_hear("/", &[&one, &two, &three]).await;
    let mut asked = one.cluster.ask_clients("/", event("ask"), None).await;
    asked.answers.sort_by_key(|answer| serde_json::to_string(answer).unwrap());
    assert_eq!((asked.asked, asked.missing.is_empty()), (3, true));
    assert_eq!(asked.answers, ["b", "c", "d"].map(Value::from));
}

pub(crate) async fn clients_that_are_silent_are_waited_for_no_longer_than_asked(hub: &impl Hub) {
    let (one, two, three) =
        (Node::start(hub).await, Node::answering(hub, &["b"]).await, Node::silent(hub, &["c"]).await);
    all_hear("/", &[&one, &two, &three]).await;
    let (start, timeout) = (Instant::now(), Duration::from_millis(500));
    let asked = one.cluster.ask_clients("/", event("ask"), Some(timeout)).await;
    assert_eq!((asked.asked, asked.answers, asked.missing), (2, vec![Value::from("b")], Missing::default()));
    assert!(start.elapsed() >= timeout && start.elapsed() < timeout * 4);
}

/// A test of each claim; `$test` is its attribute, `$hub` gives it a hub of its own.
macro_rules! conformance {
    ($test:meta, $hub:expr) => {
        $crate::conformance::conformance! { $test, $hub;
            what_a_node_tells_reaches_all_others_in_order_and_not_itself,
            many_messages_keep_their_order,
            values_arrive_as_they_were,
            a_node_hears_only_of_namespaces_that_it_has,
            sockets_of_all_nodes_are_found,
            a_node_that_is_alone_waits_for_nobody,
            servers_answer_and_who_does_not_is_told_in_time,
            clients_of_all_nodes_answer,
            clients_that_are_silent_are_waited_for_no_longer_than_asked,
        }
    };
    ($test:meta, $hub:expr; $first:ident, $($rest:ident,)*) => {
        #[$test]
        async fn $first() {
            $crate::conformance::$first(&$hub).await;
        }
        $crate::conformance::conformance! { $test, $hub; $($rest,)* }
    };
    ($test:meta, $hub:expr;) => {};
}
pub(crate) use conformance;
