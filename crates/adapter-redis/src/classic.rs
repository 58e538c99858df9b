//! The cluster over Redis pub/sub, in the format of `@socket.io/redis-adapter`.

use std::sync::Arc;

use redis::IntoConnectionInfo;
use sockeye_adapter::cluster::{Broker, BrokerError, Destination, Envelope, NodeId, Outgoing};

use crate::commands::Commands;
use crate::connection::Place;
use crate::endpoint::Endpoint;
use crate::pub_sub::{Came, Format, PubSub};
use crate::topics::Topic;
use crate::wire::classic::{Channel, Channels, decode, encode};
use crate::wire::{DecodeError, EncodeError, short_id};

/// Makes a server one node of a cluster over Redis pub/sub, beside Node's servers with `@socket.io/redis-adapter`.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye_redis::RedisAdapter;
///
/// let adapter = RedisAdapter::connect("redis://localhost").await?;
/// # Ok(())
/// # }
/// ```
///
/// What is published while Redis is away is lost to other nodes, and counted; local delivery goes on. The subscription
/// heals by itself.
#[derive(Clone, Debug)]
pub struct RedisAdapter(Arc<PubSub<RedisAdapterBuilder>>);

/// The settings of a [`RedisAdapter`].
#[derive(Clone, Debug)]
#[must_use = "nothing is connected before `connect`"]
pub struct RedisAdapterBuilder {
    key: String,
    specific_answers: bool,
}

impl RedisAdapter {
    /// Connects to Redis with the default settings, those of Node's adapter.
    ///
    /// # Errors
    /// [`BrokerError`] if Redis can't be reached or refuses, and what to do about it.
    pub async fn connect(address: impl IntoConnectionInfo) -> Result<Self, BrokerError> {
        Self::builder().connect(address).await
    }

    /// Connects to a Redis Cluster, of which some nodes are named, with the default settings.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_cluster<A: IntoConnectionInfo>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Self, BrokerError> {
        Self::builder().connect_cluster(addresses).await
    }

    /// Other settings.
    pub fn builder() -> RedisAdapterBuilder {
        RedisAdapterBuilder { key: "socket.io".to_owned(), specific_answers: false }
    }
}

impl RedisAdapterBuilder {
    /// What the names of all channels begin with; the same on all nodes. Default: `socket.io`.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Answers go to a channel of the node that has asked, instead of to all: Node's `publishOnSpecificResponseChannel`, the
    /// same on all nodes. Default: no.
    pub fn publish_on_specific_response_channel(mut self, specific: bool) -> Self {
        self.specific_answers = specific;
        self
    }

    /// Connects to Redis.
    ///
    /// # Errors
    /// As [`RedisAdapter::connect`].
    pub async fn connect(self, address: impl IntoConnectionInfo) -> Result<RedisAdapter, BrokerError> {
        self.open(Endpoint::single(address)?).await
    }

    /// Connects to a Redis Cluster, of which some nodes are named; they know the others.
    ///
    /// # Errors
    /// As [`RedisAdapter::connect`].
    pub async fn connect_cluster<A: IntoConnectionInfo>(
        self,
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<RedisAdapter, BrokerError> {
        self.open(Endpoint::cluster(addresses)?).await
    }

    async fn open(self, endpoint: Endpoint) -> Result<RedisAdapter, BrokerError> {
        let commands = Commands::connect(endpoint.clone()).await?;
        let id = NodeId::from(short_id(rand::random()).to_string());
        Ok(RedisAdapter(Arc::new(PubSub::new(id, self, endpoint, commands))))
    }
}

impl From<RedisAdapter> for Arc<dyn Broker> {
    fn from(adapter: RedisAdapter) -> Self {
        adapter.0
    }
}

impl Format for RedisAdapterBuilder {
    type Channels = Channels;

    const PUBLISH: &'static str = "PUBLISH";
    const COUNT: &'static str = "NUMSUB";

    fn channels(&self, namespace: &str) -> Channels {
        Channels::new(&self.key, namespace)
    }

    fn publisher(&self, _: &str) -> Place {
        Place::Home
    }

    fn topics(&self, channels: &Channels, node: &NodeId) -> Vec<Topic> {
        vec![
            Topic::Pattern(channels.pattern()),
            Topic::Channel(channels.answers().to_owned()),
            Topic::Channel(channels.answers_for(node)),
        ]
    }

    fn counted(&self, channels: &Channels) -> Topic {
        Topic::Channel(channels.requests().to_owned())
    }

    fn encode(
        &self,
        channels: &Channels,
        Outgoing { envelope, to }: &Outgoing,
    ) -> Result<(String, Vec<u8>), EncodeError> {
        let asker = match to {
            Destination::Asker(asker) if self.specific_answers && asker.is_known() => Some(asker),
            Destination::Asker(_) | Destination::All => None,
        };
        Ok((channels.destination(&envelope.message, asker), encode(envelope)?))
    }

    fn decode(&self, came: &Came<'_>, namespace: &str, channels: &Channels) -> Option<Result<Envelope, DecodeError>> {
        let channel = channels.recognize(came.channel)?;
        if let Channel::Broadcasts { room: Some(room) } = channel
            && !came.inbox.wants(namespace, room)
        {
            return None;
        }
        Some(decode(channel, namespace, came.bytes))
    }
}
