//! Attacks on a real server process over raw sockets.
//!
//! Each asserts how the attack ends, that others are served meanwhile, and that sockets, sessions and memory are back at
//! the start afterwards. They run one after another, whatever the number of test threads: each takes its turn.

mod slow_readers; // Clients that do not take what is sent to them.

/// The server's program.
const SERVER: &str = env!("CARGO_BIN_EXE_abuse-server");
