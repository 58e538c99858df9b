use bytes::Bytes;

use super::{
    date::iso_text,
    number::number_text,
    reader::{MAX_DEPTH, Reader, Token, deeper},
};
use crate::socket::DecodeError;

/// A value as JSON, and the bytes that were in it.
pub(super) struct Json {
    pub(super) text: String,
    /// What the placeholders in the text stand for.
    pub(super) attachments: Vec<Bytes>,
}

/// What becomes of bytes within a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BytesForm {
    /// They are attachments, and placeholders stand for them.
    Attachment,
    /// They are written out, as JavaScript does where it has no attachments.
    Object,
}

/// Writes the next value of `reader` as JSON.
pub(super) fn read_json(mut reader: Reader<'_>, bytes: BytesForm) -> Result<Json, DecodeError> {
    let mut transcript = Transcript { json: Vec::new(), attachments: Vec::new(), bytes, has_lookalike: false };
    let token = reader.token()?;
    transcript.value(token, &mut reader, MAX_DEPTH)?;
    if transcript.has_lookalike && !transcript.attachments.is_empty() {
        return Err(DecodeError::InvalidPayload { expected: "no object with a true `_placeholder` beside bytes" });
    }
    let text = String::from_utf8(transcript.json).expect("JSON is written from texts alone");
    Ok(Json { text, attachments: transcript.attachments })
}

/// JSON as far as it has been written.
struct Transcript {
    json: Vec<u8>,
    attachments: Vec<Bytes>,
    bytes: BytesForm,
    /// An object looks like a placeholder.
    has_lookalike: bool,
}

impl Transcript {
    fn value(&mut self, token: Token<'_>, reader: &mut Reader<'_>, depth: usize) -> Result<(), DecodeError> {
        match token {
            Token::Absent | Token::Nil => self.json.extend_from_slice(b"null"),
            Token::Bool(value) => self.json.extend_from_slice(if value { b"true" } else { b"false" }),
            Token::Integer(integer) => self.json.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes()),
            Token::Float(float) => self.json.extend_from_slice(number_text(float).as_bytes()),
            Token::Text(text) => self.text(text),
            Token::Bytes(bytes) => self.bytes(bytes, depth)?,
            Token::Date(milliseconds) => match iso_text(milliseconds) {
                Some(date) => self.text(&date),
                None => self.json.extend_from_slice(b"null"),
            },
            Token::Extension(kind, data) => {
                self.json.push(b'[');
                self.json.extend_from_slice(itoa::Buffer::new().format(kind).as_bytes());
                self.json.push(b',');
                self.bytes(data, deeper(depth)?)?;
                self.json.push(b']');
            }
            Token::Array(len) => self.array(len, reader, deeper(depth)?)?,
            Token::Map(len) => self.map(len, reader, deeper(depth)?)?,
        }
        Ok(())
    }

    fn array(&mut self, len: u32, reader: &mut Reader<'_>, depth: usize) -> Result<(), DecodeError> {
        self.json.push(b'[');
        for index in 0..len {
            if index > 0 {
                self.json.push(b',');
            }
            let token = reader.token()?;
            self.value(token, reader, depth)?;
        }
        self.json.push(b']');
        Ok(())
    }

    fn map(&mut self, len: u32, reader: &mut Reader<'_>, depth: usize) -> Result<(), DecodeError> {
        self.json.push(b'{');
        let start = self.json.len();
        for _ in 0..len {
            let entry = self.json.len();
            if entry > start {
                self.json.push(b',');
            }
            let key = reader.token()?;
            self.text(&key.into_key()?);
            self.json.push(b':');
            let value = reader.token()?;
            self.has_lookalike |= key == Token::Text("_placeholder") && value == Token::Bool(true);
            match value {
                Token::Absent => self.json.truncate(entry),
                value => self.value(value, reader, depth)?,
            }
        }
        self.json.push(b'}');
        Ok(())
    }

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.json, text).expect("texts have a JSON form, and memory takes every write");
    }

    /// What stands for bytes is an object, and so a level of the JSON; written out, they are a list in it.
    fn bytes(&mut self, bytes: &[u8], depth: usize) -> Result<(), DecodeError> {
        let depth = deeper(depth)?;
        let mut number = itoa::Buffer::new();
        match self.bytes {
            BytesForm::Attachment => {
                self.json.extend_from_slice(br#"{"_placeholder":true,"num":"#);
                self.json.extend_from_slice(number.format(self.attachments.len()).as_bytes());
                self.json.push(b'}');
                // A copy of its own: one that is kept must not keep the whole message.
                self.attachments.push(Bytes::copy_from_slice(bytes));
            }
            BytesForm::Object => {
                deeper(depth)?;
                self.json.extend_from_slice(br#"{"type":"Buffer","data":["#);
                for (index, &byte) in bytes.iter().enumerate() {
                    if index > 0 {
                        self.json.push(b',');
                    }
                    self.json.extend_from_slice(number.format(byte).as_bytes());
                }
                self.json.extend_from_slice(b"]}");
            }
        }
        Ok(())
    }
}
