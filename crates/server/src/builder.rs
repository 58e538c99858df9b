//! The settings of a server to be.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use sockeye_engine::{Clients, ConfigError, EngineConfig, Transport, Upgrades};
use sockeye_protocol::Limits;

use crate::extensions::Extensions;
use crate::recovery::Recovery;
use crate::server::{Server, Settings};
use crate::wire::Wire;

/// The settings of a server to be. The defaults are those of Node's server, save that old clients are accepted.
#[must_use = "a builder does nothing before `build`"]
pub struct ServerBuilder {
    engine: EngineConfig,
    path: String,
    limits: Limits,
    serve_client: ServeClient,
    threads: NonZeroUsize,
    connect_timeout: Duration,
    max_namespaces: usize,
    max_rooms: usize,
    max_pending_acks: usize,
    max_suspended: usize,
    max_waiting_bytes: usize,
    recovery: Option<Recovery>,
    state: Extensions,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            engine: EngineConfig::default(),
            path: "/socket.io".to_owned(),
            limits: Limits::default(),
            serve_client: ServeClient::Yes,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            connect_timeout: Duration::from_secs(45),
            max_namespaces: 64,
            max_rooms: 1024,
            max_pending_acks: 4096,
            max_suspended: 256,
            max_waiting_bytes: 1 << 20,
            recovery: None,
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

    /// The server.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that can't be used.
    pub fn build(self) -> Result<Server, ConfigError> {
        let settings = Settings {
            limits: self.limits,
            wire: Wire::new(self.limits),
            connect_timeout: self.connect_timeout,
            max_namespaces: self.max_namespaces,
            max_rooms: self.max_rooms,
            max_pending_acks: self.max_pending_acks,
            max_suspended: self.max_suspended,
            max_waiting_bytes: self.max_waiting_bytes,
            recovery: self.recovery.map(|recovery| (recovery, self.engine.silence())),
            state: self.state,
            threads: self.threads,
            path: self.path.trim_end_matches('/').to_owned(),
            serve_client: self.serve_client == ServeClient::Yes,
            error_hook: ArcSwapOption::empty(),
        };
        Server::start(settings, self.engine.path(self.path))
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
