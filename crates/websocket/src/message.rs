use std::borrow::Cow;

use crate::{CloseFrame, Opcode};

/// What the peer sent: a whole message, or a control frame.
///
/// Borrowed when all of it lies in the [`Input`](crate::Input); owned when it was put together from several reads or
/// fragments, or was inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'i> {
    /// A message of text.
    Text(Cow<'i, str>),
    /// A message of bytes.
    Binary(Cow<'i, [u8]>),
    /// Wants a pong with the same payload, of at most 125 bytes.
    Ping(Cow<'i, [u8]>),
    /// Answers a ping, or was sent unasked.
    Pong(Cow<'i, [u8]>),
    /// Nothing comes after it; wants a close frame back. `None` if the peer gave no code.
    Close(Option<CloseFrame>),
}

impl Message<'_> {
    /// The opcode of a frame that carries this message whole.
    pub fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
            Self::Ping(_) => Opcode::Ping,
            Self::Pong(_) => Opcode::Pong,
            Self::Close(_) => Opcode::Close,
        }
    }

    /// The bytes of the message; those of a close are in its [`CloseFrame`], here they are empty.
    pub fn payload(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(_) => &[],
        }
    }

    /// Makes the message independent of the input.
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => Message::Binary(Cow::Owned(bytes.into_owned())),
            Self::Ping(bytes) => Message::Ping(Cow::Owned(bytes.into_owned())),
            Self::Pong(bytes) => Message::Pong(Cow::Owned(bytes.into_owned())),
            Self::Close(close) => Message::Close(close),
        }
    }
}
