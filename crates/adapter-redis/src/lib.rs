//! Sockeye's cluster on Redis: beside Node's servers, in their formats.

pub mod wire; // Channels, streams and bytes of each format.

mod connection; // Connections to Redis.
mod pub_sub; // The cluster over pub/sub.
mod subscriber; // The way in.

pub use pub_sub::{RedisAdapter, RedisAdapterBuilder};
