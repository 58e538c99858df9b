#![no_main]

#[path = "../../crates/websocket/tests/it/support/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::decode(bytes));
