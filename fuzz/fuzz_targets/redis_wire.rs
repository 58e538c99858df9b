#![no_main]

#[path = "../../crates/adapter-redis/tests/it/support/fuzzed/redis_wire.rs"]
mod redis_wire;

libfuzzer_sys::fuzz_target!(|input: &[u8]| redis_wire::run(input));
