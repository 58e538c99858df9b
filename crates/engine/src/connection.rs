//! One connection: the session, what waits to be sent on it, and who is told what comes in.

use std::io;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use parking_lot::Mutex;
use sockeye_protocol::engine::{CloseReason, Due, PeerEncoding, Protocol, Session, SessionId, Transport};
use sockeye_websocket::{Opcode, frame, header};
use tokio_util::sync::CancellationToken;

use crate::close::{CloseCause, Closed};
use crate::config::{EngineConfig, OutboxLimits};
use crate::engine::Shared as EngineShared;
use crate::frames::{Frames, write_binary, write_text};
use crate::handshake::Handshake;
use crate::inbox::{Inbox, deliver_close};
use crate::io::Writer;
use crate::outbox::Outbox;
use crate::worker::{Worker, now};

/// How long a session that was closed between two polls waits for the next one, to tell the client.
const CLOSING_POLL: std::time::Duration = std::time::Duration::from_secs(30);

/// A handle to one Engine.IO connection. Cheap to clone; messages can be sent from anywhere and sending never blocks.
///
/// What is sent arrives in the order of sending, on whatever transport, or the connection is closed.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

/// Whether a message may be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// It is sent, or the connection is closed.
    Reliable,
    /// It is dropped if the transport can't take it right now.
    Volatile,
}

pub(crate) struct Shared {
    id: SessionId,
    protocol: Protocol,
    peer: PeerEncoding,
    handshake: Handshake,
    engine: Arc<EngineShared>,
    worker: Arc<Worker>,
    link: Mutex<Link>,
    inbox: Mutex<Inbox>,
    /// Wakes the task that reads the WebSocket.
    driver: AtomicWaker,
}

/// What all who touch the connection agree on, behind one short lock.
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) outbox: Outbox,
    /// The sending half of the WebSocket, once the session is on one.
    pub(crate) writer: Option<Writer>,
    pub(crate) poll: PendingPoll,
    pub(crate) posting: bool,
    /// Who waits for reading to go on.
    pub(crate) resumed: Option<Waker>,
    pub(crate) paused: bool,
    /// Which attempt to upgrade is the present one, and how to wake it.
    pub(crate) attempt: u32,
    pub(crate) prober: Option<Waker>,
    flush: Flush,
    /// Since when the peer has taken nothing although more than the soft mark waits.
    stuck_since: Option<Instant>,
    /// The earliest time at which the worker looks at this connection anyway.
    watched: Option<Instant>,
    pub(crate) closed: Option<Closed>,
    /// How long a session that was closed between two polls stays known, to tell the client at its next poll.
    lingers_until: Option<Instant>,
    /// The code of our WebSocket close frame, if one is due.
    pub(crate) close_code: Option<u16>,
}

/// The GET request of a polling client, as far as it waits for something to answer with.
#[derive(Debug, Default)]
pub(crate) enum PendingPoll {
    #[default]
    None,
    /// It waits; the waker is set once its future has been polled.
    Waiting(Option<Waker>),
    /// Answer it with a `noop`, whether or not there is data.
    Release(Option<Waker>),
}

/// Who writes what was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    /// Nobody yet: whoever queues next sees to it.
    Idle,
    /// The task that is handling a read writes when it is done with it.
    Corked,
    /// The worker has been asked to.
    Scheduled,
    /// The kernel took no more; the task of the connection waits until it does.
    Blocked,
}

/// What is to be done once the lock has been released.
enum Next {
    Nothing,
    Schedule,
    Wake(Waker),
    WakeDriver,
    Close(Closed),
}

impl Connection {
    pub(crate) fn new(
        engine: Arc<EngineShared>,
        worker: Arc<Worker>,
        id: SessionId,
        peer: PeerEncoding,
        handshake: Handshake,
        session: Session,
    ) -> Self {
        let link = Link {
            session,
            outbox: Outbox::default(),
            writer: None,
            poll: PendingPoll::None,
            posting: false,
            resumed: None,
            paused: false,
            attempt: 0,
            prober: None,
            flush: Flush::Idle,
            stuck_since: None,
            watched: None,
            closed: None,
            lingers_until: None,
            close_code: None,
        };
        let protocol = link.session.protocol();
        let (link, inbox) = (Mutex::new(link), Mutex::new(Inbox::default()));
        let driver = AtomicWaker::new();
        Self(Arc::new(Shared { id, protocol, peer, handshake, engine, worker, link, inbox, driver }))
    }

