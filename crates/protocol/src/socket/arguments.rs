use std::vec;

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{de::StrRead, value::Value as Json};

use super::{DecodeError, RawArguments, Value, event::invalid_json, packet::trim_json};

/// The arguments of an event or an answer, as they came: JSON that nobody has looked into, and the attachments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arguments<'a> {
    /// What stands between the name and the closing bracket, white space trimmed.
    json: &'a str,
    attachments: &'a [Bytes],
}

impl<'a> Arguments<'a> {
    pub(super) const fn new(json: &'a str) -> Self {
        Self { json, attachments: &[] }
    }

    /// The arguments of an answer, from its payload.
    ///
    /// # Errors
    /// If the payload is no array. A missing one, which Node lets through, is no arguments.
    pub fn from_ack(payload: &'a str, attachments: &'a [Bytes]) -> Result<Self, DecodeError> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let json = payload.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let json = json.ok_or(DecodeError::InvalidPayload { expected: "an array" })?;
        Ok(Self { json: trim_json(json), attachments })
    }

    /// The same arguments with the packet's attachments.
    #[must_use]
    pub fn with_attachments(self, attachments: &'a [Bytes]) -> Self {
        Self { attachments, ..self }
    }

    /// The JSON as it came, without brackets: `1,{"a":2}`. Not checked.
    pub fn json(&self) -> &'a str {
        self.json
    }

    /// Reads the arguments into an owned type, and checks the JSON to its end.
    ///
    /// A tuple, an array or a tuple struct takes the arguments one by one; `()` takes none; all else the first one.
    /// Arguments too many are passed over, missing ones are `null`, so that they fit an `Option` at the end.
    ///
    /// Attachments stand where their placeholders do, at any depth, in flattened and untagged types as well.
    /// Without attachments a placeholder is an object like any other.
    ///
    /// ```
    /// use sockeye_protocol::socket::split_event;
    ///
    /// let event = split_event(r#"["move",3,{"y":4}]"#)?;
    /// let (x, rest, speed): (i32, serde_json::Value, Option<f64>) = event.arguments.deserialize()?;
    /// assert_eq!((x, rest["y"].as_i64(), speed), (3, Some(4), None));
    /// let first: i32 = event.arguments.deserialize()?;
    /// assert_eq!(first, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ArgumentsError::Malformed`] if the peer broke the protocol, [`ArgumentsError::Mismatch`] if all is well but
    /// the arguments are not a `T`.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ArgumentsError> {
        let read = |mut reader: Reader<'_>| {
            let value = T::deserialize(&mut reader)?;
            reader.skip_rest()?;
            Ok(value)
        };
        let result = match self.attachments {
            [] => read(Reader::Json(self.json)),
            _ => read(Reader::Values(self.to_values()?.into_iter())),
        };
        result.map_err(|error: serde_json::Error| self.explain(&error))
    }

    /// Checks that all of it is JSON and every placeholder has its attachment.
    ///
    /// # Errors
    /// [`DecodeError`]: the peer broke the protocol.
    pub fn validate(&self) -> Result<(), DecodeError> {
        Reader::Json(self.json).skip_rest().map_err(|error| invalid_json(&error))?;
        match self.attachments {
            [] => Ok(()),
            _ => self.values().map_err(|error| invalid_json(&error))?.map(drop),
        }
    }

    /// The same arguments with their own memory, checked: they can be stored, and sent on as they are.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn to_raw(&self) -> Result<RawArguments, DecodeError> {
        self.validate()?;
        Ok(RawArguments::new(self.json, self.attachments))
    }

    /// All arguments with the attachments in their places.
    pub(super) fn to_values(self) -> Result<Vec<Value>, ArgumentsError> {
        match self.values() {
            Ok(values) => Ok(values?),
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// All arguments with the attachments in their places. The outer error is about JSON, the inner about placeholders.
    fn values(&self) -> Result<Result<Vec<Value>, DecodeError>, serde_json::Error> {
        let mut reader = Reader::Json(self.json);
        let mut values = Vec::new();
        while let Some(value) = reader.next_element::<Value>()? {
            values.push(value);
        }
        let resolved = values.iter_mut().try_for_each(|value| value.resolve_placeholders(self.attachments));
        Ok(resolved.map(|()| values))
    }

    /// Whose fault an error is: of the peer, if its JSON is none; else of the type that was asked for.
    ///
    /// The parser's own sorting won't do: half an emoji, which JavaScript may send, is a syntax error to it.
    fn explain(&self, error: &serde_json::Error) -> ArgumentsError {
        match Reader::Json(self.json).skip_rest() {
            Ok(()) => ArgumentsError::Mismatch { reason: error.to_string() },
            Err(error) => ArgumentsError::Malformed(invalid_json(&error)),
        }
    }
}

/// Why arguments could not be read into a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// They are not JSON, or a placeholder is wrong: the peer broke the protocol, and the connection ends.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// They are in order, but not of the type that was asked for. Nothing ends by this.
    #[error("arguments do not fit: {reason}")]
    Mismatch {
        /// What was found and what was expected.
        reason: String,
    },
}

