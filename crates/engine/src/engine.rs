//! The engine: its sessions, its tasks, its end.

use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sockeye_protocol::engine::{
    BadRequest, ContentCoding, Open, Packet, PeerEncoding, Protocol, Refusal, Session, SessionId, Transport,
};
use sockeye_websocket::deflate::Deflate;
use sockeye_websocket::{Decoder, Limits, Opcode, Role, frame};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio_util::future::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::close::{CloseCause, Closed};
use crate::compression::{self, MOST_IN_PLACE};
use crate::config::EngineConfig;
use crate::config_error::ConfigError;
use crate::connection::Connection;
use crate::cors::Cors;
use crate::driver::{self, Driver};
use crate::handshake::Handshake;
use crate::inbox::{Acceptor, Delivery};
use crate::metrics::Counters;
use crate::outbox::Outbox;
use crate::places::{Place, Places};
use crate::sessions::Sessions;
use crate::upgrade::Socket;
use crate::worker::{Worker, Writes, now};

/// An Engine.IO server. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) sessions: Sessions,
    pub(crate) places: Arc<Places>,
    acceptor: Arc<dyn Acceptor>,
    /// For connections of threads that have no worker of their own.
    worker: Arc<Worker>,
    /// Those of the event loops.
    loops: Mutex<Vec<Arc<Worker>>>,
    pub(crate) counters: Counters,
    tasks: TaskTracker,
    /// The workers' own tasks, which end last.
    workers: TaskTracker,
    /// The runtime of the first connection, for what is started from threads without one.
    home: OnceLock<Handle>,
    /// No new sessions.
    closing: AtomicBool,
    /// Bodies that are compressed aside at the same time are no more than there are cores.
    compressors: Semaphore,
    /// Ends accepting.
    stop_listening: CancellationToken,
    /// A session has been forgotten, while all are being closed.
    forgotten: Notify,
    /// No client is expected any more to fetch by polling what its session had to say last.
    told: CancellationToken,
    /// Ends whatever still runs.
    pub(crate) abort: CancellationToken,
}

impl Shared {
    /// Requests with this session's id are answered "unknown" from here on.
    pub(crate) fn forget(&self, id: &SessionId) {
        self.sessions.remove(id);
        if self.closing.load(Ordering::Relaxed) {
            self.forgotten.notify_one();
        }
    }

    /// Runs a task on this runtime.
    fn spawn_on(&self, runtime: Option<Handle>, future: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = runtime else {
            return tracing::error!("no runtime to run a task on: it is dropped");
        };
        // Not `run_until_cancelled_owned`, an async function, in which the future has its room three times.
        self.tasks.spawn_on(future.with_cancellation_token_owned(self.abort.clone()), &runtime);
    }

    /// See [`Engine::spawn`].
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_on(Handle::try_current().ok().or_else(|| self.home.get().cloned()), future);
    }

    /// See [`Engine::spawn_at_home`].
    pub(crate) fn spawn_at_home(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_on(self.home.get().cloned().or_else(|| Handle::try_current().ok()), future);
    }
}

/// What a new session is to be.
pub(crate) struct Opening {
    pub(crate) id: SessionId,
    pub(crate) protocol: Protocol,
    pub(crate) peer: PeerEncoding,
    pub(crate) handshake: Handshake,
    /// Its place, if their number is limited.
    pub(crate) place: Option<Box<Place>>,
}

/// How [`Engine::close`] ends the connections.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// The connections are closed in random order over this time, so that not all clients return at once.
    ///
    /// Default: 500 ms. At most a day.
    pub spread: Duration,
    /// Whatever still runs this long after the last of them was closed is aborted. Default: 3 s.
    pub grace: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { spread: Duration::from_millis(500), grace: Duration::from_secs(3) }
    }
}

/// How long tasks that are aborted may take to notice.
const ABORTED_WITHIN: Duration = Duration::from_secs(2);

impl Engine {
    /// An engine that gives its connections to `acceptor`.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that can't be used.
    pub fn new(config: EngineConfig, acceptor: Arc<dyn Acceptor>) -> Result<Self, ConfigError> {
        let config = config.check()?;
        Ok(Self(Arc::new(Shared {
            sessions: Sessions::default(),
            places: Places::new(config.max_connections, config.max_connections_per_address),
            acceptor,
            worker: Worker::new(Writes::ByConnection, &config.timing),
            loops: Mutex::default(),
            counters: Counters::default(),
            tasks: TaskTracker::new(),
            workers: TaskTracker::new(),
            home: OnceLock::new(),
            closing: AtomicBool::new(false),
            compressors: Semaphore::new(available_parallelism().map_or(1, NonZeroUsize::get)),
            stop_listening: CancellationToken::new(),
            forgotten: Notify::new(),
            told: CancellationToken::new(),
            abort: CancellationToken::new(),
            config,
        })))
    }

