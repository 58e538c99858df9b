#![no_main]

#[path = "../../crates/protocol/tests/it/support/fuzzed/socket_packet.rs"]
mod socket_packet;

libfuzzer_sys::fuzz_target!(|input: &[u8]| socket_packet::run(input));
