use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::names::name;

name! {
    /// One life of a node: another one after each start.
    NodeId
}
name! {
    /// What ties answers to the request that asked for them.
    RequestId
}

/// The name that all processes give that only emit.
const EMITTER: &str = "emitter";

/// As many random hexadecimal digits as Node's servers take.
fn random_digits() -> String {
    format!("{:016x}", rand::random::<u64>())
}

impl RequestId {
    /// One that nobody else takes.
    pub fn random() -> Self {
        Self::from(random_digits())
    }
}

impl NodeId {
    /// One that no other node has, for formats that leave the choice.
    pub fn random() -> Self {
        Self::from(random_digits())
    }

    /// A process that sends and receives nothing: no node of the cluster.
    pub fn emitter() -> Self {
        Self::new(EMITTER)
    }

    /// Somebody who did not say: some formats leave the sender out of some messages.
    pub fn unknown() -> Self {
        Self::new("")
    }

    /// Whether this is a process that only emits.
    pub fn is_emitter(&self) -> bool {
        self.as_str() == EMITTER
    }

    /// Whether the sender said who it is.
    pub fn is_known(&self) -> bool {
        !self.as_str().is_empty()
    }
}
