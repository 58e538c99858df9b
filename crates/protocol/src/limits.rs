/// Every bound on foreign data that the codecs and their drivers hold.
///
/// ```
/// let limits = sockeye_protocol::Limits::default();
/// assert_eq!(limits.max_attachments, 10);
/// assert_eq!(limits.max_payload, 1_000_000);
/// ```
///
/// Two bounds are not settings: JSON that is read into a value may nest 128 levels deep, and a length in an
/// Engine.IO 3 payload has at most 15 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most bytes of one message or polling body. Default: 1 MB, as in Node.
    ///
    /// The transports hold it, for they know the length before the bytes; clients are told in the open packet.
    pub max_payload: usize,
    /// Most attachments of one packet, received or emitted. Default: 10, above which JavaScript's decoder gives up too.
    pub max_attachments: usize,
}

impl Limits {
    /// Sets [`max_payload`](Self::max_payload), in bytes.
    #[must_use]
    pub fn with_max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Sets [`max_attachments`](Self::max_attachments). JavaScript clients refuse more than 10.
    #[must_use]
    pub fn with_max_attachments(mut self, count: usize) -> Self {
        self.max_attachments = count;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_payload: 1_000_000, max_attachments: 10 }
    }
}
