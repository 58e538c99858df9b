//! The server: its namespaces, its settings, its beginning and its end.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hashbrown::HashMap;
use parking_lot::RwLock;
use sockeye_engine::{
    Acceptor, Clients, ConfigError, Connection, Drain, Engine, EngineConfig, Listener, Receiver, Transport, Upgrades,
};
use sockeye_protocol::Limits;
use tokio::net::ToSocketAddrs;

use crate::client::Reader;
use crate::dispatch::Failure;
use crate::extensions::Extensions;
use crate::handler::ExtractError;
use crate::http::{Layer, NotFound, Service};
use crate::namespace::Namespace;

/// A Socket.IO server. Cheap to clone; all clones are the same server.
///
/// It dereferences to its main namespace, `/`: `io.on(…)`, `io.emit(…)`, `io.to(…)` are that namespace's.
///
/// ```no_run
/// use sockeye::{Data, Server, Socket};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let io = Server::builder().build()?;
/// io.on_connect(async |socket: Socket| { socket.join("lobby") });
/// io.on("chat message", async |socket: Socket, Data(text): Data<String>| {
///     socket.to("lobby").emit("chat message", &text)
/// });
/// io.listen("0.0.0.0:3000").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Server {
    inner: Arc<ServerInner>,
    main: Namespace,
}

pub(crate) struct ServerInner {
    pub(crate) settings: Arc<Settings>,
    /// Set once, when the server is built: engine and server need each other.
    engine: OnceLock<Engine>,
    namespaces: RwLock<HashMap<Box<str>, Namespace>>,
    threads: NonZeroUsize,
    pub(crate) path: String,
    pub(crate) serve_client: bool,
}

/// What sockets and namespaces have to know.
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_namespaces: usize,
    pub(crate) max_rooms: usize,
    pub(crate) max_pending_acks: usize,
    pub(crate) max_suspended: usize,
    pub(crate) max_waiting_bytes: usize,
    pub(crate) state: Extensions,
    error_hook: ArcSwapOption<ErrorHook>,
}

type ErrorHook = Box<dyn Fn(Failure) + Send + Sync>;

impl Settings {
    /// Tells the error hook, or the log if there is none.
    pub(crate) fn report(&self, failure: Failure) {
        if let Some(hook) = &*self.error_hook.load() {
            return hook(failure);
        }
        let Failure { event, error, .. } = failure;
        // What a peer sends could fill the log; what our own handlers return is ours to know.
        if error.downcast_ref::<ExtractError>().is_some_and(|error| !matches!(error, ExtractError::Missing { .. })) {
            tracing::debug!(%event, %error, "handler not called");
        } else {
            tracing::error!(%event, %error, "handler failed");
        }
    }
}

impl Server {
    /// The settings of a server to be.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    pub(crate) fn from_inner(inner: Arc<ServerInner>) -> Self {
        let main = inner.of("/");
        Self { inner, main }
    }

    pub(crate) fn inner(&self) -> &Arc<ServerInner> {
        &self.inner
    }

    /// The namespace of this name, made if it is not there. A slash in front is added if it is missing.
    ///
    /// Clients can only connect to namespaces that exist.
    pub fn of(&self, name: &str) -> Namespace {
        self.inner.of(name)
    }

    /// Calls `hook` for every error of a handler: what it returned, or why it could not be called.
    ///
    /// The hook may answer the client. Without a hook, errors of handlers are logged as errors, data that does not fit
    /// a handler at level DEBUG. A later hook replaces an earlier one.
    ///
    /// ```
    /// # let io = sockeye::Server::builder().build()?;
    /// io.on_error(|failure| {
    ///     if let Some(ack) = failure.ack {
    ///         let _ = ack.send(serde_json::json!({ "error": failure.error.to_string() }));
    ///     }
    /// });
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn on_error(&self, hook: impl Fn(Failure) + Send + Sync + 'static) {
        self.inner.settings.error_hook.store(Some(Arc::new(Box::new(hook))));
    }

    /// How many connections are open.
    pub fn connection_count(&self) -> usize {
        self.inner.engine().connections()
    }

    /// A tower layer that answers Socket.IO's requests and lets all others pass.
    ///
    /// ```
    /// # let io = sockeye::Server::builder().build()?;
    /// let app: axum::Router = axum::Router::new().layer(io.layer());
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn layer(&self) -> Layer {
        Layer::new(self.clone())
    }

    /// A tower service that answers Socket.IO's requests, and all others with 404.
    pub fn service(&self) -> Service<NotFound> {
        Service::new(self.clone(), NotFound)
    }

    /// Listens on an address and serves until the server is [closed](Self::close).
    ///
    /// It runs one event loop of one thread per core; handlers run on the thread of their connection, and should not
    /// block it.
    ///
    /// # Errors
    /// What the system says, if the address can't be bound or no thread can be started.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.serve(Listener::bind(address).await?).await
    }

    /// Serves on an address that has been bound, until the server is [closed](Self::close). See [`listen`](Self::listen).
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let io = sockeye::Server::builder().build()?;
    /// let listener = sockeye::Listener::bind("127.0.0.1:0").await?;
    /// println!("listening on http://{}", listener.local_addr()?);
    /// io.serve(listener).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the system says, if no thread can be started.
    pub async fn serve(&self, listener: Listener) -> io::Result<()> {
        let service = self.service();
        let answer = move |request| service.answer(request);
        self.inner.engine().listen(listener, self.inner.threads, answer).await
    }

    /// Closes the server: no new connections, every client disconnected, with what waits for it sent before.
    ///
    /// Clients see a lost connection and come back by themselves. Sockets get
    /// [`ServerShuttingDown`](crate::DisconnectReason::ServerShuttingDown). Handlers that still wait for something may
    /// go on for the grace of [`Drain::default`] and are dropped then. Afterwards the port can be used again.
    pub async fn close(&self) {
        self.close_with(Drain::default()).await;
    }

    /// [Closes](Self::close) the server with times of your own.
    pub async fn close_with(&self, drain: Drain) {
        self.inner.engine().close(drain).await;
    }
}

