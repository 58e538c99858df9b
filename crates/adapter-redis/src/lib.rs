//! Sockeye's cluster on Redis: beside Node's servers, in their formats.

pub mod wire; // Channels, streams and bytes of each format.

mod classic; // The cluster over pub/sub.
mod commands; // The way out.
mod connection; // One connection, to one Redis or to many.
mod endpoint; // Where Redis is, and what its errors mean.
mod pub_sub; // What all clusters over pub/sub share.
mod sharded; // The cluster over sharded pub/sub.
mod subscriber; // The way in.
mod topics; // What is subscribed to.

pub use classic::{RedisAdapter, RedisAdapterBuilder};
pub use sharded::{ShardedRedisAdapter, ShardedRedisAdapterBuilder};
