//! A broker within one process, with every fault that a real one can have.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use smol_str::SmolStr;

use super::broker::{BoxFuture, Broker, BrokerError, Destination, Inbox, Outgoing};
use super::{Envelope, NodeId};

/// Joins nodes of one process to a cluster, for tests.
///
/// ```
/// use sockeye_adapter::cluster::{Broker, MemoryHub};
///
/// let hub = MemoryHub::new();
/// let (one, two) = (hub.node(), hub.node());
/// assert_ne!(one.node(), two.node());
/// ```
#[derive(Clone, Default)]
pub struct MemoryHub(Arc<Mutex<Hub>>);

/// What goes wrong between nodes. By default nothing does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// The share of messages that are lost, from 0 to 1.
    pub loss: f64,
    /// The longest time that a message is under way; each takes a random one, so that messages overtake each other.
    pub delay: Duration,
    /// Nothing is taken or delivered: the broker is away.
    pub away: bool,
    /// Nodes that are cut off from those not named here.
    pub island: Vec<NodeId>,
}

struct Hub {
    nodes: Vec<Member>,
    faults: Faults,
    random: SmallRng,
}

struct Member {
    id: NodeId,
    inbox: Option<Inbox>,
    namespaces: HashSet<SmolStr>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { nodes: Vec::new(), faults: Faults::default(), random: SmallRng::seed_from_u64(1) }
    }
}

impl MemoryHub {
    /// A hub without nodes and without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new node.
    pub fn node(&self) -> Arc<dyn Broker> {
        let id = NodeId::random();
        self.0.lock().nodes.push(Member { id: id.clone(), inbox: None, namespaces: HashSet::new() });
        Arc::new(MemoryBroker { id, hub: self.clone() })
    }

    /// From here on, this goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    fn change(&self, id: &NodeId, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.0.lock().nodes.iter_mut().find(|member| member.id == *id) {
            change(member);
        }
    }

    /// Delivers a message, now or later. No lock is held while it is received.
    fn carry(&self, from: &NodeId, message: &Outgoing) -> Result<(), BrokerError> {
        let mut hub = self.0.lock();
        let Hub { nodes, faults, random } = &mut *hub;
        if faults.away {
            return Err(away());
        }
        let mut deliveries = Vec::new();
        for member in nodes.iter().filter(|member| member.hears(from, message)) {
            let cut_off = faults.island.contains(from) != faults.island.contains(&member.id);
            let lost = random.random_bool(faults.loss.clamp(0.0, 1.0));
            if let Some(inbox) = member.inbox.clone().filter(|_| !cut_off && !lost) {
                deliveries.push((inbox, faults.delay.mul_f64(random.random_range(0.0..1.0))));
            }
        }
        drop(hub);
        for (inbox, delay) in deliveries {
            deliver(inbox, message.envelope.clone(), delay);
        }
        Ok(())
    }
}

impl Member {
    fn hears(&self, from: &NodeId, message: &Outgoing) -> bool {
        let meant = match &message.to {
            Destination::All => self.id != *from,
            Destination::Asker(id) => self.id == *id,
        };
        meant && self.namespaces.contains(&message.envelope.namespace)
    }
}

fn deliver(inbox: Inbox, envelope: Envelope, delay: Duration) {
    if delay.is_zero() {
        return inbox.receive(envelope);
    }
    #[expect(clippy::disallowed_methods, reason = "nobody waits for a message that is under way")]
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        inbox.receive(envelope);
    });
}

fn away() -> BrokerError {
    BrokerError::Away { reason: "the hub was told to be away".to_owned() }
}

/// One node of a [`MemoryHub`].
#[derive(Debug)]
struct MemoryBroker {
    id: NodeId,
    hub: MemoryHub,
}

impl Broker for MemoryBroker {
    fn node(&self) -> &NodeId {
        &self.id
    }

    fn start(&self, inbox: Inbox) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.hub.change(&self.id, |member| member.inbox = Some(inbox));
        Box::pin(std::future::ready(Ok(())))
    }

    fn enter(&self, namespace: &str) {
        self.hub.change(&self.id, |member| _ = member.namespaces.insert(namespace.into()));
    }

    fn leave(&self, namespace: &str) {
        self.hub.change(&self.id, |member| _ = member.namespaces.remove(namespace));
    }

    fn publish<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), BrokerError>>> {
        let results = messages.iter().map(|message| self.hub.carry(&self.id, message)).collect();
        Box::pin(std::future::ready(results))
    }

    fn count_nodes<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<usize, BrokerError>> {
        let hub = self.hub.0.lock();
        let there = hub.nodes.iter().filter(|member| member.inbox.is_some() && member.namespaces.contains(namespace));
        let count = if hub.faults.away { Err(away()) } else { Ok(there.count()) };
        Box::pin(std::future::ready(count))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.leave_hub();
        Box::pin(std::future::ready(()))
    }
}

impl MemoryBroker {
    fn leave_hub(&self) {
        self.hub.0.lock().nodes.retain(|member| member.id != self.id);
    }
}

impl Drop for MemoryBroker {
    fn drop(&mut self) {
        self.leave_hub();
    }
}

impl fmt::Debug for MemoryHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hub = self.0.lock();
        let nodes: Vec<_> = hub.nodes.iter().map(|member| &member.id).collect();
        f.debug_struct("MemoryHub").field("nodes", &nodes).field("faults", &hub.faults).finish()
    }
}
