//! What holds for any bytes. The fuzz target of this name runs this very file.

pub(crate) mod redis_wire; // Messages in all formats.

use crate::replay::Target;

/// The functions, by the names of their targets.
pub(crate) const TARGETS: &[Target] = &[("redis_wire", redis_wire::run)];
