use smol_str::SmolStr;
use sockeye_protocol::socket;

/// Why received bytes are no message of the format. Whoever sent them is no node, or one of another version.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// They begin like MessagePack, and are none.
    #[error("expected MessagePack")]
    MessagePack(#[from] socket::DecodeError),
    /// They begin like JSON, and are none.
    #[error("expected JSON: {reason}")]
    Json {
        /// What the JSON parser found and expected.
        reason: String,
    },
    /// They are neither text nor what stands for bytes in text.
    #[error("expected {expected} in {field:?}, found other bytes")]
    Text {
        /// The field.
        field: &'static str,
        /// What should have been there.
        expected: &'static str,
    },
    /// A field is missing or of another kind.
    #[error("expected {expected} in {field:?}, found {found}")]
    Field {
        /// The field.
        field: &'static str,
        /// What should have been there.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// No message has this number.
    #[error("expected a message type from {expected}, found {found}")]
    UnknownType {
        /// The numbers there are.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// The message is about a namespace that only looks as if it had this channel. Not a fault: it is ignored.
    #[error("expected namespace {expected:?}, found {found:?}")]
    OtherNamespace {
        /// Whose channel it is.
        expected: SmolStr,
        /// What the message says.
        found: SmolStr,
    },
    /// A request or answer of `socket.io-redis` 5 or older, whose numbers mean something else.
    #[error("expected \"requestId\", found \"requestid\": versions of Node's adapter before 6 are not understood")]
    TooOld,
}

/// Why a message can't be sent in a format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The format has no such message.
    #[error("the {format} format has no form for this: {message}")]
    Unsupported {
        /// The format.
        format: &'static str,
        /// The message.
        message: &'static str,
    },
    /// The message is for nobody. In these formats no room at all would mean everybody.
    #[error("the message is for nobody: expected a room, or everybody")]
    Nobody,
    /// A value is nested too deep, or too long.
    #[error("a value can't be written")]
    Value(#[from] socket::EncodeError),
}
