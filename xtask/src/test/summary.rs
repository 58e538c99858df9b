//! What ran, and how long it took.

use std::{fmt, time::Duration};

/// The steps that have passed, and the count of Rust's own tests.
#[derive(Debug, Default)]
pub(super) struct Summary {
    steps: Vec<(&'static str, Duration)>,
    passed: usize,
    failed: usize,
}

impl Summary {
    pub(super) fn add(&mut self, step: &'static str, duration: Duration) {
        self.steps.push((step, duration));
    }

    /// Counts what a closing line of cargo's test runner says: `test result: ok. 12 passed; 0 failed; …`.
    pub(super) fn watch(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n==> so far")?;
        for (step, duration) in &self.steps {
            write!(f, "    {step:<10}{:>8.1} s", duration.as_secs_f64())?;
            if *step == "test" {
                write!(f, "   {} tests passed, {} failed", self.passed, self.failed)?;
            }
            writeln!(f)?;
        }
        let total: Duration = self.steps.iter().map(|(_, duration)| *duration).sum();
        writeln!(f, "    {:<10}{:>8.1} s", "all", total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_s_closing_lines_are_added_up() {
        let mut summary = Summary::default();
        summary.watch("test result: ok. 14 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.18s");
        summary.watch("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        summary.watch("3 passed; 4 failed");
        assert_eq!((summary.passed, summary.failed), (16, 1));
    }
}
