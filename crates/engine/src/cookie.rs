//! The cookie that tells a load balancer which node a client belongs to.

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;
use sockeye_protocol::engine::SessionId;

use crate::config_error::ConfigError;

/// A cookie with the session id, which lets a load balancer send a polling client to the same node again.
///
/// Only the first answer of a polling session sets it, never a WebSocket's. By default it is
/// `io=<session id>; Path=/; HttpOnly; SameSite=Lax`.
///
/// ```
/// use sockeye_engine::{Cookie, EngineConfig, SameSite};
///
/// let config = EngineConfig::default().cookie(Cookie::default().name("node").same_site(SameSite::Strict));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    path: Option<String>,
    domain: Option<String>,
    max_age: Option<Duration>,
    http_only: bool,
    secure: bool,
    same_site: SameSite,
}

/// With which requests of other sites' pages a cookie is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With none.
    Strict,
    /// When the user goes to ours by a link.
    Lax,
    /// With all. Browsers demand that the cookie is [secure](Cookie::secure) too.
    None,
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: "io".to_owned(),
            path: Some("/".to_owned()),
            domain: None,
            max_age: None,
            http_only: true,
            secure: false,
            same_site: SameSite::Lax,
        }
    }
}

impl Cookie {
    /// Its name. Default: `io`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The path with whose requests it is sent. Default: `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Names no path: browsers then take that of the request.
    #[must_use]
    pub fn without_path(mut self) -> Self {
        self.path = None;
        self
    }

    /// The domain to whose hosts it is sent. Default: only to the host that set it.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// How long browsers keep it, in whole seconds. Default: until they are closed.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Lets scripts of pages read it. Default: they can't.
    #[must_use]
    pub fn readable_by_scripts(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// Has it sent over TLS only. Default: over plain HTTP too.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// With which requests of other sites' pages it is sent. Default: [`SameSite::Lax`].
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        // RFC 6265, section 4.1.1: a name is a token, a path or domain ends with the first semicolon.
        let in_token = |byte: u8| byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(in_token) {
            return Err(ConfigError::CookieName { found: self.name.clone() });
        }
        let in_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b';';
        for (part, value) in [("path", &self.path), ("domain", &self.domain)] {
            if let Some(value) = value.as_ref().filter(|value| value.is_empty() || !value.bytes().all(in_value)) {
                return Err(ConfigError::CookiePart { part, found: value.clone() });
            }
        }
        if self.same_site == SameSite::None && !self.secure {
            return Err(ConfigError::CookieSameSite);
        }
        Ok(())
    }

    /// The value of `Set-Cookie`, its parts in the order in which Node's server writes them.
    pub(crate) fn header(&self, sid: &SessionId) -> Option<HeaderValue> {
        let mut text = format!("{}={sid}", self.name);
        if let Some(age) = self.max_age {
            let _ = write!(text, "; Max-Age={}", age.as_secs());
        }
        for (part, value) in [("; Domain=", &self.domain), ("; Path=", &self.path)] {
            if let Some(value) = value {
                text += part;
                text += value;
            }
        }
        if self.http_only {
            text += "; HttpOnly";
        }
        if self.secure {
            text += "; Secure";
        }
        text += match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        };
        HeaderValue::try_from(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cookie: &Cookie, expected: &str) {
        assert_eq!(cookie.check(), Ok(()));
        let sid = "AAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        assert_eq!(cookie.header(&sid).unwrap(), &expected.replace("SID", "AAAAAAAAAAAAAAAAAAAA"));
    }

    #[test]
    fn the_text_is_node_s_to_the_letter() {
        let cookie = Cookie::default;
        check(&cookie(), "io=SID; Path=/; HttpOnly; SameSite=Lax");
        check(&cookie().name("woot"), "woot=SID; Path=/; HttpOnly; SameSite=Lax");
        check(&cookie().path("/custom"), "io=SID; Path=/custom; HttpOnly; SameSite=Lax");
        check(&cookie().without_path(), "io=SID; HttpOnly; SameSite=Lax");
        check(&cookie().readable_by_scripts(), "io=SID; Path=/; SameSite=Lax");
        check(&cookie().same_site(SameSite::Strict), "io=SID; Path=/; HttpOnly; SameSite=Strict");
        check(&cookie().secure().same_site(SameSite::None), "io=SID; Path=/; HttpOnly; Secure; SameSite=None");
        check(
            &cookie().domain("a.example").max_age(Duration::from_secs(60)),
            "io=SID; Max-Age=60; Domain=a.example; Path=/; HttpOnly; SameSite=Lax",
        );
    }

    #[test]
    fn bad_settings_are_named() {
        let error = |cookie: Cookie| cookie.check().unwrap_err().to_string();
        for name in ["", "a b", "a=b", "a;", "ä", "a\n"] {
            assert!(error(Cookie::default().name(name)).starts_with("`cookie` has the name"), "{name:?}");
        }
        assert!(error(Cookie::default().path("/;x")).starts_with("`cookie` has the path \"/;x\""));
        assert!(error(Cookie::default().domain("")).starts_with("`cookie` has the domain \"\""));
        assert!(error(Cookie::default().same_site(SameSite::None)).starts_with("`cookie` is `SameSite::None`"));
    }
}
