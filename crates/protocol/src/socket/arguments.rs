use std::vec;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{de::StrRead, value::Value as Json};

use super::{
    DecodeError, RawArguments, Value, event::invalid_json, json, packet::trim_json, placeholder, spread::ALL_ARGUMENTS,
};

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

    /// Arguments that stand as JSON without brackets: `1,{"a":2}`, or `{}` for a connecting client's `auth`.
    pub const fn from_json(json: &'a str) -> Self {
        Self::new(json)
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

    /// The attachments that came with the packet.
    pub fn attachments(&self) -> &'a [Bytes] {
        self.attachments
    }

    /// The JSON as it came, without brackets: `1,{"a":2}`. Not checked.
    pub fn json(&self) -> &'a str {
        self.json
    }

    /// Reads the arguments into an owned type, and checks the JSON to its end.
    ///
    /// A tuple, an array or a tuple struct takes the arguments one by one, [`Spread`](super::Spread) all of them, `()`
    /// none; all else takes the first one.
    /// Arguments too many are passed over, missing ones are `null`, so that they fit an `Option` at the end.
    ///
    /// Attachments stand where their placeholders do, at any depth, in flattened and untagged types as well.
    /// Without attachments a placeholder is an object like any other. (In an untagged type serde lets a `String` take bytes
    /// that happen to be UTF-8; a [`Value`] tells them apart.)
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
            attachments if placeholder::are_usual(self.json, attachments.len()) => Ok(()),
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
        let mut json = self.json;
        let mut values = Vec::new();
        while !json.is_empty() {
            values.push(match placeholder::split(json) {
                Some((num, rest)) if num < self.attachments.len() => {
                    json = Reader::next_argument(rest)?;
                    Value::Binary(self.attachments[num].clone())
                }
                _ => Reader::read_json(&mut json, |parser| Value::deserialize(parser))?,
            });
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
    /// Checks what is left.
    fn skip_rest(&mut self) -> Result<(), serde_json::Error> {
        let Self::Json(json) = self else { return Ok(()) };
        while !json.is_empty() {
            match json::value_len(json.as_bytes()).and_then(|len| json.get(len..)) {
                Some(rest) => *json = Self::next_argument(rest)?,
                // It knows what is wrong.
                None => drop(Self::read_json(json, |parser| IgnoredAny::deserialize(parser))?),
            }
        }
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
        *json = Self::next_argument(json.get(end..).unwrap_or_default())?;
        Ok(value)
    }

    /// The arguments behind one that has ended.
    fn next_argument(rest: &str) -> Result<&str, serde_json::Error> {
        let rest = trim_json(rest);
        match rest.strip_prefix(',').map(trim_json) {
            None if rest.is_empty() => Ok(rest),
            Some(next) if !next.is_empty() => Ok(next),
            _ => Err(serde_json::Error::custom("expected `,` and an argument, or the end of the arguments")),
        }
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
            reader if name == ALL_ARGUMENTS => visitor.visit_seq(reader),
            // So `serde_json::value::RawValue` asks its own parser for the text of a value.
            Reader::Json(json) if name.starts_with("$serde_json::") && !json.is_empty() => {
                Reader::read_json(json, |parser| parser.deserialize_newtype_struct(name, visitor))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fmt::Debug};

    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[track_caller]
    fn check<T: DeserializeOwned + PartialEq + Debug>(json: &str, expected: T) {
        assert_eq!(Arguments::new(json).deserialize::<T>(), Ok(expected));
    }

    /// With two attachments, some bytes and none, and with `$0` written for the first placeholder.
    #[track_caller]
    fn check_binary<T: DeserializeOwned + PartialEq + Debug>(json: &str, expected: T) {
        let attachments = [Bytes::from_static(b"a\xff"), Bytes::new()];
        let json = with_placeholders(json);
        assert_eq!(Arguments::new(&json).with_attachments(&attachments).deserialize::<T>(), Ok(expected));
    }

    fn with_placeholders(json: &str) -> String {
        ["0", "1"].iter().fold(json.to_owned(), |json, num| {
            json.replace(&format!("${num}"), &format!(r#"{{"_placeholder":true,"num":{num}}}"#))
        })
    }

    #[track_caller]
    fn check_mismatch<T: DeserializeOwned + Debug>(json: &str, reason: &str) {
        match Arguments::new(json).deserialize::<T>() {
            Err(ArgumentsError::Mismatch { reason: found }) => assert!(found.starts_with(reason), "{found}"),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn check_malformed<T: DeserializeOwned + Debug>(json: &str) {
        let arguments = Arguments::new(json);
        assert!(matches!(arguments.deserialize::<T>(), Err(ArgumentsError::Malformed(_))), "{json}");
        assert!(matches!(arguments.validate(), Err(DecodeError::InvalidJson { .. })), "{json}");
        assert!(arguments.to_raw().is_err());
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: i32,
        #[serde(default)]
        y: Option<i32>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapper<T>(T);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair<A, B>(A, B);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Unit;

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        Bare,
        One(Bytes),
        Named { x: u8 },
    }

    #[test]
    fn tuples_and_their_like_take_the_arguments_one_by_one() {
        check(r#"1,"a""#, (1, "a".to_owned()));
        check("1 ,\t2", [1, 2]);
        check("1,2", Pair(1, 2));
        check("1,2", Wrapper((1, 2)));
        check("[1,2]", ((1, 2),));
        check("1,[2],{}", (1, vec![2], HashMap::<String, u8>::new()));
    }

    #[test]
    fn all_else_takes_the_first() {
        check("[1,2]", vec![1, 2]);
        check("7,8", 7);
        check("7,8", Wrapper(7));
        check("-7", -7_i64);
        check("1.5", 1.5);
        check("7", 7_i128);
        check("true", true);
        check(r#""a","b""#, "a".to_owned());
        check(r#""a""#, 'a');
        check(r#"{"x":1}"#, Point { x: 1, y: None });
        check(r#""Bare""#, Choice::Bare);
        check(r#"{"Named":{"x":1}}"#, Choice::Named { x: 1 });
        check(r#"{"a":null}"#, HashMap::from([("a".to_owned(), None::<u8>)]));
        check(r#""half \u00e9""#, "half é".to_owned());
        check("18446744073709551615", u64::MAX);
    }

    #[test]
    fn the_unit_accepts_anything() {
        for json in ["", "1", r#"{"a":1},2"#] {
            check(json, ());
            check(json, Unit);
        }
    }

    #[test]
    fn a_missing_argument_is_null() {
        check("", None::<u8>);
        check("null", None::<u8>);
        check("1", Some(1));
        check("1", (1, None::<u8>));
        check("1", (1, None::<u8>, Value::Null, serde_json::Value::Null, Wrapper(None::<u8>)));
        check("", Value::Null);
        check("", Wrapper(None::<u8>));
    }

    #[test]
    fn arguments_too_many_are_passed_over_but_checked() {
        check("1,2,[3]", (1, 2));
        check("1,2,[3]", Some(1));
        check_malformed::<(u8, u8)>("1,2,[3");
    }

    #[test]
    fn a_mismatch_says_what_was_found_and_expected() {
        check_mismatch::<String>("1", "invalid type: integer `1`, expected a string");
        check_mismatch::<String>("", "invalid type: null, expected a string");
        check_mismatch::<(u8, String)>("1", "invalid type: null, expected a string");
        check_mismatch::<Point>(r#"{"y":1}"#, "missing field `x`");
        check_mismatch::<u8>("256", "invalid value: integer `256`, expected u8");
        check_mismatch::<Vec<u8>>(r#"{"a":1}"#, "invalid type: map, expected a sequence");
        check_mismatch::<Choice>(r#""Other""#, "unknown variant `Other`");
    }

    #[test]
    fn broken_json_is_the_peer_s_fault_whatever_was_asked_for() {
        for json in ["1,", ",1", "1,,2", "1 2", "{", "[1,]", "nul", "'a'", "\"a", "01", "1]", "1}", "\"\t\""] {
            check_malformed::<()>(json);
            check_malformed::<String>(json);
            check_malformed::<Value>(json);
            check_malformed::<(u8, u8)>(json);
        }
    }

    #[test]
    fn half_an_emoji_is_no_breach_of_the_protocol() {
        check_mismatch::<String>(r#""\ud83d""#, "");
        assert_eq!(Arguments::new(r#""\ud83d""#).validate(), Ok(()));
    }

    #[test]
    fn deep_json_is_an_error_and_no_crash() {
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Arguments::new(&deep(127)).deserialize::<Value>().is_ok());
        check_mismatch::<Value>(&deep(100_000), "recursion limit exceeded");
        check_mismatch::<serde_json::Value>(&deep(100_000), "recursion limit exceeded");
        check(&deep(100_000), ());
        assert_eq!(Arguments::new(&deep(100_000)).validate(), Ok(()));
        let attachments = [Bytes::new()];
        let text = deep(100_000);
        let arguments = Arguments::new(&text).with_attachments(&attachments);
        assert!(matches!(arguments.deserialize::<Value>(), Err(ArgumentsError::Mismatch { .. })));
        assert_eq!(arguments.validate(), Ok(()));
        check_malformed::<Value>(&"[".repeat(100_000));
    }

    #[test]
    fn attachments_stand_in_their_places() {
        let bytes = || Bytes::from_static(b"a\xff");
        check_binary("$0", bytes());
        check_binary("$0", Some(bytes()));
        check_binary("$0", Wrapper(bytes()));
        check_binary("$0,$1", (bytes(), Bytes::new()));
        check_binary("$1,$0,$0", (Bytes::new(), bytes(), bytes()));
        check_binary("$0", (bytes(), None::<u8>));
        check_binary("$0", serde_bytes::ByteBuf::from(*b"a\xff"));
        check_binary("$0", vec![b'a', 0xff]);
        check_binary("$0", Value::Binary(bytes()));
        check_binary(r#"[{"a":[$0]}]"#, vec![HashMap::from([("a".to_owned(), vec![bytes()])])]);
        check_binary(r#"{"One":$0}"#, Choice::One(bytes()));
        check_binary(r#"{"7":$0}"#, HashMap::from([(7_u32, bytes())]));
        check_binary(r#"{"7":$0}"#, HashMap::from([(Wrapper7(7), bytes())]));
        check_binary("1,$0", ());
        check_binary(r#"{"num":0,"more":1,"_placeholder":true}"#, bytes());
        check_binary(r#"1,-1,1.5,"a",true,null"#, (1_u8, -1_i8, 1.5_f32, 'a', true, ()));
    }

    #[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
    struct Wrapper7(u8);

    #[test]
    fn flattened_and_untagged_types_get_bytes_too() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Outer {
            name: String,
            #[serde(flatten)]
            inner: Inner,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Inner {
            data: Bytes,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Data(Bytes),
        }
        let data = || Bytes::from_static(b"a\xff");
        check_binary(r#"{"name":"n","data":$0}"#, Outer { name: "n".into(), inner: Inner { data: data() } });
        check_binary(r#"$0,"t""#, (Either::Data(data()), Either::Text("t".into())));
    }

    #[test]
    fn bytes_are_no_text() {
        let attachments = [Bytes::from_static(b"a\xff")];
        let json = with_placeholders("$0");
        let error = Arguments::new(&json).with_attachments(&attachments).deserialize::<String>().unwrap_err();
        let reason = "invalid type: binary data, expected a string".to_owned();
        assert_eq!(error, ArgumentsError::Mismatch { reason });
    }

    #[test]
    fn without_attachments_a_placeholder_is_an_object() {
        let json = with_placeholders("$0");
        let value: Value = Arguments::new(&json).deserialize().unwrap();
        assert_eq!(value.get("_placeholder"), Some(&true.into()));
        let text = r#"{"_placeholder":1,"num":0}"#;
        let attachments = [Bytes::new()];
        let value: Value = Arguments::new(text).with_attachments(&attachments).deserialize().unwrap();
        assert_eq!(value.get("_placeholder"), Some(&1.into()));
    }

    #[test]
    fn placeholders_of_nothing_are_illegal() {
        let attachments = [Bytes::new()];
        for num in ["1", "-1", "0.5", "1e400", "\"0\"", "null", "[0]", "{\"valueOf\":0}", "true"] {
            let json = format!(r#"{{"a":[{{"_placeholder":true,"num":{num}}}]}}"#);
            let arguments = Arguments::new(&json).with_attachments(&attachments);
            let error = arguments.validate().unwrap_err();
            if num != "1e400" {
                assert_eq!(error, DecodeError::IllegalPlaceholder { count: 1 });
                assert!(error.to_string().starts_with("illegal attachments"));
                assert_eq!(arguments.deserialize::<Value>(), Err(ArgumentsError::Malformed(error)));
            }
        }
        let missing = Arguments::new(r#"{"_placeholder":true}"#).with_attachments(&attachments);
        assert_eq!(missing.validate(), Err(DecodeError::IllegalPlaceholder { count: 1 }));
    }

    #[test]
    fn a_raw_value_is_the_text_of_an_argument() {
        let raw: Box<RawValue> = Arguments::new(r#"{"a":  1.50},2"#).deserialize().unwrap();
        assert_eq!(raw.get(), r#"{"a":  1.50}"#);
        let (_, raw): (u8, Box<RawValue>) = Arguments::new(r#"1, {"a":  1.50}"#).deserialize().unwrap();
        assert_eq!(raw.get(), r#"{"a":  1.50}"#);
    }

    #[test]
    fn an_ack_is_all_arguments() {
        let ack = |payload| Arguments::from_ack(payload, &[]).map(|arguments| arguments.json().to_owned());
        assert_eq!(ack("").as_deref(), Ok(""));
        assert_eq!(ack("[]").as_deref(), Ok(""));
        assert_eq!(ack(r#"[ "ok",1 ]"#).as_deref(), Ok(r#""ok",1"#));
        assert!(ack("{}").is_err());
        assert!(ack("[").is_err());
    }
}
