use std::convert::Infallible;

use bytes::Bytes;
use rmp::encode::{self, ByteBuf, RmpWrite, ValueWriteError};
use serde_json::Number;

use crate::socket::{EncodeError, Value};

/// From here on a float can't count in steps of one.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Writes MessagePack, every value in its smallest form.
pub(super) struct Writer<'a> {
    out: ByteBuf,
    attachments: &'a [Bytes],
    /// The attachment whose placeholder comes next.
    next: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(attachments: &'a [Bytes]) -> Self {
        Self { out: ByteBuf::new(), attachments, next: 0 }
    }

    /// The bytes written, if each attachment has found its place.
    pub(super) fn finish(self) -> Result<Vec<u8>, EncodeError> {
        if self.next != self.attachments.len() {
            return Err(EncodeError::AmbiguousPlaceholder);
        }
        Ok(self.out.into_vec())
    }

    pub(super) fn map(&mut self, len: usize) -> Result<(), EncodeError> {
        sure(encode::write_map_len(&mut self.out, length(len)?));
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), EncodeError> {
        sure(encode::write_str_len(&mut self.out, length(text.len())?));
        self.append(text.as_bytes());
        Ok(())
    }

    pub(super) fn unsigned(&mut self, number: u64) {
        sure(encode::write_uint(&mut self.out, number));
    }

    /// Writes a value with the attachments in the places of their placeholders.
    ///
    /// Placeholders are numbered in the order in which they stand. One that is out of this order was an object of the
    /// user's own, and nobody could tell any more which bytes belong where.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), EncodeError> {
        match value {
            Value::Null => match encode::write_nil(&mut self.out) {
                Ok(()) => {}
            },
            Value::Bool(value) => match encode::write_bool(&mut self.out, *value) {
                Ok(()) => {}
            },
            Value::Number(number) => self.number(number),
            Value::String(text) => self.text(text)?,
            Value::Binary(bytes) => self.bytes(bytes)?,
            Value::Array(items) => {
                sure(encode::write_array_len(&mut self.out, length(items.len())?));
                items.iter().try_for_each(|item| self.value(item))?;
            }
            Value::Object(_) if self.is_placeholder(value) => {
                let attachment =
                    self.attachments.get(self.next).filter(|_| value.get("num") == Some(&self.next_number()));
                let attachment = attachment.ok_or(EncodeError::AmbiguousPlaceholder)?;
                self.next += 1;
                self.bytes(attachment)?;
            }
            Value::Object(entries) => {
                self.map(entries.len())?;
                for (key, value) in entries {
                    self.text(key)?;
                    self.value(value)?;
                }
            }
        }
        Ok(())
    }

    /// Without attachments a placeholder is an object like any other.
    fn is_placeholder(&self, value: &Value) -> bool {
        !self.attachments.is_empty() && value.get("_placeholder") == Some(&Value::Bool(true))
    }

    fn next_number(&self) -> Value {
        Value::Number(self.next.into())
    }

    fn number(&mut self, number: &Number) {
        if let Some(number) = number.as_u64() {
            return self.unsigned(number);
        }
        if let Some(number) = number.as_i64() {
            sure(encode::write_sint(&mut self.out, number));
            return;
        }
        let float = number.as_f64().unwrap_or(f64::NAN);
        if float.fract() == 0.0 && float.abs() <= MAX_SAFE_INTEGER {
            #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and fits 53 bits")]
            let integer = float as i64;
            sure(encode::write_sint(&mut self.out, integer));
        } else {
            sure(encode::write_f64(&mut self.out, float));
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        sure(encode::write_bin_len(&mut self.out, length(bytes.len())?));
        self.append(bytes);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) {
        match self.out.write_bytes(bytes) {
            Ok(()) => {}
        }
    }
}

fn length(len: usize) -> Result<u32, EncodeError> {
    u32::try_from(len).map_err(|_| EncodeError::unsupported("MessagePack has no lengths beyond 32 bits"))
}

/// Memory takes every write.
fn sure<T>(written: Result<T, ValueWriteError<Infallible>>) -> T {
    match written {
        Ok(value) => value,
    }
}
