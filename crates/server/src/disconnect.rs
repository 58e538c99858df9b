//! Why a socket was disconnected.

use std::fmt;

use sockeye_engine::{CloseCause, CloseReason, Closed};

/// Why a socket was disconnected, in Node's words; [`Display`](fmt::Display) and [`as_str`](Self::as_str) write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client left this namespace: `client namespace disconnect`.
    ClientNamespaceDisconnect,
    /// [`Socket::disconnect`](crate::Socket::disconnect) was called: `server namespace disconnect`.
    ServerNamespaceDisconnect,
    /// The client closed its connection: `transport close`.
    TransportClose,
    /// The connection broke, or was misused: `transport error`.
    TransportError,
    /// The client missed its heartbeat: `ping timeout`.
    PingTimeout,
    /// The client sent what is no Engine.IO packet: `parse error`.
    ParseError,
    /// The connection was closed because of what came on it: `forced close`.
    ForcedClose,
    /// The client broke the protocol, was too slow, or a handler panicked: `forced server close`.
    ForcedServerClose,
    /// The server is shutting down: `server shutting down`.
    ServerShuttingDown,
}

impl DisconnectReason {
    /// Whether the client may [come back](crate::Recovery) and find its socket again.
    ///
    /// It may after everything that happens to a connection, but not after a deliberate end, nor after a packet that was
    /// none.
    pub fn is_recoverable(self) -> bool {
        !matches!(self, Self::ClientNamespaceDisconnect | Self::ServerNamespaceDisconnect | Self::ParseError)
    }

    /// A number for the reason, for logs and metrics: it will not change.
    pub fn code(self) -> u16 {
        match self {
            Self::ClientNamespaceDisconnect => 1,
            Self::ServerNamespaceDisconnect => 2,
            Self::TransportClose => 3,
            Self::TransportError => 4,
            Self::PingTimeout => 5,
            Self::ParseError => 6,
            Self::ForcedClose => 7,
            Self::ForcedServerClose => 8,
            Self::ServerShuttingDown => 9,
        }
    }

    /// Node's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
            Self::ForcedServerClose => "forced server close",
            Self::ServerShuttingDown => "server shutting down",
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The end of a socket: Node's reason, and our finer cause.
#[derive(Clone, Copy, Debug)]
pub struct Departure {
    pub(crate) reason: DisconnectReason,
    pub(crate) cause: CloseCause,
}

impl Departure {
    pub(crate) fn new(reason: DisconnectReason, cause: CloseCause) -> Self {
        Self { reason, cause }
    }

    /// The server has had enough of the socket in its namespace.
    pub(crate) fn by_server() -> Self {
        Self::new(DisconnectReason::ServerNamespaceDisconnect, CloseCause::Application)
    }
}

impl From<Closed> for Departure {
    fn from(closed: Closed) -> Self {
        Self::new(closed.into(), closed.cause)
    }
}

/// What the end of a connection means to the sockets on it.
impl From<Closed> for DisconnectReason {
    fn from(closed: Closed) -> Self {
        match (closed.cause, closed.reason) {
            (CloseCause::Shutdown, _) => Self::ServerShuttingDown,
            (
                CloseCause::SlowConsumer
                | CloseCause::Stalled
                | CloseCause::Flood
                | CloseCause::Panic
                | CloseCause::Expired,
                _,
            ) => Self::ForcedServerClose,
            (_, CloseReason::TransportClose) => Self::TransportClose,
            (_, CloseReason::TransportError) => Self::TransportError,
            (_, CloseReason::PingTimeout) => Self::PingTimeout,
            (_, CloseReason::ParseError) => Self::ParseError,
            (_, CloseReason::ForcedClose) => Self::ForcedClose,
        }
    }
}

#[cfg(test)]
mod tests {
    use DisconnectReason as Reason;

    use super::*;

    #[test]
    fn texts_and_recoverability_are_node_s_and_codes_are_ours() {
        for (reason, text, code, recoverable) in [
            (Reason::ClientNamespaceDisconnect, "client namespace disconnect", 1, false),
            (Reason::ServerNamespaceDisconnect, "server namespace disconnect", 2, false),
            (Reason::TransportClose, "transport close", 3, true),
            (Reason::TransportError, "transport error", 4, true),
            (Reason::PingTimeout, "ping timeout", 5, true),
            (Reason::ParseError, "parse error", 6, false),
            (Reason::ForcedClose, "forced close", 7, true),
            (Reason::ForcedServerClose, "forced server close", 8, true),
            (Reason::ServerShuttingDown, "server shutting down", 9, true),
        ] {
            assert_eq!((reason.as_str(), reason.code(), reason.is_recoverable()), (text, code, recoverable));
        }
    }

    #[test]
    fn what_the_engine_closes_for_its_own_reasons_is_told_in_node_s_words() {
        for (closed, reason) in [
            (Closed::forced(CloseCause::Shutdown), Reason::ServerShuttingDown),
            (Closed::forced(CloseCause::SlowConsumer), Reason::ForcedServerClose),
            (Closed::forced(CloseCause::Panic), Reason::ForcedServerClose),
            (Closed::forced(CloseCause::Expired), Reason::ForcedServerClose),
            (Closed::forced(CloseCause::Application), Reason::ForcedClose),
            (Closed::replaced(), Reason::TransportClose),
        ] {
            assert_eq!(Reason::from(closed), reason);
        }
    }
}
