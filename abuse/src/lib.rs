//! The other end of the abuse tests and of the soak: a server in a process of its own, and raw clients.
//!
//! Nothing here knows more of the server than its socket and the lines on its standard output: what is asserted is what
//! the kernel and the server's own counts say.

#![allow(clippy::missing_errors_doc, reason = "every error here is a failed test, told by its own text")]

mod crowd; // Many at once.
mod peer; // A WebSocket client by hand.
mod polling; // A polling client by hand.
mod process; // The server's process.
mod status; // What the server says of itself.
mod trial; // Before and after an attack.
mod witness; // The client that has to be served meanwhile.

pub use crowd::{crowd, host};
pub use peer::{End, Peer, connect, connect_from, upgrade_request};
pub use polling::{Answer, Http, Polling};
pub use process::Process;
pub use status::Status;
pub use trial::Trial;
pub use witness::{Seen, Witness};

/// How long anything may take that is expected to happen; longer is a failure.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);
