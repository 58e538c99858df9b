//! Why sockets went, for those who ask later.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use sockeye::DisconnectReason;

/// More than the sockets of one test.
const KEPT: usize = 1000;

/// The last disconnects: socket id and reason.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Mutex<VecDeque<(String, DisconnectReason)>>);

impl Reasons {
    pub(crate) fn note(&self, id: &str, reason: DisconnectReason) {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.len() == KEPT {
            reasons.pop_front();
        }
        reasons.push_back((id.to_owned(), reason));
    }

    pub(crate) fn of(&self, id: &str) -> Option<&'static str> {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.iter().find(|(known, _)| known == id).map(|(_, reason)| reason.as_str())
    }
}
