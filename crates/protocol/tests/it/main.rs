//! Properties of the codecs, and whole exchanges through both layers.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

mod corpus;
mod engine;
mod messagepack;
mod messagepack_values;
mod path;
#[path = "../../../../fuzz/replay.rs"]
mod replay;
mod session;
mod socket;
mod support {
    pub(crate) mod fuzzed;
}
