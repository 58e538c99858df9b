//! The pub/sub format: `createAdapter` of `@socket.io/redis-adapter`, and `@socket.io/redis-emitter`.
//!
//! Broadcasts go to channels that tell their rooms, so that a node need not read what none of its sockets gets. Requests
//! and answers have a channel each; an answer may go to a channel of whoever asked.
//!
//! | message | channel | form |
//! |---|---|---|
//! | broadcast | of broadcasts, or of its only room | MessagePack |
//! | broadcast that asks for answers | of requests | MessagePack |
//! | all other requests, joins, leaves, disconnects, server-side events | of requests | JSON |
//! | answer of a client | of answers | MessagePack |
//! | all other answers | of answers | JSON |
//!
//! In what Node answers the sender is left out ([`NodeId::unknown`](sockeye_adapter::cluster::NodeId::unknown)). An answer
//! whose sender is known is written with it, behind everything else, where Node ignores it. Bytes within JSON become
//! `{"type":"Buffer","data":[…]}`, as in Node. An answer of no socket ids can't be told from one of no sockets, and is
//! read as that.
//!
//! ```
//! use sockeye_adapter::cluster::{Envelope, Message, NodeId};
//! use sockeye_redis::wire::classic::{Channel, Channels, decode, encode};
//!
//! let channels = Channels::new("socket.io", "/chat");
//! let (channel, bytes) = (
//!     "socket.io-request#/chat#",
//!     br#"{"uid":"k3Fz0a","type":2,"opts":{"rooms":["lobby"],"except":[]},"rooms":["news"]}"#,
//! );
//! let recognized = channels.recognize(channel).ok_or("not ours")?;
//! assert_eq!(recognized, Channel::Requests);
//!
//! let envelope = decode(recognized, "/chat", bytes)?;
//! assert_eq!(envelope.from, "k3Fz0a");
//! assert!(matches!(envelope.message, Message::Join { .. }));
//! assert_eq!(encode(&envelope)?, bytes);
//! assert_eq!(channels.destination(&envelope.message, None), channel);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer; // What requests are answered with.
mod broadcast; // Events for clients.
mod channels; // The names of channels.
mod request; // Requests and orders.

use smol_str::SmolStr;
use sockeye_adapter::cluster::{Envelope, Message, NodeId};
use sockeye_protocol::socket::{Value, messagepack};

use super::{
    DecodeError, EncodeError,
    json::{self, is_json},
};

pub use channels::{Channel, Channels};

/// The bytes of a message.
///
/// # Errors
/// [`EncodeError`] for messages that this format has not, that are for nobody, or whose values nest too deep.
pub fn encode(envelope: &Envelope) -> Result<Vec<u8>, EncodeError> {
    let Envelope { from, namespace, message } = envelope;
    match message {
        Message::Broadcast(broadcast) if broadcast.request.is_none() => broadcast::write(from, namespace, broadcast),
        answer if answer.answers().is_some() => answer::write(from, answer),
        request => request::write(from, namespace, request),
    }
}

/// Reads the bytes that came on a channel of a namespace.
///
/// # Errors
/// [`DecodeError`] for bytes that are no message. Of these, [`DecodeError::OtherNamespace`] is no fault of anybody.
pub fn decode(channel: Channel<'_>, namespace: &str, bytes: &[u8]) -> Result<Envelope, DecodeError> {
    let (from, message) = match channel {
        Channel::Broadcasts { .. } => broadcast::read(namespace, bytes)?,
        Channel::Requests => request::read(read_value(bytes)?)?,
        Channel::Answers => answer::read(read_value(bytes)?)?,
    };
    Ok(Envelope { from, namespace: namespace.into(), message })
}

/// Requests and answers are JSON or MessagePack, whichever they begin like.
fn read_value(bytes: &[u8]) -> Result<Value, DecodeError> {
    if is_json(bytes) { json::decode(bytes) } else { Ok(messagepack::decode(bytes)?) }
}

fn sender(uid: Option<SmolStr>) -> NodeId {
    uid.map_or_else(NodeId::unknown, NodeId::new)
}

fn unsupported(message: &Message) -> EncodeError {
    EncodeError::Unsupported { format: "classic", message: message.name() }
}
