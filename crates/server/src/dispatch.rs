//! Calling handlers: in order, in place, and no more at once than is bearable.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::Mutex;
use smol_str::SmolStr;
use sockeye_engine::{CloseCause, Closed, Connection};
use sockeye_protocol::socket::{Arguments, Packet, split_event};

use crate::ack::Ack;
use crate::client::Violation;
use crate::disconnect::{Departure, DisconnectReason};
use crate::handler::{
    AckTicket, BoxError, Context, Disconnected, Erased, EventParts, ExtractError, HandlerFuture, Received, Unanswered,
};
use crate::socket::Socket;

/// What went wrong in a handler, or before it could be called. Given to the [error hook](crate::Server::on_error).
#[derive(Debug)]
pub struct Failure {
    /// The socket it was called for.
    pub socket: Socket,
    /// The name of the event; `connection` or `disconnect` for handlers of these.
    pub event: SmolStr,
    /// What the handler returned, or an [`ExtractError`].
    pub error: BoxError,
    /// The right to answer, if the client waits for an answer and has none yet.
    pub ack: Option<Ack>,
}

/// The events of one socket that wait because too many of its handlers are suspended. Usually there are none.
#[derive(Debug)]
pub(crate) struct EventQueue(Mutex<Queue>);

/// A new socket's events wait until its connect handlers have started.
impl Default for EventQueue {
    fn default() -> Self {
        Self(Mutex::new(Queue { draining: true, ..Queue::default() }))
    }
}

#[derive(Debug, Default)]
struct Queue {
    suspended: usize,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Somebody is starting the waiting events, in order; nobody else may.
    draining: bool,
    paused: bool,
}

#[derive(Debug)]
struct Waiting {
    payload: Box<str>,
    id: Option<u64>,
    attachments: Vec<Bytes>,
}

impl Waiting {
    fn size(&self) -> usize {
        self.payload.len() + self.attachments.iter().map(Bytes::len).sum::<usize>() + size_of::<Self>()
    }
}

impl EventQueue {
    /// Nobody is there any more who could want the waiting events handled.
    pub(crate) fn clear(&self, connection: &Connection) {
        let mut queue = self.0.lock();
        queue.waiting = VecDeque::new();
        queue.bytes = 0;
        queue.resume(connection);
    }
}

/// Reading stops and goes on under the queue's lock: otherwise a resume could overtake the pause that it answers.
impl Queue {
    fn pause(&mut self, connection: &Connection) {
        if !std::mem::replace(&mut self.paused, true) {
            connection.pause();
        }
    }

    fn resume(&mut self, connection: &Connection) {
        if std::mem::take(&mut self.paused) {
            connection.resume();
        }
    }
}

/// An event came: it starts now, or waits behind others.
pub(crate) fn received(socket: &Socket, name: &str, arguments: Arguments<'_>, packet: &Packet<'_>) {
    let settings = socket.settings();
    let mut queue = socket.inner().events.0.lock();
    if queue.suspended < settings.max_suspended && queue.waiting.is_empty() && !queue.draining {
        drop(queue);
        return start(socket, name, arguments, packet.id);
    }
    let waiting =
        Waiting { payload: packet.payload.into(), id: packet.id, attachments: arguments.attachments().to_vec() };
    queue.bytes += waiting.size();
    queue.waiting.push_back(waiting);
    if queue.bytes > settings.max_waiting_bytes {
        queue.pause(socket.connection());
    }
}

/// A suspended handler has ended: events that waited may start.
fn ended(socket: &Socket) {
    let mut queue = socket.inner().events.0.lock();
    queue.suspended -= 1;
    if !std::mem::replace(&mut queue.draining, true) {
        drop(queue);
        release(socket);
    }
}

/// Starts the events that wait, in order, as far as they may start. Only whoever has set `draining` calls this.
pub(crate) fn release(socket: &Socket) {
    let queue = &socket.inner().events.0;
    let settings = socket.settings();
    loop {
        let mut waiting = queue.lock();
        let next = if waiting.suspended < settings.max_suspended { waiting.waiting.pop_front() } else { None };
        let Some(next) = next else {
            waiting.draining = false;
            if waiting.waiting.is_empty() {
                waiting.waiting = VecDeque::new();
            }
            if waiting.bytes <= settings.max_waiting_bytes / 2 {
                waiting.resume(socket.connection());
            }
            return;
        };
        waiting.bytes = waiting.bytes.saturating_sub(next.size());
        drop(waiting);
        // It could be split when it came.
        if let Ok(event) = split_event(&next.payload) {
            start(socket, &event.name, event.arguments.with_attachments(&next.attachments), next.id);
        }
    }
}

