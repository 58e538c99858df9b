//! What each library crate's features build.

use std::{fs, path::PathBuf, process::Command};

use super::summary::Summary;
use crate::{failure::Failure, program::run};

/// Checks every crate in `crates/` with no feature, with each one alone and with all.
pub(super) fn check(_: &mut Summary) -> Result<(), Failure> {
    for manifest in manifests()? {
        let text = fs::read_to_string(&manifest)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", manifest.display())))?;
        let features = names(&text);
        let mut choices = vec![vec!["--no-default-features"]];
        choices.extend(features.iter().map(|feature| vec!["--no-default-features", "--features", feature]));
        choices.extend((!features.is_empty()).then(|| vec!["--all-features"]));
        for choice in choices {
            let mut command = Command::new("cargo");
            command.args(["check", "--quiet", "--manifest-path"]).arg(&manifest).args(choice);
            run(&mut command)?;
        }
    }
    Ok(())
}

fn manifests() -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir("crates").map_err(|error| Failure::new(format!("cannot list crates: {error}")))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path().join("Cargo.toml")));
    let mut manifests: Vec<_> = paths.filter(|path| path.exists()).collect();
    manifests.sort();
    Ok(manifests)
}

/// The names in the `[features]` table, where each stands at the start of a line.
fn names(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[features]").skip(1);
    let table = lines.take_while(|line| !line.starts_with('['));
    let names = table.filter_map(|line| Some(line.split_once('=')?.0.trim()));
    names.filter(|name| !name.starts_with('#') && !name.starts_with('"')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_from_their_table_only() {
        let manifest = "[package]\nname = \"x\"\n\n[features]\n# Both: on = good.\ndefault = [\"axum\"]\naxum = [\n    \"dep:axum\",\n]\n\n[dependencies]\nbytes = \"1\"\n";
        assert_eq!(names(manifest), ["default", "axum"]);
        assert!(names("[dependencies]\nbytes = \"1\"\n").is_empty());
    }
}
