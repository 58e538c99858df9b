//! A node over pub/sub, whatever the format.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use redis::{FromRedisValue, Value, cmd};
use smol_str::SmolStr;
use sockeye_adapter::cluster::{BoxFuture, Broker, BrokerError, Envelope, Inbox, Interest, NodeId, Outgoing};
use sockeye_adapter::{Room, RoomKind};
use tokio::task::JoinSet;

use crate::commands::Commands;
use crate::connection::{Command, Place};
use crate::endpoint::Endpoint;
use crate::subscriber::Subscriber;
use crate::topics::Topic;
use crate::wire::{DecodeError, EncodeError};

/// What the formats over pub/sub differ in.
pub(crate) trait Format: fmt::Debug + Send + Sync + Sized + 'static {
    /// The channels of one namespace.
    type Channels: Clone + Send + Sync;

    /// The command that publishes.
    const PUBLISH: &'static str;

    /// What `PUBSUB` is asked for the number of subscribers.
    const COUNT: &'static str;

    /// Where in a Redis Cluster messages for a channel are published.
    fn publisher(&self, channel: &str) -> Place;

    /// The channels of a namespace.
    fn channels(&self, namespace: &str) -> Self::Channels;

    /// What a node subscribes to as long as it has the namespace, beside what [`counted`](Self::counted) says.
    fn topics(&self, channels: &Self::Channels, node: &NodeId) -> Vec<Topic>;

    /// What all nodes that have the namespace subscribe to, and nobody else.
    fn counted(&self, channels: &Self::Channels) -> Topic;

    /// Whether rooms have topics of their own.
    fn has_rooms(&self) -> bool {
        false
    }

    /// What a node subscribes to as long as it has somebody in this room.
    fn of_room(&self, _: &Self::Channels, _: &Room, _: RoomKind) -> Option<Topic> {
        None
    }

    /// Where a message goes, and its bytes.
    ///
    /// # Errors
    /// [`EncodeError`] if the format has no form for it.
    fn encode(&self, channels: &Self::Channels, message: &Outgoing) -> Result<(String, Vec<u8>), EncodeError>;

    /// Reads what came on a channel. `None` if it is none of this namespace's, or nobody here wants it.
    fn decode(
        &self,
        came: &Came<'_>,
        namespace: &str,
        channels: &Self::Channels,
    ) -> Option<Result<Envelope, DecodeError>>;
}

/// What came.
pub(crate) struct Came<'a> {
    pub(crate) channel: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) inbox: &'a Inbox,
}

/// One node.
pub(crate) struct PubSub<F: Format> {
    id: NodeId,
    shared: Arc<Shared<F>>,
    commands: Commands,
    subscriber: Arc<Subscriber>,
    tasks: Mutex<JoinSet<()>>,
}

/// What those who send and those who receive share.
struct Shared<F: Format> {
    format: F,
    /// Shared, to be read without the lock.
    namespaces: RwLock<Arc<Namespaces<F>>>,
}

/// The namespaces that this node has, and their channels.
type Namespaces<F> = Vec<(SmolStr, <F as Format>::Channels)>;

impl<F: Format> PubSub<F> {
    pub(crate) fn new(id: NodeId, format: F, endpoint: Endpoint, commands: Commands) -> Self {
        Self {
            id,
            shared: Arc::new(Shared { format, namespaces: RwLock::default() }),
            commands,
            subscriber: Arc::new(Subscriber::new(endpoint)),
            tasks: Mutex::default(),
        }
    }

    /// What is subscribed to for a namespace. A node is counted once it hears all.
    fn topics(&self, channels: &F::Channels) -> Vec<Topic> {
        let format = &self.shared.format;
        let mut topics = format.topics(channels, &self.id);
        topics.push(format.counted(channels));
        topics
    }

    fn encode(&self, message: &Outgoing) -> Result<(String, Vec<u8>), BrokerError> {
        let channels = self.shared.format.channels(&message.envelope.namespace);
        let encoded = self.shared.format.encode(&channels, message);
        encoded.map_err(|error| BrokerError::Encode { reason: error.to_string() })
    }

    fn topic_of_room(&self, namespace: &str, room: &Room, kind: RoomKind) -> Option<Topic> {
        let format = &self.shared.format;
        format.of_room(&format.channels(namespace), room, kind)
    }
}

