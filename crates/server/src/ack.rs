//! Acknowledgements, both ways.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use sockeye_adapter::cluster::{AskedClients, ClientsAnswers, Missing};
use sockeye_engine::Guarantee;
use sockeye_protocol::socket::{Arguments, ArgumentsError, RawArguments, ToArguments};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use crate::cluster::from_value;
use crate::emit::EmitError;
use crate::handler::AckTicket;
use crate::socket::Socket;
use crate::wire::Written;

/// How long an answer is waited for if nothing else is said.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The right to answer an event by hand, once. Dropped unused, the client gets no answer.
#[derive(Debug)]
pub struct Ack {
    socket: Socket,
    /// `None` for an event that asked for no answer.
    ticket: Option<AckTicket>,
}

impl Ack {
    pub(crate) fn new(socket: Socket, ticket: AckTicket) -> Self {
        Self { socket, ticket: Some(ticket) }
    }

    pub(crate) fn unwanted(socket: Socket) -> Self {
        Self { socket, ticket: None }
    }

    /// Whether the client waits for an answer.
    pub fn is_wanted(&self) -> bool {
        self.ticket.is_some()
    }

    /// Answers; a tuple is several arguments. Nothing is sent if no answer is wanted, or the event has been answered.
    ///
    /// # Errors
    /// [`EmitError::Encode`] if the value can't be written; then nothing has been sent.
    pub fn send(self, arguments: impl ToArguments) -> Result<(), EmitError> {
        let Some(ticket) = self.ticket.filter(AckTicket::redeem) else { return Ok(()) };
        let socket = &self.socket;
        let send = |packet: Written<'_>| packet.send(socket.connection(), Guarantee::Reliable);
        socket.wire().write(socket.namespace_name(), |draft| draft.ack(ticket.id, &arguments), send)?;
        Ok(())
    }
}

/// Why an answer did not come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The event could not be sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The client did not answer in time.
    #[error("operation has timed out")]
    Timeout,
    /// The client went before it answered.
    #[error("socket has been disconnected")]
    Disconnected,
    /// The client answered with something else.
    #[error("the answer does not fit")]
    Mismatch(#[source] ArgumentsError),
}

/// The answers that a socket waits for. While there are none it has no heap.
#[derive(Debug, Default)]
pub(crate) struct PendingAcks(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    /// Boxed: mostly there are none.
    waiting: Option<Box<HashMap<u64, oneshot::Sender<RawArguments>, foldhash::fast::RandomState>>>,
    closed: bool,
}

impl PendingAcks {
    /// Expects an answer with this id.
    fn expect(&self, id: u64, limit: usize) -> Result<oneshot::Receiver<RawArguments>, EmitError> {
        let (sender, receiver) = oneshot::channel();
        let mut pending = self.0.lock();
        if pending.waiting.as_ref().map_or(0, |waiting| waiting.len()) >= limit {
            return Err(EmitError::TooManyAcks { limit });
        }
        // After the end nobody answers: the dropped sender tells so.
        if !pending.closed {
            pending.waiting.get_or_insert_default().insert(id, sender);
        }
        Ok(receiver)
    }

    /// Hands an answer to who waits for it. Unknown and repeated ids are ignored.
    pub(crate) fn resolve(&self, id: u64, answer: RawArguments) {
        let waiting = self.0.lock().waiting.as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(waiting) = waiting {
            // Nobody waits any more if the future was dropped.
            let _ = waiting.send(answer);
        }
    }

    /// Expects an answer with this id no more.
    pub(crate) fn forget(&self, id: u64) {
        let mut pending = self.0.lock();
        let Some(waiting) = &mut pending.waiting else { return };
        waiting.remove(&id);
        if waiting.is_empty() {
            pending.waiting = None;
        }
    }

    /// Ends all waiting.
    pub(crate) fn close(&self) {
        let mut pending = self.0.lock();
        pending.closed = true;
        let waiting = pending.waiting.take();
        drop(pending);
        drop(waiting);
    }
}

/// A client's answer to come. Dropped, the answer is no longer waited for.
///
/// # Cancel safety
/// The event has been sent when the future is made; polling only waits for the answer, on a tokio runtime.
#[must_use = "the event has been sent, but its answer is not waited for"]
#[derive(Debug)]
pub struct AckFuture<T> {
    waiting: Result<Waiting, Option<EmitError>>,
    answer: PhantomData<fn() -> T>,
}

#[derive(Debug)]
struct Waiting {
    socket: Socket,
    id: u64,
    answer: oneshot::Receiver<RawArguments>,
    timeout: Option<Timeout>,
}

/// When the waiting ends. The timer is made when it is first waited for: a thread without a runtime may ask as well.
#[derive(Debug)]
enum Timeout {
    At(Instant),
    /// Boxed: a timer's place in the runtime may not move.
    Running(Pin<Box<Sleep>>),
}

impl Timeout {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::At(deadline) = *self {
            *self = Self::Running(Box::pin(tokio::time::sleep_until(deadline)));
        }
        match self {
            Self::At(_) => Poll::Pending,
            Self::Running(sleep) => sleep.as_mut().poll(cx),
        }
    }
}

