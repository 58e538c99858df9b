use std::{fmt, io};

use bytes::Bytes;
use serde::{
    Serialize, Serializer,
    ser::{Impossible, SerializeTuple, SerializeTupleStruct},
};
use serde_json::ser::Formatter;

/// What an event or an answer can carry: everything that is [`Serialize`], and [`RawArguments`](super::RawArguments).
///
/// A tuple, an array or a tuple struct is several arguments, `()` is none, all else is one. Whatever serialises as bytes
/// (`bytes::Bytes`, `serde_bytes`) becomes an attachment, at any depth; a `Vec<u8>` is an array of numbers to serde.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the arguments of an event",
    note = "derive `serde::Serialize` for it; several arguments are a tuple"
)]
pub trait ToArguments {
    /// Appends `,argument` for each argument, and its attachments to those of the packet.
    ///
    /// # Errors
    /// [`EncodeError::Json`] if a value has no JSON form. What was appended until then has to be cut off.
    fn write_arguments(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>) -> Result<(), EncodeError>;
}

impl<T: Serialize + ?Sized> ToArguments for T {
    fn write_arguments(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>) -> Result<(), EncodeError> {
        write_arguments(out, self, attachments)
    }
}

/// Why an emit could not be written. Always the caller's doing; nothing has been sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A value has no JSON form.
    #[error("arguments can't be written as JSON")]
    Json(#[from] serde_json::Error),
    /// JavaScript clients would end the connection over so many attachments.
    #[error("{found} attachments exceed `max_attachments` ({limit})")]
    TooManyAttachments {
        /// Attachments in the arguments.
        found: usize,
        /// The limit that holds.
        limit: usize,
    },
    /// Beside bytes there is an object that can't be told from what stands for bytes in JSON.
    #[error("expected no object with a true `_placeholder` beside bytes")]
    AmbiguousPlaceholder,
    /// The server's [`Parser`](super::Parser) has no form for the packet.
    #[error("the parser can't write the packet: {reason}")]
    Unsupported {
        /// What it can't write.
        reason: String,
    },
}

impl EncodeError {
    /// A packet that a [`Parser`](super::Parser) has no form for, and why.
    pub fn unsupported(reason: impl fmt::Display) -> Self {
        Self::Unsupported { reason: reason.to_string() }
    }
}

/// Appends `,argument` for each argument of `value`, and what is bytes in it to `attachments`.
///
/// Which values are several arguments, and which become attachments, is told at [`ToArguments`].
///
/// ```
/// use sockeye_protocol::socket::write_arguments;
///
/// let (mut out, mut attachments) = (Vec::new(), Vec::new());
/// write_arguments(&mut out, &("a", [1, 2], f64::NAN), &mut attachments)?;
/// assert_eq!(out, br#","a",[1,2],null"#);
/// # Ok::<(), sockeye_protocol::socket::EncodeError>(())
/// ```
///
/// # Errors
/// [`EncodeError::Json`] if a value has no JSON form, such as a map whose keys are no strings.
pub fn write_arguments<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
    attachments: &mut Vec<Bytes>,
) -> Result<(), EncodeError> {
    match value.serialize(SeveralArguments { out, attachments }) {
        Ok(()) => Ok(()),
        Err(Outcome::OneArgument) => Ok(write_argument(out, value, attachments)?),
        Err(Outcome::Failed(error)) => Err(error.into()),
    }
}

fn write_argument<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
    attachments: &mut Vec<Bytes>,
) -> Result<(), serde_json::Error> {
    out.push(b',');
    value.serialize(&mut serde_json::Serializer::with_formatter(out, AttachmentFormatter { attachments }))
}

/// Compact JSON in which a placeholder stands for bytes.
struct AttachmentFormatter<'a> {
    attachments: &'a mut Vec<Bytes>,
}

impl Formatter for AttachmentFormatter<'_> {
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: &[u8]) -> io::Result<()> {
        write!(writer, r#"{{"_placeholder":true,"num":{}}}"#, self.attachments.len())?;
        self.attachments.push(Bytes::copy_from_slice(value));
        Ok(())
    }
}

/// Writes values that are several arguments or none, and stops at the first word of any other.
///
/// So whatever is one argument goes through `serde_json`'s own serializer, with nothing in between.
struct SeveralArguments<'a> {
    out: &'a mut Vec<u8>,
    attachments: &'a mut Vec<Bytes>,
}

/// Why [`SeveralArguments`] stopped.
#[derive(Debug)]
enum Outcome {
    /// The value is one argument. Nothing was written.
    OneArgument,
    /// An argument has no JSON form.
    Failed(serde_json::Error),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneArgument => f.write_str("one argument"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Outcome {}

impl serde::ser::Error for Outcome {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Failed(serde::ser::Error::custom(message))
    }
}

impl SeveralArguments<'_> {
    fn argument<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Outcome> {
        write_argument(self.out, value, self.attachments).map_err(Outcome::Failed)
    }
}

