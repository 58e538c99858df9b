use std::time::Duration;

use sockeye_protocol::socket::Value;

use super::RequestId;
use crate::selection::Selection;

/// An event for clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// The event's name, a text, and its arguments.
    pub event: Vec<Value>,
    /// Who receives it.
    pub to: Selection,
    /// How it is sent.
    pub flags: Flags,
    /// The id under which one socket is asked for an answer. Node's servers tell it of events that they keep for a client
    /// that may come back; only the socket's own node waits for the answer.
    pub id: Option<u64>,
    /// Set if every receiver is asked for an answer: each node tells how many it has, then what they answer.
    pub request: Option<RequestId>,
}

/// How a broadcast is sent. What is not set is left out of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Clients that can't take it at once don't get it.
    pub volatile: bool,
    /// Whether it may be compressed.
    pub compress: Option<bool>,
    /// How long answers are waited for; whole milliseconds.
    pub timeout: Option<Duration>,
    /// It goes to one socket, and its caller expects one answer instead of a list.
    pub single_answer: bool,
}

impl Broadcast {
    /// An event for everybody; `name_and_arguments` begins with its name.
    pub fn new(name_and_arguments: Vec<Value>) -> Self {
        Self { event: name_and_arguments, to: Selection::all(), flags: Flags::default(), id: None, request: None }
    }
}