    /// The session id: a secret of this client, which can speak in its name.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// The part of the id that may stand in a log.
    pub(crate) fn log_id(&self) -> String {
        self.0.id.as_str().chars().take(8).collect()
    }

    /// The protocol revision that the client asked for.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// The transport that carries the session now.
    pub fn transport(&self) -> Transport {
        self.0.link.lock().session.transport()
    }

    /// Whether messages can still be sent.
    pub fn is_open(&self) -> bool {
        self.0.link.lock().session.is_open()
    }

    /// What the client told with its first request.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// How many bytes wait to be sent.
    pub fn waiting_bytes(&self) -> usize {
        self.0.link.lock().outbox.len()
    }

    pub(crate) fn config(&self) -> &EngineConfig {
        &self.0.engine.config
    }

    /// Is cancelled when the engine waits no longer for anything.
    pub(crate) fn abort(&self) -> &CancellationToken {
        &self.0.engine.abort
    }

    pub(crate) fn peer_encoding(&self) -> PeerEncoding {
        self.0.peer
    }

    pub(crate) fn link(&self) -> &Mutex<Link> {
        &self.0.link
    }

    pub(crate) fn inbox(&self) -> &Mutex<Inbox> {
        &self.0.inbox
    }

    pub(crate) fn driver(&self) -> &AtomicWaker {
        &self.0.driver
    }

    /// Sends what other connections are sent too. Nothing happens on a connection that has ended.
    pub fn send(&self, frames: &Frames, guarantee: Guarantee) {
        let encoded = frames.encoded(self.0.protocol);
        self.queue(guarantee, |outbox| outbox.push_shared(encoded));
    }

    /// Sends text, and the binary messages that belong to it directly behind, to this connection alone.
    ///
    /// Nothing happens on a connection that has ended.
    pub fn send_text(&self, text: &[u8], attachments: &[Bytes], guarantee: Guarantee) {
        const GATHER_BELOW: usize = 4096;
        if attachments.is_empty() && text.len() < GATHER_BELOW {
            let header = header(Opcode::Text, text.len() + 1);
            self.queue(guarantee, |outbox| outbox.push_copied(&[&header, b"4", text]));
            return;
        }
        let binary: usize = attachments.iter().map(|bytes| bytes.len() + 11).sum();
        let mut frames = Vec::with_capacity(text.len() + 11 + binary);
        write_text(&mut frames, text);
        for bytes in attachments {
            write_binary(&mut frames, self.0.protocol, bytes);
        }
        self.queue(guarantee, |outbox| outbox.push_owned(frames.into()));
    }

    /// Sends one binary message to this connection alone. Nothing happens on a connection that has ended.
    pub fn send_binary(&self, bytes: &[u8], guarantee: Guarantee) {
        let mut frame = Vec::with_capacity(bytes.len() + 11);
        write_binary(&mut frame, self.0.protocol, bytes);
        self.queue(guarantee, |outbox| outbox.push_owned(frame.into()));
    }

    fn queue(&self, guarantee: Guarantee, push: impl FnOnce(&mut Outbox)) {
        let limits = &self.config().outbox;
        let mut link = self.0.link.lock();
        if !link.session.is_open() || (guarantee == Guarantee::Volatile && !link.is_writable()) {
            return;
        }
        push(&mut link.outbox);
        let next = link.after_push(limits);
        self.follow(link, next);
    }

    /// Queues a control packet ahead of the data.
    pub(crate) fn queue_control(&self, frame: &[u8]) {
        let mut link = self.0.link.lock();
        if link.session.is_open() {
            link.outbox.push_control(frame);
            let next = link.after_push(&self.config().outbox);
            self.follow(link, next);
        }
    }

    /// Releases the lock and does what it told.
    fn follow(&self, mut link: parking_lot::MutexGuard<'_, Link>, next: Next) {
        let watch = link.watch_from(&self.config().outbox);
        drop(link);
        if let Some(at) = watch {
            self.0.worker.watch(at, Arc::downgrade(&self.0));
        }
        match next {
            Next::Nothing => {}
            Next::Schedule => self.0.worker.schedule(self),
            Next::Wake(waker) => waker.wake(),
            Next::WakeDriver => self.0.driver.wake(),
            Next::Close(closed) => self.close(closed),
        }
    }