impl Deref for Server {
    type Target = Namespace;

    /// The main namespace.
    fn deref(&self) -> &Namespace {
        &self.main
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.connection_count()).finish_non_exhaustive()
    }
}

impl ServerInner {
    pub(crate) fn engine(&self) -> &Engine {
        self.engine.get().expect("`build` sets the engine before it gives the server away")
    }

    /// The namespace of this name, if it exists.
    pub(crate) fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces.read().get(name).cloned()
    }

    fn of(self: &Arc<Self>, name: &str) -> Namespace {
        let name = if name.starts_with('/') { name.to_owned() } else { format!("/{name}") };
        if let Some(namespace) = self.namespace(&name) {
            return namespace;
        }
        let mut namespaces = self.namespaces.write();
        let made = || Namespace::new(&name, Arc::downgrade(self), self.settings.clone());
        namespaces.entry(name.as_str().into()).or_insert_with(made).clone()
    }
}

/// Gives every new connection to the server, as long as that exists.
struct Entrance(Weak<ServerInner>);

impl Acceptor for Entrance {
    fn accept(&self, connection: Connection) -> Box<dyn Receiver> {
        match self.0.upgrade() {
            Some(server) => Box::new(Reader::new(server, connection)),
            None => Box::new(Nobody),
        }
    }
}

/// Takes what comes when the server has been dropped.
struct Nobody;

impl Receiver for Nobody {
    fn receive(&mut self, _: sockeye_engine::Message<'_>) {}

    fn closed(&mut self, _: sockeye_engine::Closed) {}
}

/// The settings of a server to be. The defaults are those of Node's server, save that old clients are accepted.
#[must_use = "a builder does nothing before `build`"]
pub struct ServerBuilder {
    engine: EngineConfig,
    path: String,
    limits: Limits,
    serve_client: bool,
    threads: NonZeroUsize,
    connect_timeout: Duration,
    max_namespaces: usize,
    max_rooms: usize,
    max_pending_acks: usize,
    max_suspended: usize,
    max_waiting_bytes: usize,
    state: Extensions,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            engine: EngineConfig::default(),
            path: "/socket.io".to_owned(),
            limits: Limits::default(),
            serve_client: true,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            connect_timeout: Duration::from_secs(45),
            max_namespaces: 64,
            max_rooms: 1024,
            max_pending_acks: 4096,
            max_suspended: 256,
            max_waiting_bytes: 1 << 20,
            state: Extensions::default(),
        }
    }
}

macro_rules! engine_settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $type) -> Self {
            self.engine = self.engine.$name(value);
            self
        }
    )*};
}

