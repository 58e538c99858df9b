use std::{fmt, str::FromStr};

/// How the packets of a session travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long-polling: a GET waits for packets, a POST brings some.
    Polling,
    /// One WebSocket, one packet per message.
    WebSocket,
}

impl Transport {
    /// The name in queries and open packets.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        match name {
            "polling" => Ok(Self::Polling),
            "websocket" => Ok(Self::WebSocket),
            _ => Err(UnknownTransport),
        }
    }
}

/// A transport's name is neither `polling` nor `websocket`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown transport: expected `polling` or `websocket`")]
pub struct UnknownTransport;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_written() {
        for transport in [Transport::Polling, Transport::WebSocket] {
            assert_eq!(transport.name().parse(), Ok(transport));
        }
        for name in ["", "Polling", "webtransport", "constructor", "__proto__"] {
            assert_eq!(name.parse::<Transport>(), Err(UnknownTransport), "{name:?}");
        }
    }
}
