//! The way in: one connection that is subscribed to what is wanted, and connects again when it is lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisResult, Value, cmd};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::connection::Endpoint;

/// How often a quiet connection is asked whether it still is one.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// So many pings in a row without an answer, and the connection is given up.
const MAX_SILENCE: u32 = 5;

/// What can be subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// A channel by its name.
    Channel(String),
    /// All channels that a pattern matches.
    Pattern(String),
}

/// What takes messages in: the channel, and the bytes.
pub(crate) type Receive = Box<dyn Fn(&str, &[u8]) + Send + Sync>;

/// Keeps a connection subscribed to what is wanted.
pub(crate) struct Subscriber {
    endpoint: Endpoint,
    wanted: Mutex<HashSet<Topic>>,
    changed: Arc<Notify>,
    is_connected: AtomicBool,
    /// All that was wanted has been subscribed to.
    settled: Notify,
}

impl Subscriber {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            wanted: Mutex::default(),
            changed: Arc::default(),
            is_connected: AtomicBool::new(false),
            settled: Notify::new(),
        }
    }

    /// These are wanted from here on.
    pub(crate) fn want(&self, topics: impl IntoIterator<Item = Topic>) {
        self.wanted.lock().extend(topics);
        self.changed.notify_one();
    }

    /// These are not wanted any more.
    pub(crate) fn drop_topics(&self, topics: impl IntoIterator<Item = Topic>) {
        let mut wanted = self.wanted.lock();
        for topic in topics {
            wanted.remove(&topic);
        }
        drop(wanted);
        self.changed.notify_one();
    }

    /// Whether messages come in.
    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    /// Stays connected and subscribed, for ever.
    pub(crate) async fn run(&self, receive: Receive) -> ! {
        let receive = Arc::new(receive);
        loop {
            let lost = Arc::new(Notify::new());
            let (take, gone, changed) = (receive.clone(), lost.clone(), self.changed.clone());
            let on_push = move |push: PushInfo| match (push.kind, &push.data[..]) {
                (PushKind::Message, [Value::BulkString(channel), Value::BulkString(bytes)])
                | (PushKind::PMessage, [_, Value::BulkString(channel), Value::BulkString(bytes)]) => {
                    if let Ok(channel) = str::from_utf8(channel) {
                        take(channel, bytes);
                    }
                }
                (PushKind::Disconnection, _) => {
                    gone.notify_one();
                    changed.notify_one();
                }
                _ => {}
            };
            match self.endpoint.subscribe(on_push).await {
                Ok(connection) => {
                    let error = self.serve(connection, &lost).await;
                    if self.is_connected.swap(false, Ordering::Relaxed) {
                        tracing::warn!(%error, "the subscription to Redis is lost; it heals by itself");
                    }
                }
                Err(error) => tracing::debug!(%error, "Redis can't be reached"),
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// Subscribes to what is wanted as that changes, until the connection is lost; gives the reason.
    async fn serve(&self, mut connection: MultiplexedConnection, lost: &Notify) -> String {
        let mut subscribed = HashSet::new();
        let mut silence = 0;
        loop {
            if let Err(error) = self.adjust(&mut connection, &mut subscribed).await {
                return error.to_string();
            }
            if !self.is_connected.swap(true, Ordering::Relaxed) {
                tracing::info!("subscribed to Redis");
            }
            self.settled.notify_waiters();
            tokio::select! {
                () = lost.notified() => return "the connection was closed".to_owned(),
                changed = timeout(PING_EVERY, self.changed.notified()) => if changed.is_err() {
                    match cmd("PING").query_async::<Value>(&mut connection).await {
                        Ok(_) => silence = 0,
                        Err(error) if error.is_timeout() && silence < MAX_SILENCE => silence += 1,
                        Err(error) => return error.to_string(),
                    }
                },
            }
        }
    }

    /// Waits until all that is wanted now has been subscribed to.
    pub(crate) async fn settle(&self) {
        let settled = self.settled.notified();
        self.changed.notify_one();
        settled.await;
    }

    async fn adjust(&self, connection: &mut MultiplexedConnection, subscribed: &mut HashSet<Topic>) -> RedisResult<()> {
        let wanted = self.wanted.lock().clone();
        let new: Vec<_> = wanted.difference(subscribed).cloned().collect();
        let old: Vec<_> = subscribed.difference(&wanted).cloned().collect();
        for topic in new {
            match &topic {
                Topic::Channel(name) => connection.subscribe(name).await?,
                Topic::Pattern(pattern) => connection.psubscribe(pattern).await?,
            }
            subscribed.insert(topic);
        }
        for topic in old {
            match &topic {
                Topic::Channel(name) => connection.unsubscribe(name).await?,
                Topic::Pattern(pattern) => connection.punsubscribe(pattern).await?,
            }
            subscribed.remove(&topic);
        }
        Ok(())
    }
}
