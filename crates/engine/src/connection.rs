//! One connection: the session, what waits to be sent on it, and who is told what comes in.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use sockeye_protocol::engine::{
    CloseReason, Due, PeerEncoding, Protocol, Session, SessionId, Transport, UpgradeRefused,
};
use sockeye_websocket::deflate::Deflate;
use sockeye_websocket::{MAX_SERVER_HEADER, Opcode, frame};
use tokio_util::sync::CancellationToken;

use crate::close::{CloseCause, Closed};
use crate::config::EngineConfig;
use crate::deflate::compress;
use crate::engine::Shared as EngineShared;
use crate::frames::{Dialect, Frames, write_binary, write_text};
use crate::handshake::Handshake;
use crate::inbox::{Inbox, deliver_close};
use crate::link::{Link, Next, PendingPoll};
use crate::metrics::{Counters, Traffic};
use crate::outbox::Outbox;
use crate::sending::{Compression, Guarantee, SendOptions};
use crate::worker::{Worker, now};

/// How long a session that was closed between two polls waits for the next one, to tell the client.
const CLOSING_POLL: std::time::Duration = std::time::Duration::from_secs(30);

/// A handle to one Engine.IO connection. Cheap to clone; messages can be sent from anywhere and sending never blocks.
///
/// What is sent arrives in the order of sending, on whatever transport, or the connection is closed.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

