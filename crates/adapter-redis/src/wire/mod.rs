//! Node's three formats on Redis: where each message goes, and its bytes. No connection is made here.
//!
//! | format | npm package | between |
//! |---|---|---|
//! | [`classic`] | `@socket.io/redis-adapter` 8.3, `createAdapter`; `@socket.io/redis-emitter` 5.1 | pub/sub |
//! | [`sharded`] | `@socket.io/redis-adapter` 8.3, `createShardedAdapter` | sharded pub/sub |
//! | [`streams`] | `@socket.io/redis-streams-adapter` 0.3.1, `@socket.io/redis-streams-emitter` 0.0.1 | a stream, and pub/sub |
//!
//! What Node writes is read as Node's receivers read it: what they need is required, what they ignore is ignored.
//! What is written has Node's fields in Node's order. Numbers beyond 2^53, which JavaScript does not have, keep their
//! value.

pub mod classic;
pub mod sharded;
pub mod streams;

mod channels; // The names of channels, but for those of the classic format.
mod envelope; // What the sharded format and streams share.
mod error; // Why bytes are no message, and why a message has no bytes.
mod fields; // Reading objects.
mod ids; // Ids as Node makes them.
mod json; // JSON that JavaScript wrote.
mod options; // Whom a message is for, and how it is sent.
mod packet; // The packet within a broadcast.
mod sockets; // Sockets as nodes describe them.

pub use error::{DecodeError, EncodeError};
pub use ids::{long_id, short_id};
