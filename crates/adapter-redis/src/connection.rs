//! One connection, to one Redis or to all nodes of a Redis Cluster.

use std::collections::HashMap;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, Pipeline, RedisResult, Value, pipe};

/// A connection.
#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    Cluster {
        connection: ClusterConnection,
        /// The slot whose master gets what is for [`Place::Home`].
        home: u16,
    },
}

/// Where in a Redis Cluster a command goes. A single Redis gets all, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Always the same master: what goes there keeps its order.
    Home,
    /// The master that has this channel.
    Of(String),
    /// All nodes, whose answers become one.
    Everywhere,
}

/// A command, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) place: Place,
    pub(crate) command: Cmd,
}

impl Connection {
    /// Runs commands, and gives the result of each.
    ///
    /// # Errors
    /// If the connection is lost, or Redis does not answer in time. Nobody knows then what it has done.
    pub(crate) async fn run(&mut self, commands: Vec<Command>) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Self::Single(connection) => {
                let mut pipeline = pipe();
                for command in commands {
                    pipeline.add_command(command.command);
                }
                pipeline.ignore_errors().query_async(connection).await
            }
            Self::Cluster { connection, home } => run_in_cluster(connection, *home, commands).await,
        }
    }
}

/// What goes to one place goes in one go and in order; the places wait for each other's answers only.
async fn run_in_cluster(
    connection: &ClusterConnection,
    home: u16,
    commands: Vec<Command>,
) -> RedisResult<Vec<RedisResult<Value>>> {
    let mut results: Vec<RedisResult<Value>> = commands.iter().map(|_| Ok(Value::Nil)).collect();
    let (mut ways, mut everywhere) = (HashMap::<Route, (Vec<usize>, Pipeline)>::new(), Vec::new());
    for (index, Command { place, command }) in commands.into_iter().enumerate() {
        let route = match place {
            Place::Home => Route::new(home, SlotAddr::Master),
            Place::Of(channel) => Route::with_key(channel, SlotAddr::Master),
            Place::Everywhere => {
                everywhere.push((index, command));
                continue;
            }
        };
        let (indices, pipeline) = ways.entry(route).or_default();
        indices.push(index);
        pipeline.add_command(command);
    }
    let ways = ways.into_iter().map(|(route, (indices, pipeline))| async move {
        let (mut connection, count) = (connection.clone(), pipeline.len());
        let route = SingleNodeRoutingInfo::SpecificNode(route);
        Ok::<_, redis::RedisError>((indices, connection.route_pipeline(pipeline, 0, count, route).await?))
    });
    for way in join_all(ways).await {
        let (indices, values) = way?;
        for (index, value) in indices.into_iter().zip(values) {
            results[index] = value.extract_error();
        }
    }
    for (index, command) in everywhere {
        results[index] = command.query_async(&mut connection.clone()).await;
    }
    Ok(results)
}
