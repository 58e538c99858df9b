use std::borrow::Cow;

use sockeye_protocol::socket::Value;

use super::DecodeError;

/// Whether bytes are JSON, to Node: they begin an object.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{')
}

/// Reads JSON that JavaScript wrote.
///
/// JavaScript's texts may hold half an emoji, where one was cut through. Ours can't: it becomes U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    let text = String::from_utf8_lossy(bytes);
    let read = serde_json::from_str(&text).or_else(|error| match mend(&text) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(mended) => serde_json::from_str(&mended),
    });
    read.map_err(|error| DecodeError::Json { reason: error.to_string() })
}

/// Puts the escape of U+FFFD in the place of escaped surrogates that are not a pair.
fn mend(json: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let mut rest = json;
    let mut copied = json;
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at..];
        let len = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(Half::First), Some(Half::Second)) => 12,
            (Some(_), _) => {
                let before = copied.len() - escape.len();
                mended.push_str(&copied[..before]);
                mended.push_str("\\ufffd");
                copied = &escape[6..];
                6
            }
            // The escape itself, so that a backslash behind a backslash begins none.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        rest = &escape[len..];
    }
    if mended.is_empty() && copied.len() == json.len() {
        return Cow::Borrowed(json);
    }
    mended.push_str(copied);
    Cow::Owned(mended)
}

enum Half {
    First,
    Second,
}

/// The half of a pair that an escape at the front stands for.
fn surrogate(escape: &str) -> Option<Half> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::First),
        0xdc00..=0xdfff => Some(Half::Second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, text: &str) {
        assert_eq!(decode(json.as_bytes()), Ok(text.into()), "{json}");
    }

    #[test]
    fn half_an_emoji_is_mended_and_a_whole_one_left_alone() {
        check(r#""\ud83d""#, "\u{fffd}");
        check(r#""a\ud83dx\ud83d\ude00b""#, "a\u{fffd}x😀b");
        check(r#""\ude00\ud83d\ud83d\ude00""#, "\u{fffd}\u{fffd}😀");
        check(r#""\\\ud83d\\ud83d""#, "\\\u{fffd}\\ud83d");
        check(r#""\ud83d\ud83d""#, "\u{fffd}\u{fffd}");
        check(r#""\ud83d\n""#, "\u{fffd}\n");
    }

    #[test]
    fn what_is_no_json_is_none_afterwards() {
        for json in ["{", r#""\u"#, r#""\ud83"#, r#""\ud83d"#, r#""\"#, r#""\é"#, r#""\ud83é"#] {
            assert!(matches!(decode(json.as_bytes()), Err(DecodeError::Json { .. })), "{json}");
        }
    }
}
