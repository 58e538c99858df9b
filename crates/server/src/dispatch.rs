//! Calling handlers: in order, in place, and no more at once than is bearable.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::Mutex;
use smol_str::SmolStr;
use sockeye_engine::{CloseCause, Closed, Connection, Turn};
use sockeye_protocol::socket::{Arguments, Packet, split_event};

use crate::ack::Ack;
use crate::client::Violation;
use crate::disconnect::{Departure, DisconnectReason};
use crate::event_middleware::{self, Passage};
use crate::event_rate;
use crate::handler::{
    AckTicket, BoxError, Context, Disconnected, Erased, EventParts, ExtractError, HandlerFuture, Received, Unanswered,
};
use crate::handlers::{Handlers, Registered, Table};
use crate::socket::Socket;

/// What went wrong in a handler, or before it could be called. Given to the [error hook](crate::Server::on_error).
#[derive(Debug)]
pub struct Failure {
    /// The socket it was called for.
    pub socket: Socket,
    /// The name of the event; `connection` or `disconnect` for handlers of these.
    pub event: SmolStr,
    /// What the handler returned, an [`ExtractError`], or [`TooManyEvents`](crate::TooManyEvents).
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
    /// An event waits in a middleware: those behind it wait for it.
    held: bool,
    /// Boxed, and `None` while it is empty: mostly no event waits.
    backlog: Option<Box<Backlog>>,
    /// Somebody is starting the waiting events, in order; nobody else may.
    draining: bool,
    paused: bool,
}

#[derive(Debug, Default)]
struct Backlog {
    events: VecDeque<Waiting>,
    bytes: usize,
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
        queue.backlog = None;
        queue.resume(connection);
    }
}

/// Reading stops and goes on under the queue's lock: otherwise a resume could overtake the pause that it answers.
impl Queue {
    fn may_start(&self, max_suspended: usize) -> bool {
        self.suspended < max_suspended && !self.held
    }

    /// Adds a waiting event, and says how many bytes wait now.
    fn push(&mut self, event: Waiting) -> usize {
        let backlog = self.backlog.get_or_insert_default();
        backlog.bytes += event.size();
        backlog.events.push_back(event);
        backlog.bytes
    }

    fn pop(&mut self) -> Option<Waiting> {
        let backlog = self.backlog.as_mut()?;
        let event = backlog.events.pop_front()?;
        backlog.bytes -= event.size();
        if backlog.events.is_empty() {
            self.backlog = None;
        }
        Some(event)
    }

