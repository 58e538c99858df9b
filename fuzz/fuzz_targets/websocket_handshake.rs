#![no_main]

#[path = "../../crates/websocket/tests/it/support/fuzzed/websocket_handshake.rs"]
mod websocket_handshake;

libfuzzer_sys::fuzz_target!(|input: &[u8]| websocket_handshake::run(input));
