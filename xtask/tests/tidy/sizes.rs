//! One idea per file: over 450 lines of production code, look for the second; over 800, find it.

use crate::files::{assert_none, texts_with};

/// Lines before the test module, which stands last in a file.
fn production_lines(source: &str) -> usize {
    source.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}

#[test]
fn no_source_file_holds_two_ideas() {
    let mut breaches = Vec::new();
    for (path, source) in texts_with(".rs") {
        let lines = production_lines(&source);
        match lines {
            0..=450 => {}
            451..=800 => println!("look for the second idea: {} ({lines} lines)", path.display()),
            _ => breaches.push(format!("{}: {lines} lines", path.display())),
        }
    }
    assert_none("at most 800 lines of production code in a file", &breaches);
}

#[test]
fn tests_do_not_count() {
    assert_eq!(production_lines("one\ntwo\n\n#[cfg(test)]\nmod tests {\n}\n"), 3);
}
