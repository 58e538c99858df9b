//! The way out: a connection for commands, made anew when it was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use redis::{PushInfo, PushKind, RedisError, RedisResult, Value, cmd};
use sockeye_adapter::cluster::BrokerError;

use crate::connection::{Command, Connection, Place};
use crate::endpoint::Endpoint;

/// The connection for commands.
pub(crate) struct Commands {
    endpoint: Endpoint,
    open: Mutex<Option<Open>>,
}

#[derive(Clone)]
struct Open {
    connection: Connection,
    /// Set as soon as the other end has closed it, so that nothing is sent into the void.
    is_lost: Arc<AtomicBool>,
}

impl Commands {
    /// Connects.
    ///
    /// # Errors
    /// [`BrokerError`] if Redis can't be reached, or refuses, or is a cluster against expectation.
    pub(crate) async fn connect(endpoint: Endpoint) -> Result<Self, BrokerError> {
        let commands = Self { endpoint, open: Mutex::default() };
        commands.open().await.map_err(|error| commands.endpoint.explain(&error))?;
        if !commands.endpoint.is_cluster() && commands.is_node_of_cluster().await? {
            let addresses = commands.endpoint.addresses();
            let reason = format!("{addresses} is a node of a Redis Cluster: use `connect_cluster`");
            return Err(BrokerError::Refused { reason });
        }
        Ok(commands)
    }

    /// Runs commands, and gives the result of each. They are not repeated if the connection is lost on the way: nobody knows
    /// how many of them Redis has seen.
    ///
    /// # Errors
    /// [`BrokerError::Away`] if the connection was lost.
    pub(crate) async fn run(&self, commands: Vec<Command>) -> Result<Vec<Result<Value, BrokerError>>, BrokerError> {
        let explain = |error: RedisError| self.endpoint.explain(&error);
        let mut open = self.open().await.map_err(explain)?;
        let results = open.connection.run(commands).await;
        // Another connection knows better what has moved.
        let is_doubtful = results.as_ref().map_or(true, |results| {
            results.iter().any(|result| result.as_ref().is_err_and(RedisError::is_cluster_error))
        });
        if is_doubtful {
            *self.open.lock() = None;
        }
        Ok(results.map_err(explain)?.into_iter().map(|result| result.map_err(explain)).collect())
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

    /// Somebody who may not ask is believed.
    async fn is_node_of_cluster(&self) -> Result<bool, BrokerError> {
        let mut command = cmd("INFO");
        command.arg("cluster");
        let answers = self.run(vec![Command { place: Place::Home, command }]).await?;
        let text = answers.into_iter().next().and_then(Result::ok).map(redis::from_redis_value::<String>);
        Ok(text.and_then(Result::ok).is_some_and(|text| text.contains("cluster_enabled:1")))
    }
}
