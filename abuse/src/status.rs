//! What the server says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The server's answer to the line `status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Open Engine.IO sessions.
    pub connections: usize,
    /// Sockets in the main namespace.
    pub sockets: usize,
    /// Rooms in the main namespace; each socket has one of its own.
    pub rooms: usize,
    /// Bytes allocated and not given back.
    pub live: usize,
    /// What the server's handlers have counted.
    pub tally: BTreeMap<String, u64>,
}

impl Status {
    /// How often the server's handlers have counted this.
    pub fn count(&self, what: &str) -> u64 {
        self.tally.get(what).copied().unwrap_or(0)
    }
}
