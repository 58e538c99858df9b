use std::fmt;

/// Why a session ended, in the words of Node's `close` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer closed the connection, or said so by a close packet.
    TransportClose,
    /// The connection failed, or the peer broke the rules of its transport.
    TransportError,
    /// No heartbeat came in time.
    PingTimeout,
    /// A packet could not be decoded.
    ParseError,
    /// This side closed the session.
    ForcedClose,
}

impl CloseReason {
    /// Node's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