impl<T> AckFuture<T> {
    pub(crate) fn new(
        socket: Socket,
        sent: Result<(u64, oneshot::Receiver<RawArguments>), EmitError>,
        timeout: Option<Duration>,
    ) -> Self {
        let waiting = sent.map_err(Some).map(|(id, answer)| {
            // A time too far away to be told is none.
            let timeout = timeout.and_then(|timeout| Instant::now().checked_add(timeout)).map(Timeout::At);
            Waiting { socket, id, answer, timeout }
        });
        Self { waiting, answer: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for AckFuture<T> {
    type Output = Result<T, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waiting = match &mut self.waiting {
            Ok(waiting) => waiting,
            Err(error) => return Poll::Ready(Err(error.take().map_or(AckError::Disconnected, AckError::Emit))),
        };
        if let Poll::Ready(answer) = Pin::new(&mut waiting.answer).poll(cx) {
            let answer = answer.map_err(|_| AckError::Disconnected);
            return Poll::Ready(answer.and_then(|answer| answer.arguments().deserialize().map_err(AckError::Mismatch)));
        }
        match &mut waiting.timeout {
            Some(timeout) => {
                ready!(timeout.poll(cx));
                waiting.socket.settings().counters.bounds.ack_timeout.add();
                Poll::Ready(Err(AckError::Timeout))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.socket.acks().forget(self.id);
    }
}

/// Expects an answer of this socket.
pub(crate) fn expect(socket: &Socket, id: u64) -> Result<oneshot::Receiver<RawArguments>, EmitError> {
    let settings = socket.settings();
    let expected = socket.acks().expect(id, settings.max_pending_acks);
    if expected.is_err() {
        settings.counters.bounds.max_pending_acks.add();
    }
    expected
}

/// An answer that came, owned, if somebody waits for it.
pub(crate) fn answer(
    acks: &PendingAcks,
    id: u64,
    arguments: &Arguments<'_>,
) -> Result<(), sockeye_protocol::socket::DecodeError> {
    // An answer that nobody waits for still has to be one.
    let raw = arguments.to_raw()?;
    acks.resolve(id, raw);
    Ok(())
}

/// Who answered a broadcast, and who did not.
#[derive(Debug)]
pub struct Replies<T> {
    /// The answers, in the order in which the sockets were asked.
    pub answers: Vec<(crate::SocketId, T)>,
    /// Who did not answer, and why.
    pub missing: Vec<(crate::SocketId, AckError)>,
    /// What sockets of other nodes answered. Nodes do not tell each other which of their sockets it was.
    pub elsewhere: Elsewhere<T>,
}

impl<T> Replies<T> {
    /// All answers, of this node and of the others.
    pub fn into_values(self) -> Vec<T> {
        let here = self.answers.into_iter().map(|(_, answer)| answer);
        here.chain(self.elsewhere.answers).collect()
    }

    /// Whether all who were asked have answered, on all nodes.
    pub fn is_complete(&self) -> bool {
        let Elsewhere { missing, nodes, .. } = &self.elsewhere;
        self.missing.is_empty() && *missing == 0 && nodes.is_empty()
    }
}

/// What sockets of other nodes answered.
#[derive(Debug)]
pub struct Elsewhere<T> {
    /// The answers, as they came. Of several values that a client answers with it is the first.
    pub answers: Vec<T>,
    /// How many sockets did not answer, or with something else.
    pub missing: u64,
    /// The nodes that did not say how many sockets they have asked.
    pub nodes: Missing,
}

impl<T> Default for Elsewhere<T> {
    fn default() -> Self {
        Self { answers: Vec::new(), missing: 0, nodes: Missing::default() }
    }
}

impl<T: DeserializeOwned> Elsewhere<T> {
    fn add(&mut self, ClientsAnswers { answers, asked, missing }: ClientsAnswers) {
        let before = self.answers.len();
        self.answers.extend(answers.iter().filter_map(|answer| from_value(answer).ok()));
        self.missing += asked.saturating_sub((self.answers.len() - before) as u64);
        self.nodes.add(missing);
    }
}

/// The answers to a broadcast to come. Dropped, they are no longer waited for.
///
/// # Cancel safety
/// The event has been sent when the future is made; polling only waits for the answers.
#[must_use = "the event has been sent, but its answers are not waited for"]
pub struct RepliesFuture<T>(Pin<Box<dyn Future<Output = Result<Replies<T>, EmitError>> + Send>>);

impl<T: DeserializeOwned + Send + 'static> RepliesFuture<T> {
    pub(crate) fn new(asked: Vec<AckFuture<T>>, sockets: Vec<Socket>, elsewhere: Vec<AskedClients>) -> Self {
        Self(Box::pin(async move { Ok(gather(asked, sockets, elsewhere).await) }))
    }

    pub(crate) fn failed(error: EmitError) -> Self {
        Self(Box::pin(std::future::ready(Err(error))))
    }
}

impl<T> Future for RepliesFuture<T> {
    type Output = Result<Replies<T>, EmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> std::fmt::Debug for RepliesFuture<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RepliesFuture")
    }
}

/// Waits for all answers of a broadcast, all within one time.
async fn gather<T: DeserializeOwned>(
    asked: Vec<AckFuture<T>>,
    sockets: Vec<Socket>,
    elsewhere: Vec<AskedClients>,
) -> Replies<T> {
    let (answers, missing) = (Vec::with_capacity(asked.len()), Vec::new());
    let mut replies = Replies { answers, missing, elsewhere: Elsewhere::default() };
    // Their time has begun already: one after the other they take no longer than the longest.
    for (waiting, socket) in asked.into_iter().zip(sockets) {
        match waiting.await {
            Ok(answer) => replies.answers.push((socket.id().clone(), answer)),
            Err(error) => replies.missing.push((socket.id().clone(), error)),
        }
    }
    for asked in elsewhere {
        replies.elsewhere.add(asked.await);
    }
    replies
}

/// One id for all who are asked, so that the packet is encoded once.
#[derive(Debug, Default)]
pub(crate) struct AckIds(std::sync::atomic::AtomicU64);

impl AckIds {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
}
