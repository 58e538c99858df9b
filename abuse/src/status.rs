//! What the server says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The server's answer to the line `status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Bytes allocated and not given back.
    pub live: usize,
    /// The server's metrics that go up and down, without `sockeye_`, those of one name together.
    pub gauges: BTreeMap<String, u64>,
    /// The server's counters, as `bounds_reached/outbox_patience`.
    pub counters: BTreeMap<String, u64>,
    /// What the server's handlers have counted.
    pub tally: BTreeMap<String, u64>,
}

impl Status {
    /// How many connections are open.
    pub fn connections(&self) -> u64 {
        self.gauges.get("connections").copied().unwrap_or(0)
    }

    /// How often the server's handlers, or the server itself, have counted this.
    pub fn count(&self, what: &str) -> u64 {
        self.tally.get(what).or_else(|| self.counters.get(what)).copied().unwrap_or(0)
    }
}
