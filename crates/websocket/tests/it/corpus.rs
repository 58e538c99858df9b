use crate::{replay, support::fuzzed};

#[test]
fn the_fuzz_corpora_do_no_harm() {
    replay::corpora("websocket", fuzzed::TARGETS);
}
