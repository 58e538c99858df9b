//! JSONP forms: what is read from one fits into it, and into a script of one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::engine::{unwrap_jsonp, wrap_jsonp};

fuzz_target!(|form: &[u8]| {
    if let Ok(payload) = unwrap_jsonp(form) {
        assert!(payload.len() <= form.len());
        let script = wrap_jsonp("0", &payload);
        assert!(!script.contains(['\n', '\r', '\u{2028}', '\u{2029}']));
    }
});
