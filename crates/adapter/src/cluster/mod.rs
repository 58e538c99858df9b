//! What the nodes of a cluster tell each other.
//!
//! A node sends [`Message`]s, each in an [`Envelope`] that names the sender and the namespace. How they look in bytes, and
//! who carries them, is a backend's business.

mod broadcast; // An event for clients, and how it is sent.
mod broker; // What carries messages.
mod counters; // What is counted.
mod ids; // Nodes and requests.
mod local; // What a node does for the others.
mod memory; // A broker within one process.
mod message; // All that is told.
mod node; // What a node takes in.
mod others; // The other nodes, seen from this one.
mod publisher; // The way out.
mod requests; // What was asked, and the answers.
mod socket_details; // A socket of another node.
mod weight; // What a message takes while it waits.

pub use broadcast::{Broadcast, Flags};
pub use broker::{BoxFuture, Broker, BrokerError, Destination, Inbox, Interest, Outgoing};
pub use counters::ClusterCounts;
pub use ids::{NodeId, RequestId};
pub use local::{ClientAnswers, Local, Reply};
pub use memory::{Faults, MemoryHub};
pub use message::{Envelope, Message};
pub use others::{AskedClients, ClientsAnswers, Cluster, ClusterSettings};
pub use requests::{Answers, Missing};
pub use socket_details::SocketDetails;
