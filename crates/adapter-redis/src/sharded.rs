//! The cluster over sharded Redis pub/sub, in the format of `createShardedAdapter` of `@socket.io/redis-adapter`.

use std::sync::Arc;

use redis::{IntoConnectionInfo, cmd};
use sockeye_adapter::cluster::{Broker, BrokerError, Destination, Envelope, NodeId, Outgoing};
use sockeye_adapter::{Room, RoomKind};

use crate::commands::Commands;
use crate::connection::{Command, Place};
use crate::endpoint::Endpoint;
use crate::pub_sub::{Came, Format, PubSub};
use crate::topics::Topic;
use crate::wire::sharded::{Channels, SubscriptionMode, decode, encode};
use crate::wire::{DecodeError, EncodeError, long_id};

/// Makes a server one node of a cluster over the sharded pub/sub of Redis 7, beside Node's servers with
/// `createShardedAdapter` of `@socket.io/redis-adapter`.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye_redis::ShardedRedisAdapter;
/// use sockeye_redis::wire::sharded::SubscriptionMode;
///
/// let adapter = ShardedRedisAdapter::connect("redis://localhost").await?;
/// let quiet = ShardedRedisAdapter::builder().subscription_mode(SubscriptionMode::Static);
/// let adapter = quiet.connect("redis://localhost").await?;
/// # Ok(())
/// # }
/// ```
///
/// Unless the mode is static, a node hears what is for one room only while somebody here is in it. It subscribes when the
/// first socket joins, and no call waits for that: what other nodes send to the room in that instant is not heard.
///
/// What is published while Redis is away is lost to other nodes, and counted; local delivery goes on. The subscription
/// heals by itself.
#[derive(Clone, Debug)]
pub struct ShardedRedisAdapter(Arc<PubSub<ShardedRedisAdapterBuilder>>);

/// The settings of a [`ShardedRedisAdapter`].
#[derive(Clone, Debug)]
#[must_use = "nothing is connected before `connect`"]
pub struct ShardedRedisAdapterBuilder {
    prefix: String,
    mode: SubscriptionMode,
}

impl ShardedRedisAdapter {
    /// Connects to Redis with the default settings, those of Node's adapter.
    ///
    /// # Errors
    /// [`BrokerError`] if Redis can't be reached or refuses, or is older than 7, and what to do about it.
    pub async fn connect(address: impl IntoConnectionInfo) -> Result<Self, BrokerError> {
        Self::builder().connect(address).await
    }

    /// Connects to a Redis Cluster, of which some nodes are named, with the default settings.
    ///
    /// Its shards do not wait for each other: in the dynamic modes an event to a room may overtake one to everybody, and a node
    /// may be counted a moment before it hears all. [`RedisAdapter`](crate::RedisAdapter) keeps the order there.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_cluster<A: IntoConnectionInfo>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Self, BrokerError> {
        Self::builder().connect_cluster(addresses).await
    }

    /// Other settings.
    pub fn builder() -> ShardedRedisAdapterBuilder {
        ShardedRedisAdapterBuilder { prefix: "socket.io".to_owned(), mode: SubscriptionMode::default() }
    }
}

impl ShardedRedisAdapterBuilder {
    /// What the names of all channels begin with; the same on all nodes. Default: `socket.io`.
    pub fn channel_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Which rooms have channels of their own; the same on all nodes. Default: all but those of socket ids.
    ///
    /// With channels of their own, nodes need not read what is for rooms that nobody there is in, and Redis keeps a
    /// subscription for each room.
    pub fn subscription_mode(mut self, mode: SubscriptionMode) -> Self {
        self.mode = mode;
        self
    }

    /// Connects to Redis.
    ///
    /// # Errors
    /// As [`ShardedRedisAdapter::connect`].
    pub async fn connect(self, address: impl IntoConnectionInfo) -> Result<ShardedRedisAdapter, BrokerError> {
        self.open(Endpoint::single(address)?).await
    }

    /// Connects to a Redis Cluster, of which some nodes are named; they know the others.
    ///
    /// # Errors
    /// As [`ShardedRedisAdapter::connect`].
    pub async fn connect_cluster<A: IntoConnectionInfo>(
        self,
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<ShardedRedisAdapter, BrokerError> {
        self.open(Endpoint::cluster(addresses)?).await
    }

    async fn open(self, endpoint: Endpoint) -> Result<ShardedRedisAdapter, BrokerError> {
        let commands = Commands::connect(endpoint.clone()).await?;
        check(&commands).await?;
        let id = NodeId::from(long_id(rand::random()).to_string());
        Ok(ShardedRedisAdapter(Arc::new(PubSub::new(id, self, endpoint, commands))))
    }
}

/// Whether Redis knows sharded pub/sub at all.
async fn check(commands: &Commands) -> Result<(), BrokerError> {
    let mut command = cmd("PUBSUB");
    command.arg(ShardedRedisAdapterBuilder::COUNT);
    match commands.run(vec![Command { place: Place::Home, command }]).await?.into_iter().next() {
        Some(Err(BrokerError::Refused { reason })) if reason.to_lowercase().contains("unknown subcommand") => {
            let remedy = "sharded pub/sub needs Redis 7 or newer; with this one use `RedisAdapter` on all nodes";
            Err(BrokerError::Refused { reason: format!("{reason}: {remedy}") })
        }
        Some(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

impl From<ShardedRedisAdapter> for Arc<dyn Broker> {
    fn from(adapter: ShardedRedisAdapter) -> Self {
        adapter.0
    }
}

impl Format for ShardedRedisAdapterBuilder {
    type Channels = Channels;

    const PUBLISH: &'static str = "SPUBLISH";
    const COUNT: &'static str = "SHARDNUMSUB";

    fn channels(&self, namespace: &str) -> Channels {
        Channels::new(&self.prefix, namespace, self.mode)
    }

    fn publisher(&self, channel: &str) -> Place {
        Place::Of(channel.to_owned())
    }

    fn topics(&self, channels: &Channels, node: &NodeId) -> Vec<Topic> {
        vec![Topic::Sharded(channels.answers_for(node))]
    }

    fn counted(&self, channels: &Channels) -> Topic {
        Topic::Sharded(channels.all().to_owned())
    }

    fn has_rooms(&self) -> bool {
        self.mode != SubscriptionMode::Static
    }

    fn of_room(&self, channels: &Channels, room: &Room, kind: RoomKind) -> Option<Topic> {
        let channel = match kind {
            RoomKind::SocketId => channels.of_socket(&room.as_str().into()),
            RoomKind::Joined | RoomKind::User => channels.of_room(room),
        };
        channel.map(Topic::Sharded)
    }

    fn encode(
        &self,
        channels: &Channels,
        Outgoing { envelope, to }: &Outgoing,
    ) -> Result<(String, Vec<u8>), EncodeError> {
        let channel = match to {
            Destination::Asker(asker) => channels.answers_for(asker),
            Destination::All => channels.destination(&envelope.message),
        };
        Ok((channel, encode(envelope)?))
    }

    fn decode(&self, came: &Came<'_>, namespace: &str, channels: &Channels) -> Option<Result<Envelope, DecodeError>> {
        if !came.channel.starts_with(channels.all()) {
            return None;
        }
        Some(decode(came.bytes).and_then(|envelope| {
            if envelope.namespace == namespace {
                return Ok(envelope);
            }
            Err(DecodeError::OtherNamespace { expected: namespace.into(), found: envelope.namespace })
        }))
    }
}
