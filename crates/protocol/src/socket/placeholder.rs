//! What stands in JSON for an attachment.

use memchr::memchr_iter;

/// What official clients and servers write: nothing else needs to be read to know what it is.
const BEFORE_NUM: &str = r#"{"_placeholder":true,"num":"#;

/// The end of a key, or of a text, that may belong to a placeholder.
const KEY: &[u8] = b"_placeholder\"";

/// The number in a placeholder at the front, as it is usually written, and what follows it.
pub(super) fn split(json: &str) -> Option<(usize, &str)> {
    let rest = json.strip_prefix(BEFORE_NUM)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = rest.split_at_checked(digits)?;
    // No zeros before it, for those are no JSON.
    let is_number = digits == "0" || !digits.starts_with('0');
    Some((digits.parse().ok().filter(|_| is_number)?, rest.strip_prefix('}')?))
}

/// Whether all placeholders of this JSON are written as usual and name one of so many attachments.
///
/// Only of what is known to be JSON: there the opening bracket of what looks like a placeholder can't stand in a string.
/// `false` tells nothing.
pub(super) fn are_usual(json: &str, attachments: usize) -> bool {
    let bytes = json.as_bytes();
    // A key may hide behind escapes. Those of control characters and of halves of emojis hide no letter.
    let hides_letter = |at: usize| matches!(bytes.get(at + 1..), Some([b'u', b'0', b'0', b'2'..=b'7', ..]));
    if memchr_iter(b'\\', bytes).any(hides_letter) {
        return false;
    }
    let keys = memchr_iter(b'_', bytes).filter(|&at| bytes.get(at..).is_some_and(|text| text.starts_with(KEY)));
    keys.map(|at| at.checked_sub("{\"".len()).and_then(|start| split(json.get(start..)?)))
        .all(|placeholder| placeholder.is_some_and(|(num, _)| num < attachments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_form_is_split_off() {
        assert_eq!(split(r#"{"_placeholder":true,"num":0},1"#), Some((0, ",1")));
        assert_eq!(split(r#"{"_placeholder":true,"num":12}"#), Some((12, "")));
        for other in [
            r#"{"_placeholder":true,"num":}"#,
            r#"{"_placeholder":true,"num":00}"#,
            r#"{"_placeholder":true,"num":01}"#,
            r#"{"_placeholder":true,"num":1.0}"#,
            r#"{"_placeholder":true,"num":0,"x":1}"#,
            r#"{"_placeholder":true,"num":99999999999999999999999}"#,
            r#"{"_placeholder":true}"#,
            r#"{"num":0,"_placeholder":true}"#,
            "",
        ] {
            assert_eq!(split(other), None, "{other}");
        }
    }

    #[test]
    fn all_placeholders_must_be_usual_and_have_their_attachment() {
        let usual = r#"{"_placeholder":true,"num":0},[{"a":{"_placeholder":true,"num":1}}]"#;
        assert!(are_usual(usual, 2));
        assert!(!are_usual(usual, 1));
        assert!(are_usual(r#"1,"_placeholde""#, 0));
        assert!(!are_usual(r#"{"num":0,"_placeholder":true}"#, 1));
        assert!(!are_usual(r#"{"_placeholder":true,"num":0,"num":7}"#, 1));
        assert!(!are_usual(r#"{"_placeholder":true,"num":0},{ "_placeholder":true,"num":7}"#, 1));
        assert!(!are_usual(r#"{"\u005fplaceholder":true,"num":7}"#, 1));
        assert!(!are_usual(r#"{"_pl\u0061ceholder":true,"num":7}"#, 1));
        assert!(are_usual(r#""\ud83d\u0007",{"_placeholder":true,"num":0}"#, 1));
        assert!(!are_usual(r#""_placeholder""#, 1), "a text is left to who can read it");
    }
}
