#![no_main]

#[path = "../../crates/protocol/tests/it/support/fuzzed/socket_arguments.rs"]
mod socket_arguments;

libfuzzer_sys::fuzz_target!(|input: &[u8]| socket_arguments::run(input));
