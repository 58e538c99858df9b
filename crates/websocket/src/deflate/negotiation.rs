use std::str::FromStr;

use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::{HeaderMap, HeaderValue};

use super::Config;

const EXTENSION: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

const MAX_WINDOW_BITS: u8 = 15;
/// zlib can't compress with a window of 8 bits, which the protocol knows; such an offer is declined.
const MIN_WINDOW_BITS: u8 = 9;

/// What both ends have agreed on for one connection; small, to be kept with it.
///
/// Frames made with equal values are the same, so this is the key under which to share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    pub(super) config: Config,
    /// Of the window we compress with; inflating takes any.
    pub(super) window_bits: u8,
}

impl Deflate {
    /// The server's answer to the offer it accepted, for `Sec-WebSocket-Extensions`.
    pub fn answer(&self) -> HeaderValue {
        if self.window_bits == MAX_WINDOW_BITS {
            return HeaderValue::from_static(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            );
        }
        let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        HeaderValue::try_from(format!("{plain}; {SERVER_MAX_WINDOW_BITS}={}", self.window_bits))
            .unwrap_or_else(|_| HeaderValue::from_static(EXTENSION))
    }
}

/// The server's choice: the first offer it can accept, if there is one.
///
/// An offer with unknown, repeated or malformed parameters is declined, never an error
/// ([RFC 7692, section 7.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1)).
pub fn negotiate(request: &HeaderMap, config: Config) -> Option<Deflate> {
    offers(request).find_map(|offer| {
        let parameters = Parameters::parse(offer, Side::Offer)?;
        let window_bits = parameters.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS);
        (window_bits >= MIN_WINDOW_BITS).then_some(Deflate { config, window_bits })
    })
}

/// What a client offers, for `Sec-WebSocket-Extensions`.
pub fn offer() -> HeaderValue {
    HeaderValue::from_static(
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
    )
}

/// The client's reading of the server's answer to [`offer`]; `None` if the server declined.
///
/// # Errors
/// [`NegotiationError`] if the answer accepts what was not offered; the connection must fail then.
pub fn accept(answer: &HeaderMap, config: Config) -> Result<Option<Deflate>, NegotiationError> {
    let mut extensions = extensions(answer);
    let Some(extension) = extensions.next() else { return Ok(None) };
    let unexpected = || NegotiationError { found: extension.to_owned() };
    let parameters = parameters_of(extension).and_then(|parameters| Parameters::parse(parameters, Side::Answer));
    let parameters = parameters.ok_or_else(unexpected)?;
    let window_bits = parameters.client_max_window_bits.unwrap_or(MAX_WINDOW_BITS);
    if extensions.next().is_some() || !parameters.server_no_context_takeover || window_bits < MIN_WINDOW_BITS {
        return Err(unexpected());
    }
    Ok(Some(Deflate { config, window_bits }))
}

/// Why a server's answer to an offer can't be accepted. Always the server's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "extension {found:?} accepted by the server: expected `permessage-deflate; server_no_context_takeover` as offered"
)]
pub struct NegotiationError {
    found: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Offer,
    Answer,
}

/// The parameters of one offer or answer, each at most once and with a valid value.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<u8>,
}

impl Parameters {
    fn parse(parameters: &str, side: Side) -> Option<Self> {
        let mut parsed = Self::default();
        let mut names = Vec::new();
        for parameter in parameters.split(';').map(str::trim).filter(|parameter| !parameter.is_empty()) {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (parameter, None),
            };
            if names.contains(&name) {
                return None;
            }
            names.push(name);
            match (name, value) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) => parsed.server_no_context_takeover = true,
                (CLIENT_NO_CONTEXT_TAKEOVER, None) => parsed.client_no_context_takeover = true,
                (SERVER_MAX_WINDOW_BITS, Some(bits)) => parsed.server_max_window_bits = Some(window_bits(bits)?),
                (CLIENT_MAX_WINDOW_BITS, Some(bits)) => parsed.client_max_window_bits = Some(window_bits(bits)?),
                // Without a value it says that the server may set one; only an offer can say that.
                (CLIENT_MAX_WINDOW_BITS, None) if side == Side::Offer => {}
                _ => return None,
            }
        }
        Some(parsed)
    }
}

/// Decimal without leading zeros, 8 to 15, quoted or not.
fn window_bits(value: &str) -> Option<u8> {
    let digits = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    u8::from_str(digits).ok().filter(|bits| is_plain && (8..=MAX_WINDOW_BITS).contains(bits))
}

/// The parameters of every offer of our extension, in the client's order of preference.
fn offers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    extensions(headers).filter_map(parameters_of)
}

fn parameters_of(extension: &str) -> Option<&str> {
    let (name, parameters) = extension.split_once(';').unwrap_or((extension, ""));
    (name.trim() == EXTENSION).then_some(parameters)
}

fn extensions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_EXTENSIONS)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|extension| !extension.is_empty())
}
