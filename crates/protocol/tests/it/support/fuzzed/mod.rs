//! What holds for any bytes, a function for each decoder. The fuzz targets of these names run these very files.

pub(crate) mod engine_jsonp; // Forms that pages post.
pub(crate) mod engine_packet; // Messages of a WebSocket.
pub(crate) mod engine_payload; // Bodies of polling.
pub(crate) mod engine_request; // Queries, and what becomes of their requests.
pub(crate) mod messagepack; // Packets as MessagePack.
pub(crate) mod session; // Sequences of what can happen to a session.
pub(crate) mod socket_arguments; // Payloads of events.
pub(crate) mod socket_packet; // Texts and their attachments.

use crate::replay::Target;

/// The functions, by the names of their targets.
pub(crate) const TARGETS: &[Target] = &[
    ("engine_jsonp", engine_jsonp::run),
    ("engine_packet", engine_packet::run),
    ("engine_payload", engine_payload::run),
    ("engine_request", engine_request::run),
    ("messagepack", messagepack::run),
    ("session", session::run),
    ("socket_arguments", socket_arguments::run),
    ("socket_packet", socket_packet::run),
];
