//! Clients that come back: what they missed, and what was theirs.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard};
use serde::Deserialize;
use serde_json::{Map, Value};
use smol_str::SmolStr;
use sockeye_adapter::{Absentees, Log, Offset, PrivateId, Room, Selection, SocketId, Told};
use sockeye_engine::{Closed, ConfigError, Connection, Frames, Guarantee, SendOptions};
use sockeye_protocol::socket::EncodeError;

use crate::disconnect::DisconnectReason;
use crate::metrics::Counters;
use crate::namespace::Namespace;
use crate::socket::{Socket, SocketInner};
use crate::wire::Draft;

/// Connection state recovery: a client that lost its connection finds its socket again, with its id, rooms, user and
/// [data](Socket::data), and gets what was sent to it meanwhile, once and in order.
///
/// Off by default, as in Node's server, because it changes what is sent: every event that asks for no answer and is not
/// volatile gets one more argument, its offset, which JavaScript clients since 4.6 understand, and a text for others.
/// Volatile events and those that ask for an answer are not kept.
///
/// A client is recovered as often as it comes back in time, also before it got its first event. It is not if it was
/// disconnected by either side on purpose, or sent what is no Engine.IO packet.
///
/// JavaScript clients tell what they come back for in their `auth`, as `pid` and `offset`: a type that refuses unknown fields
/// does not fit it.
///
/// ```
/// use std::time::Duration;
/// use sockeye::{Recovery, Server, Socket};
///
/// let io = Server::builder().recovery(Recovery::default().max_disconnection(Duration::from_secs(60))).build()?;
/// io.on_connect(async |socket: Socket| {
///     if !socket.is_recovered() {
///         socket.join("news")?;
///     }
///     Ok::<(), sockeye::JoinError>(())
/// });
/// # Ok::<(), sockeye::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "give it to `Server::builder().recovery(…)`"]
pub struct Recovery {
    pub(crate) max_disconnection: Duration,
    pub(crate) middlewares: RecoveryMiddlewares,
    pub(crate) log_limit: usize,
    pub(crate) session_limit: usize,
    pub(crate) total_limit: usize,
}

/// Whether a client that is recovered passes the [middlewares](crate::Namespace::middleware) again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryMiddlewares {
    /// It does not: it has passed them before.
    Skipped,
    /// It does, as when its token may have expired. Refused, it loses what was kept for it.
    Run,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            max_disconnection: Duration::from_secs(120),
            middlewares: RecoveryMiddlewares::Skipped,
            log_limit: 64 << 20,
            session_limit: 100_000,
            total_limit: 256 << 20,
        }
    }
}

impl Recovery {
    /// How long a client may stay away. Default: 2 minutes.
    ///
    /// Events are kept for this long and the time in which a lost connection is noticed.
    pub fn max_disconnection(mut self, duration: Duration) -> Self {
        self.max_disconnection = duration;
        self
    }

    /// Whether a client that is recovered passes the middlewares again. Default: no.
    pub fn middlewares(mut self, middlewares: RecoveryMiddlewares) -> Self {
        self.middlewares = middlewares;
        self
    }

    /// The most bytes of events kept for each namespace. Default: 64 MiB; the oldest go, and who needs them is not
    /// recovered.
    pub fn log_limit(mut self, bytes: usize) -> Self {
        self.log_limit = bytes;
        self
    }

    /// The most bytes of events kept in all namespaces of a server together. Default: 256 MiB; beyond it a namespace makes
    /// room at its own expense. Clients can make namespaces up where a [pattern](crate::Server::of_pattern) lets them.
    pub fn total_limit(mut self, bytes: usize) -> Self {
        self.total_limit = bytes;
        self
    }

    /// The most clients of each namespace that something is kept for. Default: 100,000; those that left first go.
    ///
    /// No more namespaces that were [made for a client](crate::Server::of_pattern) are kept for who is away, either; who
    /// leaves a further one begins anew.
    pub fn session_limit(mut self, count: usize) -> Self {
        self.session_limit = count;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::check_time("recovery.max_disconnection", self.max_disconnection)?;
        ConfigError::check_count("recovery.log_limit", self.log_limit)?;
        ConfigError::check_count("recovery.total_limit", self.total_limit)?;
        ConfigError::check_count("recovery.session_limit", self.session_limit)
    }
}

/// What a namespace keeps for clients that come back.
///
/// Its lock orders the events: whoever holds it gives an event its offset, selects its receivers, and queues it for them.
/// So every client gets events in the order of their offsets, and none can fall between its leaving and its coming back.
/// No code of users runs meanwhile.
pub(crate) struct Keeper {
    settings: Recovery,
    /// The bytes of all logs of the server.
    total: Arc<AtomicUsize>,
    counters: Arc<Counters>,
    state: Mutex<State>,
    /// A task sees to what becomes too old.
    sweeping: AtomicBool,
}