impl ServerBuilder {
    /// The path of all requests. Default: `/socket.io`. A slash at its end makes no difference.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    engine_settings! {
        /// Time between two pings. Default: 25 s.
        ///
        /// Shorter finds dead clients sooner and wakes every idle connection more often.
        ping_interval: Duration
        /// How long the answer to a ping may take. Default: 20 s.
        ping_timeout: Duration
        /// How long an upgrade to WebSocket may take before it is given up; polling goes on then. Default: 10 s.
        upgrade_timeout: Duration
        /// Whether polling clients are told that they can upgrade. Default: yes.
        allow_upgrades: Upgrades
        /// Which clients are served. Default: all since 1.0; Node's server refuses those before 3.0 unless told otherwise.
        clients: Clients
        /// From how many waiting bytes on a connection counts as behind. Default: 1 MiB.
        ///
        /// Beyond it volatile events are dropped, and a client that takes nothing for `outbox_patience` is disconnected.
        outbox_mark: usize
        /// The most bytes that may wait for one client; who reaches it is disconnected. Default: 16 MiB.
        outbox_limit: usize
        /// How long a client beyond `outbox_mark` may take nothing. Default: 10 s.
        outbox_patience: Duration
        /// How long the orderly close of a WebSocket may take. Default: 5 s.
        close_timeout: Duration
    }

    /// The most bytes that one message or request body may have, on every transport. Default: 1,000,000.
    ///
    /// Node calls it `maxHttpBufferSize`. A client that sends more is disconnected, or gets a 413 while polling.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.engine = self.engine.max_payload(bytes);
        self.limits = self.limits.with_max_payload(bytes);
        self
    }

    /// The most attachments that one packet may have, in either direction. Default: 10, the most that JavaScript takes.
    pub fn max_attachments(mut self, count: usize) -> Self {
        self.limits = self.limits.with_max_attachments(count);
        self
    }

    /// The transports that are served. Default: polling and WebSocket.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.engine = self.engine.transports(transports);
        self
    }

    /// How long a connection may stay without joining a namespace. Default: 45 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The most namespaces that one connection may join. Default: 64; beyond it the client gets a `connect_error`.
    pub fn max_namespaces(mut self, count: usize) -> Self {
        self.max_namespaces = count;
        self
    }

    /// The most rooms that one socket may be in. Default: 1,024; beyond it [`join`](crate::Socket::join) is an error.
    pub fn max_rooms(mut self, count: usize) -> Self {
        self.max_rooms = count;
        self
    }

    /// The most answers that one socket may owe. Default: 4,096; beyond it an emit with ack is an error.
    pub fn max_pending_acks(mut self, count: usize) -> Self {
        self.max_pending_acks = count;
        self
    }

    /// How many handlers of one socket may be suspended before its further events wait. Default: 256.
    ///
    /// Acks, heartbeats and the end of the connection are still handled meanwhile.
    pub fn max_suspended_handlers(mut self, count: usize) -> Self {
        self.max_suspended = count.max(1);
        self
    }

    /// How many bytes of events may wait behind suspended handlers before nothing more is read. Default: 1 MiB.
    pub fn max_waiting_events(mut self, bytes: usize) -> Self {
        self.max_waiting_bytes = bytes;
        self
    }

    /// How many threads [`listen`](Server::listen) starts. Default: one per core.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Whether the browser bundles are served under the path, as `/socket.io/socket.io.js`. Default: yes.
    pub fn serve_client(mut self, serve: ServeClient) -> Self {
        self.serve_client = serve == ServeClient::Yes;
        self
    }

    /// A value that all handlers share through the extractor [`State<T>`](crate::State), one of each type.
    pub fn state<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// The server.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that can't be used.
    pub fn build(self) -> Result<Server, ConfigError> {
        let settings = Settings {
            limits: self.limits,
            connect_timeout: self.connect_timeout,
            max_namespaces: self.max_namespaces,
            max_rooms: self.max_rooms,
            max_pending_acks: self.max_pending_acks,
            max_suspended: self.max_suspended,
            max_waiting_bytes: self.max_waiting_bytes,
            state: self.state,
            error_hook: ArcSwapOption::empty(),
        };
        let inner = Arc::new(ServerInner {
            settings: Arc::new(settings),
            engine: OnceLock::new(),
            namespaces: RwLock::default(),
            threads: self.threads,
            path: self.path.trim_end_matches('/').to_owned(),
            serve_client: self.serve_client,
        });
        let entrance = Arc::new(Entrance(Arc::downgrade(&inner)));
        let engine = Engine::new(self.engine.path(self.path), entrance)?;
        let _ = inner.engine.set(engine);
        Ok(Server::from_inner(inner))
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("path", &self.path).field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// Whether the browser bundles are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServeClient {
    /// They are, if they were there when the program was built.
    Yes,
    /// They are not: the path answers 404.
    No,
}
