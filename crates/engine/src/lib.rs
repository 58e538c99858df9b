//! An Engine.IO server: HTTP requests and sockets to messages, and back.
//!
//! It serves Engine.IO protocols 3 and 4 over long-polling and WebSocket, and knows nothing of events and rooms.
//! Most users want the crate `sockeye`, which is Socket.IO on top of this.
//!
//! ```no_run
//! use std::num::NonZeroUsize;
//! use std::sync::Arc;
//!
//! use sockeye_engine::{Acceptor, Closed, Connection, Engine, EngineConfig, Guarantee, Listener, Message, Receiver};
//!
//! /// Sends back what it gets.
//! struct Echo(Connection);
//!
//! impl Receiver for Echo {
//!     fn receive(&mut self, message: Message<'_>) {
//!         match message {
//!             Message::Text(text) => self.0.send_text(text.as_bytes(), &[], Guarantee::Reliable),
//!             Message::Binary(bytes) => self.0.send_binary(&bytes, Guarantee::Reliable),
//!         }
//!     }
//!
//!     fn closed(&mut self, closed: Closed) {
//!         println!("closed: {closed}");
//!     }
//! }
//!
//! struct Echoes;
//!
//! impl Acceptor for Echoes {
//!     fn accept(&self, connection: Connection) -> Box<dyn Receiver> {
//!         Box::new(Echo(connection))
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(EngineConfig::default(), Arc::new(Echoes))?;
//! let listener = Listener::bind("127.0.0.1:3000").await?;
//! let answering = engine.clone();
//! let answer = move |request| {
//!     let engine = answering.clone();
//!     async move { engine.handle(request).await }
//! };
//! engine.listen(listener, NonZeroUsize::MIN, answer).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # From bytes to messages
//!
//! A request comes in by [`Engine::handle`], which verifies it and hands it to the polling or the WebSocket transport.
//! Each WebSocket has one task, its driver; a polling session has none. Both hand messages to the connection's
//! [`Receiver`], in order and never twice at once. What is sent goes into the connection's outbox as complete frames
//! and is written once at the end of the event loop's turn.

mod answer; // The answers to polling requests.
mod body; // The body of an answer.
mod close; // Why a connection ended.
mod compression; // Which answers are compressed, and how.
mod config; // What can be set.
mod config_error; // What can't.
mod connection; // The handle to a connection.
mod cookie; // The cookie for load balancers.
mod cors; // Who may read our answers.
mod counting; // What is counted of a connection.
mod deflate; // Compression of WebSocket messages.
mod driver; // The task of one WebSocket.
mod engine; // The engine itself, and its end.
mod frames; // One packet, framed once for all.
mod handshake; // What a client told with its first request.
mod hooks; // What the application has a say in.
mod inbox; // What comes in, in order.
mod io; // The two halves of a byte stream.
mod link; // What all who touch a connection agree on.
mod listen; // Event loops that accept connections.
mod metrics; // What is counted.
mod origins; // Whose pages may use the server.
mod outbox; // What waits to be sent.
mod patience; // A stream whose writes do not wait for ever.
mod places; // How many sessions there may be.
mod polling; // The polling transport's way out.
mod posting; // The polling transport's way in.
mod request; // Requests that lie whole in one read.
mod response; // Answers as they are sent.
mod scratch; // Room to read into.
mod sending; // How a message is to be sent.
mod service; // Which part answers a request.
mod sessions; // Sessions by their id.
mod takeover; // What becomes of a connection that leaves HTTP.
mod talk; // HTTP on one connection.
#[cfg(feature = "tls")]
mod tls; // TLS in front of plain listening.
mod turn; // How long one client's messages are handled.
mod upgrade; // From a request to a WebSocket.
mod worker; // Writes and deadlines of one event loop.

pub use body::{Body, RequestBody};
pub use close::{CloseCause, Closed};
pub use compression::HttpCompression;
pub use config::{Clients, EngineConfig, TrailingSlash, Upgrades};
pub use config_error::ConfigError;
pub use connection::Connection;
pub use cookie::{Cookie, SameSite};
pub use cors::Cors;
pub use deflate::PerMessageDeflate;
pub use engine::{Drain, Engine};
pub use frames::Frames;
pub use handshake::{Handshake, PeerAddress, Secure};
pub use hooks::{Forbidden, HandshakeRequest};
pub use inbox::{Acceptor, Receiver};
pub use listen::Listener;
pub use metrics::{Count, Counts, EngineMetrics};
#[cfg(feature = "tls")]
pub use rustls;
pub use sending::{Compression, Guarantee, SendOptions};
pub use sockeye_protocol::engine::{CloseReason, InvalidSessionId, Message, Protocol, SessionId, Transport};
pub use turn::Turn;
