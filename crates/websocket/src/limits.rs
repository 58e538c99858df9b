/// Bounds on what a peer may send.
///
/// ```
/// use sockeye_websocket::Limits;
///
/// let limits = Limits::default().max_message(16 << 20).max_fragments(64);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) message: usize,
    pub(crate) fragments: u32,
}

impl Limits {
    /// Longest message in bytes, after inflation and over all its fragments. Default: 1,000,000, as Socket.IO's.
    ///
    /// It is checked on a frame's header, before anything of the frame is kept.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.message = bytes;
        self
    }

    /// Most frames that one message may come in. Default: 1,024.
    ///
    /// Bounds what tiny fragments cost: each is work, and an empty one never reaches the limit in bytes.
    #[must_use]
    pub fn max_fragments(mut self, frames: u32) -> Self {
        self.fragments = frames;
        self
    }

    /// Longest compressed form of a message: what does not compress grows a little by deflate's own blocks.
    pub(crate) fn compressed_message(self) -> usize {
        self.message.saturating_add(self.message >> 10).saturating_add(64)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 1_000_000, fragments: 1_024 }
    }
}
