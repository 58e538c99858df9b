//! The way in: one connection that is subscribed to what is wanted, and connects again when it is lost.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::{PushInfo, PushKind, RedisResult, Value, cmd};
use sockeye_adapter::cluster::BrokerError;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::connection::{Command, Connection, Place};
use crate::endpoint::Endpoint;
use crate::topics::{Topic, Topics, commands};

/// How often a quiet connection is asked whether it still is one.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// So many pings in a row without an answer, and the connection is given up.
const MAX_SILENCE: u32 = 5;
/// So many topics are subscribed to in one go.
const AT_ONCE: usize = 500;

/// What takes messages in: the channel, and the bytes.
pub(crate) type Receive = Box<dyn Fn(&str, &[u8]) + Send + Sync>;

/// Keeps a connection subscribed to what is wanted.
pub(crate) struct Subscriber {
    endpoint: Endpoint,
    topics: Arc<Mutex<Topics>>,
    changed: Notify,
    /// What came of the last attempt to subscribe to all that is wanted.
    state: watch::Sender<Option<Result<(), BrokerError>>>,
}

impl Subscriber {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let state = watch::Sender::new(None);
        Self { endpoint, topics: Arc::default(), changed: Notify::new(), state }
    }

    /// These are wanted from here on. They are subscribed to in their order.
    pub(crate) fn want(&self, topics: impl IntoIterator<Item = Topic>) {
        let mut known = self.topics.lock();
        topics.into_iter().for_each(|topic| known.want(topic));
        drop(known);
        self.changed.notify_one();
    }

    /// These are not wanted any more.
    pub(crate) fn unwant(&self, topics: impl IntoIterator<Item = Topic>) {
        let mut known = self.topics.lock();
        topics.into_iter().for_each(|topic| known.unwant(topic));
        drop(known);
        self.changed.notify_one();
    }

    /// Whether messages come in.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(*self.state.borrow(), Some(Ok(())))
    }

    /// Waits for what comes of the first attempt to subscribe.
    ///
    /// # Errors
    /// What Redis said if it refused. That it is away is no error: it will be back.
    pub(crate) async fn begun(&self) -> Result<(), BrokerError> {
        let mut state = self.state.subscribe();
        match state.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(refused @ BrokerError::Refused { .. }))) => Err(refused.clone()),
            _ => Ok(()),
        }
    }

    /// Stays connected and subscribed, for ever.
    pub(crate) async fn run(&self, receive: Receive) -> ! {
        let receive: Arc<Receive> = Arc::new(receive);
        loop {
            let error = self.connected(&receive).await;
            let before = self.state.send_replace(Some(Err(error.clone())));
            match before {
                Some(Err(_)) => tracing::debug!(%error, "not subscribed to Redis"),
                _ => {
                    tracing::warn!(%error, "not subscribed to Redis: nothing is heard of other nodes until that heals");
                }
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// One connection, from its beginning to its end; gives the reason of that.
    async fn connected(&self, receive: &Arc<Receive>) -> BrokerError {
        let lost = Arc::new(Notify::new());
        let (receive, gone, topics) = (receive.clone(), lost.clone(), self.topics.clone());
        let on_push = move |push: PushInfo| match (push.kind, &push.data[..]) {
            (PushKind::Message | PushKind::SMessage, [Value::BulkString(channel), Value::BulkString(bytes)])
            | (PushKind::PMessage, [_, Value::BulkString(channel), Value::BulkString(bytes)]) => {
                if let Ok(channel) = str::from_utf8(channel) {
                    receive(channel, bytes);
                }
            }
            (PushKind::Disconnection, _) => gone.notify_one(),
            // Another node of the Redis Cluster has the channel now.
            (PushKind::SUnsubscribe, [Value::BulkString(channel), ..]) => {
                let topic = Topic::Sharded(String::from_utf8_lossy(channel).into_owned());
                if topics.lock().is_subscribed(&topic) {
                    gone.notify_one();
                }
            }
            _ => {}
        };
        let served = async {
            let connection = self.endpoint.connect(on_push).await?;
            self.serve(connection, &lost).await
        };
        match served.await {
            Ok(()) => BrokerError::Away { reason: "the connection was closed".to_owned() },
            Err(error) => self.endpoint.explain(&error),
        }
    }

    /// Subscribes to what is wanted as that changes, until the connection is lost.
    async fn serve(&self, mut connection: Connection, lost: &Notify) -> RedisResult<()> {
        self.topics.lock().reset();
        let mut silence = 0;
        loop {
            self.adjust(&mut connection).await?;
            if !self.is_connected() {
                tracing::info!("subscribed to Redis");
                self.state.send_replace(Some(Ok(())));
            }
            tokio::select! {
                () = lost.notified() => return Ok(()),
                changed = timeout(PING_EVERY, self.changed.notified()) => if changed.is_err() {
                    match ping(&mut connection).await {
                        Ok(()) => silence = 0,
                        Err(error) if error.is_timeout() && silence < MAX_SILENCE => silence += 1,
                        Err(error) => return Err(error),
                    }
                },
            }
        }
    }

    /// Subscribes to all that is wanted, and to nothing else.
    async fn adjust(&self, connection: &mut Connection) -> RedisResult<()> {
        loop {
            let due = self.topics.lock().take(AT_ONCE);
            if due.is_empty() {
                return Ok(());
            }
            connection.run(commands(&due)).await?.into_iter().try_for_each(|result| result.map(drop))?;
            self.topics.lock().done(due);
        }
    }
}

async fn ping(connection: &mut Connection) -> RedisResult<()> {
    let ping = Command { place: Place::Everywhere, command: cmd("PING") };
    connection.run(vec![ping]).await?.into_iter().try_for_each(|result| result.map(drop))
}
