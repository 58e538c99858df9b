//! What the nodes of a cluster do for each other, on a simulated clock.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test ends with what it has started")]

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sockeye_adapter::cluster::{
    Answers, Broadcast, ClientAnswers, Cluster, ClusterSettings, Faults, Local, MemoryHub, Missing, Reply,
    SocketDetails,
};
use sockeye_adapter::{Room, Selection, SocketId};
use sockeye_protocol::socket::Value;
use tokio::time::{Instant, sleep};

/// A node whose sockets are a list of ids, and which remembers what it was told.
#[derive(Default)]
struct Recorder {
    sockets: Vec<&'static str>,
    /// Whether its servers and clients answer.
    answers: bool,
    told: Mutex<Vec<String>>,
}

impl Recorder {
    fn tell(&self, what: String) {
        self.told.lock().push(what);
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock())
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

    fn has(&self, _: &str, _: &str) -> bool {
        true
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
struct Node {
    cluster: Cluster,
    recorder: Arc<Recorder>,
    running: tokio::task::JoinHandle<()>,
}

impl Node {
    fn start(hub: &MemoryHub, recorder: Recorder) -> Self {
        let recorder = Arc::new(recorder);
        let cluster = Cluster::new(hub.node(), ClusterSettings::default());
        let (run, local) = (cluster.clone(), Arc::downgrade(&recorder) as Weak<dyn Local>);
        let running = tokio::spawn(async move { drop(run.run(local).await) });
        cluster.enter("/");
        Self { cluster, recorder, running }
    }

    fn answering(hub: &MemoryHub, sockets: &[&'static str]) -> Self {
        Self::start(hub, Recorder { sockets: sockets.to_vec(), answers: true, ..Recorder::default() })
    }

    fn silent(hub: &MemoryHub, sockets: &[&'static str]) -> Self {
        Self::start(hub, Recorder { sockets: sockets.to_vec(), ..Recorder::default() })
    }

    fn told(&self) -> Vec<String> {
        self.recorder.told()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Time for all that is under way to arrive.
async fn settle() {
    sleep(Duration::from_millis(10)).await;
}

fn event(text: &str) -> Broadcast {
    Broadcast::new(vec![Value::from(text), Value::from(1)])
}

#[tokio::test(start_paused = true)]
async fn what_a_node_tells_reaches_all_others_in_order_and_not_itself() {
    let hub = MemoryHub::new();
    let (one, two, three) = (Node::silent(&hub, &[]), Node::silent(&hub, &[]), Node::silent(&hub, &[]));
    settle().await;
    one.cluster.broadcast("/", event("a"));
    one.cluster.broadcast("/", Broadcast { to: Selection::all().to("x"), ..event("b") });
    one.cluster.join("/", Selection::all().to("x"), vec!["y".into()]);
    one.cluster.leave_rooms("/", Selection::all().to("y"), vec!["x".into()]);
    one.cluster.server_side_emit("/", vec!["hello".into()]);
    one.cluster.disconnect("/", Selection::all().to("y"), true);
    one.cluster.flushed().await;
    settle().await;
    let expected = [
        r#"/ "a" 1 to []"#,
        r#"/ "b" 1 to ["x"]"#,
        r#"/ ["x"] join ["y"]"#,
        r#"/ ["y"] leave ["x"]"#,
        r#"/ server-side "hello""#,
        r#"/ ["y"] disconnect true"#,
    ];
    assert_eq!(two.told(), expected);
    assert_eq!(three.told(), expected);
    assert_eq!(one.told(), [""; 0]);
    assert_eq!((one.cluster.counts().published, two.cluster.counts().received), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn a_node_hears_only_of_namespaces_that_it_has() {
    let hub = MemoryHub::new();
    let (one, two) = (Node::silent(&hub, &[]), Node::silent(&hub, &[]));
    two.cluster.enter("/a");
    settle().await;
    one.cluster.broadcast("/a", event("heard"));
    one.cluster.broadcast("/b", event("not heard"));
    settle().await;
    two.cluster.leave("/a");
    one.cluster.broadcast("/a", event("too late"));
    settle().await;
    assert_eq!(two.told(), [r#"/a "heard" 1 to []"#]);
}

#[tokio::test(start_paused = true)]
async fn sockets_of_all_nodes_are_found() {
    let hub = MemoryHub::new();
    let (one, _two, _three) = (Node::silent(&hub, &["a"]), Node::silent(&hub, &["b", "c"]), Node::silent(&hub, &["d"]));
    settle().await;
    let Answers { answers, missing } = one.cluster.fetch_sockets("/", Selection::all(), None).await;
    let mut ids: Vec<_> = answers.iter().map(|socket| socket.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!((ids, missing), (vec!["b", "c", "d"], Missing::default()));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_alone_waits_for_nobody() {
    let hub = MemoryHub::new();
    let one = Node::silent(&hub, &["a"]);
    settle().await;
    let start = Instant::now();
    assert_eq!(one.cluster.fetch_sockets("/", Selection::all(), None).await, Answers::default());
    assert_eq!(one.cluster.server_side_ask("/", vec!["ask".into()], None).await, Answers::default());
    assert_eq!(one.cluster.ask_clients("/", event("ask"), None).await.asked, 0);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_gone_is_waited_for_by_nobody() {
    let hub = MemoryHub::new();
    let (one, two) = (Node::silent(&hub, &[]), Node::silent(&hub, &["b"]));
    settle().await;
    drop(two);
    settle().await;
    let start = Instant::now();
    assert_eq!(one.cluster.fetch_sockets("/", Selection::all(), None).await, Answers::default());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn servers_answer_and_who_does_not_is_told_in_time() {
    let hub = MemoryHub::new();
    let (one, _two, silent) = (Node::silent(&hub, &[]), Node::answering(&hub, &["two"]), Node::silent(&hub, &[]));
    settle().await;
    let start = Instant::now();
    let Answers { answers, missing } = one.cluster.server_side_ask("/", vec!["who".into()], None).await;
    assert_eq!((answers, missing.others), (vec![Value::from("two")], 1));
    assert_eq!(start.elapsed(), ClusterSettings::default().requests_timeout);
    assert_eq!(one.cluster.counts().late, 1);
    assert_eq!(silent.told(), [r#"/ server-side "who""#]);
}

#[tokio::test(start_paused = true)]
async fn clients_of_all_nodes_answer() {
    let hub = MemoryHub::new();
    let (one, _two, _three) =
        (Node::silent(&hub, &[]), Node::answering(&hub, &["b", "c"]), Node::answering(&hub, &["d"]));
    settle().await;
    let mut asked = one.cluster.ask_clients("/", event("ask"), None).await;
    asked.answers.sort_by_key(|answer| serde_json::to_string(answer).unwrap());
    assert_eq!((asked.asked, asked.missing.is_empty()), (3, true));
    assert_eq!(asked.answers, ["b", "c", "d"].map(Value::from));
}

#[tokio::test(start_paused = true)]
async fn clients_that_are_silent_are_waited_for_no_longer_than_asked() {
    let hub = MemoryHub::new();
    let (one, _two, _three) = (Node::silent(&hub, &[]), Node::answering(&hub, &["b"]), Node::silent(&hub, &["c"]));
    settle().await;
    let (start, timeout) = (Instant::now(), Duration::from_millis(300));
    let asked = one.cluster.ask_clients("/", event("ask"), Some(timeout)).await;
    assert_eq!((asked.asked, asked.answers, asked.missing), (2, vec![Value::from("b")], Missing::default()));
    assert_eq!(start.elapsed(), timeout);
}

#[tokio::test(start_paused = true)]
async fn while_the_broker_is_away_nobody_waits_and_what_is_lost_is_counted() {
    let hub = MemoryHub::new();
    let (one, two) = (Node::silent(&hub, &[]), Node::silent(&hub, &["b"]));
    settle().await;
    hub.set_faults(Faults { away: true, ..Faults::default() });
    let start = Instant::now();
    one.cluster.broadcast("/", event("lost"));
    let found = one.cluster.fetch_sockets("/", Selection::all(), None).await;
    assert!(found.answers.is_empty() && found.missing.unknown);
    assert_eq!(start.elapsed(), Duration::ZERO);
    settle().await;
    assert_eq!(one.cluster.counts().lost, 2);

    hub.set_faults(Faults::default());
    one.cluster.broadcast("/", event("heard"));
    settle().await;
    assert_eq!(two.told(), [r#"/ "heard" 1 to []"#]);
}

#[tokio::test(start_paused = true)]
async fn nodes_that_are_cut_off_are_missing_until_they_are_back() {
    let hub = MemoryHub::new();
    let (one, two) = (Node::silent(&hub, &["a"]), Node::silent(&hub, &["b"]));
    settle().await;
    hub.set_faults(Faults { island: vec![two.cluster.id().clone()], ..Faults::default() });
    let found = one.cluster.fetch_sockets("/", Selection::all(), Some(Duration::from_secs(1))).await;
    assert_eq!((found.answers.len(), found.missing.others), (0, 1));
    hub.set_faults(Faults::default());
    assert_eq!(one.cluster.fetch_sockets("/", Selection::all(), None).await.answers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_requests_however_late_and_lossy_the_way_is() {
    let hub = MemoryHub::new();
    let (one, _two, _three) = (Node::silent(&hub, &[]), Node::answering(&hub, &["b"]), Node::answering(&hub, &["c"]));
    settle().await;
    hub.set_faults(Faults { delay: Duration::from_millis(800), loss: 0.2, ..Faults::default() });
    let (mut whole, mut partial) = (0, 0);
    for _ in 0..100 {
        let Answers { answers, missing } = one.cluster.server_side_ask("/", vec!["ask".into()], None).await;
        // Never one answer twice, never one of another request; and who is missing is told.
        assert_eq!(answers.len() + missing.others, 2);
        if missing.is_empty() { whole += 1 } else { partial += 1 }
    }
    assert!(whole > 10 && partial > 10, "{whole} whole, {partial} partial");
}

#[tokio::test(start_paused = true)]
async fn too_much_for_the_broker_is_lost_and_counted_and_what_fits_is_sent() {
    let hub = MemoryHub::new();
    let mut settings = ClusterSettings::default();
    settings.queue_limit = 10_000;
    let cluster = Cluster::new(hub.node(), settings);
    let two = Node::silent(&hub, &[]);
    for _ in 0..100 {
        cluster.broadcast("/", event(&"x".repeat(1000)));
    }
    let recorder = Arc::new(Recorder::default());
    let (run, local) = (cluster.clone(), Arc::downgrade(&recorder) as Weak<dyn Local>);
    let running = tokio::spawn(async move { drop(run.run(local).await) });
    settle().await;
    let (counts, told) = (cluster.counts(), two.told().len() as u64);
    assert!((5..10).contains(&counts.published), "{counts:?}");
    assert_eq!((counts.published + counts.lost, told), (100, counts.published));
    running.abort();
}
