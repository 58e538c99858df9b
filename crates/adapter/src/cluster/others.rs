//! One cluster adapter above every broker.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use smol_str::SmolStr;
use sockeye_protocol::socket::Value;
use tokio::time::{Instant, timeout_at};

use super::broker::{BoxFuture, Broker, BrokerError, Destination, Inbox, Interest, Receive};
use super::counters::ClusterCounts;
use super::local::Local;
use super::node::Node;
use super::requests::{Answers, Came, Missing, Pending};
use super::{Broadcast, Message, NodeId, RequestId, SocketDetails};
use crate::names::Room;
use crate::selection::Selection;

/// How a cluster behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterSettings {
    /// How long the answers of other nodes are waited for, unless the caller says otherwise. Default: 5 s.
    pub requests_timeout: Duration,
    /// The most bytes that wait for the broker. What comes beyond is lost to other nodes, and counted. Default: 16 MiB.
    pub queue_limit: usize,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self { requests_timeout: Duration::from_secs(5), queue_limit: 16 << 20 }
    }
}

/// The other nodes, seen from this one. Cheap to clone; all clones are the same.
///
/// What is sent goes out in the order of the calls, behind the caller's back: no call waits for the broker. A node does not
/// hear what it sent itself, so the caller serves its own sockets.
#[derive(Clone, Debug)]
pub struct Cluster {
    node: Arc<Node>,
    settings: ClusterSettings,
}

impl Cluster {
    /// A cluster over this broker; nothing happens before [`run`](Self::run).
    pub fn new(broker: Arc<dyn Broker>, settings: ClusterSettings) -> Self {
        Self { node: Node::new(broker, settings.queue_limit), settings }
    }

    /// Connects to the broker, serves other nodes through `local`, and publishes what is sent, for ever.
    ///
    /// # Errors
    /// What the broker says if it can't be used at all.
    ///
    /// # Cancel safety
    /// Dropped, nothing is published any more, and what waits is lost.
    pub async fn run(&self, local: Weak<dyn Local>) -> Result<Infallible, BrokerError> {
        let _ = self.node.local.set(local);
        let node: Arc<dyn Receive> = self.node.clone();
        self.node.broker.start(Inbox::new(Arc::downgrade(&node))).await?;
        self.node.publisher.run(&*self.node.broker).await;
    }

    /// The name of this node.
    pub fn id(&self) -> &NodeId {
        self.node.broker.node()
    }

    /// This node has a namespace, and hears from here on what is sent to it.
    pub fn enter(&self, namespace: &str) {
        self.node.broker.enter(namespace);
    }

    /// This node has no such namespace any more.
    pub fn leave(&self, namespace: &str) {
        self.node.broker.leave(namespace);
    }

    /// What is to be told which rooms somebody here is in, if the broker makes a difference.
    pub fn interest(&self) -> Option<&dyn Interest> {
        self.node.broker.interest()
    }

    /// Sends an event to the selected sockets of the other nodes.
    pub fn broadcast(&self, namespace: &str, broadcast: Broadcast) {
        self.send(namespace, Message::Broadcast(Broadcast { request: None, ..broadcast }));
    }

    /// Makes the selected sockets of the other nodes join rooms.
    pub fn join(&self, namespace: &str, to: Selection, rooms: Vec<Room>) {
        self.send(namespace, Message::Join { to, rooms });
    }

    /// Makes the selected sockets of the other nodes leave rooms.
    pub fn leave_rooms(&self, namespace: &str, to: Selection, rooms: Vec<Room>) {
        self.send(namespace, Message::Leave { to, rooms });
    }

    /// Disconnects the selected sockets of the other nodes, with their connections if `close`.
    pub fn disconnect(&self, namespace: &str, to: Selection, close: bool) {
        self.send(namespace, Message::Disconnect { to, close });
    }

    /// Sends an event to the other servers.
    pub fn server_side_emit(&self, namespace: &str, event: Vec<Value>) {
        self.send(namespace, Message::ServerSideEmit { event, request: None });
    }

    /// The selected sockets of the other nodes, as far as these answer in time.
    pub async fn fetch_sockets(
        &self,
        namespace: &str,
        to: Selection,
        timeout: Option<Duration>,
    ) -> Answers<SocketDetails> {
        let asked = self.ask(namespace, |request| Message::FetchSockets { to, request });
        let (came, missing) = asked.wait(Some(timeout.unwrap_or(self.settings.requests_timeout)), |_| true).await;
        Answers { answers: came.sockets, missing }
    }

