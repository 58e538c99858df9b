//! What can be set, with its defaults.

use std::time::Duration;

use sockeye_protocol::engine::{Protocol, Timing, Transport};

/// How an engine behaves. The defaults are those of Node's server, save that protocol 3 clients are accepted.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    pub(crate) path: String,
    pub(crate) timing: Timing,
    pub(crate) max_payload: usize,
    pub(crate) transports: Vec<Transport>,
    pub(crate) allow_upgrades: bool,
    pub(crate) protocols: &'static [Protocol],
    pub(crate) outbox: OutboxLimits,
    pub(crate) close_timeout: Duration,
    pub(crate) head_timeout: Duration,
}

/// What one connection may have waiting to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxLimits {
    /// Beyond this many bytes the outbox is flushed at once, volatile messages are dropped, and the clock below runs.
    pub(crate) soft: usize,
    /// A connection that reaches this many bytes is closed.
    pub(crate) hard: usize,
    /// A connection beyond the soft mark that takes nothing for this long is closed.
    pub(crate) patience: Duration,
}

/// Why a configuration can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The path is not an absolute path without query.
    #[error("`path` is {found:?}: expected an absolute path such as \"/socket.io\", without query or fragment")]
    Path {
        /// The path given.
        found: String,
    },
    /// A duration or size of zero.
    #[error("`{setting}` is zero: expected more than that")]
    Zero {
        /// The setting's name.
        setting: &'static str,
    },
    /// No transport is left.
    #[error("`transports` is empty: expected polling, websocket or both")]
    NoTransport,
    /// The marks of the outbox are in the wrong order.
    #[error("`outbox_limit` ({hard} bytes) is below `outbox_mark` ({soft} bytes): expected at least as much")]
    OutboxMarks {
        /// The soft mark.
        soft: usize,
        /// The hard limit.
        hard: usize,
    },
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            path: "/engine.io".to_owned(),
            timing: Timing::default(),
            max_payload: 1_000_000,
            transports: vec![Transport::Polling, Transport::WebSocket],
            allow_upgrades: true,
            protocols: &[Protocol::V4, Protocol::V3],
            outbox: OutboxLimits { soft: 1 << 20, hard: 16 << 20, patience: Duration::from_secs(10) },
            close_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(30),
        }
    }
}

impl EngineConfig {
    /// The path of all requests, with or without a slash at its end. Default: `/engine.io`.
    ///
    /// The match is exact but for that slash: `/engine.iox` is somebody else's.
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

    /// The most bytes that one message or one request body may have, on every transport. Default: 1,000,000.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// The transports that are served. Default: polling and WebSocket.
    #[must_use]
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.transports = transports.into_iter().collect();
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
    /// Beyond it volatile messages are dropped, and a client that takes nothing for
    /// [`outbox_patience`](Self::outbox_patience) is closed as a slow consumer.
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

    /// How long a connection may be lost without being known to be: a ping's interval and its timeout.
    pub fn silence(&self) -> Duration {
        self.timing.ping_interval.saturating_add(self.timing.ping_timeout)
    }

    /// Checks the values against each other.
    pub(crate) fn check(mut self) -> Result<Self, ConfigError> {
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            return Err(ConfigError::Path { found: self.path });
        }
        self.path.truncate(self.path.trim_end_matches('/').len());
        let times = [
            ("ping_interval", self.timing.ping_interval),
            ("ping_timeout", self.timing.ping_timeout),
            ("upgrade_timeout", self.timing.upgrade_timeout),
            ("head_timeout", self.head_timeout),
        ];
        if let Some((setting, _)) = times.into_iter().find(|(_, time)| time.is_zero()) {
            return Err(ConfigError::Zero { setting });
        }
        if self.max_payload == 0 {
            return Err(ConfigError::Zero { setting: "max_payload" });
        }
        if self.transports.is_empty() {
            return Err(ConfigError::NoTransport);
        }
        let OutboxLimits { soft, hard, .. } = self.outbox;
        if hard < soft {
            return Err(ConfigError::OutboxMarks { soft, hard });
        }
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
        assert!(error(EngineConfig::default().path("chat")).starts_with("`path` is \"chat\""));
        assert!(error(EngineConfig::default().ping_interval(Duration::ZERO)).starts_with("`ping_interval` is zero"));
        assert!(error(EngineConfig::default().max_payload(0)).starts_with("`max_payload` is zero"));
        assert!(error(EngineConfig::default().transports([])).starts_with("`transports` is empty"));
        assert!(error(EngineConfig::default().outbox_limit(1)).starts_with("`outbox_limit` (1 bytes)"));
    }
}
