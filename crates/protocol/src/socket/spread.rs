use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
    ser::SerializeTuple,
};

/// Asks [`Arguments`](super::Arguments) for all that are there; to any other deserializer it is a list.
pub(super) const ALL_ARGUMENTS: &str = "$sockeye::Spread";

/// As many arguments as the list has: JavaScript's `...list`, both ways.
///
/// A `Vec` is one argument, an array; a tuple is several, but always the same number.
///
/// ```
/// use sockeye_protocol::socket::{Spread, Value, split_event, write_arguments};
///
/// let event = split_event(r#"["any",1,"two"]"#)?;
/// let Spread(list): Spread<Value> = event.arguments.deserialize()?;
/// assert_eq!(list, [Value::from(1), Value::from("two")]);
///
/// let (mut out, mut attachments) = (Vec::new(), Vec::new());
/// write_arguments(&mut out, &Spread(list), &mut attachments)?;
/// assert_eq!(out, br#",1,"two""#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread<T>(pub Vec<T>);

impl<T: Serialize> Serialize for Spread<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|item| tuple.serialize_element(item))?;
        tuple.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spread<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(ALL_ARGUMENTS, SpreadVisitor(PhantomData))
    }
}

struct SpreadVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpreadVisitor<T> {
    type Value = Spread<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("arguments")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Spread<T>, D::Error> {
        Vec::deserialize(deserializer).map(Spread)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut arguments: A) -> Result<Spread<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = arguments.next_element()? {
            list.push(item);
        }
        Ok(Spread(list))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::socket::{Arguments, Value, write_arguments};

    #[track_caller]
    fn check(json: &str, attachments: &[Bytes], expected: Vec<Value>) {
        let arguments = Arguments::from_json(json).with_attachments(attachments);
        let read: Spread<Value> = arguments.deserialize().unwrap();
        assert_eq!(read, Spread(expected));
        let (mut out, mut found) = (Vec::new(), Vec::new());
        write_arguments(&mut out, &read, &mut found).unwrap();
        assert_eq!(str::from_utf8(&out).unwrap().trim_start_matches(','), json);
        assert_eq!(found, attachments);
    }

    #[test]
    fn all_arguments_are_taken_and_given_one_by_one() {
        check("", &[], vec![]);
        check("null", &[], vec![Value::Null]);
        check("[1,2]", &[], vec![Value::Array(vec![1.into(), 2.into()])]);
        check(r#"1,"two",[]"#, &[], vec![1.into(), "two".into(), Value::Array(Vec::new())]);
        let bytes = Bytes::from_static(b"ab");
        let placeholder = r#"{"_placeholder":true,"num":0}"#;
        check(&format!(r#"{placeholder},"x""#), std::slice::from_ref(&bytes), vec![bytes.clone().into(), "x".into()]);
    }

    #[test]
    fn broken_arguments_are_none() {
        for json in ["1 2", "1,", "{", ",", "1,x"] {
            assert!(Arguments::from_json(json).deserialize::<Spread<Value>>().is_err(), "{json}");
        }
    }

    #[test]
    fn elsewhere_it_is_a_list() {
        assert_eq!(serde_json::from_str::<Spread<u8>>("[1,2]").unwrap(), Spread(vec![1, 2]));
        assert_eq!(serde_json::to_string(&Spread(vec![1, 2])).unwrap(), "[1,2]");
    }
}
