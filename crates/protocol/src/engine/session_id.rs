use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The secret id of a session: 20 characters of `A-Z a-z 0-9 _ -`.
///
/// Whoever knows it can read and write as that client. The public id of a socket is a different one.
///
/// ```
/// use sockeye_protocol::engine::SessionId;
///
/// let sid = SessionId::from_random(*b"fifteen bytes..");
/// assert_eq!(sid.as_str().len(), 20);
/// assert_eq!(sid.as_str().parse(), Ok(sid));
/// assert!("../etc/passwd".parse::<SessionId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; Self::LEN]);

impl SessionId {
    /// Characters of an id.
    pub const LEN: usize = 20;

    /// Spells 120 bits, which have to come from a random source fit for secrets.
    pub fn from_random(bytes: [u8; 15]) -> Self {
        let mut text = [b'A'; Self::LEN];
        // 15 bytes are 20 characters without padding, so there is always room.
        let _written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        Self(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Both ways to make an id let only ASCII in, so the default is never taken.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| InvalidSessionId)?;
        if bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return Ok(Self(bytes));
        }
        Err(InvalidSessionId)
    }
}

impl TryFrom<&str> for SessionId {
    type Error = InvalidSessionId;

    fn try_from(text: &str) -> Result<Self, InvalidSessionId> {
        text.parse()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// A text that no session can have as its id. To the client, such a session is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session id: expected {} characters of A-Z a-z 0-9 _ -", SessionId::LEN)]
pub struct InvalidSessionId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bits_are_spelled_in_the_url_alphabet() {
        assert_eq!(SessionId::from_random([0; 15]).as_str(), "AAAAAAAAAAAAAAAAAAAA");
        assert_eq!(SessionId::from_random([0xff; 15]).as_str(), "____________________");
        assert_eq!(SessionId::from_random([0xfb, 0xef, 0xbe].repeat(5).try_into().unwrap()).as_str(), "-".repeat(20));
    }

    #[test]
    fn foreign_texts_are_refused() {
        for text in ["", "a", "AAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAA==", "ÄÄÄÄÄÄÄÄÄÄ"]
        {
            assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text:?}");
        }
    }
}
