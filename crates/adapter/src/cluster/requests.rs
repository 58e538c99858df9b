//! What was asked of other nodes, and the answers that came.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sockeye_protocol::socket::Value;
use tokio::sync::Notify;

use super::{NodeId, RequestId, SocketDetails};

/// What nodes have answered, and which ones have not.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers<T> {
    /// The answers that came.
    pub answers: Vec<T>,
    /// Who did not answer in time.
    pub missing: Missing,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self { answers: Vec::new(), missing: Missing::default() }
    }
}

/// The nodes that did not answer in time. Which ones they are is not known: a broker only counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// How many.
    pub others: usize,
    /// The broker did not tell how many nodes there are, so that nobody can say how many are missing.
    pub unknown: bool,
}

impl Missing {
    /// Adds those that did not answer another question.
    pub fn add(&mut self, more: Self) {
        self.others += more.others;
        self.unknown |= more.unknown;
    }

    /// Whether nobody is missing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a node answers with.
#[derive(Debug)]
pub(super) enum Answer {
    Sockets(Vec<SocketDetails>),
    Value(Value),
    ClientCount(u64),
    Client(Value),
}

/// The requests that are waited for.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<HashMap<RequestId, Arc<Pending>>>);

/// One request, while its answers come.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) came: Mutex<Came>,
    pub(super) changed: Notify,
}

/// What has come.
#[derive(Debug, Default)]
pub(super) struct Came {
    /// Who has answered; those without a name only count.
    pub(super) nodes: Vec<NodeId>,
    pub(super) unnamed: usize,
    pub(super) sockets: Vec<SocketDetails>,
    pub(super) values: Vec<Value>,
    /// Clients that have been asked by other nodes.
    pub(super) clients: u64,
}

impl Came {
    pub(super) fn answered(&self) -> usize {
        self.nodes.len() + self.unnamed
    }

    /// Says whether it is one that was waited for: each node answers once, and then its clients may.
    fn take(&mut self, from: NodeId, answer: Answer) -> bool {
        let is_whole = !matches!(answer, Answer::Client(_));
        if is_whole && from.is_known() && self.nodes.contains(&from) {
            return false;
        }
        match answer {
            Answer::Sockets(sockets) => self.sockets.extend(sockets),
            Answer::Value(value) | Answer::Client(value) => self.values.push(value),
            Answer::ClientCount(count) => self.clients = self.clients.saturating_add(count),
        }
        match (is_whole, from.is_known()) {
            (true, true) => self.nodes.push(from),
            (true, false) => self.unnamed += 1,
            (false, _) => {}
        }
        true
    }
}

impl Requests {
    pub(super) fn expect(&self, id: RequestId) -> Arc<Pending> {
        let pending = Arc::<Pending>::default();
        self.0.lock().insert(id, pending.clone());
        pending
    }

    pub(super) fn forget(&self, id: &RequestId) {
        self.0.lock().remove(id);
    }

    /// An answer has come. `false` if nobody waits for it, or its node has answered before.
    pub(super) fn answer(&self, id: &RequestId, from: NodeId, answer: Answer) -> bool {
        let Some(pending) = self.0.lock().get(id).cloned() else { return false };
        let taken = pending.came.lock().take(from, answer);
        pending.changed.notify_one();
        taken
    }
}
