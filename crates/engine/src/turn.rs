//! How long one client's messages are handled before others have their turn.

use std::time::{Duration, Instant};

use crate::worker::now;

const TURN: Duration = Duration::from_millis(5);
/// After so many messages the clock is looked at.
const MESSAGES_PER_LOOK: u32 = 4;

/// The time that one client has on its event loop, 5 ms, before all others that wait have theirs.
///
/// A handler is not interrupted; between two messages of one client is where others come in.
#[derive(Debug)]
pub struct Turn {
    end: Instant,
    messages: u32,
}

impl Turn {
    /// A turn that begins now.
    pub fn begin() -> Self {
        Self { end: now() + TURN, messages: 0 }
    }

    /// Asked behind each message: whether the next one has to wait.
    pub fn is_over(&mut self) -> bool {
        self.messages += 1;
        self.messages.is_multiple_of(MESSAGES_PER_LOOK) && now() >= self.end
    }
}