impl SerializeTuple for SeveralArguments<'_> {
    type Ok = ();
    type Error = Outcome;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Outcome> {
        self.argument(value)
    }

    fn end(self) -> Result<(), Outcome> {
        Ok(())
    }
}

impl SerializeTupleStruct for SeveralArguments<'_> {
    type Ok = ();
    type Error = Outcome;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Outcome> {
        self.argument(value)
    }

    fn end(self) -> Result<(), Outcome> {
        Ok(())
    }
}

macro_rules! one_argument {
    ($($method:ident($($type:ty),*))*) => {
        $(fn $method(self $(, _: $type)*) -> Result<(), Outcome> {
            Err(Outcome::OneArgument)
        })*
    };
}

impl Serializer for SeveralArguments<'_> {
    type Ok = ();
    type Error = Outcome;
    type SerializeSeq = Impossible<(), Outcome>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<(), Outcome>;
    type SerializeMap = Impossible<(), Outcome>;
    type SerializeStruct = Impossible<(), Outcome>;
    type SerializeStructVariant = Impossible<(), Outcome>;

    one_argument! {
        serialize_bool(bool)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_f32(f32) serialize_f64(f64)
        serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_none() serialize_unit_variant(&'static str, u32, &'static str)
    }

    fn serialize_unit(self) -> Result<(), Outcome> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Outcome> {
        Ok(())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Outcome> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Outcome> {
        Ok(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Outcome> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Outcome> {
        Err(Outcome::OneArgument)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Outcome> {
        Err(Outcome::OneArgument)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Outcome> {
        Err(Outcome::OneArgument)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Outcome> {
        Err(Outcome::OneArgument)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Outcome> {
        Err(Outcome::OneArgument)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Outcome> {
        Err(Outcome::OneArgument)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Outcome> {
        Err(Outcome::OneArgument)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::socket::Value;

    #[track_caller]
    fn check<T: Serialize + ?Sized>(value: &T, json: &str, binaries: &[&[u8]]) {
        let (mut out, mut attachments) = (Vec::new(), Vec::new());
        write_arguments(&mut out, value, &mut attachments).unwrap();
        assert_eq!(str::from_utf8(&out), Ok(json));
        assert_eq!(attachments, binaries);
    }

    #[derive(Serialize)]
    struct Named<T> {
        field: T,
    }

    #[derive(Serialize)]
    struct Wrapper<T>(T);

    #[derive(Serialize)]
    struct Pair<A, B>(A, B);

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    enum Choice {
        Bare,
        One(u8),
        Two(u8, u8),
        Named { x: u8 },
    }

    #[test]
    fn only_tuples_and_their_like_are_several_arguments() {
        check(&(), "", &[]);
        check(&Unit, "", &[]);
        check(&(1, "a", true), r#",1,"a",true"#, &[]);
        check(&[1, 2], ",1,2", &[]);
        check(&Pair(1, 2), ",1,2", &[]);
        check(&Wrapper((1, 2)), ",1,2", &[]);
        check(&Wrapper(Wrapper(1)), ",1", &[]);
        check(&((1, 2),), ",[1,2]", &[]);
        check(&(1, ()), ",1,null", &[]);
    }

    #[test]
    fn all_else_is_one_argument() {
        check(&vec![1, 2], ",[1,2]", &[]);
        check(&[1, 2][..], ",[1,2]", &[]);
        check(&Some((1, 2)), ",[1,2]", &[]);
        check(&None::<u8>, ",null", &[]);
        check(&Named { field: 1 }, r#",{"field":1}"#, &[]);
        check(&BTreeMap::from([("a", 1)]), r#",{"a":1}"#, &[]);
        check("a", r#","a""#, &[]);
        check(&'a', r#","a""#, &[]);
        check(&1.5, ",1.5", &[]);
        check(&u128::MAX, ",340282366920938463463374607431768211455", &[]);
        check(&Choice::Bare, r#","Bare""#, &[]);
        check(&Choice::One(1), r#",{"One":1}"#, &[]);
        check(&Choice::Two(1, 2), r#",{"Two":[1,2]}"#, &[]);
        check(&Choice::Named { x: 1 }, r#",{"Named":{"x":1}}"#, &[]);
        check(&Value::Null, ",null", &[]);
    }

    #[test]
    fn what_json_lacks_is_null_as_in_javascript() {
        check(&(f64::NAN, f64::INFINITY, f32::NEG_INFINITY), ",null,null,null", &[]);
    }

    #[test]
    fn bytes_become_attachments_at_any_depth() {
        let bytes = Bytes::from_static(b"ab");
        let hole = |num| format!(r#"{{"_placeholder":true,"num":{num}}}"#);
        check(&bytes, &format!(",{}", hole(0)), &[b"ab"]);
        check(serde_bytes::Bytes::new(b"x"), &format!(",{}", hole(0)), &[b"x"]);
        let nested = (Named { field: vec![Some(&bytes)] }, serde_bytes::ByteBuf::new());
        check(&nested, &format!(r#",{{"field":[{}]}},{}"#, hole(0), hole(1)), &[b"ab", b""]);
        check(&vec![1_u8], ",[1]", &[]);
    }
}
