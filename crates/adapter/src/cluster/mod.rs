//! What the nodes of a cluster tell each other.
//!
//! A node sends [`Message`]s, each in an [`Envelope`] that names the sender and the namespace. How they look in bytes, and
//! who carries them, is a backend's business.

mod broadcast; // An event for clients, and how it is sent.
mod ids; // Nodes and requests.
mod message; // All that is told.
mod socket_details; // A socket of another node.

pub use broadcast::{Broadcast, Flags};
pub use ids::{NodeId, RequestId};
pub use message::{Envelope, Message};
pub use socket_details::SocketDetails;
