#![no_main]

#[path = "../../crates/websocket/tests/it/support/fuzzed/websocket_decode.rs"]
mod websocket_decode;

libfuzzer_sys::fuzz_target!(|input: &[u8]| websocket_decode::run(input));
