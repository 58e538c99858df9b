use std::borrow::Cow;

use rmp::{Marker, decode};

use super::number::number_text;
use crate::socket::DecodeError;

/// How deep the lists and maps of a packet's data may nest: as deep as `serde_json` reads.
pub(super) const MAX_DEPTH: usize = 127;

/// Reads MessagePack value by value. A length that is told is never believed before its bytes are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// A value, or the beginning of one: the items of a list, and keys and values of a map, are the tokens that follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// JavaScript's `undefined`.
    Absent,
    Nil,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Milliseconds since 1970.
    Date(i128),
    /// An extension that nobody here knows.
    Extension(i8, &'a [u8]),
    Array(u32),
    Map(u32),
}

impl<'a> Token<'a> {
    /// As the key of a map. JavaScript's keys are texts, so a number is its text.
    pub(super) fn into_key(self) -> Result<Cow<'a, str>, DecodeError> {
        match self {
            Self::Text(text) => Ok(text.into()),
            Self::Integer(integer) => Ok(integer.to_string().into()),
            Self::Float(float) if float.is_finite() => Ok(number_text(float).into()),
            _ => Err(DecodeError::malformed("a map key that is neither text nor number")),
        }
    }

    /// The whole number it is, perhaps written as a float.
    pub(super) fn as_integer(self) -> Option<i128> {
        match self {
            Self::Integer(integer) => Some(integer),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "there is no fraction, and what is too large saturates"
            )]
            Self::Float(float) if float.fract() == 0.0 => Some(float as i128),
            _ => None,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes have not been read.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Reads the next value, or the beginning of a list or map.
    pub(super) fn token(&mut self) -> Result<Token<'a>, DecodeError> {
        let first = *self.rest.first().ok_or_else(truncated)?;
        let rest = &mut self.rest;
        let token = match Marker::from_u8(first) {
            Marker::Null => decode::read_nil(rest).map(|()| Token::Nil).map_err(|_| truncated())?,
            Marker::True | Marker::False => Token::Bool(decode::read_bool(rest).map_err(|_| truncated())?),
            Marker::FixPos(_)
            | Marker::FixNeg(_)
            | Marker::U8
            | Marker::U16
            | Marker::U32
            | Marker::U64
            | Marker::I8
            | Marker::I16
            | Marker::I32
            | Marker::I64 => Token::Integer(decode::read_int(rest).map_err(|_| truncated())?),
            Marker::F32 => Token::Float(decode::read_f32(rest).map_err(|_| truncated())?.into()),
            Marker::F64 => Token::Float(decode::read_f64(rest).map_err(|_| truncated())?),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let len = decode::read_str_len(rest).map_err(|_| truncated())?;
                let text = simdutf8::basic::from_utf8(self.take(len)?);
                Token::Text(text.map_err(|_| DecodeError::malformed("text that is not UTF-8"))?)
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let len = decode::read_bin_len(rest).map_err(|_| truncated())?;
                Token::Bytes(self.take(len)?)
            }
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                Token::Array(decode::read_array_len(rest).map_err(|_| truncated())?)
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                Token::Map(decode::read_map_len(rest).map_err(|_| truncated())?)
            }
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => {
                let extension = decode::read_ext_meta(rest).map_err(|_| truncated())?;
                extension_of(Marker::from_u8(first), extension.typeid, self.take(extension.size)?)
            }
            Marker::Reserved => return Err(DecodeError::malformed("0xc1, which begins no MessagePack value")),
        };
        Ok(token)
    }

    /// Passes over a whole value and tells what it began with.
    pub(super) fn skip(&mut self, depth: usize) -> Result<Token<'a>, DecodeError> {
        let token = self.token()?;
        let inside = match token {
            Token::Array(len) => u64::from(len),
            Token::Map(len) => u64::from(len) * 2,
            _ => return Ok(token),
        };
        let depth = deeper(depth)?;
        for _ in 0..inside {
            self.skip(depth)?;
        }
        Ok(token)
    }

    fn take(&mut self, len: u32) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(len).map_err(|_| truncated())?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// One level further down, of as many as are left.
pub(super) fn deeper(depth: usize) -> Result<usize, DecodeError> {
    depth.checked_sub(1).ok_or(DecodeError::TooDeep { limit: MAX_DEPTH })
}

/// What the npm package writes as extensions of type 0, and MessagePack's own timestamps.
fn extension_of(marker: Marker, kind: i8, data: &[u8]) -> Token<'_> {
    match (kind, marker, data) {
        (0, Marker::FixExt1, _) => Token::Absent,
        (0, Marker::FixExt8, data) => match data.try_into() {
            Ok(milliseconds) => Token::Date(i64::from_be_bytes(milliseconds).into()),
            Err(_) => Token::Bytes(data),
        },
        (0, _, data) => Token::Bytes(data),
        (-1, _, data) => timestamp(data).map_or(Token::Extension(kind, data), Token::Date),
        _ => Token::Extension(kind, data),
    }
}

/// Milliseconds since 1970, of a timestamp in any of its three forms.
fn timestamp(data: &[u8]) -> Option<i128> {
    let (first, rest) = data.split_first_chunk()?;
    let first = u32::from_be_bytes(*first);
    let (seconds, nanoseconds): (i128, i128) = match rest.len() {
        0 => (first.into(), 0),
        4 => {
            let both = u64::from_be_bytes(data.try_into().ok()?);
            ((both & ((1 << 34) - 1)).into(), (both >> 34).into())
        }
        8 => (i64::from_be_bytes(rest.try_into().ok()?).into(), first.into()),
        _ => return None,
    };
    Some(seconds * 1000 + nanoseconds / 1_000_000)
}

fn truncated() -> DecodeError {
    DecodeError::malformed("the message ends within a value")
}