impl<F: Format> Shared<F> {
    /// Gives what came on a channel to the inbox.
    fn receive(&self, came: &Came<'_>) {
        // Not locked while the inbox is asked: whoever makes a namespace holds a lock of the server's, and then wants this one.
        let namespaces = self.namespaces.read().clone();
        let mut read = namespaces.iter().filter_map(|(name, channels)| self.format.decode(came, name, channels));
        // The name of a namespace may look as that of another one's room.
        let decoded = read.find(|decoded| !matches!(decoded, Err(DecodeError::OtherNamespace { .. })));
        match decoded {
            Some(Ok(envelope)) => came.inbox.receive(envelope),
            Some(Err(error)) => came.inbox.ignored(&error),
            None => {}
        }
    }
}

impl<F: Format> Broker for PubSub<F> {
    fn node(&self) -> &NodeId {
        &self.id
    }

    fn start(&self, inbox: Inbox) -> BoxFuture<'_, Result<(), BrokerError>> {
        let (subscriber, shared) = (self.subscriber.clone(), self.shared.clone());
        let receive = Box::new(move |channel: &str, bytes: &[u8]| {
            shared.receive(&Came { channel, bytes, inbox: &inbox });
        });
        self.tasks.lock().spawn(async move { subscriber.run(receive).await });
        Box::pin(async {
            let begun = self.subscriber.begun().await;
            if begun.is_err() {
                self.tasks.lock().abort_all();
            }
            begun
        })
    }

    fn enter(&self, namespace: &str) {
        let channels = self.shared.format.channels(namespace);
        let topics = self.topics(&channels);
        Arc::make_mut(&mut self.shared.namespaces.write()).push((namespace.into(), channels));
        self.subscriber.want(topics);
    }

    fn leave(&self, namespace: &str) {
        self.subscriber.unwant(self.topics(&self.shared.format.channels(namespace)));
        Arc::make_mut(&mut self.shared.namespaces.write()).retain(|(name, _)| name != namespace);
    }

    fn publish<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(async move {
            let mut commands = Vec::with_capacity(messages.len());
            let encoded: Vec<Result<(), BrokerError>> = messages
                .iter()
                .map(|message| {
                    let (channel, bytes) = self.encode(message)?;
                    let (place, mut command) = (self.shared.format.publisher(&channel), cmd(F::PUBLISH));
                    command.arg(channel).arg(bytes);
                    commands.push(Command { place, command });
                    Ok(())
                })
                .collect();
            if commands.is_empty() {
                return encoded;
            }
            let published = self.commands.run(commands).await;
            let mut results = published.as_ref().map(|results| results.iter());
            let mut next = || match &mut results {
                Ok(results) => results.next().map_or(Ok(()), |result| result.clone().map(drop)),
                Err(error) => Err(error.clone()),
            };
            encoded.into_iter().map(|encoded| encoded.and_then(|()| next())).collect()
        })
    }

    fn count_nodes<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<usize, BrokerError>> {
        Box::pin(async move {
            let format = &self.shared.format;
            let counted = format.counted(&format.channels(namespace));
            let mut command = cmd("PUBSUB");
            command.arg(F::COUNT).arg(counted.name());
            // One who has not the channel any more would not say so.
            let counted = self.commands.run(vec![Command { place: Place::Everywhere, command }]).await?;
            let counted = counted.into_iter().next().unwrap_or(Ok(Value::Nil))?;
            <Vec<(String, usize)>>::from_redis_value(counted)
                .map(|counted| counted.iter().map(|(_, count)| count).sum())
                .map_err(|error| BrokerError::Refused { reason: format!("PUBSUB {}: {error}", F::COUNT) })
        })
    }

    fn interest(&self) -> Option<&dyn Interest> {
        self.shared.format.has_rooms().then_some(self)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.tasks.lock().abort_all() })
    }
}

impl<F: Format> Interest for PubSub<F> {
    fn room_created(&self, namespace: &str, room: &Room, kind: RoomKind) {
        self.subscriber.want(self.topic_of_room(namespace, room, kind));
    }

    fn room_deleted(&self, namespace: &str, room: &Room, kind: RoomKind) {
        self.subscriber.unwant(self.topic_of_room(namespace, room, kind));
    }
}

impl<F: Format> fmt::Debug for PubSub<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub")
            .field("id", &self.id)
            .field("format", &self.shared.format)
            .field("is_connected", &self.subscriber.is_connected())
            .finish_non_exhaustive()
    }
}
