//! What can be set, with its defaults.

use std::time::Duration;

use sockeye_protocol::engine::{Protocol, Timing, Transport};

use crate::compression::HttpCompression;
use crate::config_error::ConfigError;
use crate::cookie::Cookie;
use crate::cors::Cors;
use crate::deflate::PerMessageDeflate;
use crate::hooks::Hooks;
use crate::origins::AllowedOrigins;

/// How an engine behaves. The defaults are those of Node's server, save that protocol 3 clients are accepted.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    pub(crate) path: String,
    pub(crate) timing: Timing,
    pub(crate) max_payload: usize,
    pub(crate) max_fragments: u32,
    pub(crate) transports: Vec<Transport>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) max_connections_per_address: Option<usize>,
    pub(crate) allow_upgrades: bool,
    pub(crate) protocols: &'static [Protocol],
    pub(crate) outbox: OutboxLimits,
    pub(crate) close_timeout: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) trailing_slash: TrailingSlash,
    pub(crate) cors: Option<Cors>,
    pub(crate) allowed_origins: AllowedOrigins,
    pub(crate) cookie: Option<Cookie>,
    pub(crate) hooks: Hooks,
    pub(crate) http_compression: HttpCompression,
    /// Of use only with the feature `tls`.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "a feature may not change what can be set"))]
    pub(crate) tls_handshake_timeout: Duration,
    pub(crate) per_message_deflate: Option<PerMessageDeflate>,
}

/// What one connection may have waiting to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxLimits {
    /// Beyond this many bytes the outbox is flushed at once, and the clock below runs.
    pub(crate) soft: usize,
    /// A connection that reaches this many bytes is closed.
    pub(crate) hard: usize,
    /// A connection beyond the soft mark that takes nothing for this long is closed.
    pub(crate) patience: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            path: "/engine.io".to_owned(),
            timing: Timing::default(),
            max_payload: 1_000_000,
            max_fragments: 16_384,
            transports: vec![Transport::Polling, Transport::WebSocket],
            max_connections: None,
            max_connections_per_address: None,
            allow_upgrades: true,
            protocols: &[Protocol::V4, Protocol::V3],
            outbox: OutboxLimits { soft: 1 << 20, hard: 16 << 20, patience: Duration::from_secs(10) },
            close_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(45),
            trailing_slash: TrailingSlash::Required,
            cors: None,
            allowed_origins: AllowedOrigins::All,
            cookie: None,
            hooks: Hooks::default(),
            http_compression: HttpCompression::default(),
            tls_handshake_timeout: Duration::from_secs(10),
            per_message_deflate: None,
        }
    }
}

