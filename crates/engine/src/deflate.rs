//! Compression of WebSocket messages.

use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::{HeaderMap, Response};
use sockeye_websocket::deflate::{Config, Deflate, Windows, negotiate};
use sockeye_websocket::frames;

use crate::config_error::ConfigError;

/// Compression of WebSocket messages: the extension permessage-deflate, for clients that offer it.
///
/// No context is kept between messages, in either direction: a connection holds neither a compressor nor an inflater,
/// each thread has one of both from its first compressed message on (430 KB), and a broadcast is compressed once for all.
/// The price is time, which sending a long message then takes: some 20 ms for 1 MB of JSON.
///
/// Compressed are the messages of the layer above, but for the attachments that follow a text. A message that came compressed
/// may not be longer than `max_payload` when inflated.
///
/// ```
/// use sockeye_engine::{EngineConfig, PerMessageDeflate};
///
/// let config = EngineConfig::default().per_message_deflate(PerMessageDeflate::default().threshold(4096).level(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMessageDeflate {
    threshold: usize,
    level: u8,
}

impl Default for PerMessageDeflate {
    fn default() -> Self {
        Self { threshold: 1024, level: 6 }
    }
}

impl PerMessageDeflate {
    /// The shortest message that is worth compressing, in bytes. Default: 1,024.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// The effort, from 1 (fast) to 9 (small). Default: 6.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    pub(crate) fn check(self) -> Result<(), ConfigError> {
        if (1..=9).contains(&self.level) { Ok(()) } else { Err(ConfigError::DeflateLevel { found: self.level }) }
    }

    /// Whether a message of this length is worth compressing.
    pub(crate) fn pays_for(self, len: usize) -> bool {
        len >= self.threshold
    }

    /// Accepts what the request offers, if there is anything to accept, and says so in the answer.
    pub(crate) fn agree<B>(self, request: &HeaderMap, answer: &mut Response<B>) -> Option<Deflate> {
        let threshold = u32::try_from(self.threshold).unwrap_or(u32::MAX);
        // One window for all, so that one compressed form of a broadcast serves them all.
        let config = Config::default().threshold(threshold).level(self.level).windows(Windows::Whole);
        let agreed = negotiate(request, config)?;
        answer.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, agreed.answer());
        Some(agreed)
    }
}

/// Brings one of our own plain frames into its compressed form, where that makes it smaller.
pub(crate) fn compress(frame: &mut Vec<u8>, deflate: Deflate) {
    if let Some(compressed) = compressed(frame, deflate) {
        *frame = compressed.into();
    }
}

/// The compressed form of one of our own plain frames, if that is smaller.
pub(crate) fn compressed(frame: &[u8], deflate: Deflate) -> Option<bytes::Bytes> {
    let (opcode, payload) = frames(frame).next()?;
    deflate.compressed_frame(opcode, payload)
}