/// An event that was sent.
struct Kept {
    /// Without the forms that were made of it, which nothing would count.
    frames: Frames,
    size: usize,
}

struct State {
    log: Log<Kept>,
    /// Who is here, by the secret with which it may come back while we think that it still is.
    present: HashMap<SmolStr, Weak<SocketInner>, RandomState>,
    absent: Absentees<Session>,
    /// Whether the namespace is held for those who are away.
    holds: bool,
}

impl State {
    /// Keeps what belongs to a client, and the namespace that it may come back to.
    fn keep(&mut self, namespace: &Namespace, pid: PrivateId, session: Session) {
        let evicted = &namespace.inner().settings.counters.bounds.session_limit;
        // Who leaves still holds it, so it can't be too late.
        self.holds = self.holds || namespace.hold_for_absent();
        if !self.holds {
            return evicted.add();
        }
        evicted.add_many(self.absent.keep(pid, session, now()).try_into().unwrap_or(u64::MAX));
    }
}

/// What a client left behind.
struct Session {
    id: SocketId,
    restored: Restored,
    progress: Progress,
    /// The newest event when it left: what it got before tells whether it had all until then.
    left: Offset,
}

/// What a socket gets back.
#[derive(Clone)]
pub(crate) struct Restored {
    pub(crate) rooms: Vec<Room>,
    pub(crate) user: Option<SmolStr>,
    pub(crate) data: Map<String, Value>,
}

/// How far a client has come in the log.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// The newest event when it first joined.
    joined: Offset,
    /// The newest event that was sent to it; where it joined if there was none.
    sent: Offset,
}

/// A session that its client has come back for.
pub(crate) struct Claim {
    pid: PrivateId,
    session: Session,
    /// What came after this it has not had.
    after: Offset,
}

/// What makes a socket recoverable.
pub(crate) struct Recoverable {
    /// Told to the client when it has been admitted.
    pid: OnceLock<PrivateId>,
    recovered: AtomicBool,
    joined: Offset,
    sent: AtomicU64,
    /// What its client came back for, until it has been admitted.
    claim: Mutex<Option<Claim>>,
    /// Why it leaves, from the moment when that is certain.
    parting: OnceLock<DisconnectReason>,
}

/// What a client says about its session when it connects.
#[derive(Deserialize)]
struct Word {
    pid: String,
    offset: Option<String>,
}

impl Keeper {
    /// `notice` is how long a lost connection may go unnoticed.
    pub(crate) fn new(
        settings: Recovery,
        notice: Duration,
        total: Arc<AtomicUsize>,
        counters: Arc<Counters>,
    ) -> Arc<Self> {
        let keep = settings.max_disconnection.saturating_add(notice);
        let random: [u8; 5] = rand::random();
        let epoch: String = random.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        let log = Log::new(epoch, keep, settings.log_limit);
        let absent = Absentees::new(settings.max_disconnection, settings.session_limit);
        let state = State { log, present: HashMap::default(), absent, holds: false };
        Arc::new(Self { state: Mutex::new(state), sweeping: AtomicBool::new(false), settings, total, counters })
    }

    pub(crate) fn skips_middlewares(&self) -> bool {
        self.settings.middlewares == RecoveryMiddlewares::Skipped
    }

    /// What a client that connects has left here, if it says so and all is still there that it has not had.
    pub(crate) fn claim(&self, auth: &str, connection: &Connection) -> Option<Claim> {
        let word: Word = serde_json::from_str(auth).ok()?;
        let claim = self.claimed(word, connection);
        if claim.is_none() {
            self.counters.unrecovered.add();
        }
        claim
    }

    fn claimed(&self, word: Word, connection: &Connection) -> Option<Claim> {
        let present = self.state.lock().present.get(word.pid.as_str()).and_then(Weak::upgrade);
        if let Some(old) = present.map(Socket::from_inner) {
            // We have not noticed yet that its connection is gone.
            old.client().end(DisconnectReason::TransportClose, Closed::replaced());
            // Or another thread has, and is about to tell, or telling, or not through yet.
            old.end(Closed::replaced().into());
            old.abandon(Some(DisconnectReason::TransportClose));
        }
        let mut state = self.state.lock();
        let session = state.absent.claim(&word.pid, now())?;
        let after = session.progress.had(word.offset.as_deref(), &state.log)?;
        let after = if after == session.progress.sent { after.max(session.left) } else { after };
        let missed: usize = state.log.missed(after, &session.restored.reached_by())?.map(|packet| packet.size).sum();
        // Who has missed more than may wait for a client would be disconnected again as a slow one.
        let fits = missed < connection.free_bytes();
        if !fits {
            self.counters.bounds.outbox_limit.add();
        }
        fits.then(|| Claim { pid: PrivateId::new(word.pid), session, after })
    }

