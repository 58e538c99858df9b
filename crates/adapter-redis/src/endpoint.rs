//! Where Redis is, and what its errors mean.

use std::io;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterConfig};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo, RedisError, RedisResult,
};
use sockeye_adapter::cluster::BrokerError;
use tokio::time::timeout;

use crate::connection::Connection;

/// How long Redis may take for an answer, and for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a command is tried again by the client of a cluster, which has moved or is moving.
const CLUSTER_RETRIES: u32 = 2;

/// Where Redis is.
#[derive(Clone)]
pub(crate) struct Endpoint {
    server: Server,
    addresses: String,
    /// A slot whose master gets everything that must keep its order.
    home: u16,
}

#[derive(Clone)]
enum Server {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl Endpoint {
    /// An address such as `redis://user:password@host:6379/0`, `rediss://…` for TLS, or `redis+unix:///path`.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] if it is none.
    pub(crate) fn single(address: impl IntoConnectionInfo) -> Result<Self, BrokerError> {
        let open = || {
            let info = address.into_connection_info()?;
            // The newer protocol tells messages from answers, so that one connection may subscribe and ask.
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            let client = Client::open(info.set_redis_settings(settings))?;
            let addresses = client.get_connection_info().addr().to_string();
            Ok(Self { server: Server::Single(Box::new(client)), addresses, home: 0 })
        };
        open().map_err(|error| no_address(&error))
    }

    /// Some nodes of a Redis Cluster, which know the others.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] if they are none.
    pub(crate) fn cluster<A: IntoConnectionInfo>(addresses: impl IntoIterator<Item = A>) -> Result<Self, BrokerError> {
        let open = || {
            let infos: Vec<_> = addresses.into_iter().map(A::into_connection_info).collect::<RedisResult<_>>()?;
            let addresses: Vec<_> = infos.iter().map(|info| info.addr().to_string()).collect();
            let client =
                ClusterClient::builder(infos).use_protocol(ProtocolVersion::RESP3).retries(CLUSTER_RETRIES).build()?;
            let home = rand::random_range(0..SLOTS);
            Ok(Self { server: Server::Cluster(Box::new(client)), addresses: addresses.join(", "), home })
        };
        open().map_err(|error| no_address(&error))
    }

    /// The addresses, without passwords.
    pub(crate) fn addresses(&self) -> &str {
        &self.addresses
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.server, Server::Cluster(_))
    }

    /// A connection whose pushes go to `receive`, which must not wait: nothing is read meanwhile.
    pub(crate) async fn connect(&self, receive: impl Fn(PushInfo) + Send + Sync + 'static) -> RedisResult<Connection> {
        let receive = move |push| {
            receive(push);
            Ok::<_, redis::aio::SendError>(())
        };
        match &self.server {
            Server::Single(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE))
                    .set_push_sender(receive);
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Single)
            }
            Server::Cluster(client) => {
                let config = ClusterConfig::new()
                    .set_connection_timeout(PATIENCE)
                    .set_response_timeout(PATIENCE)
                    .set_push_sender(receive);
                let connecting = client.get_async_connection_with_config(config);
                let connection = timeout(2 * PATIENCE, connecting).await.map_err(io::Error::from)??;
                Ok(Connection::Cluster { connection, home: self.home })
            }
        }
    }

    /// What an error of this Redis is to a cluster.
    pub(crate) fn explain(&self, error: &RedisError) -> BrokerError {
        let reason = format!("{}: {error}", self.addresses);
        if is_away(error) {
            return BrokerError::Away { reason: reason + ": is Redis running there?" };
        }
        let remedy = match (error.code(), error.kind()) {
            (Some("NOAUTH"), _) => ": give user and password in the address, as `redis://user:password@host`",
            (Some("WRONGPASS"), _) | (_, ErrorKind::AuthenticationFailed) => {
                ": user or password in the address are wrong"
            }
            (Some("NOPERM"), _) => ": its user needs the commands for pub/sub and the channels `socket.io*`",
            (_, ErrorKind::RESP3NotSupported) => ": expected Redis 6 or newer",
            (_, ErrorKind::Parse) => ": is this Redis?",
            _ if error.to_string().contains("cluster support disabled") => ": it is no Redis Cluster: use `connect`",
            _ => "",
        };
        BrokerError::Refused { reason: reason + remedy }
    }
}

/// How many slots a Redis Cluster has.
const SLOTS: u16 = 16_384;

/// Whether it may be another time.
fn is_away(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_refusal()
        || error.is_connection_dropped()
        || error.is_cluster_error()
        || error.kind() == ErrorKind::ClusterConnectionNotFound
}

fn no_address(error: &RedisError) -> BrokerError {
    BrokerError::Refused { reason: format!("{error}: expected an address such as `redis://user:password@host:6379`") }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Endpoint").field(&self.addresses).finish()
    }
}
