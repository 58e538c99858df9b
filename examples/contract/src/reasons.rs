//! Why sockets went, for those who ask later.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use sockeye::{DisconnectReason, SocketId};

/// How many are remembered.
const KEPT: usize = 2000;

/// The last disconnects of this node.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Mutex<VecDeque<(SocketId, DisconnectReason)>>);

impl Reasons {
    pub(crate) fn note(&self, id: &SocketId, reason: DisconnectReason) {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.len() == KEPT {
            reasons.pop_front();
        }
        reasons.push_back((id.clone(), reason));
    }

    /// The last one of this id: a recovered socket has several.
    pub(crate) fn of(&self, id: &str) -> Option<&'static str> {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.iter().rev().find(|(known, _)| known == id).map(|(_, reason)| reason.as_str())
    }
}