    /// Has the worker look at the connection when its next deadline comes.
    pub(crate) fn rearm(&self) {
        let link = self.0.link.lock();
        self.follow(link, Next::Nothing);
    }

    /// Ends the session by itself at this time, with [`CloseCause::Expired`]; `None` takes that back.
    pub fn expire_at(&self, when: Option<Instant>) {
        let mut link = self.0.link.lock();
        link.session.expire_at(when);
        self.follow(link, Next::Nothing);
    }

    /// Stops reading from the client until [`resume`](Self::resume). Its silence is not held against it meanwhile.
    pub fn pause(&self) {
        let mut link = self.0.link.lock();
        link.paused = true;
        link.session.suspend_heartbeat(now(), &self.config().timing);
    }

    /// Reads on.
    pub fn resume(&self) {
        let mut link = self.0.link.lock();
        if !std::mem::take(&mut link.paused) {
            return;
        }
        link.session.restart_heartbeat(now(), &self.config().timing);
        let waiting = link.resumed.take();
        self.follow(link, Next::WakeDriver);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Ends the connection; what waits is still sent. The receiver is told at once.
    pub fn close(&self, closed: Closed) {
        let mut link = self.0.link.lock();
        if !link.session.is_open() {
            return;
        }
        link.session.close(closed.reason);
        link.closed = Some(closed);
        let wakers = [link.poll.take_waker(), link.resumed.take(), link.prober.take()];
        let between_polls = link.session.transport() == Transport::Polling && matches!(link.poll, PendingPoll::None);
        let lingers_until = (between_polls && closed.is_orderly()).then(|| now() + CLOSING_POLL);
        link.lingers_until = lingers_until;
        drop(link);
        tracing::debug!(sid = %self.log_id(), reason = closed.reason.as_str(), cause = ?closed.cause, "closed");
        wakers.into_iter().flatten().for_each(Waker::wake);
        self.0.driver.wake();
        match lingers_until {
            Some(until) => self.0.worker.watch(until, Arc::downgrade(&self.0)),
            None => self.forget(),
        }
        deliver_close(self, closed);
    }

    /// Requests with this session's id are answered "unknown" from here on.
    pub(crate) fn forget(&self) {
        self.0.engine.sessions.remove(&self.0.id);
    }

    /// Does what is due. Called by the worker when a deadline has come.
    pub(crate) fn on_deadline(&self, at: Instant) {
        loop {
            let mut link = self.0.link.lock();
            link.watched = None;
            if link.closed.is_some() {
                let lingers = link.lingers_until.is_some_and(|until| at < until);
                drop(link);
                if !lingers {
                    self.forget();
                }
                return;
            }
            if link.is_stuck(at, &self.config().outbox) {
                drop(link);
                return self.close(Closed::forced(CloseCause::SlowConsumer));
            }
            let next = match link.session.due(at, &self.config().timing) {
                None => return self.follow(link, Next::Nothing),
                Some(Due::Ping) => {
                    link.outbox.push_control(&frame(Opcode::Text, b"2"));
                    link.after_push(&self.config().outbox)
                }
                Some(Due::ReleasePoll) => link.poll.release().map_or(Next::Nothing, Next::Wake),
                Some(Due::UpgradeTimeout) => link.prober.take().map_or(Next::Nothing, Next::Wake),
                Some(Due::PingTimeout) => {
                    Next::Close(Closed { reason: CloseReason::PingTimeout, cause: CloseCause::Silence })
                }
                Some(Due::Expired) => Next::Close(Closed::forced(CloseCause::Expired)),
            };
            self.follow(link, next);
        }
    }

    /// From here on, what is queued is written when the present read has been handled.
    pub(crate) fn cork(&self) {
        let mut link = self.0.link.lock();
        if link.flush == Flush::Idle {
            link.flush = Flush::Corked;
        }
    }

    /// Writes what was queued. Called by the worker at the end of a turn.
    pub(crate) fn flush(&self) {
        let mut link = self.0.link.lock();
        if link.flush == Flush::Blocked {
            return;
        }
        link.flush = Flush::Idle;
        let next = link.write_now(&self.config().outbox);
        self.follow(link, next);
    }

    /// Writes what was queued, and has the task woken when the kernel takes more. Called by the connection's task.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut link = self.0.link.lock();
        let written = link.poll_write(cx, &self.config().outbox);
        let next = match &written {
            Poll::Ready(Err(_)) => Next::Close(Closed::lost()),
            _ => Next::Nothing,
        };
        self.follow(link, next);
        written.map(|_| ())
    }
}

