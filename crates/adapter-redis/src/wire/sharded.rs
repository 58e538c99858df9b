//! The sharded pub/sub format: `createShardedAdapter` of `@socket.io/redis-adapter`.
//!
//! A message is JSON, or MessagePack if there are bytes in it. Broadcasts to one room may have a channel of their own;
//! answers go to the channel of whoever asked.
//!
//! ```
//! use sockeye_redis::wire::sharded::{Channels, SubscriptionMode, decode, encode};
//!
//! let bytes = br#"{"type":3,"data":{"packet":{"type":2,"data":["hi"]},"opts":{"rooms":["lobby"],"except":[],"flags":{}}},"uid":"0123456789abcdef","nsp":"/"}"#;
//! let envelope = decode(bytes)?;
//! assert_eq!(encode(&envelope)?, bytes);
//! let channels = Channels::new("socket.io", "/", SubscriptionMode::Dynamic);
//! assert_eq!(channels.destination(&envelope.message), "socket.io#/#lobby#");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use sockeye_adapter::cluster::Envelope;
use sockeye_protocol::socket::messagepack;

use super::{
    DecodeError, EncodeError,
    envelope::{self, has_bytes},
    json::{self, is_json},
};

pub use super::channels::{Channels, SubscriptionMode};

/// The bytes of a message.
///
/// # Errors
/// [`EncodeError`] for messages that this format has not, that are for nobody, or whose values nest too deep.
pub fn encode(envelope: &Envelope) -> Result<Vec<u8>, EncodeError> {
    let value = envelope::write(envelope)?;
    if has_bytes(&value) { Ok(messagepack::encode(&value)?) } else { Ok(value.to_json()?.into()) }
}

/// Reads the bytes that came on any channel. Node ignores messages of other namespaces than the channel's.
///
/// # Errors
/// [`DecodeError`] for bytes that are no message.
pub fn decode(bytes: &[u8]) -> Result<Envelope, DecodeError> {
    envelope::read(if is_json(bytes) { json::decode(bytes)? } else { messagepack::decode(bytes)? })
}