/// Calls all handlers of an event. A panic ends the socket's connection and no other.
fn start(socket: &Socket, name: &str, arguments: Arguments<'_>, id: Option<u64>) {
    if catch_unwind(AssertUnwindSafe(|| call_all(socket, name, arguments, id))).is_err() {
        panicked(socket, name);
    }
}

fn call_all(socket: &Socket, name: &str, arguments: Arguments<'_>, id: Option<u64>) {
    let shared = socket.namespace_ref().inner().handlers.load();
    let own = socket.own_handlers().map(crate::handlers::Handlers::load);
    let own_handlers = own.as_ref().map_or(&[][..], |own| own.of(name));
    let several = shared.of(name).len() + own_handlers.len() > 1;
    let ticket = id.map(|id| AckTicket { id, used: several.then(Default::default) });

    let mut parts = EventParts { name, arguments, ack: None, read: false };
    for handler in &shared.any {
        parts = call(socket, handler, parts);
    }
    let mut sweep = false;
    for handler in shared.of(name).iter().chain(own_handlers).filter(|handler| handler.is_due()) {
        sweep |= handler.once.is_some();
        parts.ack.clone_from(&ticket);
        parts = call(socket, &handler.call, parts);
    }
    if sweep && let Some(own) = socket.own_handlers() {
        own.sweep(name);
    }
    // Nobody looked at the arguments; what is no JSON is an offence all the same.
    if !parts.read
        && let Err(error) = arguments.validate()
    {
        socket.client().punish(&Violation::Undecodable(error));
    }
}

fn call<'a>(socket: &'a Socket, handler: &Erased<Received>, parts: EventParts<'a>) -> EventParts<'a> {
    // An extractor may have taken it before another one failed.
    let ticket = parts.ack.clone();
    let mut context = Context { socket, parts };
    let result = handler(&mut context);
    let ack = if result.is_err() { ticket.map(|ticket| Ack::new(socket.clone(), ticket)) } else { None };
    called(socket, context.parts.name, result, ack);
    context.parts
}

/// Calls the handlers of a socket's end. A panic keeps nobody from being told, and does not reach who ended the socket.
pub(crate) fn disconnected(socket: &Socket, handlers: &[Erased<Disconnected>], departure: Departure) {
    for handler in handlers {
        let call = || called(socket, "disconnect", handler(&mut Context { socket, parts: departure }), None);
        if catch_unwind(AssertUnwindSafe(call)).is_err() {
            panicked(socket, "disconnect");
        }
    }
}

/// A handler was called, or could not be.
pub(crate) fn called(socket: &Socket, event: &str, result: Result<HandlerFuture, ExtractError>, ack: Option<Ack>) {
    match result {
        Ok(future) => run(socket, event, future),
        Err(ExtractError::Malformed(error)) => socket.client().punish(&Violation::Undecodable(error)),
        Err(error) => failed(socket, event, error.into(), ack),
    }
}

/// Polls a handler once in place. Only if it has to wait for something does it go on as a task of its own,
/// which outlives the connection.
pub(crate) fn run(socket: &Socket, event: &str, mut future: HandlerFuture) {
    let engine = socket.client().server().engine();
    if tokio::runtime::Handle::try_current().is_ok() {
        let polled = future.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
        if let Poll::Ready(result) = polled {
            return result.unwrap_or_else(|error| failed(socket, event, error, None));
        }
    }
    socket.inner().events.0.lock().suspended += 1;
    let (socket, event) = (socket.clone(), SmolStr::new(event));
    engine.spawn(async move {
        let handled = async {
            future.await.unwrap_or_else(|error| failed(&socket, &event, error, None));
        };
        if AssertUnwindSafe(handled).catch_unwind().await.is_err() {
            panicked(&socket, &event);
        }
        ended(&socket);
    });
}

fn failed(socket: &Socket, event: &str, error: BoxError, ack: Option<Ack>) {
    let (error, ack) = match error.downcast::<Unanswered>() {
        Ok(unanswered) => (unanswered.error, Some(unanswered.ack)),
        Err(error) => (error, ack),
    };
    let server = socket.client().server();
    server.settings.report(Failure { socket: socket.clone(), event: event.into(), error, ack });
}

fn panicked(socket: &Socket, event: &str) {
    tracing::error!(event, namespace = socket.namespace_name(), "a handler panicked: closing its connection");
    socket.client().end(DisconnectReason::ForcedServerClose, Closed::forced(CloseCause::Panic));
}
