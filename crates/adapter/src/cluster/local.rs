//! What a node does for the others.

use std::fmt;
use std::sync::{Arc, Weak};

use sockeye_protocol::socket::Value;

use super::broker::Destination;
use super::node::Node;
use super::{Broadcast, Message, NodeId, RequestId, SocketDetails};
use crate::names::Room;
use crate::selection::Selection;

/// The sockets of this node, as other nodes reach them. Nothing here waits.
///
/// A namespace that this node does not have has no sockets, and nothing happens.
pub trait Local: Send + Sync + 'static {
    /// Sends an event to the selected sockets.
    fn deliver(&self, namespace: &str, broadcast: Broadcast);

    /// Sends an event to the selected sockets, and gives their answers to `answers`. Says how many were asked.
    fn ask(&self, namespace: &str, broadcast: Broadcast, answers: ClientAnswers) -> u64;

    /// Makes the selected sockets join rooms.
    fn join(&self, namespace: &str, to: &Selection, rooms: &[Room]);

    /// Makes the selected sockets leave rooms.
    fn leave(&self, namespace: &str, to: &Selection, rooms: &[Room]);

    /// Disconnects the selected sockets, with their connections if `close`.
    fn disconnect(&self, namespace: &str, to: &Selection, close: bool);

    /// Whether somebody is in this room, or it is the id of a socket.
    fn has(&self, namespace: &str, room: &str) -> bool;

    /// The selected sockets.
    fn sockets(&self, namespace: &str, to: &Selection) -> Vec<SocketDetails>;

    /// The rooms somebody is in, those of socket ids among them, as Node's servers count them.
    fn rooms(&self, namespace: &str) -> Vec<Room>;

    /// Another server has sent an event: its name, its arguments. It waits for an answer if there is a `reply`.
    fn server_side(&self, namespace: &str, event: Vec<Value>, reply: Option<Reply>);
}

/// The way back to a node that has asked.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) node: Weak<Node>,
    pub(super) namespace: smol_str::SmolStr,
    pub(super) asker: NodeId,
    pub(super) request: RequestId,
}

impl Way {
    pub(super) fn send(&self, message: impl FnOnce(RequestId) -> Message) {
        if let Some(node) = self.node.upgrade() {
            node.push(&self.namespace, message(self.request.clone()), Destination::Asker(self.asker.clone()));
        }
    }
}

/// Takes the answers of clients to the node that has asked for them.
#[derive(Clone)]
pub struct ClientAnswers(pub(super) Arc<Way>);

impl ClientAnswers {
    /// A client has answered.
    pub fn answer(&self, answer: Value) {
        self.0.send(|request| Message::ClientAnswer { request, answer });
    }
}

/// The right to answer a server that has asked, once.
pub struct Reply(pub(super) Way);

impl Reply {
    /// Answers.
    pub fn send(self, answer: Value) {
        self.0.send(|request| Message::ServerSideAnswer { request, answer });
    }
}

impl fmt::Debug for ClientAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAnswers").field("asker", &self.0.asker).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("asker", &self.0.asker).finish_non_exhaustive()
    }
}