    /// Makes a socket recoverable, from here on or again.
    pub(crate) fn recoverable(&self, claim: Option<Claim>) -> Recoverable {
        let progress = claim.as_ref().map_or_else(
            || {
                let newest = self.state.lock().log.newest();
                Progress { joined: newest, sent: newest }
            },
            |claim| claim.session.progress,
        );
        Recoverable {
            pid: OnceLock::new(),
            recovered: AtomicBool::new(claim.is_some()),
            joined: progress.joined,
            sent: AtomicU64::new(progress.sent.to_bits()),
            claim: Mutex::new(claim),
            parting: OnceLock::new(),
        }
    }

    /// Has a client that comes back found, should it come again before it has been let in.
    pub(crate) fn expect(&self, socket: &Socket, recoverable: &Recoverable) {
        let mut state = self.state.lock();
        if let Some(claim) = &*recoverable.claim.lock() {
            state.present.insert(claim.pid.as_str().into(), socket.downgrade());
        }
    }

    /// Lets a socket in: what its client missed, the answer to its CONNECT, and from then on all that is sent to it.
    pub(crate) fn admit(&self, socket: &Socket, recoverable: &Recoverable) {
        let mut state = self.state.lock();
        if !socket.may_send() {
            // It has parted just now, and nobody would take out again what is put in here.
            return;
        }
        let claim = recoverable.claim.lock().take();
        let came_back = claim.is_some();
        let replayed = claim.and_then(|claim| recoverable.replay(&state.log, socket, claim));
        if came_back {
            let Counters { recovered, unrecovered, .. } = &*self.counters;
            if replayed.is_some() { recovered } else { unrecovered }.add();
        }
        let pid = replayed.unwrap_or_else(|| {
            recoverable.recovered.store(false, Ordering::Relaxed);
            PrivateId::new(sockeye_engine::SessionId::from_random(rand::random()).as_str())
        });
        socket.client().welcome(socket, Some(&pid));
        socket.activate();
        state.present.insert(pid.as_str().into(), socket.downgrade());
        let _ = recoverable.pid.set(pid);
    }

    /// Takes a socket out of its namespace, and keeps what belongs to it if its client may come back.
    ///
    /// Says whether it still was there.
    pub(crate) fn part(&self, socket: &Socket, recoverable: &Recoverable, reason: Option<DisconnectReason>) -> bool {
        let mut state = self.state.lock();
        let (rooms, data) = (socket.rooms(), socket.data_values());
        if !socket.vacate() {
            return false;
        }
        let reason = reason.map(|reason| recoverable.parting.get().copied().unwrap_or(reason));
        let returns = reason.is_some_and(DisconnectReason::is_recoverable);
        if let Some(pid) = recoverable.pid.get() {
            state.present.remove(pid.as_str());
            if returns {
                let session = Session {
                    id: socket.id().clone(),
                    restored: Restored { rooms, user: socket.user(), data },
                    progress: recoverable.progress(),
                    left: state.log.newest(),
                };
                state.keep(socket.namespace_ref(), pid.clone(), session);
            }
        } else if let Some(claim) = recoverable.claim.lock().take() {
            state.present.remove(claim.pid.as_str());
            if returns {
                // It went before it was let in, and may come back again.
                state.keep(socket.namespace_ref(), claim.pid, claim.session);
            }
        }
        true
    }

    /// Sends an event, with its offset, to the selected sockets or to one, and keeps it for those who are away.
    ///
    /// # Errors
    /// What `write` fails with; then nothing has been sent.
    pub(crate) fn emit(
        self: &Arc<Self>,
        namespace: &Namespace,
        selection: Selection,
        targets: impl FnOnce(&Selection) -> Vec<Socket>,
        write: impl FnOnce(&mut Draft<'_>) -> Result<(), EncodeError>,
        options: SendOptions,
    ) -> Result<Vec<Socket>, EncodeError> {
        let held = Cell::new(None);
        let sent = namespace.wire().write(
            namespace.name(),
            |draft| {
                write(draft)?;
                // Users' code has run; from here to the end of sending the log stands still.
                let state = self.state.lock();
                draft.add_text(&state.log.next_text());
                held.set(Some(state));
                Ok(())
            },
            |packet| {
                let Some(mut state): Option<MutexGuard<'_, State>> = held.take() else { return Vec::new() };
                let frames = packet.frames();
                let kept = Kept { size: packet.len(), frames: frames.without_forms() };
                let targets = targets(&selection);
                let size = kept.size;
                let (before, evicted) = (state.log.bytes(), state.log.evicted());
                let offset = state.log.append(selection, kept, size, now());
                self.counters.bounds.log_limit.add_many(state.log.evicted() - evicted);
                self.count(&mut state.log, before);
                for socket in &targets {
                    if socket.recoverable().is_none_or(|recoverable| recoverable.takes(offset)) {
                        socket.connection().send(&frames, options);
                    }
                }
                targets
            },
        );
        self.sweep(namespace);
        sent
    }

    /// Has what is too old forgotten in time, though nothing else may happen here any more.
    pub(crate) fn sweep(self: &Arc<Self>, namespace: &Namespace) {
        if self.sweeping.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(server) = namespace.server() else { return };
        if server.connection_count() == 0 && tokio::runtime::Handle::try_current().is_err() {
            // There is no runtime to do it on yet; the next event sees to it.
            return self.sweeping.store(false, Ordering::Relaxed);
        }
        let (namespace, pause) = (namespace.downgrade(), self.settings.max_disconnection);
        let engine = server.inner().engine().clone();
        let stop = engine.stop_listening().clone();
        engine.spawn_at_home(async move {
            while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
                let Some(namespace) = namespace.upgrade().map(Namespace::from_inner) else { return };
                if namespace.keeper().is_none_or(|keeper| keeper.forget_old(&namespace)) {
                    return;
                }
            }
        });
    }

