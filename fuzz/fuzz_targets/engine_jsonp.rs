#![no_main]

#[path = "../../crates/protocol/tests/it/support/fuzzed/engine_jsonp.rs"]
mod engine_jsonp;

libfuzzer_sys::fuzz_target!(|input: &[u8]| engine_jsonp::run(input));
