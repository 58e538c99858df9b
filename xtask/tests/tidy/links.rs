//! Links between our own pages.

use crate::files::{assert_none, root, texts_with};

/// Targets of `[text](target)` outside code blocks, without anchors; links to other sites are left out.
fn local_targets(markdown: &str) -> Vec<&str> {
    let mut in_code = false;
    let mut targets = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains(':') {
                targets.push(target);
            }
        }
    }
    targets
}

#[test]
fn every_link_between_our_pages_leads_somewhere() {
    let mut breaches = Vec::new();
    for (path, markdown) in texts_with(".md") {
        let folder = root().join(&path).parent().unwrap().to_owned();
        for target in local_targets(&markdown) {
            // Rustdoc resolves paths of items in the guides it includes.
            let is_item = target.contains("::") || target.starts_with("crate");
            if !is_item && !folder.join(target).exists() {
                breaches.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert_none("every relative link leads to a file", &breaches);
}

#[test]
fn only_links_of_our_own_are_followed() {
    let markdown =
        "[a](one.md#part) [b](https://example.com) [c](#here)\n```\n[d](code.md)\n```\n![e](two.png \"title\")";
    assert_eq!(local_targets(markdown), ["one.md", "two.png"]);
}
