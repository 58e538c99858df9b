//! What the fuzzers have found before.

use crate::{replay, support::fuzzed};

#[test]
fn the_fuzz_corpora_do_no_harm() {
    replay::corpora("protocol", fuzzed::TARGETS);
}
