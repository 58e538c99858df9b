//! What comes in on one connection, handed over in order and never twice at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sockeye_protocol::engine::Message;

use crate::close::{CloseCause, Closed};
use crate::connection::Connection;

/// What the layer above makes of one connection: it is called in order, never twice at once.
pub trait Receiver: Send + 'static {
    /// The session has been opened; called once, before anything else. What is sent here follows the open packet.
    fn opened(&mut self) {}

    /// A message came. It must not block: whatever takes time belongs into a task of its own.
    fn receive(&mut self, message: Message<'_>);

    /// The connection has ended; nothing is called after this.
    fn closed(&mut self, closed: Closed);
}

/// Who gives a [`Receiver`] to each new connection.
pub trait Acceptor: Send + Sync + 'static {
    /// Makes the receiver of a session that is being opened.
    fn accept(&self, connection: Connection) -> Box<dyn Receiver>;
}

/// Holds the receiver while nobody is delivering to it.
///
/// Messages of one session may come from two transports at once, and closing may come from anywhere. Whoever finds
/// the receiver here takes it out and delivers; whoever does not leaves what he has for the one who did.
#[derive(Default)]
pub(crate) struct Inbox {
    receiver: Option<Box<dyn Receiver>>,
    /// Only a client that talks over two transports at once leaves anything.
    left: Option<Box<Left>>,
    closed: Option<Closed>,
    /// The receiver has been told of the end: nobody comes any more to take what is left here.
    over: bool,
}

/// Messages for whoever is delivering now.
#[derive(Default)]
struct Left {
    messages: VecDeque<Message<'static>>,
    bytes: usize,
}

impl Inbox {
    /// Puts the receiver in, at the beginning.
    pub(crate) fn install(&mut self, receiver: Box<dyn Receiver>) {
        self.receiver = Some(receiver);
    }

    /// The oldest message that was left here.
    fn pop(&mut self) -> Option<Message<'static>> {
        let left = self.left.as_mut()?;
        let message = left.messages.pop_front();
        match &message {
            Some(message) => left.bytes -= message.len(),
            None => self.left = None,
        }
        message
    }
}

/// A run of messages from one read or one request body.
pub(crate) struct Delivery<'c> {
    connection: &'c Connection,
    receiver: Option<Box<dyn Receiver>>,
    /// The receiver may be in any state then, and is told nothing but the end.
    panicked: bool,
    received: u32,
}

impl<'c> Delivery<'c> {
    pub(crate) fn begin(connection: &'c Connection) -> Self {
        Self { connection, receiver: connection.inbox().lock().receiver.take(), panicked: false, received: 0 }
    }

    /// Tells the receiver that its session has been opened.
    pub(crate) fn open(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            self.panicked = guarded(self.connection, || receiver.opened());
        }
    }

    /// Hands a message over, or leaves it for whoever is delivering now.
    pub(crate) fn deliver(&mut self, message: Message<'_>) {
        self.received += 1;
        match &mut self.receiver {
            Some(_) if self.panicked => {}
            Some(receiver) => self.panicked = guarded(self.connection, || receiver.receive(message)),
            None => self.leave(message),
        }
    }

    fn leave(&self, message: Message<'_>) {
        let message = message.into_owned();
        let mut inbox = self.connection.inbox().lock();
        if inbox.over {
            return;
        }
        let left = inbox.left.get_or_insert_default();
        left.bytes += message.len();
        left.messages.push_back(message);
        let overflow = left.bytes > self.connection.config().max_payload.saturating_mul(2);
        drop(inbox);
        if overflow {
            self.connection.close(Closed::error(CloseCause::Overlap));
        }
    }
}

/// A panic in the layer above ends this connection and no other. Tells whether there was one.
fn guarded(connection: &Connection, call: impl FnOnce()) -> bool {
    let panicked = catch_unwind(AssertUnwindSafe(call)).is_err();
    if panicked {
        tracing::error!(sid = %connection.log_id(), "receiver panicked: closing its connection");
        connection.close(Closed::forced(CloseCause::Panic));
    }
    panicked
}

impl Drop for Delivery<'_> {
    /// Hands over what others left meanwhile, the close last, and puts the receiver back.
    fn drop(&mut self) {
        if self.received > 0 {
            self.connection.count_received(self.received.into());
        }
        let Some(mut receiver) = self.receiver.take() else { return };
        loop {
            let mut inbox = self.connection.inbox().lock();
            if let Some(message) = inbox.pop() {
                drop(inbox);
                if !self.panicked {
                    self.panicked = guarded(self.connection, || receiver.receive(message));
                }
            } else if let Some(closed) = inbox.closed.take() {
                inbox.over = true;
                drop(inbox);
                guarded(self.connection, || receiver.closed(closed));
                return;
            } else {
                inbox.receiver = Some(receiver);
                return;
            }
        }
    }
}

/// Tells the receiver that its connection has ended, now or when the present delivery is done.
pub(crate) fn deliver_close(connection: &Connection, closed: Closed) {
    connection.inbox().lock().closed = Some(closed);
    drop(Delivery::begin(connection));
}
