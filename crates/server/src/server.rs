//! The server: its namespaces, its settings, its beginning and its end.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{Request, Response};
use sockeye_adapter::cluster::Cluster;
use sockeye_engine::{Acceptor, ConfigError, Connection, Drain, Engine, EngineConfig, Listener, Receiver, RequestBody};
use sockeye_protocol::Limits;
use tokio::net::ToSocketAddrs;

use crate::builder::ServerBuilder;
use crate::client::Reader;
use crate::cluster::Running;
use crate::dispatch::Failure;
use crate::event_rate::{Meter, TooManyEvents};
use crate::extensions::Extensions;
use crate::handler::{BoxError, ExtractError};
use crate::http::{Layer, NotFound, Service};
use crate::metrics::Counters;
use crate::namespace::Namespace;
use crate::namespaces::{EmptyNamespaces, Namespaces};
use crate::recovery::Recovery;
use crate::wire::Wire;

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
    /// What serves other nodes, if there is a cluster.
    running: OnceLock<Running>,
    pub(crate) namespaces: Namespaces,
}

/// What sockets and namespaces have to know.
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) wire: Wire,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_namespaces: usize,
    pub(crate) empty_namespaces: EmptyNamespaces,
    pub(crate) max_rooms: usize,
    pub(crate) max_pending_acks: usize,
    pub(crate) max_suspended: usize,
    pub(crate) max_waiting_bytes: usize,
    pub(crate) event_rate: Option<Meter>,
    /// The bytes that recovery keeps, in all namespaces.
    pub(crate) kept_bytes: Arc<AtomicUsize>,
    /// With it, how long a lost connection may go unnoticed.
    pub(crate) recovery: Option<(Recovery, Duration)>,
    pub(crate) state: Extensions,
    pub(crate) counters: Arc<Counters>,
    /// How many threads `listen` starts.
    pub(crate) threads: NonZeroUsize,
    /// The other nodes, if there are any.
    pub(crate) cluster: Option<Cluster>,
    /// Without a slash at its end.
    pub(crate) path: String,
    pub(crate) serve_client: bool,
    pub(crate) error_hook: ArcSwapOption<ErrorHook>,
}

pub(crate) type ErrorHook = Box<dyn Fn(Failure) + Send + Sync>;

impl Settings {
    /// Tells the error hook, or the log if there is none.
    pub(crate) fn report(&self, failure: Failure) {
        if let Some(hook) = &*self.error_hook.load() {
            return hook(failure);
        }
        let Failure { event, error, .. } = failure;
        if let Some(error) = error.downcast_ref::<TooManyEvents>() {
            return tracing::debug!(%event, %error, "handler not called");
        }
        match error.downcast_ref() {
            // What a peer sends could fill the log, and why it does not fit may quote it.
            Some(ExtractError::Mismatch { expected, reason }) => {
                tracing::debug!(%event, expected, "handler not called: the data does not fit");
                tracing::trace!(%event, reason, "the data does not fit");
            }
            Some(ExtractError::Malformed(_) | ExtractError::Other(_)) => {
                tracing::debug!(%event, %error, "handler not called");
            }
            // What our own handlers return is ours to know.
            Some(ExtractError::Missing { .. }) | None => tracing::error!(%event, %error, "handler failed"),
        }
    }
}

impl Server {
    /// The settings of a server to be.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// A server with these settings, which takes connections from here on.
    pub(crate) fn start(settings: Settings, engine: EngineConfig) -> Result<Self, ConfigError> {
        let inner = Arc::new(ServerInner {
            settings: Arc::new(settings),
            engine: OnceLock::new(),
            running: OnceLock::new(),
            namespaces: Namespaces::default(),
        });
        let entrance = Arc::new(Entrance(Arc::downgrade(&inner)));
        let engine = Engine::new(engine, entrance)?;
        let _ = inner.engine.set(engine);
        if let Some(cluster) = &inner.settings.cluster {
            let _ = inner.running.set(Running::start(cluster.clone(), &inner)?);
        }
        Ok(Self::from_inner(inner))
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
    /// Clients can only connect to namespaces that exist, or that a [pattern](Self::of_pattern) or a
    /// [function](Self::of_dynamic) lets them make. A name that a pattern matches becomes a child of its parent.
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
    ///
    /// # The peer's address
    ///
    /// A service sees no addresses; a WebSocket's is found all the same. For clients that poll, and for
    /// [`allow_request`](ServerBuilder::allow_request), put a [`PeerAddress`](crate::PeerAddress) into the extensions of
    /// each request. Under axum that is done by the feature `axum` of this crate together with
    /// `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())`.
    /// [`listen`](Self::listen) does it by itself.
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
        self.serve_with(listener, NotFound).await
    }

    /// As [`serve`](Self::serve), with `routes` for all requests that are not Socket.IO's: an axum router, or any other
    /// service.
    ///
    /// Unlike under a server of axum's own, each connection stays on one event loop, what is emitted leaves once a turn,
    /// and clients that finish no request or take no answer are cut off (`head_timeout`, `outbox_patience`).
    /// A [`PeerAddress`](crate::PeerAddress) stands in the extensions of every request.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let io = sockeye::Server::builder().build()?;
    /// let routes = axum::Router::new().route("/healthz", axum::routing::get("ok"));
    /// io.serve_with(sockeye::Listener::bind("0.0.0.0:3000").await?, routes).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the system says, if no thread can be started.
    pub async fn serve_with<S, B>(&self, listener: Listener, routes: S) -> io::Result<()>
    where
        S: tower_service::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let service = Service::new(self.clone(), routes);
        let answer = move |request| service.clone().answer(request);
        self.inner.engine().listen(listener, self.inner.settings.threads, answer).await
    }

    /// Closes the server: no new connections, every client disconnected, with what waits for it sent before.
    ///
    /// A server that is dropped while connections are open keeps them, and what belongs to them: close it first.
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
        if let Some(cluster) = &self.inner.settings.cluster {
            // What was emitted at the end still goes out, unless the broker is away.
            let _ = tokio::time::timeout(drain.grace, cluster.flushed()).await;
            cluster.close().await;
        }
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
