use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Number;

use super::DecodeError;

/// Any argument: JSON, or bytes.
///
/// ```
/// use sockeye_protocol::socket::{Value, split_event};
///
/// let event = split_event(r#"["any",{"a":[1,"b"]}]"#)?;
/// let value: Value = event.arguments.deserialize()?;
/// assert_eq!(value.get("a"), Some(&Value::from(vec![Value::from(1), Value::from("b")])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, and what is missing.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A number. What JavaScript can't write, such as NaN, is null.
    Number(Number),
    /// A text.
    String(String),
    /// Bytes: an attachment.
    Binary(Bytes),
    /// A list.
    Array(Vec<Self>),
    /// Keys and values in their order. Of a key that is there twice, the last counts.
    Object(Vec<(String, Self)>),
}

impl Value {
    /// The value of a key, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether lists and objects nest deeper than this many levels. Bytes count as two, which they are in JSON.
    pub(super) fn is_deeper_than(&self, levels: usize) -> bool {
        let Some(inside) = levels.checked_sub(1) else {
            return matches!(self, Self::Binary(_) | Self::Array(_) | Self::Object(_));
        };
        match self {
            Self::Binary(_) => inside == 0,
            Self::Array(items) => items.iter().any(|item| item.is_deeper_than(inside)),
            Self::Object(entries) => entries.iter().any(|(_, value)| value.is_deeper_than(inside)),
            _ => false,
        }
    }

    /// Puts attachments in the place of their placeholders: objects whose `_placeholder` is true, whatever else they hold.
    pub(super) fn resolve_placeholders(&mut self, attachments: &[Bytes]) -> Result<(), DecodeError> {
        if self.get("_placeholder") == Some(&Self::Bool(true)) {
            let num = match self.get("num") {
                Some(Self::Number(num)) => num.as_u64().and_then(|num| usize::try_from(num).ok()),
                _ => None,
            };
            let attachment = num.and_then(|num| attachments.get(num));
            *self =
                Self::Binary(attachment.ok_or(DecodeError::IllegalPlaceholder { count: attachments.len() })?.clone());
            return Ok(());
        }
        match self {
            Self::Array(items) => items.iter_mut().try_for_each(|item| item.resolve_placeholders(attachments)),
            Self::Object(entries) => {
                entries.iter_mut().try_for_each(|(_, value)| value.resolve_placeholders(attachments))
            }
            _ => Ok(()),
        }
    }
}

macro_rules! from {
    ($($source:ty => |$value:ident| $target:expr;)*) => {
        $(impl From<$source> for Value {
            fn from($value: $source) -> Self {
                $target
            }
        })*
    };
}

from! {
    () => |_unit| Self::Null;
    bool => |value| Self::Bool(value);
    i32 => |value| Self::Number(value.into());
    i64 => |value| Self::Number(value.into());
    u32 => |value| Self::Number(value.into());
    u64 => |value| Self::Number(value.into());
    f64 => |value| Number::from_f64(value).map_or(Self::Null, Self::Number);
    &str => |value| Self::String(value.to_owned());
    String => |value| Self::String(value);
    Bytes => |value| Self::Binary(value);
    Vec<Value> => |value| Self::Array(value);
    Vec<(String, Value)> => |value| Self::Object(value);
    serde_json::Value => |value| match value {
        serde_json::Value::Null => Self::Null,
        serde_json::Value::Bool(value) => Self::Bool(value),
        serde_json::Value::Number(number) => Self::Number(number),
        serde_json::Value::String(text) => Self::String(text),
        serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
        serde_json::Value::Object(entries) => {
            Self::Object(entries.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
        }
    };
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Not the unit: as the arguments of an event it would be none.
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Binary(bytes) => serializer.serialize_bytes(bytes),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Binary(Bytes::copy_from_slice(value)))
    }

    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Binary(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Object(entries))
    }
}
