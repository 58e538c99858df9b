//! The engine over real TCP: scripted peers against a server in this process, by each way of writing.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

mod admission;
mod bounds;
mod closing;
mod compression;
mod deflate;
mod handshake;
mod headers;
mod heartbeat;
mod http2;
mod jsonp;
mod places;
mod polling;
mod refusals;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod websocket;
