//! How a message is to be sent.

/// How a message is to be sent. The default is reliable and compressed, where that is set up and pays.
///
/// Every method that sends takes a [`Guarantee`] or a [`Compression`] in its place, if the rest stays as it is.
///
/// ```
/// use sockeye_engine::{Compression, Guarantee, SendOptions};
///
/// let options = SendOptions { compression: Compression::Never, ..Guarantee::Volatile.into() };
/// assert_eq!(SendOptions::default(), Guarantee::Reliable.into());
/// # assert_ne!(options, Compression::Never.into());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Whether it may be dropped.
    pub guarantee: Guarantee,
    /// Whether it may be compressed.
    pub compression: Compression,
}

/// Whether a message may be dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guarantee {
    /// It is sent, or the connection is closed.
    #[default]
    Reliable,
    /// It is dropped if the transport can't take it right now.
    Volatile,
}

/// Whether a message may be compressed.
///
/// An answer to a poll is compressed if one of its messages may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// It is compressed if the transport compresses, and it is long enough for that to pay.
    #[default]
    Allowed,
    /// It is sent as it is: because it does not get smaller, or holds a secret beside what others may choose.
    Never,
}

impl From<Guarantee> for SendOptions {
    fn from(guarantee: Guarantee) -> Self {
        Self { guarantee, ..Self::default() }
    }
}

impl From<Compression> for SendOptions {
    fn from(compression: Compression) -> Self {
        Self { compression, ..Self::default() }
    }
}
