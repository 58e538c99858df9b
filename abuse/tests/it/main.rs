//! Attacks on a real server process over raw sockets.
//!
//! Each asserts how the attack ends, that others are served meanwhile, and that sockets, sessions and memory are back at
//! the start afterwards. They run one after another, whatever the number of test threads: a process has one server at a
//! time.

mod acks; // Questions that nobody answers.
mod bodies; // Requests that do not end, or say too much.
mod bombs; // Little that inflates to much.
mod crowds; // Everybody at once.
mod floods; // More events than can be handled.
mod fragments; // Messages that do not end.
mod half_open; // Handshakes that are never finished.
mod names; // Namespaces and rooms without end.
mod panics; // Handlers that panic.
mod shutdown; // The end in the middle of load.
mod slow_readers; // Clients that do not take what is sent to them.

/// The server's program.
const SERVER: &str = env!("CARGO_BIN_EXE_abuse-server");
