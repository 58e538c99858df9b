//! What carries messages between nodes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;

use super::{Envelope, NodeId};
use crate::names::Room;
use crate::room_event::RoomKind;

/// A boxed future, so that brokers can be chosen when the program runs.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries messages between the nodes of a cluster.
///
/// Who publishes may hear its own messages again; the [`Cluster`](super::Cluster) above ignores them. Connecting again after the
/// broker was away, and subscribing to what was subscribed to, is the implementation's to do.
pub trait Broker: Send + Sync + fmt::Debug + 'static {
    /// The name of this node, under which the others know it.
    fn node(&self) -> &NodeId;

    /// Connects, and gives what comes to `inbox` from then on.
    ///
    /// # Errors
    /// [`BrokerError`] if what it needs is not there. A broker that is only away for now is no error.
    fn start(&self, inbox: Inbox) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Messages of this namespace are received from here on. Never waits.
    fn enter(&self, namespace: &str);

    /// Messages of this namespace are not received any more. Never waits.
    fn leave(&self, namespace: &str);

    /// Publishes messages in their order, and says of each whether the broker has it.
    fn publish<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), BrokerError>>>;

    /// How many nodes hear messages of this namespace; this one counts.
    ///
    /// # Errors
    /// [`BrokerError`] if the broker does not say.
    fn count_nodes<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<usize, BrokerError>>;

    /// Set if it wants to know which rooms somebody here is in.
    fn interest(&self) -> Option<&dyn Interest> {
        None
    }

    /// Ends its connections.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Receives what is for one room only while somebody here is in it. Nothing here waits.
///
/// Each room that is created is deleted again in the end. A name may be that of a room and of a socket at once; then both
/// are told.
pub trait Interest: Send + Sync {
    /// Somebody is in this room now.
    fn room_created(&self, namespace: &str, room: &Room, kind: RoomKind);

    /// Nobody is in this room any more.
    fn room_deleted(&self, namespace: &str, room: &Room, kind: RoomKind);
}

/// A message on its way to the broker.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The message.
    pub envelope: Envelope,
    /// Who is to get it.
    pub to: Destination,
}

/// Who is to get a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// All other nodes that hear its namespace.
    All,
    /// The node that has asked.
    Asker(NodeId),
}

/// Why the broker does not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// It can't be reached, or does not answer.
    #[error("the broker is away: {reason}")]
    Away {
        /// What was tried, and what came of it.
        reason: String,
    },
    /// It answers, but with an error.
    #[error("the broker refuses: {reason}")]
    Refused {
        /// What it said, and what to do about it.
        reason: String,
    },
    /// The message has no form in the format of this broker.
    #[error("the message can't be written: {reason}")]
    Encode {
        /// What has no form.
        reason: String,
    },
}

/// Where a broker puts what comes in, as long as the node is there. It does not keep the node, which keeps the broker.
#[derive(Clone)]
pub struct Inbox(Weak<dyn Receive>);

/// What takes messages in.
pub(super) trait Receive: Send + Sync {
    fn receive(&self, envelope: Envelope);
    fn wants(&self, namespace: &str, room: &str) -> bool;
    fn ignored(&self, reason: &dyn fmt::Display);
}

impl Inbox {
    pub(super) fn new(receiver: Weak<dyn Receive>) -> Self {
        Self(receiver)
    }

    /// A message has come. Never waits.
    pub fn receive(&self, envelope: Envelope) {
        if let Some(node) = self.0.upgrade() {
            node.receive(envelope);
        }
    }

    /// Whether somebody here is in this room: a broadcast to it alone need not be read otherwise.
    pub fn wants(&self, namespace: &str, room: &str) -> bool {
        self.0.upgrade().is_some_and(|node| node.wants(namespace, room))
    }

    /// Something has come that is no message of the format: it is counted and ignored.
    pub fn ignored(&self, reason: &dyn fmt::Display) {
        if let Some(node) = self.0.upgrade() {
            node.ignored(reason);
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}
