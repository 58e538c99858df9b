//! The codec through its public face.

mod corpus;
mod differential;
#[path = "../../../../fuzz/replay.rs"]
mod replay;
mod roundtrip;
mod support;
