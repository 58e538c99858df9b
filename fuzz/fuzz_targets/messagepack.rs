#![no_main]

#[path = "../../crates/protocol/tests/it/support/fuzzed/messagepack.rs"]
mod messagepack;

libfuzzer_sys::fuzz_target!(|input: &[u8]| messagepack::run(input));
