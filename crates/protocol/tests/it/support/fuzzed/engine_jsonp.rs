//! Forms of JSONP: what is read from one fits into it, and comes out of a script as it went in.

use sockeye_protocol::engine::{unwrap_jsonp, wrap_jsonp};

/// Reads a form.
///
/// # Panics
/// If the payload has become longer, or if a script of it has several lines or holds something else.
pub(crate) fn run(form: &[u8]) {
    let Ok(payload) = unwrap_jsonp(form) else { return };
    assert!(payload.len() <= form.len());
    let script = wrap_jsonp("0", &payload);
    assert!(!script.contains(['\n', '\r', '\u{2028}', '\u{2029}']));
    let argument = script.strip_prefix("___eio[0](").and_then(|rest| rest.strip_suffix(");"));
    let argument = argument.expect("a call with one argument");
    assert_eq!(serde_json::from_str::<String>(argument).expect("a string"), payload);
}
