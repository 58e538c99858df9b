//! The HTTP part of a connection ([RFC 6455, section 4]): headers in, headers out.
//!
//! ```
//! use http::HeaderMap;
//! use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
//! use sockeye_websocket::handshake;
//!
//! let mut request = HeaderMap::new();
//! request.insert(UPGRADE, "websocket".parse()?);
//! request.insert(CONNECTION, "Upgrade".parse()?);
//! request.insert(SEC_WEBSOCKET_VERSION, "13".parse()?);
//! request.insert(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==".parse()?);
//! let answer = handshake::answer(&request)?;
//! assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [RFC 6455, section 4]: https://www.rfc-editor.org/rfc/rfc6455#section-4

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use sha1::{Digest, Sha1};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Takes a key whose unused last bits are set, as Node's `ws` does.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// What the server answers to `key` in `Sec-WebSocket-Accept`.
///
/// ```
/// assert_eq!(sockeye_websocket::handshake::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Checks a request to upgrade and answers it: status 101 with the three headers that say so.
///
/// The method is the caller's to check; extensions and subprotocols are to be added to the answer.
///
/// # Errors
/// [`RequestError`] with the header that is wrong.
pub fn answer(request: &HeaderMap) -> Result<Response<()>, RequestError> {
    if !has_token(request, &UPGRADE, "websocket") {
        return Err(RequestError::Upgrade { found: shown(request, &UPGRADE) });
    }
    if !has_token(request, &CONNECTION, "upgrade") {
        return Err(RequestError::Connection { found: shown(request, &CONNECTION) });
    }
    if request.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(RequestError::Version { found: shown(request, &SEC_WEBSOCKET_VERSION) });
    }
    let key = request.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).filter(|key| is_key(key));
    let accept = key
        .and_then(|key| HeaderValue::try_from(accept_key(key)).ok())
        .ok_or_else(|| RequestError::Key { found: shown(request, &SEC_WEBSOCKET_KEY) })?;

    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(answer)
}

/// The first subprotocol that a request names, to be answered as Node's server does: what is said over it is Engine.IO in
/// any case, and browsers give up when none of those that they named is taken.
pub fn first_subprotocol(request: &HeaderMap) -> Option<HeaderValue> {
    let named = request.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?.split(',').next()?.trim();
    let is_token = !named.is_empty()
        && named.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte));
    is_token.then(|| HeaderValue::from_str(named).ok()).flatten()
}

/// Why a request does not become a WebSocket. Always the client's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No wish for this protocol.
    #[error("header `upgrade` is {found:?}: expected \"websocket\"")]
    Upgrade {
        /// The header's value.
        found: String,
    },
    /// No wish to upgrade; proxies that don't know WebSocket drop it.
    #[error("header `connection` is {found:?}: expected \"Upgrade\"")]
    Connection {
        /// The header's value.
        found: String,
    },
    /// Another version of the protocol.
    #[error("header `sec-websocket-version` is {found:?}: expected \"13\"")]
    Version {
        /// The header's value.
        found: String,
    },
    /// A key that is not 16 bytes in base64.
    #[error("header `sec-websocket-key` is {found:?}: expected 16 bytes in base64")]
    Key {
        /// The header's value.
        found: String,
    },
}

impl RequestError {
    /// The status that tells the client; with 426 belongs the header `Sec-WebSocket-Version: 13`.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Version { .. } => StatusCode::UPGRADE_REQUIRED,
            Self::Upgrade { .. } | Self::Connection { .. } | Self::Key { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

/// The key of a client's request, of 16 random bytes that are new for every connection.
pub fn key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

/// The headers of a client's request; `key` comes from [`key`].
///
/// # Errors
/// [`http::header::InvalidHeaderValue`] if `key` can't stand in a header.
pub fn request_headers(key: &str) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
    Ok(HeaderMap::from_iter([
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (SEC_WEBSOCKET_VERSION, VERSION),
        (SEC_WEBSOCKET_KEY, HeaderValue::from_str(key)?),
    ]))
}

/// Checks the server's answer to the request that carried `key`.
///
/// # Errors
/// [`AnswerError`] with what is wrong; the connection is no WebSocket then.
pub fn check_answer(status: StatusCode, answer: &HeaderMap, key: &str) -> Result<(), AnswerError> {
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(AnswerError::Status { found: status });
    }
    if !has_token(answer, &UPGRADE, "websocket") {
        return Err(AnswerError::Upgrade { found: shown(answer, &UPGRADE) });
    }
    if !has_token(answer, &CONNECTION, "upgrade") {
        return Err(AnswerError::Connection { found: shown(answer, &CONNECTION) });
    }
    let expected = accept_key(key);
    if answer.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| accept.as_bytes() != expected.as_bytes()) {
        return Err(AnswerError::Accept { found: shown(answer, &SEC_WEBSOCKET_ACCEPT), expected });
    }
    Ok(())
}

