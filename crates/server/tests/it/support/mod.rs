//! A scripted client, hosts to test, and notes of what handlers saw. Every wait has a deadline; nothing sleeps.

mod client; // A client that speaks raw packets.
pub mod fuzzed; // What holds for whatever clients send.
mod gate; // Handlers that wait until they may go on.
mod host; // A server to talk to.
mod http; // Plain requests.
mod notes; // What handlers saw.

use std::future::Future;
use std::time::Duration;

pub use client::Client;
pub use gate::Gate;
pub use host::{Host, builder};
pub use http::http;
pub use notes::{Notes, Seen, notes};

/// How long anything may take before a test fails. Long, for the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(12);

/// What the future gives, unless it takes too long.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let output = tokio::time::timeout(DEADLINE, future).await;
    output.unwrap_or_else(|_| panic!("{what}: nothing within {DEADLINE:?}"))
}

/// Waits until something is so, letting everybody else go on meanwhile.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let asked = async {
        while !is_so() {
            // Only what another thread does is waited for so: there is nothing that could wake us.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(what, asked).await;
}