    /// Sends an event to the other servers, and gives their answers, as far as they come in time.
    pub async fn server_side_ask(
        &self,
        namespace: &str,
        event: Vec<Value>,
        timeout: Option<Duration>,
    ) -> Answers<Value> {
        let asked = self.ask(namespace, |request| Message::ServerSideEmit { event, request: Some(request) });
        let (came, missing) = asked.wait(Some(timeout.unwrap_or(self.settings.requests_timeout)), |_| true).await;
        Answers { answers: came.values, missing }
    }

    /// Sends an event to the selected sockets of the other nodes. The future gives the answers that come in time, all of them
    /// if there is no time; the event has been sent before it is polled.
    pub fn ask_clients(&self, namespace: &str, broadcast: Broadcast, timeout: Option<Duration>) -> AskedClients {
        let message = |request| Message::Broadcast(Broadcast { request: Some(request), ..broadcast });
        let asked = self.ask(namespace, message);
        AskedClients(Box::pin(async move {
            let all_answered = |came: &Came| came.values.len() as u64 >= came.clients;
            let (came, missing) = asked.wait(timeout, all_answered).await;
            ClientsAnswers { answers: came.values, asked: came.clients, missing }
        }))
    }

    /// What has been counted.
    pub fn counts(&self) -> ClusterCounts {
        self.node.counters.counts()
    }

    /// Waits until all that was sent before is with the broker, or lost.
    pub async fn flushed(&self) {
        self.node.publisher.flushed().await;
    }

    /// Ends the connections to the broker.
    pub async fn close(&self) {
        self.node.broker.close().await;
    }

    fn send(&self, namespace: &str, message: Message) {
        self.node.push(namespace, message, Destination::All);
    }

    fn ask(&self, namespace: &str, message: impl FnOnce(RequestId) -> Message) -> Asked {
        let id = RequestId::random();
        let pending = self.node.requests.expect(id.clone());
        let asked = Asked { node: self.node.clone(), id: id.clone(), namespace: namespace.into(), pending };
        self.send(namespace, message(id));
        asked
    }
}

/// What was asked of the other nodes, until it is dropped.
struct Asked {
    node: Arc<Node>,
    id: RequestId,
    namespace: SmolStr,
    pending: Arc<Pending>,
}

impl Asked {
    /// Waits until all other nodes have answered and `is_complete` agrees, or the time is up.
    async fn wait(self, time: Option<Duration>, is_complete: impl Fn(&Came) -> bool) -> (Came, Missing) {
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        let Some(others) = in_time(deadline, self.count_others()).await.flatten() else {
            let came = std::mem::take(&mut *self.pending.came.lock());
            return (came, Missing { unknown: true, others: 0 });
        };
        loop {
            let changed = self.pending.changed.notified();
            {
                let mut came = self.pending.came.lock();
                if came.answered() >= others && is_complete(&came) {
                    return (std::mem::take(&mut *came), Missing::default());
                }
            }
            if in_time(deadline, changed).await.is_none() {
                self.node.counters.late();
                let came = std::mem::take(&mut *self.pending.came.lock());
                let others = others.saturating_sub(came.answered());
                return (came, Missing { others, unknown: false });
            }
        }
    }

    /// How many other nodes there are, if the broker says.
    async fn count_others(&self) -> Option<usize> {
        match self.node.broker.count_nodes(&self.namespace).await {
            Ok(nodes) => Some(nodes.saturating_sub(1)),
            Err(error) => {
                tracing::warn!(%error, namespace = &*self.namespace, "nobody knows how many nodes are to answer");
                None
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.node.requests.forget(&self.id);
    }
}

/// What a future gives, unless the deadline comes first.
async fn in_time<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// The answers of other nodes' clients, to come.
#[must_use = "the event has been sent, but its answers are not waited for"]
pub struct AskedClients(BoxFuture<'static, ClientsAnswers>);

/// What clients of other nodes have answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientsAnswers {
    /// The answers that came, the first value of each.
    pub answers: Vec<Value>,
    /// How many clients were asked, as far as their nodes have said.
    pub asked: u64,
    /// The nodes that have not said.
    pub missing: Missing,
}

impl Future for AskedClients {
    type Output = ClientsAnswers;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ClientsAnswers> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for AskedClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AskedClients")
    }
}
