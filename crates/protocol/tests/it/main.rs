//! Properties of the codecs, and whole exchanges through both layers.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

mod engine;
mod messagepack;
mod path;
mod session;
mod socket;
mod support {
    pub(crate) mod messagepack_packets;
    pub(crate) mod session_steps;
}
