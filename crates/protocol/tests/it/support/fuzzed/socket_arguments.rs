//! Payloads of events with attachments: what is valid is sent on unchanged, and read the same way again.

use bytes::Bytes;
use sockeye_protocol::{
    Limits,
    socket::{ArgumentsError, Value, encode_event, split_event},
};

/// Between a payload and each of its attachments: Engine.IO's own separator, which no valid JSON contains.
const SEPARATOR: u8 = 0x1e;

/// Reads a payload, and up to 10 attachments behind it.
///
/// # Panics
/// If valid arguments are not the same after they have been sent on, or if it depends on the wanted type what is valid.
pub(crate) fn run(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == SEPARATOR);
    let Some(payload) = parts.next().and_then(|payload| str::from_utf8(payload).ok()) else { return };
    let attachments: Vec<Bytes> = parts.take(10).map(Bytes::copy_from_slice).collect();
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
}
