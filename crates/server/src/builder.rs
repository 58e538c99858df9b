//! The settings of a server to be.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use sockeye_adapter::cluster::{Broker, Cluster, ClusterSettings};
use sockeye_engine::{
    Clients, ConfigError, Cookie, Cors, EngineConfig, Forbidden, HandshakeRequest, HttpCompression, PerMessageDeflate,
    SessionId, TrailingSlash, Transport, Upgrades,
};
use sockeye_protocol::Limits;
use sockeye_protocol::socket::Parser;

use crate::event_rate::{EventRate, Meter};
use crate::extensions::Extensions;
use crate::handler::BoxError;
use crate::metrics::Counters;
use crate::namespaces::EmptyNamespaces;
use crate::recovery::Recovery;
use crate::server::{Server, Settings};
use crate::wire::Wire;

/// The settings of a server to be. The defaults are those of Node's server, save that old clients are accepted, and that
/// namespaces made for clients go with their last socket.
///
/// What happens at each bound stands in the [guide](crate::guide::options).
#[must_use = "a builder does nothing before `build`"]
pub struct ServerBuilder {
    engine: EngineConfig,
    path: String,
    limits: Limits,
    parser: Option<Arc<dyn Parser>>,
    serve_client: ServeClient,
    threads: NonZeroUsize,
    connect_timeout: Duration,
    max_namespaces: usize,
    empty_namespaces: EmptyNamespaces,
    max_rooms: usize,
    max_pending_acks: usize,
    max_suspended: usize,
    max_waiting_bytes: usize,
    event_rate: Option<EventRate>,
    recovery: Option<Recovery>,
    state: Extensions,
    adapter: Option<Arc<dyn Broker>>,
    cluster: ClusterSettings,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            engine: EngineConfig::default(),
            path: "/socket.io".to_owned(),
            limits: Limits::default(),
            parser: None,
            serve_client: ServeClient::Yes,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            connect_timeout: Duration::from_secs(45),
            max_namespaces: 64,
            empty_namespaces: EmptyNamespaces::Removed,
            max_rooms: 1024,
            max_pending_acks: 4096,
            max_suspended: 256,
            max_waiting_bytes: 1 << 20,
            event_rate: None,
            recovery: None,
            state: Extensions::default(),
            adapter: None,
            cluster: ClusterSettings::default(),
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
    /// The path of all requests. Default: `/socket.io`. A slash at its end makes no difference here.
    ///
    /// The match is exact: `/socket.iox/` and `/socket.io/x` are somebody else's. See also `trailing_slash`.
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
        /// How long nothing may be read from a client whose events are not handled, see
        /// [`max_waiting_events`](Self::max_waiting_events); then it is disconnected. Default: 60 s.
        pause_timeout: Duration
        /// Whether polling clients are told that they can upgrade. Default: yes.
        allow_upgrades: Upgrades
        /// Which clients are served. Default: all since 1.0; Node's server refuses those before 3.0 unless told otherwise.
        clients: Clients
        /// The most frames that one message may come in on a WebSocket. Default: 16,384, as Node's `ws`; beyond it the
        /// connection is closed with code 1008, `transport error`.
        max_fragments: u32
        /// The most connections that may be open in all. Default: as many as come.
        ///
        /// Who asks for one more gets status 503 with `Retry-After`; those that are open are not touched. A connection has
        /// its place from its first request on, also while [`allow_request`](Self::allow_request) is being asked.
        max_connections: usize
        /// The most connections that may be open from one address, for IPv6 from one /64. Default: as many as come.
        ///
        /// The end is that of `max_connections`. The address is the peer's, or what [`client_address`](Self::client_address)
        /// says; connections of which it is not known are not counted. See [`Server::layer`] for who knows it.
        max_connections_per_address: usize
        /// From how many waiting bytes on a connection counts as behind. Default: 1 MiB.
        ///
        /// Beyond it a client that takes nothing for `outbox_patience` is disconnected. (Volatile events are dropped as soon as anything waits.)
        outbox_mark: usize
        /// The most bytes that may wait for one client; who reaches it is disconnected. Default: 16 MiB.
        outbox_limit: usize
        /// How long a client beyond `outbox_mark` may take nothing. Default: 10 s.
        outbox_patience: Duration
        /// How long the orderly close of a WebSocket may take. Default: 5 s.
        close_timeout: Duration
        /// How long a client of [`listen`](Server::listen) may take from its connection, or its last request, to the end of
        /// a request's head. Default: 30 s.
        head_timeout: Duration
        /// Whether requests need a slash at the end of the path. Default: they do, as in Node's server, where `/socket.io`
        /// is somebody else's.
        trailing_slash: TrailingSlash
        /// Which pages of other origins may read the server's answers. Default: none.
        ///
        /// ```
        /// use sockeye::{Cors, Server};
        ///
        /// let io = Server::builder().cors(Cors::origin("https://app.example").credentials()).build()?;
        /// # Ok::<(), sockeye::ConfigError>(())
        /// ```
        cors: Cors
        /// Whether the answers to polls are compressed. Default: those of 1,024 bytes and more, as in Node's server.
        ///
        /// Gzip, deflate or brotli, by the client's `Accept-Encoding`.
        http_compression: HttpCompression
        /// Sets a cookie for load balancers with the first answer of a polling client. Default: none.
        cookie: Cookie
        /// How long the TLS handshake of a connection may take with `listen_tls`. Default: 10 s.
        tls_handshake_timeout: Duration
        /// Compresses WebSocket messages for clients that want it. Default: off, as in Node.
        ///
        /// It saves traffic and costs time; without it a broadcast is not even copied. [`compress`](crate::Broadcast::compress)
        /// excepts single events.
        ///
        /// ```
        /// use sockeye::{PerMessageDeflate, Server};
        ///
        /// let io = Server::builder().per_message_deflate(PerMessageDeflate::default()).build()?;
        /// # Ok::<(), sockeye::ConfigError>(())
        /// ```
        per_message_deflate: PerMessageDeflate
    }

    /// The only origins whose pages may use the server, over WebSocket too. Default: all.
    ///
    /// All requests with another `Origin` header are refused with code 4. Name your own origin as well if pages of it
    /// connect. Requests without that header pass: programs, and a page's reads from its own origin. Polling by JSONP
    /// does not pass without it, for any page may load a script.
    ///
    /// Pages of other origins also need [`cors`](Self::cors) for polling.
    pub fn allowed_origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.engine = self.engine.allowed_origins(origins);
        self
    }

    /// As [`allowed_origins`](Self::allowed_origins), for the requests for which `allows` says so.
    ///
    /// It gets `None` for a request without origin, and must not block.
    pub fn allowed_origins_fn(mut self, allows: impl Fn(Option<&str>) -> bool + Send + Sync + 'static) -> Self {
        self.engine = self.engine.allowed_origins_fn(allows);
        self
    }

    /// Asks `allow` about every request that opens a connection, before any namespace is known.
    ///
    /// Who is refused gets the message of [`Forbidden`], on polling with status 403, and on a WebSocket with 400. Later
    /// requests of a client that is let in are not asked about. A hook that panics, or takes longer than
    /// [`connect_timeout`](Self::connect_timeout), refuses.
    ///
    /// ```
    /// use sockeye::{Forbidden, HandshakeRequest, Server};
    ///
    /// let io = Server::builder()
    ///     .allow_request(async |request: HandshakeRequest| match request.header("x-token") {
    ///         Some("secret") => Ok(()),
    ///         _ => Err(Forbidden::new("no such token")),
    ///     })
    ///     .build()?;
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn allow_request<F, R>(mut self, allow: F) -> Self
    where
        F: Fn(HandshakeRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Forbidden>> + Send + 'static,
    {
        self.engine = self.engine.allow_request(allow);
        self
    }

    /// Has `generate` make the ids of connections (not of sockets). Default: 120 random bits each.
    ///
    /// An id is a secret of 20 characters of `A-Z a-z 0-9 _ -`, as Node's are; other lengths can't be used. If it can't
    /// be made, or is another connection's, the request is refused with code 3.
    pub fn generate_id<F, R, E>(mut self, generate: F) -> Self
    where
        F: Fn(HandshakeRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<SessionId, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.engine = self.engine.generate_id(generate);
        self
    }

    /// Has `tell` tell the address by which a connection counts for
    /// [`max_connections_per_address`](Self::max_connections_per_address), behind a proxy that names it in a header.
    ///
    /// Where it says `None`, or panics, the peer's address counts: the proxy's. Only a header that the proxy sets whatever
    /// the client sends is to be trusted.
    ///
    /// ```
    /// let io = sockeye::Server::builder()
    ///     .max_connections_per_address(20)
    ///     .client_address(|request| request.header("x-real-ip")?.parse().ok())
    ///     .build()?;
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn client_address(
        mut self,
        tell: impl Fn(&HandshakeRequest) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.engine = self.engine.client_address(tell);
        self
    }

    /// Lets `change` change the headers of the first answer to each client: of its first poll, or of its WebSocket.
    ///
    /// It sees what the server has set, cookie and CORS included, and must not block.
    pub fn on_initial_headers(
        mut self,
        change: impl Fn(&mut HeaderMap, &HandshakeRequest) + Send + Sync + 'static,
    ) -> Self {
        self.engine = self.engine.on_initial_headers(change);
        self
    }

    /// Lets `change` change the headers of every answer to a client that is let in, whatever it asks for.
    ///
    /// It comes after [`on_initial_headers`](Self::on_initial_headers). Refusals are not shown to it.
    pub fn on_headers(mut self, change: impl Fn(&mut HeaderMap, &HandshakeRequest) + Send + Sync + 'static) -> Self {
        self.engine = self.engine.on_headers(change);
        self
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
    ///
    /// It is a bound of the official text; another [`parser`](Self::parser) has its own.
    pub fn max_attachments(mut self, count: usize) -> Self {
        self.limits = self.limits.with_max_attachments(count);
        self
    }

    /// How packets are written and read. Default: the official text, which clients use unless told otherwise.
    ///
    /// Handlers and what they get are the same whatever the parser; clients have to use its counterpart.
    ///
    /// ```
    /// // const socket = io({ parser: require("socket.io-msgpack-parser") });
    /// let io = sockeye::Server::builder().parser(sockeye::MessagePackParser).build()?;
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn parser(mut self, parser: impl Parser) -> Self {
        self.parser = Some(Arc::new(parser));
        self
    }

    /// The transports that are served. Default: polling and WebSocket.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.engine = self.engine.transports(transports);
        self
    }

    /// How long a connection may stay without joining a namespace. Default: 45 s.
    ///
    /// Nor may the application take longer to let a client in: by [`allow_request`](Self::allow_request) and
    /// [`generate_id`](Self::generate_id) each, which refuse then, by [`of_dynamic`](Server::of_dynamic) and by the
    /// [middlewares](crate::Namespace::middleware) of a namespace, with a `connect_error`.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.engine = self.engine.connect_timeout(timeout);
        self.connect_timeout = timeout;
        self
    }

    /// The most namespaces that one connection may join. Default: 64; beyond it the client gets a `connect_error`.
    pub fn max_namespaces(mut self, count: usize) -> Self {
        self.max_namespaces = count;
        self
    }

    /// What becomes of a namespace that was [made for a client](Server::of_pattern), once nobody is in it any more.
    /// Default: it is removed; Node's server keeps it unless told otherwise.
    pub fn empty_namespaces(mut self, fate: EmptyNamespaces) -> Self {
        self.empty_namespaces = fate;
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
        self.max_suspended = count;
        self
    }

    /// How many bytes of events may wait behind suspended handlers before nothing more is read. Default: 1 MiB.
    pub fn max_waiting_events(mut self, bytes: usize) -> Self {
        self.max_waiting_bytes = bytes;
        self
    }

    /// How many events one socket may send in a time, and what becomes of those beyond. Default: as many as come.
    pub fn event_rate(mut self, rate: EventRate) -> Self {
        self.event_rate = Some(rate);
        self
    }

    /// How many threads [`listen`](Server::listen) starts. Default: one per core.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Whether the browser bundles are served under the path, as `/socket.io/socket.io.js`. Default: yes.
    pub fn serve_client(mut self, serve: ServeClient) -> Self {
        self.serve_client = serve;
        self
    }

    /// Lets clients that lost their connection come back to what they had and missed. Default: off, as in Node's server.
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// A value that all handlers share through the extractor [`State<T>`](crate::State), one of each type.
    pub fn state<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Makes the server one node of a cluster, over this broker; [`build`](Self::build) must then be called on a Tokio runtime.
    /// Default: it is alone.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sockeye::{MemoryHub, Server};
    ///
    /// // Two servers of one process; over Redis they would be of two.
    /// let hub = MemoryHub::new();
    /// let one = Server::builder().adapter(hub.node()).build()?;
    /// let two = Server::builder().adapter(hub.node()).build()?;
    /// one.emit("news", "for the clients of both")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn adapter(mut self, broker: impl Into<Arc<dyn Broker>>) -> Self {
        self.adapter = Some(broker.into());
        self
    }

    /// How long the answers of other nodes are waited for, unless the call says otherwise. Default: 5 s; who has not answered
    /// by then is told as missing.
    pub fn requests_timeout(mut self, timeout: Duration) -> Self {
        self.cluster.requests_timeout = timeout;
        self
    }

    /// The most bytes that wait for the broker of a cluster. Default: 16 MiB; what comes beyond is lost to other nodes, and
    /// counted. Local delivery goes on.
    pub fn queue_limit(mut self, bytes: usize) -> Self {
        self.cluster.queue_limit = bytes;
        self
    }

    /// The server.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that can't be used.
    pub fn build(self) -> Result<Server, ConfigError> {
        self.check()?;
        let counters = Arc::new(Counters::default());
        let settings = Settings {
            limits: self.limits,
            wire: Wire::new(self.limits, self.parser, counters.clone()),
            connect_timeout: self.connect_timeout,
            max_namespaces: self.max_namespaces,
            empty_namespaces: self.empty_namespaces,
            max_rooms: self.max_rooms,
            max_pending_acks: self.max_pending_acks,
            max_suspended: self.max_suspended,
            max_waiting_bytes: self.max_waiting_bytes,
            event_rate: self.event_rate.map(Meter::new),
            kept_bytes: Arc::default(),
            recovery: self.recovery.map(|recovery| (recovery, self.engine.silence())),
            state: self.state,
            cluster: self.adapter.map(|broker| Cluster::new(broker, self.cluster)),
            counters,
            threads: self.threads,
            path: self.path.trim_end_matches('/').to_owned(),
            serve_client: self.serve_client == ServeClient::Yes,
            error_hook: ArcSwapOption::empty(),
        };
        Server::start(settings, self.engine.path(self.path))
    }

    /// What the engine does not know of.
    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::check_time("connect_timeout", self.connect_timeout)?;
        for (setting, count) in [
            ("max_namespaces", self.max_namespaces),
            ("max_rooms", self.max_rooms),
            ("max_pending_acks", self.max_pending_acks),
            ("max_suspended_handlers", self.max_suspended),
        ] {
            ConfigError::check_count(setting, count)?;
        }
        self.event_rate.map_or(Ok(()), EventRate::check)?;
        self.recovery.as_ref().map_or(Ok(()), Recovery::check)
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
    /// They are not: requests for them are somebody else's.
    No,
}
