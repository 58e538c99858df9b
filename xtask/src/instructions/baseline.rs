//! What each unit of work cost when somebody last agreed to it.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use crate::failure::Failure;

const FILE: &str = "bench/instructions.json";
/// How far a figure may be from its baseline, in percent. The same program's figures differ by less than one.
const TOLERANCE: u64 = 5;

/// The file's content: one figure a line, and what built the program that was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Baseline {
    pub(super) built_by: String,
    pub(super) figures: BTreeMap<String, u64>,
}

/// How a figure stands to its baseline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Kept,
    /// So much cheaper that the baseline should be lowered to hold it.
    Cheaper,
    Dearer {
        allowed: u64,
    },
    Unknown,
}

impl Baseline {
    pub(super) fn read() -> Result<Self, Failure> {
        match fs::read_to_string(FILE) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) => Err(Failure::new(format!("cannot read {FILE}: {error}"))),
        }
    }

    pub(super) fn write(&self) -> Result<(), Failure> {
        fs::write(FILE, self.to_json()).map_err(|error| Failure::new(format!("cannot write {FILE}: {error}")))
    }

    pub(super) fn judge(&self, name: &str, found: u64) -> Verdict {
        let Some(&baseline) = self.figures.get(name) else { return Verdict::Unknown };
        let allowed = baseline * (100 + TOLERANCE) / 100;
        if found > allowed {
            Verdict::Dearer { allowed }
        } else if found < baseline * (100 - TOLERANCE) / 100 {
            Verdict::Cheaper
        } else {
            Verdict::Kept
        }
    }

    fn parse(text: &str) -> Self {
        let mut baseline = Self::default();
        let entries = text.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once("\": "));
        for (name, value) in entries {
            let name = name.trim_start_matches('"');
            match value.parse() {
                Ok(figure) => drop(baseline.figures.insert(name.to_owned(), figure)),
                Err(_) if name == "built by" => value.trim_matches('"').clone_into(&mut baseline.built_by),
                Err(_) => {}
            }
        }
        baseline
    }

    fn to_json(&self) -> String {
        let mut json = format!("{{\n  \"built by\": \"{}\"", self.built_by);
        for (name, figure) in &self.figures {
            let _infallible = write!(json, ",\n  \"{name}\": {figure}");
        }
        json + "\n}\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let figures = BTreeMap::from([("echo".to_owned(), 1000), ("rooms".to_owned(), 400)]);
        Baseline { built_by: "rustc 1.95.0 (x 2026-01-01)".to_owned(), figures }
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(Baseline::parse(&baseline().to_json()), baseline());
    }

    #[test]
    fn more_than_five_percent_over_is_too_much_and_under_it_a_reason_to_lower() {
        let baseline = baseline();
        assert_eq!(baseline.judge("echo", 1050), Verdict::Kept);
        assert_eq!(baseline.judge("echo", 1051), Verdict::Dearer { allowed: 1050 });
        assert_eq!(baseline.judge("echo", 950), Verdict::Kept);
        assert_eq!(baseline.judge("echo", 949), Verdict::Cheaper);
        assert_eq!(baseline.judge("new", 1), Verdict::Unknown);
    }
}
