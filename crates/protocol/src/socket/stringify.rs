//! Values as JavaScript's `JSON.stringify` writes them.

use std::io;

use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

use super::{EncodeError, Value, messagepack::number_text};

/// As deep as `serde_json` reads.
const MAX_DEPTH: usize = 127;

impl Value {
    /// The value as `JSON.stringify` of JavaScript writes it: no spaces, its numbers, and `{"type":"Buffer","data":[…]}`
    /// for bytes.
    ///
    /// ```
    /// use sockeye_protocol::socket::Value;
    ///
    /// assert_eq!(Value::from(vec![Value::from(1.0), Value::from(1e21)]).to_json()?, "[1,1e+21]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EncodeError::Unsupported`] for what nests deeper than 127 levels, bytes counting as two: it could not be read
    /// again.
    pub fn to_json(&self) -> Result<String, EncodeError> {
        if self.is_deeper_than(MAX_DEPTH) {
            return Err(EncodeError::unsupported(format_args!("values nest over {MAX_DEPTH} levels deep")));
        }
        Ok(stringify(self)?)
    }
}

fn stringify(value: &Value) -> Result<String, serde_json::Error> {
    let mut json = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut json, JavaScript))?;
    Ok(String::from_utf8(json).expect("JSON is written from texts alone"))
}

/// What JavaScript writes otherwise than `serde_json`.
struct JavaScript;

impl Formatter for JavaScript {
    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(number_text(value).as_bytes())
    }

    fn write_byte_array<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: &[u8]) -> io::Result<()> {
        writer.write_all(br#"{"type":"Buffer","data":["#)?;
        let mut number = itoa::Buffer::new();
        for (index, &byte) in value.iter().enumerate() {
            if index > 0 {
                writer.write_all(b",")?;
            }
            writer.write_all(number.format(byte).as_bytes())?;
        }
        writer.write_all(b"]}")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[track_caller]
    fn check(value: impl Into<Value>, json: &str) {
        assert_eq!(value.into().to_json().unwrap(), json);
    }

    #[test]
    fn numbers_are_javascript_s() {
        check(3.0, "3");
        check(-0.0, "0");
        check(1e21, "1e+21");
        check(1e-7, "1e-7");
        check(0.1 + 0.2, "0.30000000000000004");
        check(u64::MAX, "18446744073709551615");
        check(i64::MIN, "-9223372036854775808");
    }

    #[test]
    fn texts_are_escaped_as_javascript_does() {
        check(
            "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}\u{2028}é😀",
            "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}\u{2028}é😀\"",
        );
    }

    #[test]
    fn bytes_are_a_buffer_and_keys_keep_their_order() {
        let entries = vec![("b".to_owned(), Bytes::from_static(b"\x00\xff").into()), ("a".to_owned(), ().into())];
        check(entries, r#"{"b":{"type":"Buffer","data":[0,255]},"a":null}"#);
        check(Bytes::new(), r#"{"type":"Buffer","data":[]}"#);
    }

    #[test]
    fn what_can_be_written_can_be_read() {
        let nested = |levels| (0..levels).fold(Value::Binary(Bytes::new()), |inner, _| Value::Array(vec![inner]));
        assert!(serde_json::from_str::<Value>(&nested(125).to_json().unwrap()).is_ok());
        assert!(nested(126).to_json().is_err());
    }
}
