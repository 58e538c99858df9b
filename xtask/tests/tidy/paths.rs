//! Nothing of the machine it was written on, and of the registry it was installed from.

use crate::files::{assert_none, texts, texts_with};

/// Put together here, so that this file passes its own rule.
fn forbidden() -> Vec<String> {
    let folders = ["home", "root", "work", "farm", "Users"].map(|name| format!("/{name}/"));
    let hosts = [["crates", "io/api"], ["registry", "npmjs"], ["registry", "yarnpkg"], ["files", "pythonhosted"]];
    folders.into_iter().chain(hosts.map(|words| words.join("."))).collect()
}

#[test]
fn the_tree_names_no_machine_and_no_registry() {
    let forbidden = forbidden();
    let mut breaches = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = forbidden.iter().find(|word| line.contains(word.as_str())) {
                breaches.push(format!("{}:{}: {found}", path.display(), number + 1));
            }
        }
    }
    assert_none("no machine paths and no registry hosts in the tree", &breaches);
}

#[test]
fn npm_lock_files_name_no_registry() {
    let locks = texts_with("package-lock.json").filter(|(_, lock)| lock.contains("\"resolved\": \"http"));
    let breaches: Vec<_> = locks.map(|(path, _)| path.display().to_string()).collect();
    assert_none("write lock files with npm's omit-lockfile-registry-resolved", &breaches);
}
