//! Why a configuration can't be used.

use std::time::Duration;

/// Why a configuration can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The path is not an absolute path without query.
    #[error("`path` is {found:?}: expected an absolute path such as \"/socket.io\", without query, fragment or space")]
    Path {
        /// The path given.
        found: String,
    },
    /// A size or number of zero.
    #[error("`{setting}` is zero: expected at least 1")]
    Zero {
        /// The setting's name.
        setting: &'static str,
    },
    /// A duration that is too short to be told, or too long for a timer: those of JavaScript end before 25 days.
    #[error("`{setting}` is {found:?}: expected {least:?} to 24 days")]
    Time {
        /// The setting's name.
        setting: &'static str,
        /// The duration given.
        found: Duration,
        /// The shortest allowed.
        least: Duration,
    },
    /// A setting needs a Tokio runtime, and there is none.
    #[error("`{setting}` needs a Tokio runtime: call `build` on the one that is to serve")]
    NoRuntime {
        /// The setting's name.
        setting: &'static str,
    },
    /// No transport is left.
    #[error("`transports` is empty: expected polling, websocket or both")]
    NoTransport,
    /// No level of compression.
    #[error("`per_message_deflate` has the level {found}: expected 1 (fast) to 9 (small)")]
    DeflateLevel {
        /// The level given.
        found: u8,
    },
    /// The marks of the outbox are in the wrong order.
    #[error("`outbox_limit` ({hard} bytes) is below `outbox_mark` ({soft} bytes): expected at least as much")]
    OutboxMarks {
        /// The soft mark.
        soft: usize,
        /// The hard limit.
        hard: usize,
    },
    /// A list of origins is empty.
    #[error("`{setting}` names no origin: expected one at least, such as \"https://app.example\"")]
    NoOrigin {
        /// The setting's name.
        setting: &'static str,
    },
    /// What no browser sends as the origin of a page.
    #[error(
        "`{setting}` names the origin {found:?}: expected scheme, host and perhaps port, with nothing behind, \
         such as \"https://app.example\", or \"null\""
    )]
    Origin {
        /// The setting's name.
        setting: &'static str,
        /// The origin given.
        found: String,
    },
    /// Browsers refuse answers with this pair.
    #[error(
        "`cors` lets any origin send credentials, which browsers refuse: expected origins, or `Cors::mirror_origin`"
    )]
    CorsCredentials,
    /// A method or header that HTTP can't have.
    #[error("`cors` names the method or header {found:?}: expected a token such as \"GET\" or \"content-type\"")]
    CorsName {
        /// The name given.
        found: String,
    },
    /// The cookie's name is none.
    #[error("`cookie` has the name {found:?}: expected a token such as \"io\"")]
    CookieName {
        /// The name given.
        found: String,
    },
    /// The cookie's path or domain can't be written.
    #[error("`cookie` has the {part} {found:?}: expected visible ASCII characters without `;`")]
    CookiePart {
        /// Which of them.
        part: &'static str,
        /// The value given.
        found: String,
    },
    /// Browsers refuse this cookie.
    #[error("`cookie` is `SameSite::None` but not secure, which browsers refuse: expected `secure` too")]
    CookieSameSite,
}

impl ConfigError {
    /// Checks a duration that ends something, for settings of a layer above too.
    ///
    /// # Errors
    /// [`ConfigError::Time`] if it is shorter than a millisecond, or longer than 24 days.
    pub fn check_time(setting: &'static str, found: Duration) -> Result<(), Self> {
        Self::check_span(setting, found, Duration::from_millis(1))
    }

    /// Checks a size or number that leaves nothing to do if it is zero, for settings of a layer above too.
    ///
    /// # Errors
    /// [`ConfigError::Zero`].
    pub fn check_count(setting: &'static str, count: usize) -> Result<(), Self> {
        if count == 0 { Err(Self::Zero { setting }) } else { Ok(()) }
    }

    pub(crate) fn check_span(setting: &'static str, found: Duration, least: Duration) -> Result<(), Self> {
        let most = Duration::from_secs(24 * 24 * 3600);
        if (least..=most).contains(&found) { Ok(()) } else { Err(Self::Time { setting, found, least }) }
    }
}
