//! Sockeye's cluster on Redis: beside Node's servers, in their formats.

pub mod wire; // Channels, streams and bytes of each format.
