use std::borrow::Cow;

use crate::deflate::inflate;
use crate::text::TextBuffer;
use crate::{Limits, Message, Opcode, ProtocolError};

/// A message that has begun and not ended: what came of it, in its final form as far as that is known.
#[derive(Debug)]
pub(crate) struct Assembly {
    payload: Payload,
    /// Bytes announced by the headers so far, arrived or not.
    announced: usize,
    frames: u32,
}

#[derive(Debug)]
enum Payload {
    Text(TextBuffer),
    Binary(Vec<u8>),
    /// Inflated at its end, so that no inflater waits for the peer.
    Compressed(DataKind, Vec<u8>),
}

/// The two kinds of message that carry data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataKind {
    Text,
    Binary,
}

impl DataKind {
    pub(crate) fn of(opcode: Opcode) -> Option<Self> {
        match opcode {
            Opcode::Text => Some(Self::Text),
            Opcode::Binary => Some(Self::Binary),
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => None,
        }
    }

    /// A message that lies in the input whole.
    pub(crate) fn message(self, payload: &[u8]) -> Result<Message<'_>, ProtocolError> {
        Ok(match self {
            Self::Text => {
                let text = simdutf8::basic::from_utf8(payload).map_err(|_| ProtocolError::TextNotUtf8)?;
                Message::Text(Cow::Borrowed(text))
            }
            Self::Binary => Message::Binary(Cow::Borrowed(payload)),
        })
    }

    /// A message that is compressed whole.
    pub(crate) fn inflated(self, payload: &[u8], limits: Limits) -> Result<Message<'static>, ProtocolError> {
        let payload = inflate(payload, limits.message)?;
        Ok(match self {
            Self::Text => {
                let text = String::from_utf8(payload).map_err(|_| ProtocolError::TextNotUtf8)?;
                Message::Text(Cow::Owned(text))
            }
            Self::Binary => Message::Binary(Cow::Owned(payload)),
        })
    }
}

impl Assembly {
    pub(crate) fn new(kind: DataKind) -> Self {
        let payload = match kind {
            DataKind::Text => Payload::Text(TextBuffer::default()),
            DataKind::Binary => Payload::Binary(Vec::new()),
        };
        Self { payload, announced: 0, frames: 0 }
    }

    pub(crate) fn compressed(kind: DataKind) -> Self {
        Self { payload: Payload::Compressed(kind, Vec::new()), announced: 0, frames: 0 }
    }

    /// Makes sure that a frame of `payload_len` bytes fits; nothing of it is kept before.
    pub(crate) fn admit(&mut self, payload_len: u64, limits: Limits) -> Result<(), ProtocolError> {
        let limit = match self.payload {
            Payload::Text(_) | Payload::Binary(_) => limits.message,
            Payload::Compressed(..) => limits.compressed_message(),
        };
        let announced = payload_len.saturating_add(self.announced as u64);
        self.announced = usize::try_from(announced)
            .ok()
            .filter(|&announced| announced <= limit)
            .ok_or(ProtocolError::MessageTooLarge { len: announced, limit })?;
        self.frames += 1;
        if self.frames > limits.fragments {
            return Err(ProtocolError::TooManyFragments { limit: limits.fragments });
        }
        Ok(())
    }

    /// Memory grows with what has arrived, whatever the headers announced.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        match &mut self.payload {
            Payload::Text(text) => text.push(piece).map_err(|_| ProtocolError::TextNotUtf8)?,
            Payload::Binary(bytes) | Payload::Compressed(_, bytes) => bytes.extend_from_slice(piece),
        }
        Ok(())
    }

    pub(crate) fn finish(self, limits: Limits) -> Result<Message<'static>, ProtocolError> {
        match self.payload {
            Payload::Text(text) => {
                let text = text.finish().map_err(|_| ProtocolError::TextNotUtf8)?;
                Ok(Message::Text(Cow::Owned(text)))
            }
            Payload::Binary(bytes) => Ok(Message::Binary(Cow::Owned(bytes))),
            Payload::Compressed(kind, bytes) => kind.inflated(&bytes, limits),
        }
    }
}
