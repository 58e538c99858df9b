use std::num::NonZeroU8;
use std::str::FromStr;

use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::{HeaderMap, HeaderValue};

use super::{Config, Windows};

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
    pub(super) threshold: u32,
    pub(super) level: NonZeroU8,
    /// Of the window we compress with; inflating takes any.
    pub(super) window_bits: u8,
}

impl Deflate {
    pub(super) fn new(config: Config, window_bits: u8) -> Self {
        Self { threshold: config.threshold, level: config.level, window_bits }
    }

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
    let least_window_bits = match config.windows {
        Windows::All => MIN_WINDOW_BITS,
        Windows::Whole => MAX_WINDOW_BITS,
    };
    offers(request).find_map(|offer| {
        let parameters = Parameters::parse(offer, Side::Offer)?;
        let window_bits = parameters.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS);
        (window_bits >= least_window_bits).then(|| Deflate::new(config, window_bits))
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
    Ok(Some(Deflate::new(config, window_bits)))
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

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(value))).collect()
    }

    #[track_caller]
    fn check(offers: &[&'static str], answer: Option<&str>) {
        let agreed = negotiate(&headers(offers), Config::default());
        assert_eq!(agreed.map(|agreed| agreed.answer()), answer.map(|answer| answer.try_into().unwrap()));
    }

    #[test]
    fn offers_are_answered_without_context_takeover() {
        check(&["permessage-deflate"], Some(PLAIN));
        check(&["permessage-deflate; client_max_window_bits"], Some(PLAIN));
        check(&["permessage-deflate;client_max_window_bits=10 ; server_no_context_takeover"], Some(PLAIN));
        check(&["permessage-deflate; server_max_window_bits=15"], Some(PLAIN));
        check(&["permessage-deflate; client_max_window_bits=\"8\""], Some(PLAIN));
    }

    #[test]
    fn a_small_window_is_promised_where_the_client_wants_it() {
        let answer = format!("{PLAIN}; server_max_window_bits=10");
        check(&["permessage-deflate; server_max_window_bits=10"], Some(&answer));
    }

    #[test]
    fn the_first_acceptable_offer_counts() {
        let answer = format!("{PLAIN}; server_max_window_bits=9");
        check(&["x-other, permessage-deflate; server_max_window_bits=9, permessage-deflate"], Some(&answer));
        check(&["permessage-deflate; server_max_window_bits=8, permessage-deflate"], Some(PLAIN));
        check(&["x-other", "permessage-deflate; unknown", "permessage-deflate"], Some(PLAIN));
    }

    #[test]
    fn a_smaller_window_is_declined_if_only_the_whole_will_do() {
        let config = Config::default().windows(Windows::Whole);
        let small = headers(&["permessage-deflate; server_max_window_bits=14"]);
        assert_eq!(negotiate(&small, config), None);
        let whole = headers(&["permessage-deflate; server_max_window_bits=14, permessage-deflate"]);
        assert_eq!(negotiate(&whole, config).map(|agreed| agreed.answer()), Some(HeaderValue::from_static(PLAIN)));
    }

    #[test]
    fn bad_parameters_are_declined() {
        check(&[], None);
        check(&["x-webkit-deflate-frame"], None);
        check(&["permessage-deflate-2"], None);
        for parameters in [
            "unknown",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=8",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=+9",
            "server_max_window_bits=",
            "server_max_window_bits=\"",
            "client_max_window_bits=x",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            "client_no_context_takeover; client_no_context_takeover",
        ] {
            let offer = HeaderValue::try_from(format!("permessage-deflate; {parameters}")).unwrap();
            let request = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, offer)]);
            assert_eq!(negotiate(&request, Config::default()), None, "{parameters}");
        }
    }

    #[test]
    fn both_roles_agree() {
        let request = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, offer())]);
        let server = negotiate(&request, Config::default()).unwrap();
        let answer = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, server.answer())]);
        assert_eq!(accept(&answer, Config::default()), Ok(Some(server)));
        assert_eq!(accept(&HeaderMap::new(), Config::default()), Ok(None));
    }

    #[test]
    fn a_client_accepts_only_what_it_offered() {
        let bits = accept(
            &headers(&["permessage-deflate; server_no_context_takeover; client_max_window_bits=9"]),
            Config::default(),
        );
        assert_eq!(bits.unwrap().unwrap().window_bits, 9);
        for answer in [
            "permessage-deflate",
            "x-other",
            "permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=8",
        ] {
            assert!(accept(&headers(&[answer]), Config::default()).is_err(), "{answer}");
        }
    }
}
