//! What the fuzzer has found before.

use crate::{replay, support::fuzzed};

#[test]
fn the_fuzz_corpus_does_no_harm() {
    replay::corpora("server", fuzzed::TARGETS);
}
