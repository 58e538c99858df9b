//! The instructions that each unit of work costs the server: counted by callgrind, held to a baseline, profiled.
//!
//! Unlike times they hardly depend on what else the machine does. The kernel's are not among them.

mod baseline; // What each unit cost when somebody last agreed to it.
mod client; // A client that says the same bytes in the same pieces.
mod report; // What callgrind has written.
mod scenes; // What is counted.
mod server; // The server on a machine that counts.

use std::{io::Write as _, path::Path, process::Command, thread};

use crate::{
    failure::Failure,
    program::{self, VALGRIND},
};
use baseline::{Baseline, Verdict};
use report::Place;
use scenes::{SCENES, Scene};
use server::Run;

const UPDATE: &str = "cargo xtask instructions --update";
/// Lines of a profile.
const TOP: usize = 40;

/// `cargo xtask instructions`: holds all scenes, or those named, to the baseline; or makes it; or profiles a scene.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    program::require(&[VALGRIND])?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--profile", name] => profile(scene(name)?, Place::Function),
        ["--profile", name, "--lines"] => profile(scene(name)?, Place::Line),
        ["--update", ref names @ ..] => update(&chosen(names)?),
        ref names => check(&chosen(names)?),
    }
}

/// Holds all scenes to the baseline.
pub(crate) fn check_all() -> Result<(), Failure> {
    check(&chosen(&[])?)
}

fn check(scenes: &[&'static Scene]) -> Result<(), Failure> {
    let baseline = Baseline::read()?;
    let server = server::build()?;
    let mut failures = Vec::new();
    let mut is_cheaper = false;
    for &scene in scenes {
        let &Scene { name, unit, .. } = scene;
        let mut found = figure(&server, scene)?;
        if matches!(baseline.judge(name, found), Verdict::Dearer { .. }) {
            // What chance adds, as a heartbeat or a read that came in two, it seldom adds twice.
            found = found.min(figure(&server, scene)?);
        }
        let before = baseline.figures.get(name).map_or("none".to_owned(), ToString::to_string);
        eprintln!("    {name:<16}{found:>8} instructions per {unit} (baseline: {before})");
        match baseline.judge(name, found) {
            Verdict::Kept => {}
            Verdict::Cheaper => is_cheaper = true,
            Verdict::Dearer { allowed } => failures.push(format!(
                "{name}: {found} instructions per {unit}, at most {allowed} are allowed (the baseline {before} and 5 %)"
            )),
            Verdict::Unknown => failures.push(format!("{name}: {found} instructions per {unit}, but no baseline")),
        }
    }
    if is_cheaper {
        eprintln!("    some cost over 5 % less than their baseline: hold that by `{UPDATE}`");
    }
    if failures.is_empty() {
        return Ok(());
    }
    let built_by = built_by()?;
    if built_by != baseline.built_by {
        failures.push(format!("the baseline was built by {}, this by {built_by}", baseline.built_by));
    }
    failures.push("where it went: `cargo xtask instructions --profile SCENE`".to_owned());
    failures.push(format!("where it is worth it: `{UPDATE}`, and say why in the change"));
    Err(Failure::new(failures.join("\n       ")))
}

fn update(scenes: &[&'static Scene]) -> Result<(), Failure> {
    let server = server::build()?;
    // Whoever makes the first one has none.
    let mut baseline = Baseline::read().unwrap_or_default();
    baseline.built_by = built_by()?;
    for scene in scenes {
        let found = figure(&server, scene)?;
        let before = baseline.figures.insert(scene.name.to_owned(), found);
        let before = before.map_or("none".to_owned(), |before| before.to_string());
        eprintln!("    {:<16}{before:>8} → {found} instructions per {}", scene.name, scene.unit);
    }
    baseline.figures.retain(|name, _| SCENES.iter().any(|scene| scene.name == name));
    baseline.write()
}

/// Prints where a unit's instructions are spent, most first.
fn profile(scene: &'static Scene, place: Place) -> Result<(), Failure> {
    let [short, long] = both(&server::build()?, scene)?;
    let before = report::places(&short.report, place)?;
    let more = |name: &str, cost: u64| cost.saturating_sub(before.get(name).copied().unwrap_or(0));
    let after = report::places(&long.report, place)?;
    let mut places: Vec<_> = after.iter().map(|(name, cost)| (more(name, *cost), name)).collect();
    places.sort_by(|one, other| other.cmp(one));

    let total = difference(&short, &long)?;
    let mut out = std::io::stdout().lock();
    let mut print = || {
        writeln!(out, "{} instructions per {}, of them:", per_unit(total, &short, &long), scene.unit)?;
        for (cost, name) in places.iter().take(TOP) {
            let permille = cost * 1000 / total.max(1);
            writeln!(out, "{:>8} {:>3}.{} %  {name}", per_unit(*cost, &short, &long), permille / 10, permille % 10)?;
        }
        writeln!(out, "\nwith callers: callgrind_annotate --tree=both --auto=yes {}", long.report.display())
    };
    print().map_err(|error: std::io::Error| Failure::new(format!("cannot print: {error}")))
}

/// The instructions per unit of a scene.
fn figure(server: &Path, scene: &'static Scene) -> Result<u64, Failure> {
    let [short, long] = both(server, scene)?;
    Ok(per_unit(difference(&short, &long)?, &short, &long))
}

/// The shorter run of a scene and the longer one, side by side: start and end cost both the same.
fn both(server: &Path, scene: &'static Scene) -> Result<[Run; 2], Failure> {
    thread::scope(|scope| {
        let short = scope.spawn(|| server::run(server, scene, scene.rounds / 5));
        let long = server::run(server, scene, scene.rounds)?;
        let short = short.join().map_err(|_| Failure::new("the shorter run has panicked"))??;
        Ok([short, long])
    })
}

fn difference(short: &Run, long: &Run) -> Result<u64, Failure> {
    Ok(report::total(&long.report)?.saturating_sub(report::total(&short.report)?))
}

fn per_unit(cost: u64, short: &Run, long: &Run) -> u64 {
    let units = (long.units - short.units) as u64;
    (cost + units / 2) / units
}

fn chosen(names: &[&str]) -> Result<Vec<&'static Scene>, Failure> {
    if names.is_empty() {
        return Ok(SCENES.iter().collect());
    }
    names.iter().map(|name| scene(name)).collect()
}

fn scene(name: &str) -> Result<&'static Scene, Failure> {
    let found = SCENES.iter().find(|scene| scene.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = SCENES.iter().map(|scene| scene.name).collect();
        Failure::new(format!("no scene `{name}`: expected one of {}", names.join(" ")))
    })
}

/// What makes figures of different machines differ.
fn built_by() -> Result<String, Failure> {
    let version = program::output(Command::new("rustc").arg("--version"))?;
    Ok(format!("{} on {}", version.trim(), std::env::consts::ARCH))
}
