//! Why a connection ended.

use std::fmt;

use sockeye_protocol::engine::CloseReason;

/// Why a connection ended: Node's word for it, and what exactly happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Node's reason.
    pub reason: CloseReason,
    /// Our finer cause.
    pub cause: CloseCause,
}

/// What exactly ended a connection. Finer than Node's [`CloseReason`]; for logs, metrics and hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseCause {
    /// The peer closed the connection, or sent a close packet.
    Peer,
    /// The connection broke: a failed read or write, or a request cut off.
    Lost,
    /// The peer missed its heartbeat.
    Silence,
    /// The peer sent what is no packet, or no WebSocket frame.
    Malformed,
    /// The peer sent more than `max_payload` in one message.
    TooLarge,
    /// The peer sent a ping where a pong belongs, or the other way round.
    HeartbeatDirection,
    /// Two polls, or two posts, at once.
    Overlap,
    /// A body that is not text from a protocol 4 client.
    ContentType,
    /// The peer did not take what was sent to it: `outbox_mark`, `outbox_limit`, `outbox_patience`.
    SlowConsumer,
    /// Nothing was read from the peer for too long, because what it had sent was not handled: `pause_timeout`.
    Stalled,
    /// The peer sent more in a time than the layer above allows.
    Flood,
    /// The time set by `Connection::expire_at` has come.
    Expired,
    /// A receiver panicked.
    Panic,
    /// The application closed the connection.
    Application,
    /// The client has come back on another connection before this one was known to be lost.
    Replaced,
    /// The server is shutting down.
    Shutdown,
}

impl CloseCause {
    /// All of them.
    pub(crate) const ALL: [Self; 16] = [
        Self::Peer,
        Self::Lost,
        Self::Silence,
        Self::Malformed,
        Self::TooLarge,
        Self::HeartbeatDirection,
        Self::Overlap,
        Self::ContentType,
        Self::SlowConsumer,
        Self::Stalled,
        Self::Flood,
        Self::Expired,
        Self::Panic,
        Self::Application,
        Self::Replaced,
        Self::Shutdown,
    ];

    /// Its name in metrics, which will not change.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Lost => "lost",
            Self::Silence => "silence",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::HeartbeatDirection => "heartbeat_direction",
            Self::Overlap => "overlap",
            Self::ContentType => "content_type",
            Self::SlowConsumer => "slow_consumer",
            Self::Stalled => "stalled",
            Self::Flood => "flood",
            Self::Expired => "expired",
            Self::Panic => "panic",
            Self::Application => "application",
            Self::Replaced => "replaced",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Closed {
    /// The connection was closed from this side.
    pub fn forced(cause: CloseCause) -> Self {
        Self { reason: CloseReason::ForcedClose, cause }
    }

    /// The client has come back on another connection.
    pub fn replaced() -> Self {
        Self { reason: CloseReason::TransportClose, cause: CloseCause::Replaced }
    }

    pub(crate) fn lost() -> Self {
        Self { reason: CloseReason::TransportError, cause: CloseCause::Lost }
    }

    pub(crate) fn by_peer() -> Self {
        Self { reason: CloseReason::TransportClose, cause: CloseCause::Peer }
    }

    pub(crate) fn error(cause: CloseCause) -> Self {
        Self { reason: CloseReason::TransportError, cause }
    }

    pub(crate) fn malformed() -> Self {
        Self { reason: CloseReason::ParseError, cause: CloseCause::Malformed }
    }

    /// Whether what still waits may be sent before the connection ends.
    pub(crate) fn is_orderly(self) -> bool {
        matches!(self.cause, CloseCause::Application | CloseCause::Shutdown | CloseCause::Expired)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.reason.as_str(), self.cause)
    }
}
