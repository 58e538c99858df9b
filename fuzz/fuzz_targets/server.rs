#![no_main]

#[path = "../../crates/server/tests/it/support/fuzzed/server.rs"]
mod server;

libfuzzer_sys::fuzz_target!(|input: &[u8]| server::run(input));