    /// How many sessions are open.
    pub fn connections(&self) -> usize {
        self.0.sessions.len()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// The workers of all event loops, and that of all other threads.
    pub(crate) fn workers(&self) -> Vec<Arc<Worker>> {
        self.0.loops.lock().iter().chain([&self.0.worker]).cloned().collect()
    }

    /// How many tasks and requests [`close`](Self::close) would wait for.
    pub(crate) fn tasks(&self) -> usize {
        self.0.tasks.len()
    }

    pub(crate) fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// A place for a session to come; `None` if nothing limits them.
    pub(crate) fn place(&self, address: Option<IpAddr>) -> Result<Option<Box<Place>>, Refusal> {
        self.0.places.take(address, &self.0.counters.bounds)
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed)
    }

    /// Who may read the answers, for those that are given under the engine's path but not by [`handle`](Self::handle).
    pub fn cors(&self) -> Option<&Cors> {
        self.0.config.cors.as_ref()
    }

    /// Is cancelled when no more connections are to be accepted.
    pub fn stop_listening(&self) -> &CancellationToken {
        &self.0.stop_listening
    }

    /// Runs a future as a task; [`close`](Self::close) waits for it within the grace, then drops it.
    ///
    /// It runs on the present runtime; from a thread without one, on the runtime of the first connection.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(future);
    }

    /// As [`spawn`](Self::spawn), but on the runtime of the first connection whenever there has been one.
    ///
    /// For what emits leave behind: they come from any thread, whose own runtime may not run on.
    pub fn spawn_at_home(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn_at_home(future);
    }

    /// Compresses a body, a long one on a thread that may take its time. None if that has failed.
    pub(crate) async fn compress(&self, coding: ContentCoding, body: Bytes) -> Option<Bytes> {
        if body.len() <= MOST_IN_PLACE {
            return compression::encode(coding, &body).ok();
        }
        let _turn = self.0.compressors.acquire().await.ok()?;
        self.0.tasks.spawn_blocking(move || compression::encode(coding, &body).ok()).await.ok()?
    }

    /// Has [`close`](Self::close) wait until the token is dropped.
    pub(crate) fn hold_open(&self) -> TaskTrackerToken {
        self.0.tasks.token()
    }

    /// Makes a worker for the event loop of this thread, which must be a current-thread runtime of its own.
    ///
    /// Connections opened on this thread are then written by that worker once a turn.
    pub(crate) fn install_worker(&self) {
        let worker = Worker::new(Writes::ByWorker, &self.0.config.timing);
        worker.install();
        self.0.loops.lock().push(worker.clone());
        worker.start(&self.0.workers, &self.0.abort);
    }

    /// Opens a session.
    ///
    /// # Errors
    /// The refusal of an id that another session has.
    pub(crate) fn open(&self, opening: Opening, transport: Transport) -> Result<Connection, Refusal> {
        let Opening { id, protocol, peer, handshake, place } = opening;
        let worker = Worker::current().unwrap_or_else(|| self.0.worker.clone());
        worker.start(&self.0.workers, &self.0.abort);
        self.0.home.get_or_init(Handle::current);
        let session = Session::new(protocol, transport, now(), &self.0.config.timing);
        let connection = Connection::new(self.0.clone(), worker, id, peer, handshake, session);
        connection.link().lock().place = place;
        if !self.0.sessions.insert(&connection) {
            tracing::error!("a session id was made twice");
            return Err(Refusal::BadRequest(BadRequest::SessionId));
        }
        self.0.counters.opened.add();
        if transport == Transport::WebSocket {
            self.0.counters.websockets.add();
        }
        connection.arm();
        tracing::debug!(sid = %connection.log_id(), transport = transport.name(), ?protocol, "opened");
        Ok(connection)
    }

    pub(crate) fn open_packet(&self, connection: &Connection, transport: Transport) -> Packet<'static> {
        let Shared { config, .. } = &*self.0;
        let open = Open {
            sid: connection.id(),
            upgrades: config.upgrades(transport),
            ping_interval: config.timing.ping_interval,
            ping_timeout: config.timing.ping_timeout,
            max_payload: config.max_payload,
        };
        Packet::Open(open.to_json().into())
    }

    /// Gives the connection to the layer above.
    pub(crate) fn accept(&self, connection: &Connection) {
        let accepted = catch_unwind(AssertUnwindSafe(|| self.0.acceptor.accept(connection.clone())));
        let Ok(receiver) = accepted else {
            tracing::error!(sid = %connection.log_id(), "acceptor panicked: closing its connection");
            return connection.close(Closed::forced(CloseCause::Panic));
        };
        connection.inbox().lock().install(receiver);
        // Dropped, the delivery also tells of a close that has come meanwhile.
        Delivery::begin(connection).open();
        if self.is_closing() {
            // Its handshake was under way when all sessions were closed.
            connection.close(Closed::forced(CloseCause::Shutdown));
        }
    }

    fn decoder(&self, deflate: Option<Deflate>) -> Decoder {
        let EngineConfig { max_payload, max_fragments, .. } = self.0.config;
        let limits = Limits::default().max_message(max_payload).max_fragments(max_fragments);
        Decoder::new(Role::Server, limits).with_deflate(deflate)
    }

    /// A session that begins on WebSocket.
    pub(crate) fn start_websocket(&self, mut opening: Opening, socket: Socket) {
        if let Some(address) = socket.address {
            opening.handshake.set_address(address);
            let place = opening.place.as_mut();
            if place.is_some_and(|place| place.come_from(address.ip(), &self.counters().bounds).is_err()) {
                let engine = self.clone();
                return self.spawn(async move { engine.close_at_once(socket).await });
            }
        }
        let Ok(connection) = self.open(opening, Transport::WebSocket) else { return };
        let (reader, writer) = socket.io;
        let mut open = Vec::new();
        self.open_packet(&connection, Transport::WebSocket).write_text(connection.protocol(), &mut open);
        // The answer and the first packet leave in one write.
        let mut begin = socket.answer;
        begin.extend_from_slice(&frame(Opcode::Text, &open));
        connection.cork();
        {
            let mut link = connection.link().lock();
            link.writer = Some(writer);
            link.deflate = socket.deflate;
            link.outbox.open_with(begin.into());
        }
        self.accept(&connection);
        self.drive(Driver::active(connection, reader, self.decoder(socket.deflate), socket.first));
    }

    /// A transport that wants to take over a session.
    pub(crate) fn start_probe(&self, connection: Connection, attempt: u32, socket: Socket) {
        let decoder = self.decoder(socket.deflate);
        self.drive(Driver::probing(connection, attempt, socket, decoder));
    }

    /// Runs the task of a WebSocket. It ends with its connection, so it needs no abort.
    fn drive(&self, driver: Driver) {
        self.0.tasks.spawn(driver);
    }

    /// Closes a WebSocket that has no session.
    pub(crate) async fn close_at_once(&self, socket: Socket) {
        let mut answer = socket.answer;
        answer.extend_from_slice(&frame(Opcode::Close, &[]));
        self.end(Socket { answer, ..socket }).await;
    }

    /// Sends an answer to a request, and nothing more.
    pub(crate) async fn end(&self, socket: Socket) {
        let Socket { io: (reader, writer), answer, .. } = socket;
        let mut outbox = Outbox::default();
        outbox.push_owned(answer.into());
        driver::end(reader, writer, outbox, self.0.config.close_timeout, &self.0.counters.bounds).await;
    }

    /// Ends the engine: no new sessions, every connection closed with what waits sent, every task at its end.
    ///
    /// Clients see a lost connection and come back, to another node if there is one.
    /// Returns when all is over, at the latest after [`Drain::spread`] and [`Drain::grace`]; tasks on a thread that is blocked,
    /// which nothing can end, are given 2 s more.
    pub async fn close(&self, drain: Drain) {
        self.0.closing.store(true, Ordering::Relaxed);
        self.0.stop_listening.cancel();
        let mut connections = self.0.sessions.all();
        shuffle(&mut connections);
        // Nobody waits longer, and no clock goes further than it can.
        let spread = drain.spread.min(Duration::from_secs(24 * 3600));
        let pause = spread / u32::try_from(connections.len().max(1)).unwrap_or(u32::MAX);
        let start = tokio::time::Instant::now();
        for (position, connection) in (0_u32..).zip(connections) {
            tokio::time::sleep_until(start + pause * position).await;
            connection.close(Closed::forced(CloseCause::Shutdown));
        }
        let end = tokio::time::Instant::now() + drain.grace.min(Duration::from_secs(24 * 3600));
        // Who has gone in silence does not come for it; the rest of the time is for what else still runs.
        let _ = tokio::time::timeout(drain.grace / 2, self.all_told()).await;
        self.0.told.cancel();
        self.0.tasks.close();
        self.0.workers.close();
        if tokio::time::timeout_at(end, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("the grace time is over: aborting what still runs");
        }
        self.0.abort.cancel();
        if tokio::time::timeout(ABORTED_WITHIN, self.ended()).await.is_err() {
            tracing::error!(tasks = self.tasks(), "tasks can't be ended: their threads are blocked");
        }
        self.0.sessions.clear();
    }

    /// Waits until every client has fetched what its session had to say last.
    async fn all_told(&self) {
        while self.0.sessions.len() > 0 {
            self.0.forgotten.notified().await;
        }
    }

    /// Is cancelled when no client is expected any more to fetch what its session had to say last.
    pub(crate) fn told(&self) -> &CancellationToken {
        &self.0.told
    }

    /// Waits until the engine has been closed and nothing of it runs any more.
    pub(crate) async fn ended(&self) {
        self.0.abort.cancelled().await;
        self.0.tasks.wait().await;
        self.0.workers.wait().await;
    }
}

