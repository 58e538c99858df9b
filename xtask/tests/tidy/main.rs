//! The rules of the tree that no compiler knows, as tests: `cargo test` finds a breach before CI does.
#![allow(clippy::unwrap_used, reason = "every function here is a test's, also those that the lint takes for helpers")]

mod arrows; // Which crate may depend on which.
mod files; // The tree as these tests see it.
mod links; // Links between our own pages.
mod paths; // Nothing of the machine it was written on.
mod sizes; // One idea per file.
