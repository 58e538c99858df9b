//! Socket.IO for Rust: namespaces, handlers, rooms, acknowledgements; wire-compatible with the official JavaScript
//! clients.
//!
//! ```no_run
//! use sockeye::{Data, Server, Socket};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let io = Server::builder().build()?;
//!     io.on("chat message", async |socket: Socket, Data(text): Data<String>| {
//!         socket.broadcast().emit("chat message", &text)
//!     });
//!     io.listen("0.0.0.0:3000").await?;
//!     Ok(())
//! }
//! ```
//!
//! Beside the routes of an axum application, it is a layer: `Router::new().layer(io.layer())`.
//!
//! Coming from elsewhere? The [guides](guide) say it in the words you know: [Node's socket.io](guide::from_node), its
//! [emit cheatsheet](guide::emit_cheatsheet), [socketioxide](guide::from_socketioxide).
//!
//! # What stays where
//!
//! Handlers belong to a [`Namespace`] and are shared by all its sockets; [`Server`] is its main namespace too.
//! A [`Socket`] is one client in one namespace. Events go out by `emit`, which never blocks: a slow client is that
//! client's problem, and is disconnected when it falls too far behind.
//!
//! | you want | see |
//! |---|---|
//! | to answer requests | [`Server::listen`], [`Server::layer`] for axum, [`Server::service`] for hyper, `listen_tls` |
//! | to set something | [`ServerBuilder`], [all settings](guide::options) |
//! | to hear of events | [`Namespace::on`], [`on_any`](Namespace::on_any), [`fallback`](Namespace::fallback), [`Socket::on`] |
//! | to decide who may come in | [`Namespace::middleware`], [`ServerBuilder::allow_request`]; [`event_middleware`](Namespace::event_middleware) for each event |
//! | to send | [`Socket::emit`], [`Namespace::to`], [`Broadcast`]; [what is promised](guide::delivery) |
//! | answers | [`Socket::emit_with_ack`], [`Replies`] of many; [`Ack`] and [`Answer`] the other way |
//! | all devices of a user | [`Socket::set_user`], [`Namespace::user`] |
//! | namespaces made on demand | [`Server::of_pattern`], [`Server::of_dynamic`] |
//! | clients to find again what they had and missed | [`Recovery`] |
//! | other packets than the official text | [`MessagePackParser`], [`parser`] |
//! | to run it | [proxies, TLS, limits, logs](guide::deployment) |
//!
//! # What a handler is
//!
//! An async function whose arguments are [extractors](Extract) and whose returned value is an [`Answer`]. See
//! [`Handler`].
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `axum` | the peer's address for polling clients, from axum's `ConnectInfo` |
//! | `tls` | `listen_tls` and `serve_tls`, by rustls |
//!
//! Neither is on by default.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadMe;

#[cfg(doctest)]
#[doc = include_str!("../../../README.zh.md")]
struct ReadMeInChinese;

pub mod guide; // What to read first.
pub mod handler; // Handlers, extractors, answers.
pub mod http; // The tower layer and service.
pub mod metrics; // What is counted.
pub mod parser; // Packets in other forms than the official text.

mod ack; // Acknowledgements, both ways.
mod builder; // The settings of a server to be.
mod client; // One connection and its sockets.
mod cluster; // This node among others.
mod connect; // Into a namespace, or not.
mod data; // Values by name that belong to a socket.
mod disconnect; // Why a socket was disconnected.
mod dispatch; // Calling handlers.
mod emit; // Sending events.
mod event_middleware; // What events pass before their handlers.
mod event_rate; // How many events may come.
mod extensions; // Values of any type.
mod handlers; // The handlers of a namespace.
mod handshake; // What a client told.
mod holds; // Who needs a namespace.
mod listeners; // What a program listens to.
mod namespace; // A namespace.
mod namespaces; // All of them.
mod outgoing; // What is emitted, for those who listen.
mod parent; // Namespaces made on demand.
mod peer; // The address of the peer.
mod recovery; // Clients that come back.
mod remote; // A socket as it was when it was asked for.
mod room_watch; // Who wants to know what happens to rooms.
mod server; // The server.
mod server_side; // Events between servers.
mod socket; // One client in one namespace.
#[cfg(feature = "tls")]
mod tls; // Listening with TLS.
mod wire; // How packets travel.

pub use ack::{Ack, AckError, AckFuture, Elsewhere, Replies, RepliesFuture};
pub use builder::{ServeClient, ServerBuilder};
pub use connect::ConnectError;
pub use data::SocketData;
pub use disconnect::DisconnectReason;
pub use dispatch::Failure;
pub use emit::{Broadcast, Emit, EmitError};
pub use event_rate::{EventRate, Overrun, TooManyEvents};
pub use extensions::Extensions;
pub use handler::{Answer, Arguments, BoxError, Data, Event, Extension, Extract, ExtractError, Handler, State};
pub use handlers::Registration;
pub use handshake::Handshake;
pub use metrics::Metrics;
pub use namespace::Namespace;
pub use namespaces::EmptyNamespaces;
pub use outgoing::Outgoing;
pub use parent::{Approval, InvalidPattern};
pub use recovery::{Recovery, RecoveryMiddlewares};
pub use remote::RemoteSocket;
pub use server::Server;
pub use server_side::ServerEvent;
pub use socket::Socket;
pub use sockeye_adapter::cluster::{Answers, Broker, BrokerError, ClusterCounts, MemoryHub, Missing, NodeId};
pub use sockeye_adapter::{IntoRooms, JoinError, Room, RoomEvent, SocketId};
#[cfg(feature = "tls")]
pub use sockeye_engine::rustls;
pub use sockeye_engine::{
    Clients, CloseCause, ConfigError, Cookie, Cors, Counts, Drain, Forbidden, Guarantee, HandshakeRequest,
    HttpCompression, Listener, PeerAddress, PerMessageDeflate, Protocol, RequestBody, SameSite, Secure, SessionId,
    TrailingSlash, Transport, Upgrades,
};
pub use sockeye_protocol::socket::{MessagePackParser, Spread, ToArguments, Value};
