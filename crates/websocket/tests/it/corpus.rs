use std::{fs, path::Path};

use crate::support::invariants;

#[test]
fn the_fuzz_corpus_is_decoded() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/websocket_decode");
    let files: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "no corpus in {}", corpus.display());
    for file in files {
        invariants::decode(&fs::read(file).unwrap());
    }
}
