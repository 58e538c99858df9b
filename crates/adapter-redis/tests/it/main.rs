//! The formats, beside what npm's packages write (`tests/golden`, made by `generate.mjs` there): `@socket.io/redis-adapter`
//! 8.3.0, 7.2.0 and, as `socket.io-redis`, 5.4.0; `@socket.io/redis-streams-adapter` 0.3.1; `@socket.io/redis-emitter`
//! 5.1.0 and, as `socket.io-emitter`, 3.2.0; with `socket.io` 4.8.4, `socket.io-adapter` 2.5.8, `notepack.io` 3.0.1 and
//! `@msgpack/msgpack` 2.8.0.

#![allow(clippy::disallowed_methods, reason = "tasks of a test end with it")]
#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

mod classic;
#[path = "../../../adapter/tests/conformance/mod.rs"]
mod conformance;
mod hostile; // No bytes do harm.
mod pub_sub; // A cluster on a Redis.
mod redis_cluster; // A cluster on a cluster.
#[path = "../../../../fuzz/replay.rs"]
mod replay;
mod sharded;
mod sharded_pub_sub; // The same, sharded.
mod streams;
mod support;
