//! Which crate may depend on which. Arrows point one way, and what a crate must never know is out of its reach.

use std::{
    collections::{HashMap, HashSet},
    process::Command,
};

use serde_json::Value;

use crate::files::{assert_none, root, texts};

/// What has sockets, clocks or tasks.
const IO: &[&str] = &["tokio", "hyper", "hyper-util", "axum", "mio", "socket2", "async-io", "async-std", "smol"];
/// The clients of brokers: each belongs to one adapter crate.
const BROKERS: &[&str] = &["redis", "fred", "sqlx", "tokio-postgres", "async-nats"];
/// HTTP and what is built on it.
const HTTP: &[&str] = &["hyper", "hyper-util", "axum"];

struct Rule {
    /// The package.
    name: &'static str,
    /// Packages of ours that it may name.
    may_use: &'static [&'static str],
    /// Packages of others that it must not reach, through however many hands.
    never: &'static [&'static [&'static str]],
}

/// A new library crate gets its row here.
const RULES: &[Rule] = &[
    Rule { name: "sockeye-websocket", may_use: &[], never: &[IO, BROKERS] },
    Rule { name: "sockeye-protocol", may_use: &[], never: &[IO, BROKERS] },
    Rule { name: "sockeye-client-dist", may_use: &["sockeye-protocol"], never: &[IO, BROKERS] },
    Rule { name: "sockeye-adapter", may_use: &["sockeye-protocol"], never: &[HTTP, BROKERS] },
    Rule { name: "sockeye-redis", may_use: &["sockeye-adapter", "sockeye-protocol"], never: &[HTTP] },
    Rule { name: "sockeye-engine", may_use: &["sockeye-protocol", "sockeye-websocket"], never: &[&["axum"], BROKERS] },
    Rule {
        name: "sockeye",
        may_use: &["sockeye-adapter", "sockeye-client-dist", "sockeye-engine", "sockeye-protocol", "sockeye-websocket"],
        never: &[BROKERS],
    },
    Rule { name: "sockeye-client", may_use: &["sockeye-protocol", "sockeye-websocket"], never: &[&["axum"], BROKERS] },
];

/// What `cargo metadata` says, by package id.
struct Graph {
    names: HashMap<String, String>,
    /// Ordinary dependencies; those of tests and build scripts reach no user.
    uses: HashMap<String, Vec<String>>,
    libraries: Vec<String>,
}

impl Graph {
    fn read() -> Self {
        let mut cargo = Command::new(env!("CARGO"));
        let output = cargo.args(["metadata", "--format-version", "1", "--all-features"]).current_dir(root()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();

        let packages = list(&metadata["packages"]);
        let is_library =
            |package: &&Value| package["source"].is_null() && text(&package["manifest_path"]).contains("/crates/");
        let is_ordinary =
            |dependency: &&Value| list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        Self {
            names: packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect(),
            libraries: packages.iter().filter(is_library).map(|package| text(&package["id"])).collect(),
            uses: list(&metadata["resolve"]["nodes"])
                .iter()
                .map(|node| {
                    let dependencies = list(&node["deps"]);
                    let used = dependencies.iter().filter(is_ordinary).map(|dependency| text(&dependency["pkg"]));
                    (text(&node["id"]), used.collect())
                })
                .collect(),
        }
    }

    fn name(&self, id: &str) -> &str {
        &self.names[id]
    }

    /// Everything below `id`, with the name of the package that brought it in.
    fn reach<'a>(&'a self, id: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut seen = HashSet::from([id]);
        let mut open = vec![id];
        let mut reached = Vec::new();
        while let Some(user) = open.pop() {
            for used in &self.uses[user] {
                if seen.insert(used) {
                    reached.push((self.name(used), self.name(user)));
                    open.push(used);
                }
            }
        }
        reached
    }
}

#[test]
fn arrows_point_one_way() {
    let graph = Graph::read();
    let mut breaches = Vec::new();
    for id in &graph.libraries {
        let name = graph.name(id);
        let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
            breaches.push(format!("{name} has no row in {}", file!()));
            continue;
        };
        let ours = graph.uses[id].iter().filter(|used| graph.libraries.contains(used)).map(|used| graph.name(used));
        breaches.extend(ours.filter(|used| !rule.may_use.contains(used)).map(|used| format!("{name} uses {used}")));
        for (reached, user) in graph.reach(id) {
            if rule.never.concat().contains(&reached) {
                breaches.push(format!("{name} reaches {reached}, through {user}"));
            }
        }
    }
    assert_none("what a crate may know is part of the architecture", &breaches);
}

#[test]
fn every_package_takes_the_workspace_s_lints() {
    let manifests =
        texts().into_iter().filter(|(path, _)| path.components().count() > 1 && path.ends_with("Cargo.toml"));
    let members = manifests.filter(|(path, _)| !path.starts_with("fuzz") && !path.starts_with("bench/peers"));
    let without = members.filter(|(_, manifest)| !manifest.contains("[lints]\nworkspace = true"));
    let breaches: Vec<_> = without.map(|(path, _)| path.display().to_string()).collect();
    assert_none("every package has `[lints] workspace = true`", &breaches);
}
