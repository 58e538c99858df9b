#![no_main]

#[path = "../../crates/protocol/tests/it/support/fuzzed/engine_request.rs"]
mod engine_request;

libfuzzer_sys::fuzz_target!(|input: &[u8]| engine_request::run(input));
