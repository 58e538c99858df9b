#![no_main]

#[path = "../../crates/protocol/tests/it/support/fuzzed/engine_packet.rs"]
mod engine_packet;

libfuzzer_sys::fuzz_target!(|input: &[u8]| engine_packet::run(input));
