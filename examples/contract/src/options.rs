//! The command line.

use anyhow::bail;
use clap::{Parser, ValueEnum};

/// A server of fixed behaviours, for checks from outside.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 4100)]
    pub(crate) port: u16,
    /// The name of this node.
    #[arg(long, default_value = "contract")]
    pub(crate) name: String,
    /// How packets are written.
    #[arg(long, value_enum)]
    pub(crate) parser: Option<PacketParser>,
    /// What carries events to other nodes.
    #[arg(long, value_enum)]
    adapter: Option<Adapter>,
    /// Where the store of a Redis adapter is.
    #[arg(long)]
    redis: Option<String>,
    /// Where the store of the Postgres adapter is.
    #[arg(long)]
    postgres: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PacketParser {
    /// As `socket.io-msgpack-parser` does.
    Msgpack,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Adapter {
    Redis,
    Sharded,
    Streams,
    Postgres,
}

impl Options {
    /// Refuses what this version can't do yet.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let given = [
            ("--adapter", self.adapter.is_some()),
            ("--redis", self.redis.is_some()),
            ("--postgres", self.postgres.is_some()),
        ];
        if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
            bail!("{option} comes with the cluster, which this version does not have: expected a node of its own");
        }
        Ok(())
    }
}
