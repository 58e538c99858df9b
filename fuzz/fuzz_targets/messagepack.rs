//! A packet as MessagePack.
#![no_main]

#[path = "../../crates/protocol/tests/it/support/messagepack_packets.rs"]
mod messagepack_packets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| messagepack_packets::run(bytes));