pub(crate) struct Shared {
    id: SessionId,
    protocol: Protocol,
    peer: PeerEncoding,
    handshake: Handshake,
    engine: Arc<EngineShared>,
    worker: Arc<Worker>,
    link: Mutex<Link>,
    inbox: Mutex<Inbox>,
    /// Wakes the task that reads the WebSocket, also while that is probing.
    driver: AtomicWaker,
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
        let link = Link::new(session);
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
        self.0.link.lock().takes(Guarantee::Reliable)
    }

    /// What the client told with its first request.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// How many bytes wait to be sent.
    pub fn waiting_bytes(&self) -> usize {
        self.0.link.lock().outbox.len()
    }

    /// Whether a volatile message would leave at once; else it would be dropped.
    pub fn is_writable(&self) -> bool {
        self.0.link.lock().takes(Guarantee::Volatile)
    }

    /// How many more bytes may wait before the connection is closed as a slow consumer.
    pub fn free_bytes(&self) -> usize {
        self.config().outbox.hard.saturating_sub(self.waiting_bytes())
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.0.worker.traffic
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.engine.counters
    }

    pub(crate) fn config(&self) -> &EngineConfig {
        &self.0.engine.config
    }

    /// Runs a future as a task of the engine, see [`Engine::spawn`](crate::Engine::spawn).
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.engine.spawn(future);
    }

    /// Is cancelled when the engine waits no longer for anything.
    pub(crate) fn abort(&self) -> &CancellationToken {
        &self.0.engine.abort
    }

    pub(crate) fn peer_encoding(&self) -> PeerEncoding {
        self.0.peer
    }

    fn dialect(&self) -> Dialect {
        Dialect { protocol: self.0.protocol, peer: self.0.peer }
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
    pub fn send(&self, frames: &Frames, options: impl Into<SendOptions>) {
        let options = options.into();
        let encoded = frames.encoded(self.dialect(), self.deflate(frames.compressible(), options));
        self.queue(options, |outbox| outbox.push_shared(encoded));
    }

    /// Sends text, and the binary messages that belong to it directly behind, to this connection alone.
    ///
    /// Nothing happens on a connection that has ended.
    pub fn send_text(&self, text: &[u8], attachments: &[Bytes], options: impl Into<SendOptions>) {
        const GATHER_BELOW: usize = 4096;
        let options = options.into();
        let deflate = self.deflate(text.len() + 1, options);
        let binary: usize = attachments.iter().map(|bytes| bytes.len() + 1 + MAX_SERVER_HEADER).sum();
        let write_attachments = |out: &mut Vec<u8>| {
            for bytes in attachments {
                write_binary(out, self.dialect(), bytes);
            }
        };
        if deflate.is_none() && text.len() + binary < GATHER_BELOW {
            return self.queue(options, |outbox| {
                outbox.push_written(|out| {
                    write_text(out, text);
                    write_attachments(out);
                });
            });
        }
        let mut frames = Vec::with_capacity(text.len() + 1 + MAX_SERVER_HEADER + binary);
        write_text(&mut frames, text);
        if let Some(deflate) = deflate {
            compress(&mut frames, deflate);
        }
        write_attachments(&mut frames);
        self.queue(options, |outbox| outbox.push_owned(frames.into()));
    }

    /// Sends one binary message to this connection alone. Nothing happens on a connection that has ended.
    pub fn send_binary(&self, bytes: &[u8], options: impl Into<SendOptions>) {
        let options = options.into();
        let mut frame = Vec::with_capacity(bytes.len() + 1 + MAX_SERVER_HEADER);
        write_binary(&mut frame, self.dialect(), bytes);
        if let Some(deflate) = self.deflate(bytes.len(), options) {
            compress(&mut frame, deflate);
        }
        self.queue(options, |outbox| outbox.push_owned(frame.into()));
    }

    /// How to compress a message of this length; `None` if it is to be sent as it is.
    ///
    /// It is found out before the message is queued, since compressing takes longer than the lock may be held. What holds
    /// now will hold then: a session that is on a WebSocket does not leave it.
    #[inline]
    fn deflate(&self, len: usize, options: SendOptions) -> Option<Deflate> {
        let settings = self.config().per_message_deflate?;
        if options.compression == Compression::Never || !settings.pays_for(len) {
            return None;
        }
        let link = self.0.link.lock();
        link.deflate.filter(|_| link.takes(options.guarantee))
    }

    fn queue(&self, options: SendOptions, push: impl FnOnce(&mut Outbox)) {
        let limits = &self.config().outbox;
        let mut link = self.0.link.lock();
        if !link.takes(options.guarantee) {
            if options.guarantee == Guarantee::Volatile {
                self.0.worker.traffic.dropped.add();
            }
            return;
        }
        push(&mut link.outbox);
        link.outbox.note_compression(options.compression);
        let next = link.after_message(limits);
        self.follow(link, next);
    }

    /// Queues a control packet ahead of the data.
    pub(crate) fn queue_control(&self, frame: &[u8]) {
        let mut link = self.0.link.lock();
        if link.session.is_open() {
            if !link.outbox.push_control(frame) {
                self.counters().bounds.control_frames.add();
            }
            let next = link.after_push(&self.config().outbox);
            self.follow(link, next);
        }
    }

    /// Releases the lock and does what it told, after something was queued or written.
    ///
    /// Of the deadlines it is only the slow consumer's that this can have brought near.
    fn follow(&self, link: MutexGuard<'_, Link>, next: Next) {
        if link.has_fallen_behind() {
            return self.rearm(link, next);
        }
        drop(link);
        self.act(next);
    }

    /// Releases the lock and does what it told, and has the worker look at the connection when its next deadline comes.
    fn rearm(&self, mut link: MutexGuard<'_, Link>, next: Next) {
        let watch = link.watch_from(&self.config().outbox);
        drop(link);
        if let Some((at, replaced)) = watch {
            self.unwatch(replaced);
            self.0.worker.watch(at, Arc::downgrade(&self.0));
        }
        self.act(next);
    }

    fn unwatch(&self, watched: Option<Instant>) {
        if let Some(at) = watched {
            self.0.worker.unwatch(at, Arc::as_ptr(&self.0));
        }
    }

    fn act(&self, next: Next) {
        match next {
            Next::Nothing => {}
            Next::Schedule => self.0.worker.schedule(self),
            Next::Wake(waker) => waker.wake(),
            Next::WakeDriver => self.0.driver.wake(),
            Next::Close(closed) => self.close(closed),
            Next::CloseSoon(closed) => {
                let connection = self.clone();
                self.0.engine.spawn_at_home(async move { connection.close(closed) });
            }
        }
    }

    /// Has the worker look at the connection when its first deadline comes.
    pub(crate) fn arm(&self) {
        self.rearm(self.0.link.lock(), Next::Nothing);
    }

    /// Ends the session by itself at this time, with [`CloseCause::Expired`]; `None` takes that back.
    pub fn expire_at(&self, when: Option<Instant>) {
        let mut link = self.0.link.lock();
        link.session.expire_at(when);
        self.rearm(link, Next::Nothing);
    }

    /// Stops reading from the client until [`resume`](Self::resume) has been called as often as this.
    ///
    /// The client's silence is not held against it meanwhile; [`EngineConfig::pause_timeout`] bounds how long this may last.
    pub fn pause(&self) {
        let mut link = self.0.link.lock();
        link.pauses += 1;
        link.session.suspend_heartbeat(now(), &self.config().timing);
        self.rearm(link, Next::Nothing);
    }

    /// Takes one [`pause`](Self::pause) back; with the last of them reading goes on.
    pub fn resume(&self) {
        let mut link = self.0.link.lock();
        let Some(others) = link.pauses.checked_sub(1) else { return };
        link.pauses = others;
        if others > 0 {
            return;
        }
        link.session.restart_heartbeat(now(), &self.config().timing);
        let waiting = link.poster.take();
        self.rearm(link, Next::WakeDriver);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Begins an upgrade and numbers it.
    pub(crate) fn begin_upgrade(&self) -> Result<u32, UpgradeRefused> {
        let attempt = {
            let mut link = self.link().lock();
            link.session.begin_upgrade(now(), &self.config().timing)?;
            link.attempt += 1;
            link.attempt
        };
        self.arm();
        Ok(attempt)
    }

    /// The transport of this attempt never came.
    pub(crate) fn upgrade_failed(&self, attempt: u32) {
        let mut link = self.link().lock();
        if link.attempt == attempt {
            link.session.upgrade_failed();
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
        self.count_sent(&mut link);
        let bound = self.count_close(&link, closed.cause);
        let wakers = [link.poll.take_waker(), link.poster.take()];
        // What waits goes with the pending poll, so the close needs another one.
        let needs_poll = matches!(link.poll, PendingPoll::None) || !link.outbox.is_empty();
        let polls = link.session.transport() == Transport::Polling;
        let lingers_until = (polls && needs_poll && closed.is_orderly()).then(|| now() + CLOSING_POLL);
        if polls && !closed.is_orderly() {
            // Nobody will ask for it, but handles may live on.
            link.outbox = Outbox::default();
        }
        let watched = std::mem::replace(&mut link.watched, lingers_until);
        drop(link);
        self.unwatch(watched);
        let (sid, reason) = (self.log_id(), closed.reason.as_str());
        tracing::debug!(%sid, reason, cause = ?closed.cause, bound, "closed");
        wakers.into_iter().flatten().for_each(Waker::wake);
        self.0.driver.wake();
        match lingers_until {
            Some(until) => self.0.worker.watch(until, Arc::downgrade(&self.0)),
            None => self.forget(),
        }
        deliver_close(self, closed);
    }

    /// Whether the session has ended on polling with something left to be fetched.
    pub(crate) fn has_last_words(&self) -> bool {
        let link = self.0.link.lock();
        link.closed.is_some() && link.session.transport() == Transport::Polling && !link.outbox.is_empty()
    }

    /// Takes what was left to be fetched by polling from a session that has ended there, which is forgotten.
    pub(crate) fn take_last_words(&self) -> Outbox {
        let outbox = std::mem::take(&mut self.0.link.lock().outbox);
        self.forget();
        outbox
    }

    /// Requests with this session's id are answered "unknown" from here on.
    pub(crate) fn forget(&self) {
        self.0.engine.forget(&self.0.id);
        let mut link = self.0.link.lock();
        let (place, watched) = (link.place.take(), link.watched.take());
        drop(link);
        drop(place);
        if let Some(at) = watched {
            self.0.worker.unwatch(at, Arc::as_ptr(&self.0));
        }
    }

    /// Called by the worker when a time has come at which it was to look at the connection.
    pub(crate) fn on_deadline(&self, at: Instant) {
        let mut link = self.0.link.lock();
        let is_present = link.watched.take_if(|watched| *watched <= at).is_some();
        drop(link);
        // One that was replaced by an earlier one leads nowhere, or it would be renewed beside that for ever.
        if is_present {
            self.do_what_is_due(at);
        }
    }

    /// Does what is due by now.
    pub(crate) fn do_what_is_due(&self, at: Instant) {
        loop {
            let mut link = self.0.link.lock();
            if link.closed.is_some() {
                let lingers = link.watched.is_some();
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
                None => return self.rearm(link, Next::Nothing),
                Some(Due::Ping) => {
                    link.outbox.push_control(&frame(Opcode::Text, b"2"));
                    link.after_push(&self.config().outbox)
                }
                // A poll would be answered with nothing; its end shows by itself.
                Some(Due::Sign) if link.session.transport() == Transport::Polling => Next::Nothing,
                Some(Due::Sign) => {
                    link.outbox.push_control(&frame(Opcode::Ping, &[]));
                    link.after_push(&self.config().outbox)
                }
                Some(Due::ReleasePoll) => link.poll.release().map_or(Next::Nothing, Next::Wake),
                Some(Due::UpgradeTimeout) => {
                    self.counters().bounds.upgrade_timeout.add();
                    tracing::debug!(sid = %self.log_id(), bound = "upgrade_timeout", "upgrade given up");
                    Next::WakeDriver
                }
                Some(Due::PingTimeout) => {
                    Next::Close(Closed { reason: CloseReason::PingTimeout, cause: CloseCause::Silence })
                }
                Some(Due::PauseTimeout) => Next::Close(Closed::forced(CloseCause::Stalled)),
                Some(Due::Expired) => Next::Close(Closed::forced(CloseCause::Expired)),
            };
            self.rearm(link, next);
        }
    }

    /// From here on, what is queued is written when the present read has been handled.
    pub(crate) fn cork(&self) {
        self.0.link.lock().cork();
    }

    /// Writes what was queued. Called by the worker at the end of a turn.
    pub(crate) fn flush(&self) {
        let mut link = self.0.link.lock();
        self.count_sent(&mut link);
        let next = link.flush(&self.config().outbox);
        self.follow(link, next);
    }

    /// Writes what was queued, and has the task woken when the kernel takes more. Called by the connection's task.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut link = self.0.link.lock();
        self.count_sent(&mut link);
        let written = link.poll_write(cx, &self.config().outbox);
        let next = match &written {
            Poll::Ready(Err(_)) => Next::Close(Closed::lost()),
            _ => Next::Nothing,
        };
        self.follow(link, next);
        written.map(|_| ())
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
