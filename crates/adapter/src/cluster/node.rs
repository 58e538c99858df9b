//! This node: what it takes in, and what it sends out.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use smol_str::SmolStr;

use super::broker::{Broker, Destination, Outgoing, Receive};
use super::counters::Counters;
use super::local::{ClientAnswers, Local, Reply, Way};
use super::publisher::Publisher;
use super::requests::{Answer, Requests};
use super::{Envelope, Message, NodeId, RequestId};

/// What all parts of a cluster adapter share.
pub(super) struct Node {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) local: OnceLock<Weak<dyn Local>>,
    pub(super) publisher: Publisher,
    pub(super) requests: Requests,
    pub(super) counters: Arc<Counters>,
    this: Weak<Self>,
}

impl Node {
    pub(super) fn new(broker: Arc<dyn Broker>, queue_limit: usize) -> Arc<Self> {
        let counters = Arc::<Counters>::default();
        let publisher = Publisher::new(queue_limit, counters.clone());
        Arc::new_cyclic(|this| Self {
            broker,
            local: OnceLock::new(),
            publisher,
            requests: Requests::default(),
            counters,
            this: this.clone(),
        })
    }

    /// Has a message published. Says whether there was room for it.
    pub(super) fn push(&self, namespace: &str, message: Message, to: Destination) -> bool {
        let from = self.broker.node().clone();
        self.publisher.push(Outgoing { envelope: Envelope { from, namespace: namespace.into(), message }, to })
    }

    fn way(&self, namespace: SmolStr, asker: NodeId, request: RequestId) -> Way {
        Way { node: self.this.clone(), namespace, asker, request }
    }

    fn take(&self, local: &dyn Local, Envelope { from, namespace, message }: Envelope) {
        match message {
            Message::Broadcast(mut broadcast) => match broadcast.request.take() {
                None => local.deliver(&namespace, broadcast),
                Some(request) => {
                    let way = Arc::new(self.way(namespace.clone(), from, request));
                    let count = local.ask(&namespace, broadcast, ClientAnswers(way.clone()));
                    way.send(|request| Message::ClientCount { request, count });
                }
            },
            Message::Join { to, rooms } => local.join(&namespace, &to, &rooms),
            Message::Leave { to, rooms } => local.leave(&namespace, &to, &rooms),
            Message::Disconnect { to, close } => local.disconnect(&namespace, &to, close),
            Message::FetchSockets { to, request } => {
                let sockets = local.sockets(&namespace, &to);
                self.way(namespace, from, request).send(|request| Message::Sockets { request, sockets });
            }
            Message::ServerSideEmit { event, request } => {
                let reply = request.map(|request| Reply(self.way(namespace.clone(), from, request)));
                local.server_side(&namespace, event, reply);
            }
            Message::AllRooms { request } => {
                let rooms = local.rooms(&namespace);
                self.way(namespace, from, request).send(|request| Message::Rooms { request, rooms });
            }
            Message::SocketIds { to, request } => {
                let ids = local.sockets(&namespace, &to).into_iter().map(|socket| socket.id).collect();
                self.way(namespace, from, request).send(|request| Message::Ids { request, ids });
            }
            // Only the node that has the socket answers.
            Message::Ordered { request, order } if has(local, &namespace, &order) => {
                self.take(local, Envelope { from: from.clone(), namespace: namespace.clone(), message: *order });
                self.way(namespace, from, request).send(|request| Message::Done { request });
            }
            Message::Sockets { request, sockets } => self.answered(&request, from, Answer::Sockets(sockets)),
            Message::ServerSideAnswer { request, answer } => self.answered(&request, from, Answer::Value(answer)),
            Message::ClientCount { request, count } => self.answered(&request, from, Answer::ClientCount(count)),
            Message::ClientAnswer { request, answer } => self.answered(&request, from, Answer::Client(answer)),
            // Nobody is counted by these here; and we never ask for rooms or ids.
            Message::Hello
            | Message::Heartbeat
            | Message::Farewell
            | Message::Ordered { .. }
            | Message::Rooms { .. }
            | Message::Ids { .. }
            | Message::Done { .. } => {}
        }
    }

    fn answered(&self, request: &RequestId, from: NodeId, answer: Answer) {
        if !self.requests.answer(request, from, answer) {
            tracing::trace!(%request, "an answer that nobody waits for");
        }
    }
}

/// Whether the socket is here that an order is for.
fn has(local: &dyn Local, namespace: &str, order: &Message) -> bool {
    let (Message::Join { to, .. } | Message::Leave { to, .. } | Message::Disconnect { to, .. }) = order else {
        return false;
    };
    !local.sockets(namespace, to).is_empty()
}

impl Receive for Node {
    fn receive(&self, envelope: Envelope) {
        if envelope.from == *self.broker.node() {
            return;
        }
        self.counters.received();
        if let Some(local) = self.local.get().and_then(Weak::upgrade) {
            self.take(&*local, envelope);
        }
    }

    fn wants(&self, namespace: &str, room: &str) -> bool {
        self.local.get().and_then(Weak::upgrade).is_some_and(|local| local.has(namespace, room))
    }

    fn ignored(&self, reason: &dyn fmt::Display) {
        self.counters.ignored();
        tracing::debug!(%reason, "what came from the broker is no message: ignored");
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("broker", &self.broker).finish_non_exhaustive()
    }
}
