//! A server under test and scripted peers: plain blocking sockets, every wait with a deadline.

mod http;
mod polling;
mod server;
mod websocket;

use std::time::Duration;

#[cfg(feature = "tls")]
pub(crate) use http::connect;
pub(crate) use http::{Answer, Pending, Request};
pub(crate) use polling::Polling;
pub(crate) use server::{Flavour, Server, serve};
pub(crate) use websocket::WebSocket;

/// No answer of the server may take longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Waits until something has become true that no message tells of.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = now();
    while !is_true() {
        assert!(now() - start < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Gives the server time to take in what it has no answer to, such as a poll that waits.
pub(crate) fn settle() {
    std::thread::sleep(ms(150));
}
