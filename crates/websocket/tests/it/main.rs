//! The codec through its public face.

mod corpus;
mod differential;
mod roundtrip;
mod support;
