use bytes::Bytes;
use smallvec::SmallVec;

use super::{Arguments, ArgumentsError, EncodeError, ToArguments, Value, write_arguments};

/// Arguments that were checked but never taken apart: to be kept, or sent on as they came, attachments included.
///
/// ```
/// use sockeye_protocol::{Limits, socket::{encode_event, split_event}};
///
/// let raw = split_event(r#"["chat",{"deep":[1,2.50]},"x"]"#)?.arguments.to_raw()?;
/// let (mut out, mut attachments) = (Vec::new(), Vec::new());
/// encode_event(&mut out, "/", None, "echo", &raw, &mut attachments, &Limits::default())?;
/// assert_eq!(out, br#"2["echo",{"deep":[1,2.50]},"x"]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawArguments {
    json: Box<str>,
    attachments: SmallVec<[Bytes; 1]>,
}

impl RawArguments {
    /// Of arguments that have been validated.
    pub(super) fn new(json: &str, attachments: &[Bytes]) -> Self {
        Self { json: json.into(), attachments: attachments.into() }
    }

    /// The arguments, to be read into a type.
    pub fn arguments(&self) -> Arguments<'_> {
        Arguments::new(&self.json).with_attachments(&self.attachments)
    }

    /// The arguments one by one.
    ///
    /// # Errors
    /// [`ArgumentsError::Mismatch`] for JSON that can't be held: nested deeper than 128 levels, or half an emoji.
    pub fn to_values(&self) -> Result<Vec<Value>, ArgumentsError> {
        self.arguments().to_values()
    }

    /// The JSON as it came, without brackets, placeholders included.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The attachments that the placeholders name.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
}

impl ToArguments for RawArguments {
    fn write_arguments(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>) -> Result<(), EncodeError> {
        if self.attachments.is_empty() || attachments.is_empty() {
            if !self.json.is_empty() {
                out.push(b',');
                out.extend_from_slice(self.json.as_bytes());
            }
            attachments.extend_from_slice(&self.attachments);
            return Ok(());
        }
        // Behind other attachments, all placeholders have other numbers.
        let values = self.to_values().map_err(|error| EncodeError::Json(serde::ser::Error::custom(error)))?;
        values.iter().try_for_each(|value| write_arguments(out, value, attachments))
    }
}

impl ToArguments for &RawArguments {
    fn write_arguments(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>) -> Result<(), EncodeError> {
        (*self).write_arguments(out, attachments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str, attachments: &[Bytes]) -> RawArguments {
        Arguments::new(json).with_attachments(attachments).to_raw().unwrap()
    }

    #[track_caller]
    fn check(raw: &RawArguments, before: &[Bytes], json: &str, binaries: &[&[u8]]) {
        let (mut out, mut attachments) = (Vec::new(), before.to_vec());
        raw.write_arguments(&mut out, &mut attachments).unwrap();
        assert_eq!(str::from_utf8(&out), Ok(json));
        assert_eq!(attachments, binaries);
    }

    #[test]
    fn raw_arguments_are_sent_on_as_they_came() {
        check(&raw("", &[]), &[], "", &[]);
        check(&raw(r#"1.50,{"a":  "\ud83d"}"#, &[]), &[], r#",1.50,{"a":  "\ud83d"}"#, &[]);
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let json = r#"{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]"#;
        check(&raw(json, &[a.clone(), b]), &[], &format!(",{json}"), &[b"a", b"b"]);
    }

    #[test]
    fn behind_other_attachments_placeholders_are_renumbered() {
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let raw = raw(r#"1,{"_placeholder":true,"num":0}"#, &[b]);
        check(&raw, &[a], r#",1,{"_placeholder":true,"num":1}"#, &[b"a", b"b"]);
    }

    #[test]
    fn raw_arguments_are_read_as_any() {
        let raw = raw(r#"1,"a""#, &[]);
        assert_eq!(raw.arguments().deserialize::<(u8, String)>(), Ok((1, "a".to_owned())));
        assert_eq!(raw.to_values(), Ok(vec![1.into(), "a".into()]));
    }
}
