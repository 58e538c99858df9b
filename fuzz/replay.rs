//! Runs the corpora of a crate's fuzz targets, as one of its own tests.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The name of a target, and the function that it runs.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Gives each file of each corpus to the function that its target runs. `package` is the folder of the crate.
///
/// # Panics
/// If a function does, if these are not just the targets over functions of this crate, or if a corpus has no target, a
/// target no corpus.
pub(crate) fn corpora(package: &str, targets: &[Target]) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let (sources, corpora) = (entries(&fuzz.join("fuzz_targets")), entries(&fuzz.join("corpus")));
    assert_eq!(names(&sources), names(&corpora), "targets, and corpora of targets");
    let here = format!("/crates/{package}/tests/");
    let own = sources.iter().filter(|source| fs::read_to_string(source).expect("a readable target").contains(&here));
    let own: Vec<PathBuf> = own.cloned().collect();
    assert_eq!(names(&own), targets.iter().map(|(name, _)| (*name).to_owned()).collect(), "targets, and functions");
    for (name, run) in targets {
        let inputs = entries(&fuzz.join("corpus").join(name));
        assert!(!inputs.is_empty(), "no input in the corpus of {name}");
        for input in inputs {
            // A panic is shown with what was printed before it.
            eprintln!("{name}: {}", input.display());
            run(&fs::read(&input).expect("a readable input"));
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

fn names(paths: &[PathBuf]) -> BTreeSet<String> {
    paths.iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect()
}
