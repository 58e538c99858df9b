//! Which pages may use the server at all, over WebSocket too.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use crate::answer::Form;
use crate::config_error::ConfigError;

/// Which pages may use the server, by the `Origin` header of their requests.
#[derive(Clone, Default)]
pub(crate) enum AllowedOrigins {
    /// Nobody asks.
    #[default]
    All,
    /// These, and who names no origin: programs, and a page's reads from its own origin.
    List(Vec<String>),
    /// Those that the function lets in.
    Chosen(Choice),
}

type Choice = Arc<dyn Fn(Option<&str>) -> bool + Send + Sync>;

impl AllowedOrigins {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        const SETTING: &str = "allowed_origins";
        let Self::List(origins) = self else { return Ok(()) };
        if origins.is_empty() {
            return Err(ConfigError::NoOrigin { setting: SETTING });
        }
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => Err(ConfigError::Origin { setting: SETTING, found: origin.clone() }),
            None => Ok(()),
        }
    }

    /// Whether a request with this `Origin` header, or without one, is let in.
    pub(crate) fn allow(&self, origin: Option<&HeaderValue>, form: Form) -> bool {
        match (self, origin) {
            // A script names no origin, and any page may load it and read what it brings.
            (Self::List(_) | Self::Chosen(_), None) if form == Form::Jsonp => false,
            (Self::All, _) | (Self::List(_), None) => true,
            (Self::List(list), Some(origin)) => list.iter().any(|listed| origin == listed),
            (Self::Chosen(allows), None) => allows(None),
            // An origin that is no text must not pass for none.
            (Self::Chosen(allows), Some(origin)) => origin_text(origin).is_some_and(|origin| allows(Some(origin))),
        }
    }
}

pub(crate) fn origin_text(origin: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(origin.as_bytes()).ok()
}

/// Whether a browser could send this: `null`, or scheme, host and perhaps a port, and nothing behind.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "null" };
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let in_host = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'@' | b'*' | b'\\');
    !scheme.is_empty() && scheme.bytes().all(in_scheme) && !host.is_empty() && host.bytes().all(in_host)
}

impl fmt::Debug for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::List(origins) => f.debug_tuple("List").field(origins).finish(),
            Self::Chosen(_) => f.write_str("Chosen(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allowed: &AllowedOrigins, origin: Option<&[u8]>, expected: bool) {
        let value = origin.map(|origin| HeaderValue::from_bytes(origin).unwrap());
        assert_eq!(allowed.allow(value.as_ref(), Form::Plain), expected, "{origin:?}");
    }

    #[test]
    fn a_script_without_origin_could_be_anybody_s() {
        let listed = HeaderValue::from_static("https://a.example");
        let list = AllowedOrigins::List(vec!["https://a.example".into()]);
        for restricted in [list, AllowedOrigins::Chosen(Arc::new(|_| true))] {
            assert!(!restricted.allow(None, Form::Jsonp));
            assert!(restricted.allow(Some(&listed), Form::Jsonp));
        }
        assert!(AllowedOrigins::All.allow(None, Form::Jsonp));
    }

    #[test]
    fn a_list_lets_in_whom_it_names_and_who_names_nobody() {
        let list = AllowedOrigins::List(vec!["https://a.example".into(), "null".into()]);
        for origin in ["https://a.example", "null"] {
            check(&list, Some(origin.as_bytes()), true);
        }
        check(&list, None, true);
        let strangers = [
            "https://b.example",
            "http://a.example",
            "https://a.example:444",
            "https://a.example.evil",
            "https://evil.a.example",
            "https://a.example/",
            "HTTPS://A.EXAMPLE",
            "",
            "NULL",
        ];
        for origin in strangers {
            check(&list, Some(origin.as_bytes()), false);
        }
        check(&list, Some(b"https://a.example\xff"), false);
    }

    #[test]
    fn a_function_decides_about_missing_origins_too() {
        let chosen = AllowedOrigins::Chosen(Arc::new(|origin| origin == Some("https://a.example")));
        check(&chosen, Some(b"https://a.example"), true);
        check(&chosen, Some(b"https://b.example"), false);
        check(&chosen, None, false);
        let nobody = AllowedOrigins::Chosen(Arc::new(|origin| origin.is_none()));
        check(&nobody, None, true);
        check(&nobody, Some(b"\xff"), false);
    }

    #[test]
    fn without_a_list_everybody_is_let_in() {
        check(&AllowedOrigins::All, Some(b"\xff"), true);
        check(&AllowedOrigins::All, None, true);
    }

    #[test]
    fn an_origin_is_what_browsers_send() {
        for origin in
            ["https://a.example", "http://localhost:3000", "http://[::1]:80", "null", "chrome-extension://abc"]
        {
            assert!(is_origin(origin), "{origin:?}");
        }
        for origin in
            ["", "*", "a.example", "https://", "://a", "https://a/", "https://*.a", "https://a b", "https://ä"]
        {
            assert!(!is_origin(origin), "{origin:?}");
        }
    }
}
