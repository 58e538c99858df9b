//! The browser bundles of socket.io-client, for servers that serve them.
//!
//! The files are npm's and never committed: `cargo xtask client-dist` lays them out in `dist/`, and this crate embeds
//! what lies there when it is built, compressed. Without them it compiles as well, and has no bundle to offer.
//!
//! It knows no HTTP library: a [`Response`] is a status, headers and a body for the server to send.
//!
//! ```
//! match sockeye_client_dist::bundle("socket.io.min.js") {
//!     Some(bundle) => {
//!         let response = bundle.respond(Some("gzip, br"), None);
//!         assert_eq!(response.status, 200);
//!         assert!(response.headers.contains(&("Content-Encoding", "br".to_owned())));
//!     }
//!     None => println!("404: {}", sockeye_client_dist::MISSING_HINT),
//! }
//! ```
mod bundle; // A file of the client, and how to find it.
mod response; // What a request for a bundle is answered.

pub use bundle::{Bundle, MISSING_HINT, VERSION, bundle, etag};
pub use response::Response;