fn shuffle<T>(list: &mut [T]) {
    use rand::seq::SliceRandom;
    list.shuffle(&mut rand::rng());
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::inbox::Receiver;

    struct Nobody;

    impl Acceptor for Nobody {
        fn accept(&self, _: Connection) -> Box<dyn Receiver> {
            Box::new(Self)
        }
    }

    impl Receiver for Nobody {
        fn receive(&mut self, _: sockeye_protocol::engine::Message<'_>) {}
        fn closed(&mut self, _: Closed) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_on_a_runtime_that_stands_still_is_not_waited_for_for_ever() {
        let engine = Engine::new(EngineConfig::default(), Arc::new(Nobody)).unwrap();
        let spawning = engine.clone();
        let idle = std::thread::spawn(move || {
            let idle = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let entered = idle.enter();
            spawning.spawn(async {});
            drop(entered);
            idle
        });
        let idle = idle.join().unwrap();
        let start = now();
        engine.close(Drain::default()).await;
        let Drain { spread, grace } = Drain::default();
        assert!(now() - start <= spread + grace + ABORTED_WITHIN);
        idle.shutdown_background();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_watched_once_however_often_its_deadline_changed_and_no_more_once_it_has_ended() {
        let engine = Engine::new(EngineConfig::default(), Arc::new(Nobody)).unwrap();
        let connection = polling(&engine);
        for _ in 0..20 {
            let attempt = connection.begin_upgrade().unwrap();
            connection.upgrade_failed(attempt);
            connection.expire_at(Some(now() + Duration::from_millis(5)));
            connection.expire_at(None);
            assert_eq!((connection.is_open(), engine.0.worker.watches()), (true, 1));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // Else the memory of clients that come and go would stay until each was to be looked at.
        connection.close(Closed::forced(CloseCause::SlowConsumer));
        assert_eq!(engine.0.worker.watches(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_ended_between_two_polls_is_watched_until_its_client_knows_or_does_not_come() {
        for comes in [true, false] {
            let engine = Engine::new(EngineConfig::default(), Arc::new(Nobody)).unwrap();
            let connection = polling(&engine);
            connection.close(Closed::forced(CloseCause::Application));
            tokio::time::sleep(Duration::from_secs(29)).await;
            assert_eq!((engine.connections(), engine.0.worker.watches()), (1, 1));
            if comes {
                connection.take_last_words();
            } else {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            assert_eq!((engine.connections(), engine.0.worker.watches()), (0, 0), "{comes}");
        }
    }

    fn polling(engine: &Engine) -> Connection {
        let head = http::Request::new(()).into_parts().0;
        let (protocol, peer, handshake) = (Protocol::V4, PeerEncoding::BinaryCapable, Handshake::new(&head));
        let opening = Opening { id: Sessions::new_id(), protocol, peer, handshake, place: None };
        engine.open(opening, Transport::Polling).unwrap()
    }
}
