//! What holds for whatever clients send. The fuzz target of this name runs this very file.

pub mod server; // Conversations with a whole server.

use crate::replay::Target;

/// The function, by the name of its target.
pub const TARGETS: &[Target] = &[("server", server::run)];
