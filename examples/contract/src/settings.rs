//! The server's settings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use sockeye::{Cors, MessagePackParser, Recovery, Server};

use sockeye_redis::{RedisAdapter, ShardedRedisAdapter};

use crate::options::{Adapter, Options, PacketParser};
use crate::reasons::Reasons;

/// The name of this node, for handlers.
#[derive(Clone, Debug)]
pub(crate) struct NodeName(pub(crate) Arc<str>);

pub(crate) async fn server(options: &Options) -> anyhow::Result<Server> {
    let builder = Server::builder()
        .ping_interval(Duration::from_secs(1))
        .ping_timeout(Duration::from_secs(1))
        .connect_timeout(Duration::from_secs(2))
        .upgrade_timeout(Duration::from_secs(2))
        .max_payload(100_000)
        .max_attachments(10)
        .cors(Cors::origin("http://app.example").credentials())
        .state(NodeName(options.name.as_str().into()))
        .state(Arc::new(Reasons::default()));
    let builder = match options.parser {
        Some(PacketParser::Msgpack) => builder.parser(MessagePackParser),
        None => builder,
    };
    // A node that can't keep sessions for the others keeps none.
    let redis = options.redis.as_str();
    let builder = match options.adapter {
        Some(Adapter::Redis) => builder.adapter(RedisAdapter::connect(redis).await?),
        Some(Adapter::Sharded) => builder.adapter(ShardedRedisAdapter::connect(redis).await?),
        Some(Adapter::Streams | Adapter::Postgres) => bail!("this adapter is not there yet"),
        None => builder.recovery(Recovery::default().max_disconnection(Duration::from_secs(3))),
    };
    Ok(builder.build()?)
}