/// Reads arguments one after the other. `&mut Reader` is the deserializer of all of them.
enum Reader<'a> {
    /// JSON from the next argument on, or nothing.
    Json(&'a str),
    /// Arguments already read, because attachments had to be put in place.
    Values(vec::IntoIter<Value>),
}

impl<'a> Reader<'a> {
    fn skip_rest(&mut self) -> Result<(), serde_json::Error> {
        while let Some(IgnoredAny) = self.next_element()? {}
        Ok(())
    }

    /// Reads an argument off the front of the JSON.
    fn read_json<T>(
        json: &mut &'a str,
        read: impl FnOnce(&mut serde_json::Deserializer<StrRead<'a>>) -> Result<T, serde_json::Error>,
    ) -> Result<T, serde_json::Error> {
        let mut parser = serde_json::Deserializer::from_str(json);
        let value = read(&mut parser)?;
        // A stream of nothing is the one that tells how far the parser came.
        let end = parser.into_iter::<IgnoredAny>().byte_offset();
        let rest = trim_json(json.get(end..).unwrap_or_default());
        *json = match rest.strip_prefix(',').map(trim_json) {
            None if rest.is_empty() => rest,
            Some(next) if !next.is_empty() => next,
            _ => return Err(serde_json::Error::custom("expected `,` and an argument, or the end of the arguments")),
        };
        Ok(value)
    }
}

impl<'de> SeqAccess<'de> for Reader<'de> {
    type Error = serde_json::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, serde_json::Error> {
        match self {
            Self::Json("") => Ok(None),
            Self::Json(json) => Self::read_json(json, |parser| seed.deserialize(parser)).map(Some),
            Self::Values(values) => values.next().map(|value| seed.deserialize(value)).transpose(),
        }
    }
}

/// The arguments of a tuple: as many as it wants, `null` for those that are missing.
struct Padded<'r, 'a> {
    reader: &'r mut Reader<'a>,
    wanted: usize,
}

impl<'de> SeqAccess<'de> for Padded<'_, 'de> {
    type Error = serde_json::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, serde_json::Error> {
        let Some(wanted) = self.wanted.checked_sub(1) else { return Ok(None) };
        self.wanted = wanted;
        match self.reader {
            Reader::Json("") => seed.deserialize(Json::Null).map(Some),
            Reader::Json(json) => Reader::read_json(json, |parser| seed.deserialize(parser)).map(Some),
            Reader::Values(values) => match values.next() {
                Some(value) => seed.deserialize(value).map(Some),
                None => seed.deserialize(Json::Null).map(Some),
            },
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.wanted)
    }
}

/// Methods that hand the first argument, or `null`, to the deserializer it has.
macro_rules! first_argument {
    ($($method:ident($($name:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, serde_json::Error> {
            match self {
                Reader::Json("") => Json::Null.$method($($name,)* visitor),
                Reader::Json(json) => Reader::read_json(json, |parser| parser.$method($($name,)* visitor)),
                Reader::Values(values) => match values.next() {
                    Some(value) => value.$method($($name,)* visitor),
                    None => Json::Null.$method($($name,)* visitor),
                },
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = serde_json::Error;

    first_argument! {
        deserialize_any() deserialize_ignored_any() deserialize_bool() deserialize_char()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64()
        deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_seq() deserialize_map() deserialize_identifier()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        visitor.visit_unit()
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, wanted: usize, visitor: V) -> Result<V::Value, serde_json::Error> {
        visitor.visit_seq(Padded { reader: self, wanted })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        wanted: usize,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        visitor.visit_seq(Padded { reader: self, wanted })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        match self {
            // So `serde_json::value::RawValue` asks its own parser for the text of a value.
            Reader::Json(json) if name.starts_with("$serde_json::") && !json.is_empty() => {
                Reader::read_json(json, |parser| parser.deserialize_newtype_struct(name, visitor))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }
}