/// Why a server's answer opens no WebSocket. Always the server's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The server refuses, or sends elsewhere.
    #[error("status {found}: expected 101")]
    Status {
        /// The answer's status.
        found: StatusCode,
    },
    /// The connection goes over to something else.
    #[error("header `upgrade` is {found:?}: expected \"websocket\"")]
    Upgrade {
        /// The header's value.
        found: String,
    },
    /// The connection goes over to nothing.
    #[error("header `connection` is {found:?}: expected \"Upgrade\"")]
    Connection {
        /// The header's value.
        found: String,
    },
    /// The server has not read our key, as a cache would.
    #[error("header `sec-websocket-accept` is {found:?}: expected {expected:?}")]
    Accept {
        /// The header's value.
        found: String,
        /// What our key gives.
        expected: String,
    },
}

fn is_key(key: &str) -> bool {
    LENIENT.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// Whether a list of tokens, over one or several headers, names `token` in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

/// A header's value for a message; empty if there is none.
fn shown(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn request_with(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut request = request_headers(KEY).unwrap();
        request.insert(name, HeaderValue::from_static(value));
        request
    }

    #[track_caller]
    fn check_accepted(name: HeaderName, value: &'static str) {
        assert!(answer(&request_with(name, value)).is_ok(), "{value}");
    }

    #[track_caller]
    fn check_refused(name: HeaderName, value: &'static str, message: &str, status: u16) {
        let error = answer(&request_with(name, value)).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.status().as_u16()), (message, status));
    }

    #[test]
    fn the_rfcs_key_gets_its_answer() {
        let answer = answer(&request_headers(KEY).unwrap()).unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(answer.headers()[SEC_WEBSOCKET_ACCEPT], ACCEPT);
        assert_eq!(check_answer(answer.status(), answer.headers(), KEY), Ok(()));
    }

    #[test]
    fn tokens_are_read_in_lists_and_in_any_case() {
        check_accepted(UPGRADE, "WebSocket");
        check_accepted(UPGRADE, "h2c, websocket");
        check_accepted(CONNECTION, "keep-alive, Upgrade");
        check_accepted(CONNECTION, "UPGRADE");
        let mut request = request_headers(KEY).unwrap();
        request.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        request.append(CONNECTION, HeaderValue::from_static("upgrade"));
        assert!(answer(&request).is_ok());
    }

    #[test]
    fn a_key_of_16_bytes_is_taken() {
        check_accepted(SEC_WEBSOCKET_KEY, "AAAAAAAAAAAAAAAAAAAAAA==");
        check_accepted(SEC_WEBSOCKET_KEY, "AAAAAAAAAAAAAAAAAAAAAB==");
    }

    #[test]
    fn a_refusal_names_the_header() {
        check_refused(UPGRADE, "h2c", r#"header `upgrade` is "h2c": expected "websocket""#, 400);
        check_refused(CONNECTION, "close", r#"header `connection` is "close": expected "Upgrade""#, 400);
        check_refused(SEC_WEBSOCKET_VERSION, "8", r#"header `sec-websocket-version` is "8": expected "13""#, 426);
        let message = r#"header `sec-websocket-key` is "AAAA": expected 16 bytes in base64"#;
        check_refused(SEC_WEBSOCKET_KEY, "AAAA", message, 400);
        let message = r#"header `sec-websocket-key` is "": expected 16 bytes in base64"#;
        check_refused(SEC_WEBSOCKET_KEY, "", message, 400);
        assert!(matches!(answer(&HeaderMap::new()), Err(RequestError::Upgrade { found }) if found.is_empty()));
    }

    #[test]
    fn a_client_sees_through_a_wrong_answer() {
        let right = answer(&request_headers(KEY).unwrap()).unwrap();
        let check = |status: u16, name: HeaderName, value: &'static str| {
            let mut headers = right.headers().clone();
            headers.insert(name, HeaderValue::from_static(value));
            check_answer(StatusCode::from_u16(status).unwrap(), &headers, KEY).unwrap_err().to_string()
        };
        assert_eq!(check(200, UPGRADE, "websocket"), "status 200 OK: expected 101");
        assert_eq!(check(101, UPGRADE, "h2c"), r#"header `upgrade` is "h2c": expected "websocket""#);
        assert_eq!(check(101, CONNECTION, "close"), r#"header `connection` is "close": expected "Upgrade""#);
        let expected = format!(r#"header `sec-websocket-accept` is "x": expected "{ACCEPT}""#);
        assert_eq!(check(101, SEC_WEBSOCKET_ACCEPT, "x"), expected);
    }

    #[test]
    fn a_key_is_16_bytes_in_base64() {
        assert_eq!(key(*b"the sample nonce"), KEY);
    }

    #[test]
    fn the_first_subprotocol_is_named_if_it_is_one() {
        let named = |value: &'static str| {
            let request = HeaderMap::from_iter([(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(value))]);
            first_subprotocol(&request).map(|named| named.to_str().unwrap().to_owned())
        };
        assert_eq!(named("my-proto"), Some("my-proto".to_owned()));
        assert_eq!(named("chat.v2 , other"), Some("chat.v2".to_owned()));
        for wrong in ["", ",a", "two words", "a/b", "\"a\""] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
        assert_eq!(first_subprotocol(&HeaderMap::new()), None);
    }
}
