//! What holds for any bytes. The fuzz targets of these names run these very files.

pub(crate) mod websocket_decode; // Streams of frames.
pub(crate) mod websocket_handshake; // Headers of requests and answers.

use crate::replay::Target;

/// The functions, by the names of their targets.
pub(crate) const TARGETS: &[Target] =
    &[("websocket_decode", websocket_decode::run), ("websocket_handshake", websocket_handshake::run)];
