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
    pub(crate) adapter: Option<Adapter>,
    /// Where the store of a Redis adapter is.
    #[arg(long, default_value = "redis://127.0.0.1")]
    pub(crate) redis: String,
    /// Where the store of the Postgres adapter is.
    #[arg(long)]
    postgres: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PacketParser {
    /// As `socket.io-msgpack-parser` does.
    Msgpack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Adapter {
    Redis,
    Sharded,
    Streams,
    Postgres,
}

impl Options {
    /// Refuses what this version can't do yet.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.postgres.is_some() || !matches!(self.adapter, None | Some(Adapter::Redis | Adapter::Sharded)) {
            bail!("this version has two adapters: expected `--adapter redis`, `--adapter sharded`, or none");
        }
        Ok(())
    }
}