impl Link {
    /// Whether a volatile message would leave at once.
    fn is_writable(&self) -> bool {
        self.outbox.is_empty()
            && match self.session.transport() {
                Transport::Polling => matches!(self.poll, PendingPoll::Waiting(_)),
                Transport::WebSocket => self.flush != Flush::Blocked,
            }
    }

    fn after_push(&mut self, limits: &OutboxLimits) -> Next {
        if self.outbox.len() >= limits.hard {
            return Next::Close(Closed::forced(CloseCause::SlowConsumer));
        }
        let beyond_mark = self.outbox.len() > limits.soft;
        match (self.session.transport(), self.flush) {
            (Transport::Polling, _) => {
                self.note_progress(false, limits);
                self.poll.take_waker().map_or(Next::Nothing, Next::Wake)
            }
            (Transport::WebSocket, Flush::Idle) => {
                self.flush = Flush::Scheduled;
                Next::Schedule
            }
            (Transport::WebSocket, Flush::Corked | Flush::Scheduled) if beyond_mark => self.write_now(limits),
            (Transport::WebSocket, _) => Next::Nothing,
        }
    }

    /// Writes without waiting. A stream that can only be written by its task is left to it.
    fn write_now(&mut self, limits: &OutboxLimits) -> Next {
        let Some(writer) = &mut self.writer else { return Next::Nothing };
        let was_corked = self.flush == Flush::Corked;
        let Some(result) = writer.try_write(&mut self.outbox) else { return Next::WakeDriver };
        match result {
            Err(_) => Next::Close(Closed::lost()),
            Ok(written) => {
                self.note_progress(written > 0, limits);
                if self.outbox.is_empty() || was_corked {
                    return Next::Nothing;
                }
                self.flush = Flush::Blocked;
                Next::WakeDriver
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, limits: &OutboxLimits) -> Poll<io::Result<()>> {
        self.flush = Flush::Idle;
        let Some(writer) = &mut self.writer else { return Poll::Ready(Ok(())) };
        let waiting = self.outbox.len();
        let result = writer.poll_write(cx, &mut self.outbox);
        self.note_progress(self.outbox.len() < waiting, limits);
        if result.is_pending() {
            self.flush = Flush::Blocked;
        }
        result
    }

    /// Keeps the clock of a peer that is behind: it starts at the mark, and again with every byte taken.
    pub(crate) fn note_progress(&mut self, progress: bool, limits: &OutboxLimits) {
        if self.outbox.len() <= limits.soft {
            self.stuck_since = None;
        } else if progress || self.stuck_since.is_none() {
            self.stuck_since = Some(now());
        }
    }

    fn is_stuck(&self, at: Instant, limits: &OutboxLimits) -> bool {
        self.stuck_since.is_some_and(|since| since + limits.patience <= at)
    }

    /// The time at which the worker has to look at the connection, if it would not do so early enough by itself.
    fn watch_from(&mut self, limits: &OutboxLimits) -> Option<Instant> {
        let stuck = self.stuck_since.map(|since| since + limits.patience);
        let deadline = [self.session.deadline(), stuck].into_iter().flatten().min()?;
        if self.watched.is_some_and(|watched| watched <= deadline) {
            return None;
        }
        self.watched = Some(deadline);
        Some(deadline)
    }
}

impl PendingPoll {
    fn take_waker(&mut self) -> Option<Waker> {
        match self {
            Self::None => None,
            Self::Waiting(waker) | Self::Release(waker) => waker.take(),
        }
    }

    /// Has a waiting poll answered with a `noop`.
    pub(crate) fn release(&mut self) -> Option<Waker> {
        if matches!(self, Self::None) {
            return None;
        }
        let waker = self.take_waker();
        *self = Self::Release(None);
        waker
    }
}

impl Shared {
    /// The handle to a connection that the worker watches.
    pub(crate) fn handle(watched: &Weak<Self>) -> Option<Connection> {
        watched.upgrade().map(Connection)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("sid", &self.log_id())
            .field("protocol", &self.0.protocol)
            .finish_non_exhaustive()
    }
}
