//! permessage-deflate ([RFC 7692]): agreeing on it, and compressed frames.
//!
//! Always without context takeover, in both directions: every message stands for itself. So one compressed frame is
//! shared by all recipients, and no connection holds a compressor (380 KB) or an inflater (47 KB): each thread has one of
//! both, from its first compressed message on.
//!
//! ```
//! use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};
//! use sockeye_websocket::{Opcode, deflate};
//!
//! let mut request = HeaderMap::new();
//! request.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static("permessage-deflate; client_max_window_bits"));
//! let agreed = deflate::negotiate(&request, deflate::Config::default()).ok_or("no offer to accept")?;
//! assert_eq!(agreed.answer(), "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
//! assert_eq!(agreed.frame(Opcode::Text, b"short"), b"\x81\x05short"[..]);
//! assert!(agreed.frame(Opcode::Text, &[b'a'; 2_000]).len() < 40);
//! # Ok::<(), &str>(())
//! ```
//!
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692

mod compression;
mod inflation;
mod negotiation;

pub use compression::{Config, Windows};
pub use negotiation::{Deflate, NegotiationError, accept, negotiate, offer};

pub(crate) use inflation::{InflateError, inflate};
