//! Connections to Redis, and what becomes of its errors.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, ProtocolVersion, RedisError, RedisResult};
use sockeye_adapter::cluster::BrokerError;

/// How long Redis may take for an answer, and for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where Redis is.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Client);

impl Endpoint {
    /// An address such as `redis://user:password@host:6379/0`, `rediss://…` for TLS, or `redis+unix:///path`.
    pub(crate) fn new(address: impl IntoConnectionInfo) -> RedisResult<Self> {
        let info = address.into_connection_info()?;
        // The newer protocol tells messages from answers, so that one connection may subscribe and ask.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Client::open(info.set_redis_settings(settings)).map(Self)
    }

    /// A connection for commands.
    pub(crate) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        self.0.get_multiplexed_async_connection_with_config(&config()).await
    }

    /// A connection whose messages go to `receive`, which must not wait: nothing is read meanwhile.
    pub(crate) async fn subscribe(
        &self,
        receive: impl Fn(redis::PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<MultiplexedConnection> {
        let receive = move |push| {
            receive(push);
            Ok::<_, redis::aio::SendError>(())
        };
        self.0.get_multiplexed_async_connection_with_config(&config().set_push_sender(receive)).await
    }
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE))
}

/// What an error of Redis is to a cluster.
pub(crate) fn explain(error: &RedisError) -> BrokerError {
    let reason = error.to_string();
    let is_away =
        error.is_io_error() || error.is_timeout() || error.is_connection_refusal() || error.is_connection_dropped();
    if is_away {
        return BrokerError::Away { reason };
    }
    let remedy = match error.code() {
        Some("NOAUTH") => ": give user and password in the address, as `redis://user:password@host`",
        Some("WRONGPASS") => ": user or password in the address are wrong",
        Some("NOPERM") => ": its user needs the commands for pub/sub and the channels `socket.io*`",
        _ if reason.contains("HELLO") => ": expected Redis 6 or newer",
        _ => "",
    };
    BrokerError::Refused { reason: reason + remedy }
}
