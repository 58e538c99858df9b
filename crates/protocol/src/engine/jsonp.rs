//! JSONP polling ([Engine.IO v3, "Polling"]): for browsers whose scripts may not ask other origins, but may be loaded from
//! them.
//!
//! [Engine.IO v3, "Polling"]: https://github.com/socketio/engine.io-protocol/tree/v3#polling

use percent_encoding::percent_decode;

use super::DecodeError;

/// The script that hands a payload to the page: `___eio[<number>]("<payload>");`.
///
/// `number` holds the digits of the query's `j`, as [`Query::jsonp`](super::Query::jsonp) has them.
///
/// ```
/// use sockeye_protocol::engine::wrap_jsonp;
///
/// assert_eq!(wrap_jsonp("0", r#"4say "hi""#), r#"___eio[0]("4say \"hi\"");"#);
/// ```
pub fn wrap_jsonp(number: &str, payload: &str) -> String {
    let json = serde_json::Value::from(payload).to_string();
    // Two characters that JSON may hold as they are, and scripts before ECMAScript 2019 not.
    let json = json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    format!("___eio[{number}]({json});")
}

/// The payload in a form that a page has posted: its field `d`, with the escaped line ends turned back.
///
/// Browsers write line ends in forms in their own ways; so clients write a line feed as `\n`, and what was `\n` before as
/// `\\n`.
///
/// ```
/// use sockeye_protocol::engine::unwrap_jsonp;
///
/// assert_eq!(unwrap_jsonp(b"d=2%3A4a%2B4%3A4%E2%82%AC%5Cn")?, "2:4a+4:4€\n");
/// # Ok::<(), sockeye_protocol::engine::DecodeError>(())
/// ```
///
/// # Errors
/// [`DecodeError::InvalidForm`] without exactly one `d`, [`DecodeError::InvalidUtf8`] if it is no text.
pub fn unwrap_jsonp(form: &[u8]) -> Result<String, DecodeError> {
    let mut fields = form.split(|&byte| byte == b'&').filter_map(|field| field.strip_prefix(b"d="));
    let (Some(field), None) = (fields.next(), fields.next()) else { return Err(DecodeError::InvalidForm) };
    let spaced: Vec<u8> = field.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    let text = String::from_utf8(percent_decode(&spaced).collect()).map_err(|_| DecodeError::InvalidUtf8)?;
    Ok(unescape_lines(&text))
}

fn unescape_lines(text: &str) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\n") {
        unescaped.push_str(before);
        // A second backslash in front is the escape of the first.
        if before.ends_with('\\') {
            unescaped.push('n');
        } else {
            unescaped.push('\n');
        }
        rest = after;
    }
    unescaped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_wrap(number: &str, payload: &str, script: &str) {
        assert_eq!(wrap_jsonp(number, payload), script);
    }

    #[track_caller]
    fn check_unwrap(form: &str, payload: &str) {
        assert_eq!(unwrap_jsonp(form.as_bytes()).as_deref(), Ok(payload), "{form:?}");
    }

    /// As the official clients write a form: line ends doubly escaped, then everything percent-encoded.
    fn form(payload: &str) -> String {
        let escaped = payload.replace("\\n", "\\\n").replace('\n', "\\n");
        let mut form = "d=".to_owned();
        form.extend(form_urlencoded::byte_serialize(escaped.as_bytes()));
        form
    }

    #[test]
    fn a_payload_becomes_a_script() {
        check_wrap("0", "1:2", r#"___eio[0]("1:2");"#);
        check_wrap("12", r#"2["a\n"]"#, r#"___eio[12]("2[\"a\\n\"]");"#);
        check_wrap("", "4\n\r\t\u{8}\u{c}\u{1}\u{1e}", r#"___eio[]("4\n\r\t\b\f\u0001\u001e");"#);
        check_wrap("1", "4€😀\u{7f}", "___eio[1](\"4€😀\u{7f}\");");
        check_wrap("1", "4\u{2028}\u{2029}", r#"___eio[1]("4\u2028\u2029");"#);
        check_wrap("1", "4</script>", r#"___eio[1]("4</script>");"#);
    }

    #[test]
    fn a_form_becomes_a_payload() {
        check_unwrap("d=1%3A2", "1:2");
        check_unwrap("d=6:4hello", "6:4hello");
        check_unwrap("x=1&d=1:2&y", "1:2");
        check_unwrap("d=a+b%2Bc", "a b+c");
        check_unwrap("d=", "");
        check_unwrap("d=%zz%", "%zz%");
        check_unwrap("d=%E2%82%AC%F0%9F%98%80", "€😀");
    }

    #[test]
    fn line_ends_come_back_as_they_were() {
        check_unwrap(r"d=a\nb", "a\nb");
        check_unwrap(r"d=a\\nb", r"a\nb");
        check_unwrap(r"d=a\b\", r"a\b\");
        check_unwrap(r"d=\n\n", "\n\n");
        for payload in ["4a\nb", r"4a\nb", "4\n\n\\n\\n", r#"8:42["\n"]"#, "", "\n", r"\n"] {
            check_unwrap(&form(payload), payload);
        }
    }

    #[test]
    fn what_is_no_form_with_one_payload_is_an_error() {
        for form in ["", "4hello", "D=1:2", "dd=1:2", "d", "d=1:2&d=1:2", "%64=1:2"] {
            assert_eq!(unwrap_jsonp(form.as_bytes()), Err(DecodeError::InvalidForm), "{form:?}");
        }
        for form in ["d=%ff", "d=%E2%82", "d=%C0%80"] {
            assert_eq!(unwrap_jsonp(form.as_bytes()), Err(DecodeError::InvalidUtf8), "{form:?}");
        }
        assert_eq!(unwrap_jsonp(b"d=\xff"), Err(DecodeError::InvalidUtf8));
    }
}
