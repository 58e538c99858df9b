//! No bytes do harm, and what is read can be written.

use std::sync::LazyLock;

use proptest::prelude::*;
use sockeye_protocol::socket::Value;

use crate::{
    replay,
    support::{
        Look,
        fuzzed::{self, redis_wire},
        messages,
    },
};

#[test]
fn the_fuzz_corpus_does_no_harm() {
    replay::corpora("adapter-redis", fuzzed::TARGETS);
}

/// Each golden message, as an input of the fuzz target.
static GOLDEN: LazyLock<Vec<Vec<u8>>> = LazyLock::new(golden);

fn golden() -> Vec<Vec<u8>> {
    let files = [
        include_str!("../golden/classic.json"),
        include_str!("../golden/sharded.json"),
        include_str!("../golden/streams.json"),
    ];
    let of = |(index, file)| {
        let file: Value = serde_json::from_str(file).unwrap();
        let messages = messages(&file).into_iter();
        let inputs = messages.map(move |golden| match (index, golden.json.get("entry")) {
            (_, Some(entry)) => {
                let data = entry.at("data").text_if_any().unwrap_or_default();
                format!("\u{5}{:>2}{data}", entry.at("type").text()).into_bytes()
            }
            (0, None) if golden.destination().contains("-request") => [vec![1], golden.bytes()].concat(),
            (0, None) if golden.destination().contains("-response") => [vec![2], golden.bytes()].concat(),
            (0, None) => [vec![0], golden.bytes()].concat(),
            (1, None) => [vec![3], golden.bytes()].concat(),
            (_, None) => [vec![4], golden.bytes()].concat(),
        });
        inputs.collect::<Vec<_>>()
    };
    files.into_iter().enumerate().flat_map(of).collect()
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        redis_wire::run(&bytes);
    }

    #[test]
    fn no_change_of_a_message_does_harm(which: prop::sample::Index, at: prop::sample::Index, byte: u8, cut: bool) {
        let mut input = which.get(&GOLDEN).clone();
        let at = at.index(input.len());
        input[at] = byte;
        if cut {
            input.truncate(at);
        }
        redis_wire::run(&input);
    }
}