impl EngineConfig {
    /// The path of all requests. Default: `/engine.io`. It makes no difference whether it is given with a slash at its end;
    /// whether requests need one is told by [`trailing_slash`](Self::trailing_slash).
    ///
    /// The match is exact: `/engine.iox/` and `/engine.io/x` are somebody else's.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Time between two pings. Default: 25 s.
    ///
    /// Shorter finds dead peers sooner and wakes every idle session more often.
    #[must_use]
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.timing.ping_interval = interval;
        self
    }

    /// How long the answer to a ping may take. Default: 20 s.
    #[must_use]
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.timing.ping_timeout = timeout;
        self
    }

    /// How long an upgrade may take before its transport is given up; polling goes on then. Default: 10 s.
    #[must_use]
    pub fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.timing.upgrade_timeout = timeout;
        self
    }

    /// How long nothing may be read from a client, because what it has sent is not handled; then it is closed. Default: 60 s.
    #[must_use]
    pub fn pause_timeout(mut self, timeout: Duration) -> Self {
        self.timing.pause_timeout = timeout;
        self
    }

    /// The most bytes that one message or one request body may have, on every transport. Default: 1,000,000.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// The most frames that one message may come in on a WebSocket. Default: 16,384, as Node's `ws`.
    #[must_use]
    pub fn max_fragments(mut self, frames: u32) -> Self {
        self.max_fragments = frames;
        self
    }

    /// The transports that are served. Default: polling and WebSocket.
    #[must_use]
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }

    /// The most sessions that may be open in all. Default: as many as come.
    ///
    /// A request for one more is answered with status 503, `Retry-After` and `{"code":6,"message":"Too many connections"}`.
    /// A session has its place from its first request on, also while the application is being asked about it.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = Some(count);
        self
    }

    /// The most sessions that may be open from one address, for IPv6 from one /64. Default: as many as come.
    ///
    /// The answer to one more is that of [`max_connections`](Self::max_connections). The address is that of the peer, or what
    /// [`client_address`](Self::client_address) says; sessions of which it is not known are not counted. If the HTTP server
    /// does not tell it by [`PeerAddress`](crate::PeerAddress), that of a WebSocket is known only once it is one: it is
    /// closed then.
    #[must_use]
    pub fn max_connections_per_address(mut self, count: usize) -> Self {
        self.max_connections_per_address = Some(count);
        self
    }

    /// Whether clients are told that they can upgrade. Default: yes.
    #[must_use]
    pub fn allow_upgrades(mut self, allow: Upgrades) -> Self {
        self.allow_upgrades = allow == Upgrades::Offered;
        self
    }

    /// Which clients are served. Default: [`Clients::All`].
    #[must_use]
    pub fn clients(mut self, clients: Clients) -> Self {
        self.protocols = match clients {
            Clients::All => &[Protocol::V4, Protocol::V3],
            Clients::Protocol4 => &[Protocol::V4],
        };
        self
    }

    /// From how many waiting bytes on a connection counts as behind. Default: 1 MiB.
    ///
    /// Beyond it a client that takes nothing for [`outbox_patience`](Self::outbox_patience) is closed as a slow consumer.
    /// (What is volatile is dropped as soon as anything waits.)
    #[must_use]
    pub fn outbox_mark(mut self, bytes: usize) -> Self {
        self.outbox.soft = bytes;
        self
    }

    /// The most bytes that may wait for one client; who reaches it is closed as a slow consumer. Default: 16 MiB.
    #[must_use]
    pub fn outbox_limit(mut self, bytes: usize) -> Self {
        self.outbox.hard = bytes;
        self
    }

    /// How long a client beyond the [`outbox_mark`](Self::outbox_mark) may take nothing. Default: 10 s.
    #[must_use]
    pub fn outbox_patience(mut self, patience: Duration) -> Self {
        self.outbox.patience = patience;
        self
    }

    /// How long an orderly close may take, from the last byte sent to the peer's own close. Default: 5 s.
    #[must_use]
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// How long a client of [`Engine::listen`](crate::Engine::listen) may take from its connection, or its last request,
    /// to the end of a request's head. Default: 30 s.
    #[must_use]
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// How long [`allow_request`](Self::allow_request) and [`generate_id`](Self::generate_id) may take, each; then the request is
    /// refused as if they had failed. Default: 45 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a connection may be lost without being known to be: a ping's interval and its timeout.
    pub fn silence(&self) -> Duration {
        self.timing.ping_interval.saturating_add(self.timing.ping_timeout)
    }

    /// Whether requests need a slash at the end of the path. Default: [`TrailingSlash::Required`], as in Node's server.
    #[must_use]
    pub fn trailing_slash(mut self, rule: TrailingSlash) -> Self {
        self.trailing_slash = rule;
        self
    }

    /// Which pages of other origins may read our answers. Default: none.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = Some(cors);
        self
    }

    /// The only origins whose pages may use the server, over WebSocket too. Default: all.
    ///
    /// All requests with another `Origin` header are refused with code 4. Name your own origin as well if pages of it
    /// connect. Requests without that header pass: programs, and a page's reads from its own origin. Polling by JSONP
    /// does not pass without it, for any page may load a script.
    ///
    /// Pages of other origins also need [`cors`](Self::cors) for polling.
    #[must_use]
    pub fn allowed_origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.allowed_origins = AllowedOrigins::List(origins.into_iter().map(Into::into).collect());
        self
    }

    /// As [`allowed_origins`](Self::allowed_origins), for the requests for which `allows` says so.
    ///
    /// It gets `None` for a request without origin, and must not block.
    #[must_use]
    pub fn allowed_origins_fn(mut self, allows: impl Fn(Option<&str>) -> bool + Send + Sync + 'static) -> Self {
        self.allowed_origins = AllowedOrigins::Chosen(std::sync::Arc::new(allows));
        self
    }

    /// Sets a cookie for load balancers with the first answer of a polling session. Default: none.
    #[must_use]
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Whether the answers to polls are compressed. Default: those of 1,024 bytes and more, as in Node's server.
    ///
    /// Gzip, deflate or brotli, by the client's `Accept-Encoding`. Only answers with at least one message that
    /// [may be](crate::Compression) compressed are.
    #[must_use]
    pub fn http_compression(mut self, compression: HttpCompression) -> Self {
        self.http_compression = compression;
        self
    }

    /// How long the TLS handshake of a connection may take, where the engine
    #[cfg_attr(feature = "tls", doc = "[listens with TLS](crate::Engine::listen_tls). Default: 10 s.")]
    #[cfg_attr(not(feature = "tls"), doc = "listens with TLS, which takes the feature `tls`. Default: 10 s.")]
    #[must_use]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.tls_handshake_timeout = timeout;
        self
    }

    /// Compresses WebSocket messages for clients that want it. Default: off, as in Node.
    #[must_use]
    pub fn per_message_deflate(mut self, deflate: PerMessageDeflate) -> Self {
        self.per_message_deflate = Some(deflate);
        self
    }

    /// Checks the values against each other.
    pub(crate) fn check(mut self) -> Result<Self, ConfigError> {
        let is_no_path = |char: char| char.is_whitespace() || char.is_control() || matches!(char, '?' | '#');
        if !self.path.starts_with('/') || self.path.contains(is_no_path) {
            return Err(ConfigError::Path { found: self.path });
        }
        self.path.truncate(self.path.trim_end_matches('/').len());
        let times = [
            ("ping_interval", self.timing.ping_interval),
            ("ping_timeout", self.timing.ping_timeout),
            ("upgrade_timeout", self.timing.upgrade_timeout),
            ("pause_timeout", self.timing.pause_timeout),
            ("head_timeout", self.head_timeout),
            ("connect_timeout", self.connect_timeout),
            ("tls_handshake_timeout", self.tls_handshake_timeout),
        ];
        times.into_iter().try_for_each(|(setting, time)| ConfigError::check_time(setting, time))?;
        ConfigError::check_time("ping_interval + ping_timeout", self.silence())?;
        let OutboxLimits { soft, hard, patience } = self.outbox;
        for (setting, time) in [("outbox_patience", patience), ("close_timeout", self.close_timeout)] {
            ConfigError::check_span(setting, time, Duration::ZERO)?;
        }
        for (setting, count) in [
            ("max_payload", Some(self.max_payload)),
            ("max_fragments", usize::try_from(self.max_fragments).ok()),
            ("outbox_limit", Some(hard)),
            ("max_connections", self.max_connections),
            ("max_connections_per_address", self.max_connections_per_address),
        ] {
            count.map_or(Ok(()), |count| ConfigError::check_count(setting, count))?;
        }
        if self.transports.is_empty() {
            return Err(ConfigError::NoTransport);
        }
        self.per_message_deflate.map_or(Ok(()), PerMessageDeflate::check)?;
        if hard < soft {
            return Err(ConfigError::OutboxMarks { soft, hard });
        }
        self.cors.as_ref().map_or(Ok(()), Cors::check)?;
        self.cookie.as_ref().map_or(Ok(()), Cookie::check)?;
        self.allowed_origins.check()?;
        Ok(self)
    }

    /// The upgrades offered to a client that opens with `transport`.
    pub(crate) fn upgrades(&self, transport: Transport) -> &'static [Transport] {
        let offered = self.allow_upgrades && self.transports.contains(&Transport::WebSocket);
        if offered && transport == Transport::Polling { &[Transport::WebSocket] } else { &[] }
    }
}

