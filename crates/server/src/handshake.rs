//! What a client told when it connected.

use std::net::SocketAddr;
use std::time::SystemTime;

use http::HeaderMap;
use serde::de::DeserializeOwned;

use crate::handler::ExtractError;
use crate::socket::Socket;

/// What a client told when it connected: the first HTTP request, and its `auth` for this namespace.
#[derive(Clone, Debug)]
pub struct Handshake(pub(crate) Socket);

impl Handshake {
    /// The client's `auth`, as JSON text: `{}` if it gave none.
    ///
    /// For a protocol 3 client it is the query of the namespace (`/admin?token=x`).
    pub fn auth_json(&self) -> &str {
        self.0.auth_json()
    }

    /// The client's `auth` as a value.
    ///
    /// # Errors
    /// [`ExtractError::Mismatch`] if it is no `T`.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        serde_json::from_str(self.auth_json())
            .map_err(|error| ExtractError::Mismatch { expected: std::any::type_name::<T>(), reason: error.to_string() })
    }

    /// The target of the first request: path and query.
    pub fn url(&self) -> &str {
        self.http().url()
    }

    /// A parameter of the first request's query, the last one if there are several.
    pub fn query(&self, name: &str) -> Option<String> {
        self.http().query(name)
    }

    /// All parameters of the first request's query, in its order, `EIO` and `transport` included.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.http().query_pairs()
    }

    /// A header of the first request; `None` also if it is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.http().header(name)
    }

    /// All headers of the first request.
    pub fn headers(&self) -> HeaderMap {
        self.http().headers()
    }

    /// The address of the peer: the proxy's if there is one. `None` if the HTTP server does not tell it.
    pub fn address(&self) -> Option<SocketAddr> {
        self.http().address()
    }

    /// When the first request came.
    pub fn issued(&self) -> SystemTime {
        self.http().issued()
    }

    /// Whether the first request came over TLS that this process ended.
    pub fn is_secure(&self) -> bool {
        self.http().is_secure()
    }

    /// Whether a browser sent it from a page of some origin.
    pub fn is_cross_origin(&self) -> bool {
        self.http().is_cross_origin()
    }

    /// All of it in the shape of Node's `socket.handshake`: `headers`, `time`, `address`, `xdomain`, `secure`, `issued`
    /// (ms since 1970), `url`, `query` and `auth`.
    ///
    /// Of a parameter given twice the last value counts; a header given twice is joined by `, `.
    pub fn to_json(&self) -> serde_json::Value {
        let mut headers = serde_json::Map::new();
        for (name, value) in &self.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            match headers.get_mut(name.as_str()) {
                Some(serde_json::Value::String(joined)) => {
                    joined.push_str(if name == http::header::COOKIE { "; " } else { ", " });
                    joined.push_str(&value);
                }
                _ => drop(headers.insert(name.as_str().to_owned(), value.into())),
            }
        }
        let query: serde_json::Map<_, _> = self.query_pairs().map(|(name, value)| (name, value.into())).collect();
        let issued = self.issued().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        serde_json::json!({
            "headers": headers,
            "time": httpdate::fmt_http_date(self.issued()),
            "address": self.address().map(|address| address.ip().to_string()),
            "xdomain": self.is_cross_origin(),
            "secure": self.is_secure(),
            "issued": u64::try_from(issued.as_millis()).unwrap_or(u64::MAX),
            "url": self.url(),
            "query": query,
            "auth": serde_json::from_str::<serde_json::Value>(self.auth_json()).unwrap_or_default(),
        })
    }

    fn http(&self) -> &sockeye_engine::Handshake {
        self.0.connection().handshake()
    }
}