    fn bytes(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.bytes)
    }

    fn pause(&mut self, socket: &Socket) {
        if !std::mem::replace(&mut self.paused, true) {
            socket.settings().counters.bounds.max_waiting_events.add();
            tracing::debug!(bound = "max_waiting_events", "too many events wait: reading stops");
            socket.connection().pause();
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
    if !event_rate::admits(socket, name, packet.id) {
        return;
    }
    let settings = socket.settings();
    let mut queue = socket.inner().events.0.lock();
    if queue.may_start(settings.max_suspended) && queue.backlog.is_none() && !queue.draining {
        drop(queue);
        return start(socket, name, arguments, packet.id);
    }
    if queue.suspended >= settings.max_suspended && queue.backlog.is_none() {
        settings.counters.bounds.max_suspended_handlers.add();
        tracing::debug!(bound = "max_suspended_handlers", "too many handlers are suspended: events wait");
    }
    let waiting =
        Waiting { payload: packet.payload.into(), id: packet.id, attachments: arguments.attachments().to_vec() };
    if queue.push(waiting) > settings.max_waiting_bytes {
        queue.pause(socket);
    }
}

/// A suspended handler has ended: events that waited may start.
fn ended(socket: &Socket) {
    socket.settings().counters.suspended.remove();
    let mut queue = socket.inner().events.0.lock();
    queue.suspended -= 1;
    if !std::mem::replace(&mut queue.draining, true) {
        drop(queue);
        release(socket);
    }
}

/// A middleware waits for something: it counts as a suspended handler, and holds back all events behind its own.
pub(crate) fn hold(socket: &Socket) {
    socket.settings().counters.suspended.add();
    let mut queue = socket.inner().events.0.lock();
    queue.suspended += 1;
    queue.held = true;
}

/// The event that was held has reached its handlers, or has been stopped.
pub(crate) fn let_go(socket: &Socket) {
    socket.inner().events.0.lock().held = false;
    ended(socket);
}

/// Starts the events that wait, in order, as far as they may start. Only whoever has set `draining` calls this.
pub(crate) fn release(socket: &Socket) {
    let queue = &socket.inner().events.0;
    let settings = socket.settings();
    let mut turn = Turn::begin();
    loop {
        let mut waiting = queue.lock();
        let next = if waiting.may_start(settings.max_suspended) { waiting.pop() } else { None };
        let Some(next) = next else {
            waiting.draining = false;
            if waiting.bytes() <= settings.max_waiting_bytes / 2 {
                waiting.resume(socket.connection());
            }
            return;
        };
        drop(waiting);
        // It could be split when it came.
        if let Ok(event) = split_event(&next.payload) {
            start(socket, &event.name, event.arguments.with_attachments(&next.attachments), next.id);
        }
        if turn.is_over() {
            let rest = socket.clone();
            return socket.client().server().engine().spawn(async move {
                tokio::task::yield_now().await;
                release(&rest);
            });
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
    let own = socket.own_handlers().map(Handlers::load);
    let own = own.as_deref().map(|own| &**own);
    let handlers = handlers_of(name, &shared, own);
    let middlewares = || shared.event_middleware.iter().chain(own.map_or(&[][..], |own| &own.event_middleware));
    let several = handlers.iter().map(|handlers| handlers.len()).sum::<usize>() > 1 || middlewares().next().is_some();
    let ticket = id.map(|id| AckTicket { id, used: several.then(Default::default) });

    let mut parts = EventParts { name, arguments, ack: None, read: false };
    for handler in shared.any.iter().chain(own.map_or(&[][..], |own| &own.any)) {
        parts = call(socket, handler, parts);
    }
    match event_middleware::pass(socket, middlewares(), &mut parts, ticket.as_ref()) {
        Passage::Free => parts = call_each(socket, handlers, shared.fallback.as_ref(), parts, ticket.as_ref()),
        Passage::Stopped => {}
        Passage::Suspended => return,
    }
    // Nobody looked at the arguments; what is no JSON is an offence all the same.
    if !parts.read
        && let Err(error) = arguments.validate()
    {
        socket.client().punish(&Violation::Undecodable(error));
    }
}

/// Calls the handlers of an event's name, as they are now.
pub(crate) fn call_handlers(socket: &Socket, parts: EventParts<'_>, ticket: Option<&AckTicket>) {
    let shared = socket.namespace_ref().inner().handlers.load();
    let own = socket.own_handlers().map(Handlers::load);
    let handlers = handlers_of(parts.name, &shared, own.as_deref().map(|own| &**own));
    call_each(socket, handlers, shared.fallback.as_ref(), parts, ticket);
}

/// The handlers of an event's name, those of the namespace and those of the socket.
fn handlers_of<'t>(name: &str, shared: &'t Table, own: Option<&'t Table>) -> [&'t [Registered]; 2] {
    [shared.of(name), own.map_or(&[], |own| own.of(name))]
}

fn call_each<'a>(
    socket: &'a Socket,
    handlers: [&[Registered]; 2],
    fallback: Option<&Erased<Received>>,
    mut parts: EventParts<'a>,
    ticket: Option<&AckTicket>,
) -> EventParts<'a> {
    let (mut sweep, mut handled) = (false, false);
    for handler in handlers.into_iter().flatten().filter(|handler| handler.is_due()) {
        (sweep, handled) = (sweep || handler.once.is_some(), true);
        parts.ack = ticket.cloned();
        parts = call(socket, &handler.call, parts);
    }
    if sweep && let Some(own) = socket.own_handlers() {
        own.sweep(parts.name);
    }
    if !handled && let Some(fallback) = fallback {
        parts.ack = ticket.cloned();
        parts = call(socket, fallback, parts);
    }
    parts
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
    if let Some(result) = at_once(&mut future) {
        return result.unwrap_or_else(|error| failed(socket, event, error, None));
    }
    socket.settings().counters.suspended.add();
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

/// What a future gives without having to wait; it may need a runtime even for that.
pub(crate) fn at_once<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> Option<T> {
    tokio::runtime::Handle::try_current().ok()?;
    match future.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

pub(crate) fn failed(socket: &Socket, event: &str, error: BoxError, ack: Option<Ack>) {
    let (error, ack) = match error.downcast::<Unanswered>() {
        Ok(unanswered) => (unanswered.error, Some(unanswered.ack)),
        Err(error) => (error, ack),
    };
    let server = socket.client().server();
    server.settings.counters.errors.add();
    server.settings.report(Failure { socket: socket.clone(), event: event.into(), error, ack });
}

pub(crate) fn panicked(socket: &Socket, event: &str) {
    tracing::error!(event, namespace = socket.namespace_name(), "a handler panicked: closing its connection");
    socket.settings().counters.panics.add();
    socket.client().end(DisconnectReason::ForcedServerClose, Closed::forced(CloseCause::Panic));
}
