//! The tree as these tests see it: what a clone has, without what is built or installed.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What git ignores, and its own: a folder, or a file in a work tree beside the clone.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "dist", "dist.new", "artifacts", "results"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All text files of the tree, with their paths from the root.
pub(crate) fn texts() -> Vec<(PathBuf, String)> {
    let mut texts = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if SKIPPED.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                texts.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    texts.sort();
    assert!(texts.iter().any(|(path, _)| path == Path::new("Cargo.toml")), "found no tree at {}", root().display());
    texts
}

/// Those whose names end in `ending`.
pub(crate) fn texts_with(ending: &str) -> impl Iterator<Item = (PathBuf, String)> {
    texts().into_iter().filter(move |(path, _)| path.to_string_lossy().ends_with(ending))
}

/// Fails with one line for each breach of the rule.
#[track_caller]
pub(crate) fn assert_none(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}