/// Whether the handshake offers upgrades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrades {
    /// Polling clients are told that they can go on over WebSocket.
    Offered,
    /// Clients stay on the transport that they opened with.
    NotOffered,
}

/// Whether requests need a slash at the end of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrailingSlash {
    /// `/engine.io/` is ours, `/engine.io` is somebody else's.
    Required,
    /// Both are ours.
    Optional,
}

/// Which clients are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Protocols 3 and 4: every official client since 1.0.
    All,
    /// Protocol 4 only, as Node's server by default: clients since 3.0.
    Protocol4,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(EngineConfig::default().check().is_ok());
    }

    #[test]
    fn a_slash_at_the_end_of_the_path_is_dropped() {
        assert_eq!(
            EngineConfig::default().path("/socket.io/").check().map(|config| config.path),
            Ok("/socket.io".into())
        );
        assert_eq!(EngineConfig::default().path("/").check().map(|config| config.path), Ok(String::new()));
    }

    #[test]
    fn bad_values_are_named() {
        let error = |config: EngineConfig| config.check().unwrap_err().to_string();
        for path in ["chat", "", "/a?b", "/a#b", "/a b", "/a\n"] {
            assert!(error(EngineConfig::default().path(path)).starts_with(&format!("`path` is {path:?}")));
        }
        assert_eq!(error(EngineConfig::default().max_payload(0)), "`max_payload` is zero: expected at least 1");
        let none = error(EngineConfig::default().max_fragments(0));
        assert_eq!(none, "`max_fragments` is zero: expected at least 1");
        let nobody = error(EngineConfig::default().max_connections(0));
        assert_eq!(nobody, "`max_connections` is zero: expected at least 1");
        let nobody = error(EngineConfig::default().max_connections_per_address(0));
        assert_eq!(nobody, "`max_connections_per_address` is zero: expected at least 1");
        assert!(error(EngineConfig::default().outbox_limit(0).outbox_mark(0)).starts_with("`outbox_limit` is zero"));
        assert!(error(EngineConfig::default().transports([])).starts_with("`transports` is empty"));
        let deflate = PerMessageDeflate::default().level(10);
        assert!(error(EngineConfig::default().per_message_deflate(deflate)).contains("has the level 10: expected 1"));
        assert!(error(EngineConfig::default().outbox_limit(1)).starts_with("`outbox_limit` (1 bytes)"));
        let nobody = EngineConfig::default().allowed_origins([""; 0]);
        assert!(error(nobody).starts_with("`allowed_origins` names no origin"));
        let wrong = EngineConfig::default().allowed_origins(["https://app.example/"]);
        assert!(error(wrong).starts_with("`allowed_origins` names the origin \"https://app.example/\""));
        assert!(error(EngineConfig::default().cors(Cors::origin("*"))).starts_with("`cors` names the origin \"*\""));
        assert!(error(EngineConfig::default().cookie(Cookie::default().name(""))).starts_with("`cookie` has the name"));
    }

    #[test]
    fn times_that_can_not_be_told_or_waited_for_are_named() {
        type Set = fn(EngineConfig, Duration) -> EngineConfig;
        let tiny = Duration::from_micros(999);
        let most = Duration::from_secs(24 * 24 * 3600);
        let setters: [(&str, Set); 9] = [
            ("ping_interval", EngineConfig::ping_interval),
            ("ping_timeout", EngineConfig::ping_timeout),
            ("upgrade_timeout", EngineConfig::upgrade_timeout),
            ("pause_timeout", EngineConfig::pause_timeout),
            ("head_timeout", EngineConfig::head_timeout),
            ("connect_timeout", EngineConfig::connect_timeout),
            ("tls_handshake_timeout", EngineConfig::tls_handshake_timeout),
            ("outbox_patience", EngineConfig::outbox_patience),
            ("close_timeout", EngineConfig::close_timeout),
        ];
        for (setting, set) in setters {
            let may_be_zero = matches!(setting, "outbox_patience" | "close_timeout");
            for time in [Duration::ZERO, tiny, most + tiny, Duration::MAX] {
                let least = if may_be_zero { "0ns" } else { "1ms" };
                let told = format!("`{setting}` is {time:?}: expected {least} to 24 days");
                let found = set(EngineConfig::default(), time).check().map(drop).map_err(|error| error.to_string());
                assert_eq!(found, if may_be_zero && time <= tiny { Ok(()) } else { Err(told) });
            }
        }
        let together = EngineConfig::default().ping_interval(most).check().unwrap_err().to_string();
        assert!(together.starts_with("`ping_interval + ping_timeout` is 2073620s"), "{together}");
    }
}
