/// The revision of Engine.IO that a client speaks, from the `EIO` parameter of its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Revision 3: clients up to Socket.IO 2. The client pings.
    V3,
    /// Revision 4: clients since Socket.IO 3. The server pings.
    V4,
}

impl Protocol {
    /// Exactly `4` or `3`; anything else, or nothing, is no revision that we speak.
    ///
    /// Node takes all but `4` for 3 once it accepts revision 3; the official suites of both protocols want it refused.
    pub fn from_query(eio: Option<&str>) -> Option<Self> {
        match eio {
            Some("3") => Some(Self::V3),
            Some("4") => Some(Self::V4),
            _ => None,
        }
    }

    /// What stands before the bytes of a binary message in a WebSocket frame: nothing, or the type byte in revision 3.
    pub const fn binary_prefix(self) -> &'static [u8] {
        match self {
            Self::V3 => b"\x04",
            Self::V4 => b"",
        }
    }

    /// What stands before the base64 of a binary message written as text.
    pub(super) const fn base64_prefix(self) -> &'static str {
        match self {
            Self::V3 => "b4",
            Self::V4 => "b",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_3_or_4_is_a_revision() {
        assert_eq!(Protocol::from_query(Some("4")), Some(Protocol::V4));
        assert_eq!(Protocol::from_query(Some("3")), Some(Protocol::V3));
        for eio in [None, Some(""), Some("abc"), Some("04"), Some("4 "), Some("5")] {
            assert_eq!(Protocol::from_query(eio), None, "{eio:?}");
        }
    }
}
