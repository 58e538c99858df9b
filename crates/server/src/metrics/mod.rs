//! What a server counts, for whoever watches it.

mod catalogue; // Every metric, with its name, unit, label and help.
mod counters; // What is counted where it happens.
mod snapshot; // All of it at one moment.

pub use catalogue::{Kind, Sample};
pub(crate) use counters::Counters;
pub use snapshot::Metrics;
