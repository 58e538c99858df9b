//! Payloads of events with attachments: what is valid is sent on unchanged, and read the same way again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sockeye_protocol::{
    Limits,
    socket::{ArgumentsError, Value, encode_event, split_event},
};

fuzz_target!(|input: (&str, Vec<Vec<u8>>)| {
    let (payload, attachments) = input;
    let attachments: Vec<Bytes> = attachments.into_iter().take(10).map(Bytes::from).collect();
    let Ok(event) = split_event(payload) else { return };
    let arguments = event.arguments.with_attachments(&attachments);
    let typed = arguments.deserialize::<(String, Option<Vec<f64>>)>();
    let Ok(raw) = arguments.to_raw() else {
        return assert!(typed.is_err());
    };
    assert!(!matches!(typed, Err(ArgumentsError::Malformed(_))));
    let (mut out, mut sent) = (Vec::new(), Vec::new());
    encode_event(&mut out, "/", None, &event.name, &raw, &mut sent, &Limits::default()).expect("at most 10");
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    let start = text.find('[').expect("an event is an array");
    let again = split_event(&text[start..]).expect("it was written here");
    assert_eq!((again.name, sent.as_slice()), (event.name, attachments.as_slice()));
    let values = again.arguments.with_attachments(&sent).deserialize::<Value>();
    assert_eq!(values.is_ok(), arguments.deserialize::<Value>().is_ok());
});
