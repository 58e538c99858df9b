//! The cluster over Redis pub/sub, in the format of `@socket.io/redis-adapter`.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use redis::aio::MultiplexedConnection;
use redis::{IntoConnectionInfo, RedisResult, Value, pipe};
use smol_str::SmolStr;
use sockeye_adapter::cluster::{BoxFuture, Broker, BrokerError, Destination, Inbox, NodeId, Outgoing};
use tokio::task::JoinSet;

use crate::connection::{Endpoint, explain};
use crate::subscriber::{Subscriber, Topic};
use crate::wire::classic::{Channel, Channels, decode, encode};
use crate::wire::{DecodeError, short_id};

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
pub struct RedisAdapter(Arc<PubSub>);

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
        let endpoint = Endpoint::new(address).map_err(|error| explain(&error))?;
        let commands = Some(endpoint.connect().await.map_err(|error| explain(&error))?);
        Ok(RedisAdapter(Arc::new(PubSub {
            id: NodeId::from(short_id(rand::random()).to_string()),
            settings: self,
            subscriber: Arc::new(Subscriber::new(endpoint.clone())),
            endpoint,
            commands: Mutex::new(commands),
            namespaces: Arc::default(),
            tasks: Mutex::default(),
        })))
    }
}

impl From<RedisAdapter> for Arc<dyn Broker> {
    fn from(adapter: RedisAdapter) -> Self {
        adapter.0
    }
}

struct PubSub {
    id: NodeId,
    settings: RedisAdapterBuilder,
    endpoint: Endpoint,
    /// `None` when it was lost, until it is needed.
    commands: Mutex<Option<MultiplexedConnection>>,
    subscriber: Arc<Subscriber>,
    namespaces: Arc<RwLock<Namespaces>>,
    tasks: Mutex<JoinSet<()>>,
}

type Namespaces = Vec<(SmolStr, Channels)>;

impl PubSub {
    fn channels(&self, namespace: &str) -> Channels {
        Channels::new(&self.settings.key, namespace)
    }

    fn topics(&self, channels: &Channels) -> [Topic; 4] {
        [
            Topic::Pattern(channels.pattern()),
            Topic::Channel(channels.requests().to_owned()),
            Topic::Channel(channels.answers().to_owned()),
            Topic::Channel(channels.answers_for(&self.id)),
        ]
    }

    fn encode(&self, Outgoing { envelope, to }: &Outgoing) -> Result<(String, Vec<u8>), BrokerError> {
        let bytes = encode(envelope).map_err(|error| BrokerError::Encode { reason: error.to_string() })?;
        let asker = match to {
            Destination::Asker(asker) if self.settings.specific_answers && asker.is_known() => Some(asker),
            Destination::Asker(_) | Destination::All => None,
        };
        Ok((self.channels(&envelope.namespace).destination(&envelope.message, asker), bytes))
    }

    /// Runs commands. They are not repeated if the connection is lost on the way: nobody knows how many of them Redis has seen.
    async fn run(&self, pipeline: &redis::Pipeline) -> RedisResult<Vec<Value>> {
        let known = self.commands.lock().clone();
        let mut commands = if let Some(commands) = known {
            commands
        } else {
            let fresh = self.endpoint.connect().await?;
            self.commands.lock().insert(fresh).clone()
        };
        let result = pipeline.query_async(&mut commands).await;
        if let Err(error) = &result
            && (error.is_unrecoverable_error() || error.is_connection_dropped())
        {
            *self.commands.lock() = None;
        }
        result
    }
}

/// Gives what came on a channel to the inbox.
fn receive(namespaces: &RwLock<Namespaces>, inbox: &Inbox, channel: &str, bytes: &[u8]) {
    // Not held while the inbox is asked: whoever makes a namespace holds a lock of the server's, and then wants this one.
    let Some((namespace, channel)) = recognize(&namespaces.read(), channel) else { return };
    if let Channel::Broadcasts { room: Some(room) } = channel
        && !inbox.wants(&namespace, room)
    {
        return;
    }
    match decode(channel, &namespace, bytes) {
        Ok(envelope) => inbox.receive(envelope),
        Err(DecodeError::OtherNamespace { .. }) => {}
        Err(error) => inbox.ignored(&error),
    }
}

fn recognize<'a>(namespaces: &Namespaces, channel: &'a str) -> Option<(SmolStr, Channel<'a>)> {
    namespaces.iter().find_map(|(name, channels)| Some((name.clone(), channels.recognize(channel)?)))
}

impl Broker for PubSub {
    fn node(&self) -> &NodeId {
        &self.id
    }

    fn start(&self, inbox: Inbox) -> BoxFuture<'_, Result<(), BrokerError>> {
        let (subscriber, namespaces) = (self.subscriber.clone(), self.namespaces.clone());
        let take = Box::new(move |channel: &str, bytes: &[u8]| receive(&namespaces, &inbox, channel, bytes));
        self.tasks.lock().spawn(async move { subscriber.run(take).await });
        Box::pin(async {
            self.subscriber.settle().await;
            Ok(())
        })
    }

    fn enter(&self, namespace: &str) {
        let channels = self.channels(namespace);
        self.subscriber.want(self.topics(&channels));
        self.namespaces.write().push((namespace.into(), channels));
    }

    fn leave(&self, namespace: &str) {
        self.subscriber.drop_topics(self.topics(&self.channels(namespace)));
        self.namespaces.write().retain(|(name, _)| name != namespace);
    }

    fn publish<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(async move {
            let mut pipeline = pipe();
            let encoded: Vec<Result<(), BrokerError>> = messages
                .iter()
                .map(|message| {
                    let (channel, bytes) = self.encode(message)?;
                    pipeline.cmd("PUBLISH").arg(channel).arg(bytes);
                    Ok(())
                })
                .collect();
            if pipeline.is_empty() {
                return encoded;
            }
            match self.run(&pipeline).await {
                Ok(_) => encoded,
                Err(error) => encoded.into_iter().map(|encoded| encoded.and(Err(explain(&error)))).collect(),
            }
        })
    }

    fn count_nodes<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<usize, BrokerError>> {
        Box::pin(async move {
            let mut command = pipe();
            command.cmd("PUBSUB").arg("NUMSUB").arg(self.channels(namespace).requests());
            let counted = self.run(&command).await.map_err(|error| explain(&error))?;
            let counted: Vec<(String, usize)> = counted
                .into_iter()
                .next()
                .map_or(Ok(Vec::new()), redis::from_redis_value)
                .map_err(|error| BrokerError::Refused { reason: format!("PUBSUB NUMSUB: {error}") })?;
            Ok(counted.first().map_or(0, |(_, count)| *count))
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.tasks.lock().abort_all() })
    }
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub")
            .field("id", &self.id)
            .field("settings", &self.settings)
            .field("is_connected", &self.subscriber.is_connected())
            .finish_non_exhaustive()
    }
}
