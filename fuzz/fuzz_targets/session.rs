//! Any sequence of what can happen to a session.
#![no_main]

#[path = "../../crates/protocol/tests/it/support/session_steps.rs"]
mod session_steps;

libfuzzer_sys::fuzz_target!(|steps: &[u8]| session_steps::run(steps));
