//! Connections to Redis, and what becomes of its errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo, PushKind,
    RedisError, RedisResult, Value,
};
use sockeye_adapter::cluster::BrokerError;

/// How long Redis may take for an answer, and for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where Redis is.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Client);

impl Endpoint {
    /// An address such as `redis://user:password@host:6379/0`, `rediss://…` for TLS, or `redis+unix:///path`.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] if it is none.
    pub(crate) fn new(address: impl IntoConnectionInfo) -> Result<Self, BrokerError> {
        let open = || {
            let info = address.into_connection_info()?;
            // The newer protocol tells messages from answers, so that one connection may subscribe and ask.
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            Client::open(info.set_redis_settings(settings)).map(Self)
        };
        open().map_err(|error: RedisError| BrokerError::Refused {
            reason: format!("{error}: expected an address such as `redis://user:password@host:6379`"),
        })
    }

    /// A connection whose pushes go to `receive`, which must not wait: nothing is read meanwhile.
    pub(crate) async fn connect(
        &self,
        receive: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<MultiplexedConnection> {
        let receive = move |push| {
            receive(push);
            Ok::<_, redis::aio::SendError>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_push_sender(receive);
        self.0.get_multiplexed_async_connection_with_config(&config).await
    }

    /// What an error of this Redis is to a cluster.
    pub(crate) fn explain(&self, error: &RedisError) -> BrokerError {
        let mut reason = format!("{}: {error}", self.0.get_connection_info().addr());
        let is_away =
            error.is_io_error() || error.is_timeout() || error.is_connection_refusal() || error.is_connection_dropped();
        if is_away {
            reason += ": is Redis running there?";
            return BrokerError::Away { reason };
        }
        reason += match (error.code(), error.kind()) {
            (Some("NOAUTH"), _) => ": give user and password in the address, as `redis://user:password@host`",
            (Some("WRONGPASS"), _) | (_, ErrorKind::AuthenticationFailed) => {
                ": user or password in the address are wrong"
            }
            (Some("NOPERM"), _) => ": its user needs the commands for pub/sub and the channels `socket.io*`",
            (_, ErrorKind::RESP3NotSupported) => ": expected Redis 6 or newer",
            (_, ErrorKind::Parse) => ": is this Redis?",
            _ => "",
        };
        BrokerError::Refused { reason }
    }
}

/// The connection for commands, made anew when it was lost.
#[derive(Debug)]
pub(crate) struct Commands {
    endpoint: Endpoint,
    open: Mutex<Option<Open>>,
}

#[derive(Clone, Debug)]
struct Open {
    connection: MultiplexedConnection,
    /// Set as soon as the other end has closed it, so that nothing is sent into the void.
    is_lost: Arc<AtomicBool>,
}

impl Commands {
    /// Connects.
    ///
    /// # Errors
    /// [`BrokerError`] if Redis can't be reached, or refuses.
    pub(crate) async fn connect(endpoint: Endpoint) -> Result<Self, BrokerError> {
        let commands = Self { endpoint, open: Mutex::default() };
        match commands.open().await {
            Ok(_) => Ok(commands),
            Err(error) => Err(commands.endpoint.explain(&error)),
        }
    }

    /// Runs commands, and gives the result of each. They are not repeated if the connection is lost on the way: nobody knows
    /// how many of them Redis has seen.
    pub(crate) async fn run(&self, pipeline: &mut Pipeline) -> Result<Vec<Result<Value, BrokerError>>, BrokerError> {
        let explain = |error| self.endpoint.explain(&error);
        let mut open = self.open().await.map_err(explain)?;
        match pipeline.ignore_errors().query_async::<Vec<RedisResult<Value>>>(&mut open.connection).await {
            Ok(results) => Ok(results.into_iter().map(|result| result.map_err(explain)).collect()),
            Err(error) => {
                *self.open.lock() = None;
                Err(explain(error))
            }
        }
    }

    async fn open(&self) -> RedisResult<Open> {
        let known = self.open.lock().clone().filter(|open| !open.is_lost.load(Ordering::Relaxed));
        if let Some(known) = known {
            return Ok(known);
        }
        let is_lost = Arc::new(AtomicBool::new(false));
        let lost = is_lost.clone();
        let watch = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                lost.store(true, Ordering::Relaxed);
            }
        };
        let open = Open { connection: self.endpoint.connect(watch).await?, is_lost };
        Ok(self.open.lock().insert(open).clone())
    }
}
