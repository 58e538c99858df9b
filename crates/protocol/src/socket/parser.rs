use std::fmt;

use bytes::Bytes;

use super::{Assembled, DecodeError, EncodeError, Packet};
use crate::{
    Limits,
    engine::{Message, Protocol},
};

/// How packets travel as messages, where that is not the official text: Node's `parser` option.
///
/// Inside the library a packet is always what [`Packet`] holds: a head, JSON, and the attachments that placeholders in
/// the JSON stand for. A parser translates at the edge, so that handlers and their types are the same whatever it is.
/// Clients have to use its counterpart.
///
/// A packet becomes one text, one binary message, or a text with binary messages behind it, with nothing of other
/// packets between them. What may grow with a peer's bytes is the parser's to bound; it is given the [`Limits`].
///
/// ```
/// use bytes::Bytes;
/// use sockeye_protocol::{
///     Limits,
///     engine::{Message, Protocol},
///     socket::{Assembled, DecodeError, Decoder, EncodeError, Encoded, Packet, Parser, decode, write_head},
/// };
///
/// /// The official text, marked.
/// struct Marked;
///
/// impl Parser for Marked {
///     fn encode(&self, packet: &Packet<'_>, attachments: &[Bytes]) -> Result<Encoded, EncodeError> {
///         if !attachments.is_empty() {
///             return Err(EncodeError::unsupported("bytes have no marked form"));
///         }
///         let mut text = b"!".to_vec();
///         write_head(&mut text, packet.kind, 0, packet.namespace, packet.id);
///         Ok(Encoded::text(String::from_utf8_lossy(&text) + packet.payload))
///     }
///
///     fn decoder(&self, _: Protocol) -> Box<dyn Decoder> {
///         Box::new(Self)
///     }
/// }
///
/// impl Decoder for Marked {
///     fn decode(&mut self, message: Message<'_>, limits: &Limits) -> Result<Option<Assembled>, DecodeError> {
///         let Message::Text(text) = message else { return Err(DecodeError::malformed("expected text")) };
///         let text = text.strip_prefix('!').ok_or_else(|| DecodeError::malformed("expected a mark"))?;
///         Assembled::new(&decode(text, limits)?, vec![]).map(Some)
///     }
/// }
/// ```
pub trait Parser: Send + Sync + 'static {
    /// Writes a packet. Each placeholder in its JSON stands for the attachment of its number.
    ///
    /// An event to many clients is written once, whatever their protocol revision. With recovery no other event of the
    /// namespace is sent meanwhile, so this must not send any itself.
    ///
    /// # Errors
    /// [`EncodeError`] if the packet has no form here. The emit fails with it, and nothing has been sent.
    fn encode(&self, packet: &Packet<'_>, attachments: &[Bytes]) -> Result<Encoded, EncodeError>;

    /// Makes what reads the messages of one connection, whose client speaks this revision of Engine.IO.
    fn decoder(&self, protocol: Protocol) -> Box<dyn Decoder>;
}

/// Reads the messages of one connection. See [`Parser`].
pub trait Decoder: Send {
    /// Takes the next message, and gives out the packet that it completes.
    ///
    /// # Errors
    /// [`DecodeError`]: the peer broke the protocol, and its connection ends.
    fn decode(&mut self, message: Message<'_>, limits: &Limits) -> Result<Option<Assembled>, DecodeError>;
}

impl fmt::Debug for dyn Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parser")
    }
}

impl fmt::Debug for dyn Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

/// The messages that carry one packet: a text, bytes, or a text and the bytes behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    text: Option<String>,
    binaries: Vec<Bytes>,
}

impl Encoded {
    /// One text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), binaries: Vec::new() }
    }

    /// One binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self { text: None, binaries: vec![bytes.into()] }
    }

    /// Adds binary messages behind those that are there.
    #[must_use]
    pub fn with_binaries(mut self, binaries: impl IntoIterator<Item = Bytes>) -> Self {
        self.binaries.extend(binaries);
        self
    }

    /// The text message, if there is one.
    pub fn as_text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The binary messages.
    pub fn binaries(&self) -> &[Bytes] {
        &self.binaries
    }
}
