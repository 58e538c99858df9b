//! The test command and its steps.

mod features; // What each library crate's features build.
mod steps; // The list, in order.
mod summary; // What ran, and how long it took.

use std::time::Duration;

use crate::{failure::Failure, program};
use steps::{STEPS, Step};
use summary::Summary;

/// `cargo xtask test`: all steps in order, up to the first that fails.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let steps = chosen(arguments)?;
    let mut needed = Vec::new();
    for requirement in steps.iter().flat_map(|step| step.needs) {
        if !needed.contains(requirement) {
            needed.push(*requirement);
        }
    }
    // Found out at the start, not after ten minutes.
    program::require(&needed)?;

    let mut summary = Summary::default();
    for (index, step) in steps.iter().enumerate() {
        let is_last = index + 1 == steps.len();
        // What ran so far stands before the last step, so that the last lines of all are what its test runner says.
        if is_last && index > 0 {
            eprint!("{summary}");
        }
        eprintln!("\n==> {}/{} {}: {}", index + 1, steps.len(), step.name, step.purpose);
        let (result, duration) = timed(|| (step.run)(&mut summary));
        result.map_err(|failure| {
            let again = format!("cargo xtask test --only {}", step.name);
            Failure::new(format!("step `{}` failed after {duration:.1?}: {failure}\n       again: {again}", step.name))
        })?;
        if !is_last {
            eprintln!("    {} took {duration:.1?}", step.name);
        }
        summary.add(step.name, duration);
    }
    Ok(())
}

/// The names of all steps, for the help.
pub(crate) fn step_names() -> String {
    STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(" ")
}

/// All steps, or those named by `--only`.
fn chosen(arguments: &[String]) -> Result<Vec<&'static Step>, Failure> {
    let mut named = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let name = words.next().filter(|_| word == "--only");
        let name = name.ok_or_else(|| Failure::new(format!("unknown argument `{word}`: expected `--only STEP`")))?;
        named.push(name.as_str());
    }
    if let Some(unknown) = named.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        return Err(Failure::new(format!("no step `{unknown}`: expected one of {}", step_names())));
    }
    Ok(STEPS.iter().filter(|step| named.is_empty() || named.contains(&step.name)).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "measures real work: there is no runtime here whose time could be paused"
)]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let result = work();
    (result, start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Result<String, String> {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let steps = chosen(&arguments).map_err(|failure| failure.to_string())?;
        Ok(steps.iter().map(|step| step.name).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn all_steps_run_unless_some_are_named() {
        assert_eq!(names(&[]), Ok(step_names()));
        assert_eq!(names(&["--only", "test", "--only", "fmt"]), Ok("fmt test".to_owned()));
    }

    #[test]
    fn what_is_not_understood_runs_nothing() {
        assert!(names(&["--only"]).is_err());
        assert!(names(&["fmt"]).is_err());
        assert!(names(&["--only", "nothing"]).is_err());
    }

    #[test]
    fn the_node_tests_come_last() {
        // Their closing lines end the output of the whole run.
        assert_eq!(STEPS.last().map(|step| step.name), Some("node"));
    }
}
