//! What a client told with its first request, kept in one compact block.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What a client told with its first request. It stays the same for the life of the connection.
///
/// The request itself is not kept: its target and headers stand in one block of memory and are parsed when asked for.
#[derive(Debug)]
pub struct Handshake {
    /// The request's target, then name and value of each header, each part behind its length.
    block: Box<[u8]>,
    address: Address,
    /// Milliseconds since the Unix epoch.
    issued: u64,
    secure: bool,
}

/// An address in half the room: most are of IPv4.
#[derive(Debug)]
enum Address {
    Unknown,
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(address),
            SocketAddr::V6(address) => Self::V6(address.into()),
        }
    }
}

/// The address of the peer, which the HTTP server puts into the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Marks a request that came over TLS, in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secure;

impl Handshake {
    /// Reads the head of the first request.
    pub fn new(request: &Parts) -> Self {
        let target = request.uri.path_and_query().map_or("", |target| target.as_str());
        let size = target.len()
            + request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 6).sum::<usize>();
        let mut block = Vec::with_capacity(size + 3);
        push(&mut block, target.as_bytes());
        for (name, value) in &request.headers {
            push(&mut block, name.as_str().as_bytes());
            push(&mut block, value.as_bytes());
        }
        Self {
            block: block.into(),
            address: request.extensions.get::<PeerAddress>().map_or(Address::Unknown, |address| address.0.into()),
            issued: since_epoch(),
            secure: request.extensions.get::<Secure>().is_some(),
        }
    }

    /// The target of the request: path and query.
    pub fn url(&self) -> &str {
        self.parts().next().and_then(|target| std::str::from_utf8(target).ok()).unwrap_or_default()
    }

    /// The value of a query parameter, the last one if there are several.
    pub fn query(&self, name: &str) -> Option<String> {
        last_of(self.query_text(), name)
    }

    /// All query parameters, decoded, in the order of the request; `EIO` and `transport` are among them.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        form_urlencoded::parse(self.query_text().as_bytes()).into_owned()
    }

    fn query_text(&self) -> &str {
        self.url().split_once('?').map_or("", |(_, query)| query)
    }

    /// The value of a header, the first one if there are several; `None` also if it is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.header_parts().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))?;
        std::str::from_utf8(value).ok()
    }

    /// All headers.
    pub fn headers(&self) -> HeaderMap {
        let pairs = self.header_parts().filter_map(|(name, value)| {
            Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    /// The address of the peer: the proxy's if there is one. `None` if the HTTP server does not tell it.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.address {
            Address::Unknown => None,
            Address::V4(address) => Some((*address).into()),
            Address::V6(address) => Some((**address).into()),
        }
    }

    pub(crate) fn set_address(&mut self, address: SocketAddr) {
        if let Address::Unknown = self.address {
            self.address = address.into();
        }
    }

    /// When the request came, to the millisecond.
    pub fn issued(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.issued)
    }

    /// Whether it came over TLS that this process ended.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether a browser sent it from a page of some origin.
    pub fn is_cross_origin(&self) -> bool {
        self.header("origin").is_some()
    }

    fn header_parts(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut parts = self.parts().skip(1);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.block[..];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<3>()?;
            let length = usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]);
            let (part, after) = after.split_at_checked(length)?;
            rest = after;
            Some(part)
        })
    }
}

/// The wall clock, in milliseconds.
fn since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// The value of a query parameter, the last one if there are several.
pub(crate) fn last_of(query: &str, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    pairs.last().map(|(_, value)| value.into_owned())
}

/// Three bytes of length are more than any HTTP server lets a header have.
fn push(block: &mut Vec<u8>, part: &[u8]) {
    let part = &part[..part.len().min(0xff_ffff)];
    let length = u32::try_from(part.len()).unwrap_or_default().to_be_bytes();
    block.extend_from_slice(&length[1..]);
    block.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_request_is_told_again_as_it_came() {
        let request = Request::get("/socket.io/?EIO=4&name=J%C3%BCrgen&x=1&x=2")
            .header("Origin", "http://app.example")
            .header("Cookie", "a=1")
            .header("X-Empty", "")
            .extension(PeerAddress(([127, 0, 0, 1], 80).into()));
        let handshake = Handshake::new(&request.body(()).unwrap().into_parts().0);
        assert_eq!(handshake.url(), "/socket.io/?EIO=4&name=J%C3%BCrgen&x=1&x=2");
        assert_eq!(handshake.query("name").as_deref(), Some("Jürgen"));
        assert_eq!(handshake.query("x").as_deref(), Some("2"), "the last one wins");
        assert_eq!(handshake.query("y"), None);
        assert_eq!(handshake.header("cookie"), Some("a=1"));
        assert_eq!(handshake.header("x-empty"), Some(""));
        assert_eq!(handshake.headers()["origin"], "http://app.example");
        assert_eq!(handshake.address(), Some(([127, 0, 0, 1], 80).into()));
        assert!(handshake.is_cross_origin() && !handshake.is_secure());
    }

    #[test]
    fn an_address_is_kept_whole_and_the_first_that_is_told_stays() {
        for address in ["10.0.0.1:80", "[2001:db8::1]:443", "[fe80::1%7]:65535"] {
            let mut handshake = Handshake::new(&Request::new(()).into_parts().0);
            assert_eq!(handshake.address(), None);
            handshake.set_address(address.parse().unwrap());
            handshake.set_address(([127, 0, 0, 1], 1).into());
            assert_eq!(handshake.address(), Some(address.parse().unwrap()));
        }
    }
}
