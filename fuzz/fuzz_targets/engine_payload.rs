#![no_main]

#[path = "../../crates/protocol/tests/it/support/fuzzed/engine_payload.rs"]
mod engine_payload;

libfuzzer_sys::fuzz_target!(|input: &[u8]| engine_payload::run(input));
