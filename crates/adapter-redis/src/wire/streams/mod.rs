//! The format of `@socket.io/redis-streams-adapter` and `@socket.io/redis-streams-emitter`.
//!
//! What changes something is an entry of a stream, where clients that come back find what they missed. What asks for
//! answers, and the answers, are pub/sub messages beside it, and MessagePack. Versions before 0.3 put everything into the
//! stream, and emitters still do: all of it is understood there.
//!
//! ```
//! use sockeye_redis::wire::streams::{Carrier, Streams, carrier, decode_entry, encode_entry};
//! use std::num::NonZeroU32;
//!
//! let data = r#"{"packet":{"type":2,"data":["hi"]},"opts":{"rooms":[],"except":[],"flags":{}}}"#;
//! let fields = [("uid", "0123456789abcdef"), ("nsp", "/"), ("type", "3"), ("data", data)];
//! let envelope = decode_entry(fields.map(|(name, value)| (name, value.as_bytes())))?;
//! assert_eq!(encode_entry(&envelope)?, fields.map(|(name, value)| (name, value.to_owned())));
//! assert_eq!(carrier(&envelope), Carrier::Stream);
//! assert_eq!(Streams::new("socket.io", NonZeroU32::MIN).of(&envelope.namespace), "socket.io");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entry; // Entries of a stream.
mod entry_id; // Offsets.
mod names; // Which stream a namespace has.
mod session; // What a client left behind.

use sockeye_adapter::cluster::{Envelope, Message};
use sockeye_protocol::socket::messagepack;

use super::{DecodeError, EncodeError, envelope};

pub use super::channels::{Channels, SubscriptionMode};
pub use entry::{decode_entry, encode_entry};
pub use entry_id::{EntryId, InvalidEntryId};
pub use names::Streams;
pub use session::Session;

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The namespace's stream.
    Stream,
    /// The channel that all nodes subscribe to; for an answer, the channel of whoever asked.
    Channel,
}

/// What carries a message. Emitters only know the stream.
pub fn carrier(envelope: &Envelope) -> Carrier {
    match &envelope.message {
        _ if envelope.from.is_emitter() => Carrier::Stream,
        Message::Broadcast(broadcast) if broadcast.request.is_some() => Carrier::Channel,
        Message::ServerSideEmit { .. } | Message::FetchSockets { .. } => Carrier::Channel,
        message if message.answers().is_some() => Carrier::Channel,
        _ => Carrier::Stream,
    }
}

/// The bytes of a message that a channel carries.
///
/// # Errors
/// [`EncodeError`] for messages that this format has not, that are for nobody, or whose values nest too deep.
pub fn encode(envelope: &Envelope) -> Result<Vec<u8>, EncodeError> {
    Ok(messagepack::encode(&envelope::write(envelope)?)?)
}

/// Reads the bytes that came on a channel.
///
/// # Errors
/// [`DecodeError`] for bytes that are no message.
pub fn decode(bytes: &[u8]) -> Result<Envelope, DecodeError> {
    envelope::read(messagepack::decode(bytes)?)
}
