use std::time::Duration;

use serde::Deserialize;
use smol_str::SmolStr;

use super::{SessionId, Transport};

/// What the server tells of a new session in its open packet ([Engine.IO v4, "Handshake"]).
///
/// ```
/// use std::time::Duration;
/// use sockeye_protocol::engine::{Open, SessionId, Transport};
///
/// let open = Open {
///     sid: SessionId::from_random([0; 15]),
///     upgrades: &[Transport::WebSocket],
///     ping_interval: Duration::from_secs(25),
///     ping_timeout: Duration::from_secs(20),
///     max_payload: 1_000_000,
/// };
/// assert_eq!(
///     open.to_json(),
///     r#"{"sid":"AAAAAAAAAAAAAAAAAAAA","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
/// );
/// ```
///
/// [Engine.IO v4, "Handshake"]: https://socket.io/docs/v4/engine-io-protocol/#handshake
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// Id of the session.
    pub sid: SessionId,
    /// Transports the client may move to.
    pub upgrades: &'a [Transport],
    /// Time between two pings.
    pub ping_interval: Duration,
    /// How long to wait for the answer to a ping.
    pub ping_timeout: Duration,
    /// Most bytes of one message or polling body.
    pub max_payload: usize,
}

impl Open<'_> {
    /// The JSON in Node's order of keys, times in milliseconds.
    pub fn to_json(&self) -> String {
        let upgrades = match self.upgrades {
            [] => String::new(),
            upgrades => {
                format!("\"{}\"", upgrades.iter().map(|upgrade| upgrade.name()).collect::<Vec<_>>().join("\",\""))
            }
        };
        format!(
            r#"{{"sid":"{}","upgrades":[{upgrades}],"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
            self.sid,
            self.ping_interval.as_millis(),
            self.ping_timeout.as_millis(),
            self.max_payload,
        )
    }
}

/// What a client learns from an open packet, from any server.
///
/// ```
/// use sockeye_protocol::engine::Opened;
///
/// let opened = Opened::parse(r#"{"sid":"any id","upgrades":[],"pingInterval":300,"pingTimeout":200}"#)?;
/// assert_eq!(opened.sid, "any id");
/// assert_eq!(opened.max_payload, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Id of the session. Servers may make ids of another shape than ours, so this is not a [`SessionId`].
    pub sid: SmolStr,
    /// Transports to move to, as far as they are known here.
    pub upgrades: Vec<Transport>,
    /// Time between two pings.
    pub ping_interval: Duration,
    /// How long to wait for the answer to a ping.
    pub ping_timeout: Duration,
    /// Most bytes of one polling body. Old servers don't tell.
    pub max_payload: Option<usize>,
}

impl Opened {
    /// Reads the JSON of an open packet. Unknown keys and transports are passed over.
    ///
    /// # Errors
    /// If it is not JSON, or if a field is missing or of another type.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let wire: Wire = serde_json::from_str(json)?;
        Ok(Self {
            sid: wire.sid,
            upgrades: wire.upgrades.iter().filter_map(|name| name.parse().ok()).collect(),
            ping_interval: Duration::from_millis(wire.ping_interval),
            ping_timeout: Duration::from_millis(wire.ping_timeout),
            max_payload: wire.max_payload,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    sid: SmolStr,
    upgrades: Vec<SmolStr>,
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads_what_a_server_writes() {
        for upgrades in [&[][..], &[Transport::WebSocket], &[Transport::Polling, Transport::WebSocket]] {
            let open = Open {
                sid: SessionId::from_random([7; 15]),
                upgrades,
                ping_interval: Duration::from_millis(300),
                ping_timeout: Duration::from_millis(200),
                max_payload: 1_000_000,
            };
            let opened = Opened::parse(&open.to_json()).unwrap();
            assert_eq!(opened.sid, open.sid.as_str());
            assert_eq!(opened.upgrades, upgrades);
            assert_eq!((opened.ping_interval, opened.ping_timeout), (open.ping_interval, open.ping_timeout));
            assert_eq!(opened.max_payload, Some(1_000_000));
        }
    }

    #[test]
    fn an_unknown_transport_is_passed_over() {
        let json = r#"{"sid":"x","upgrades":["webtransport","websocket"],"pingInterval":1,"pingTimeout":1,"more":0}"#;
        assert_eq!(Opened::parse(json).unwrap().upgrades, [Transport::WebSocket]);
    }
}
