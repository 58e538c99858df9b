//! What callgrind has written.

use std::{collections::HashMap, fs, path::Path};

use crate::failure::Failure;

/// Where instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a function, with all that has been inlined into it.
    Function,
    /// In a line of a source file.
    Line,
}

/// The instructions of a whole run.
pub(super) fn total(path: &Path) -> Result<u64, Failure> {
    let report = read(path)?;
    let total = report.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| Failure::new(format!("{} has no total", path.display())))
}

/// The instructions of each place of a run, without those of what it calls.
pub(super) fn places(path: &Path, place: Place) -> Result<HashMap<String, u64>, Failure> {
    Ok(read_places(&read(path)?, place))
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads callgrind's format, as it is without compression of names and positions.
fn read_places(report: &str, place: Place) -> HashMap<String, u64> {
    let mut places: HashMap<String, u64> = HashMap::new();
    let (mut function, mut file) = ("", "");
    let mut lines = report.lines();
    while let Some(line) = lines.next() {
        match line.split_once('=') {
            Some(("fn", name)) => function = name,
            Some(("fl" | "fi" | "fe", name)) => file = name,
            // The next line is what the call has cost, which the called function has too.
            Some(("calls", _)) => drop(lines.next()),
            Some(_) => {}
            None => {
                let Some((number, cost)) = line.split_once(' ') else { continue };
                let (Ok(number), Ok(cost)) = (number.parse::<u32>(), cost.trim().parse::<u64>()) else { continue };
                let name = match place {
                    Place::Function => function.to_owned(),
                    Place::Line => format!("{file}:{number}"),
                };
                *places.entry(name).or_default() += cost;
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "version: 1\nevents: Ir\n\nob=/load\nfl=a.rs\nfn=one\n10 5\nfi=b.rs\n3 7\nfe=a.rs\n11 2\ncfn=two\n\
        calls=1 20\n11 100\n\nfl=b.rs\nfn=two\n3 90\n20 10\n\ntotals: 114\n";

    #[test]
    fn a_call_s_cost_is_that_of_the_called_function_only() {
        let places = read_places(REPORT, Place::Function);
        assert_eq!((places["one"], places["two"]), (14, 100));
    }

    #[test]
    fn a_line_that_is_inlined_counts_for_its_own_file() {
        let places = read_places(REPORT, Place::Line);
        assert_eq!((places["b.rs:3"], places["a.rs:10"], places["a.rs:11"]), (97, 5, 2));
    }
}