    /// Counts what has changed in a log, and makes room in it if all logs together have become too large.
    fn count(&self, log: &mut Log<Kept>, before: usize) {
        let others = self.total.load(Ordering::Relaxed).saturating_sub(before);
        while others + log.bytes() > self.settings.total_limit && log.lose_oldest() {
            self.counters.bounds.total_limit.add();
        }
        let after = log.bytes();
        if after >= before {
            self.total.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.total.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// Forgets what is too old. Says whether nothing is left; the next one to leave something has it swept again.
    fn forget_old(&self, namespace: &Namespace) -> bool {
        let (mut state, now) = (self.state.lock(), now());
        let before = state.log.bytes();
        state.log.forget_old(now);
        self.count(&mut state.log, before);
        state.absent.forget_old(now);
        let empty = state.log.is_empty() && state.absent.is_empty();
        if empty {
            self.sweeping.store(false, Ordering::Relaxed);
        }
        let nobody_away = state.absent.is_empty() && std::mem::take(&mut state.holds);
        drop(state);
        if nobody_away {
            namespace.release_for_absent();
        }
        empty
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.total.fetch_sub(self.state.get_mut().log.bytes(), Ordering::Relaxed);
    }
}

impl Restored {
    /// The rooms that events reach it by: those it has joined, and its user's.
    fn reached_by(&self) -> Vec<Room> {
        self.rooms.iter().cloned().chain(self.user.as_deref().map(Room::of_user)).collect()
    }
}

impl Progress {
    /// The newest event that a client has had, going by its word; `None` if that makes no sense.
    fn had(self, word: Option<&str>, log: &Log<Kept>) -> Option<Offset> {
        let Some(word) = word else { return Some(self.joined) };
        match log.read(word) {
            // From before it joined: JavaScript clients keep the offset of a former session.
            Told::Offset(offset) => Some(offset.max(self.joined)),
            // What it had here would have taken the place of an offset from elsewhere.
            Told::Nothing => (self.sent == self.joined).then_some(self.joined),
            Told::Nonsense => None,
        }
    }
}

impl Recoverable {
    /// The id that the socket had before.
    pub(crate) fn id(&self) -> Option<SocketId> {
        self.claim.lock().as_ref().map(|claim| claim.session.id.clone())
    }

    /// What the socket had before.
    pub(crate) fn restored(&self) -> Option<Restored> {
        self.claim.lock().as_ref().map(|claim| claim.session.restored.clone())
    }

    /// Notes why the socket leaves; the first reason counts.
    pub(crate) fn parts_for(&self, reason: DisconnectReason) {
        let _ = self.parting.set(reason);
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.recovered.load(Ordering::Relaxed)
    }

    /// Sends what was missed, if it still is all there.
    fn replay(&self, log: &Log<Kept>, socket: &Socket, claim: Claim) -> Option<PrivateId> {
        for packet in log.missed(claim.after, &claim.session.restored.reached_by())? {
            socket.connection().send(&packet.frames.without_forms(), Guarantee::Reliable);
        }
        self.note(log.newest());
        Some(claim.pid)
    }

    /// Whether an event is to be sent now: behind what was missed, with which it will be sent otherwise.
    fn takes(&self, offset: Offset) -> bool {
        let takes = self.claim.lock().is_none();
        if takes {
            self.note(offset);
        }
        takes
    }

    fn note(&self, offset: Offset) {
        self.sent.store(offset.to_bits(), Ordering::Relaxed);
    }

    fn progress(&self) -> Progress {
        Progress { joined: self.joined, sent: Offset::from_bits(self.sent.load(Ordering::Relaxed)) }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
