#![no_main]

#[path = "../../crates/protocol/tests/it/support/fuzzed/session.rs"]
mod session;

libfuzzer_sys::fuzz_target!(|input: &[u8]| session::run(input));
