use bytes::Bytes;
use serde_json::Number;

use super::{
    date::iso_text,
    number::number_text,
    reader::{MAX_DEPTH, Reader, Token, deeper},
    writer::Writer,
};
use crate::socket::{DecodeError, EncodeError, Value};

/// Writes one value, as `notepack.io` does: every number in its smallest form, the keys of objects in their order.
///
/// ```
/// use sockeye_protocol::socket::{Value, messagepack};
///
/// let value = Value::from(vec![Value::from("hi"), Value::from(1)]);
/// assert_eq!(messagepack::encode(&value)?, b"\x92\xa2hi\x01");
/// assert_eq!(messagepack::decode(b"\x92\xa2hi\x01")?, value);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`EncodeError::Unsupported`] for what nests deeper than 127 levels, bytes counting as two, or is longer than 32 bits
/// can tell.
pub fn encode(value: &Value) -> Result<Vec<u8>, EncodeError> {
    if value.is_deeper_than(MAX_DEPTH) {
        return Err(EncodeError::unsupported(format_args!("values nest over {MAX_DEPTH} levels deep")));
    }
    let mut writer = Writer::new(&[]);
    writer.value(value)?;
    writer.finish()
}

/// Reads bytes that are one value and nothing else.
///
/// What JavaScript has and [`Value`] has not becomes what `JSON.stringify` would make of it: a date is text, `undefined`
/// is no key of an object and `null` elsewhere, a number without fraction is a whole one, and what is none is `null`.
///
/// # Errors
/// [`DecodeError`] for bytes that are no value, or nest deeper than 127 levels, bytes counting as two.
pub fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes);
    let token = reader.token()?;
    let value = read(token, &mut reader, MAX_DEPTH)?;
    match reader.remaining() {
        0 => Ok(value),
        trailing => Err(DecodeError::malformed(format_args!("{trailing} trailing bytes"))),
    }
}

fn read(token: Token<'_>, reader: &mut Reader<'_>, depth: usize) -> Result<Value, DecodeError> {
    Ok(match token {
        Token::Absent | Token::Nil => Value::Null,
        Token::Bool(value) => value.into(),
        Token::Integer(integer) => Number::from_i128(integer).map_or(Value::Null, Value::Number),
        Token::Float(float) => number(float),
        Token::Text(text) => text.into(),
        Token::Bytes(bytes) => binary(bytes, depth)?,
        Token::Date(milliseconds) => iso_text(milliseconds).into(),
        Token::Extension(kind, data) => Value::Array(vec![Value::from(i32::from(kind)), binary(data, deeper(depth)?)?]),
        Token::Array(len) => {
            let depth = deeper(depth)?;
            let mut items = Vec::new();
            for _ in 0..len {
                let token = reader.token()?;
                items.push(read(token, reader, depth)?);
            }
            Value::Array(items)
        }
        Token::Map(len) => read_map(len, reader, deeper(depth)?)?,
    })
}

fn read_map(len: u32, reader: &mut Reader<'_>, depth: usize) -> Result<Value, DecodeError> {
    let mut entries = Vec::new();
    for _ in 0..len {
        let key = reader.token()?.into_key()?;
        match reader.token()? {
            Token::Absent => {}
            token => entries.push((key.into_owned(), read(token, reader, depth)?)),
        }
    }
    Ok(Value::Object(entries))
}

fn binary(bytes: &[u8], depth: usize) -> Result<Value, DecodeError> {
    deeper(deeper(depth)?)?;
    // A copy of its own: one that is kept must not keep the whole message.
    Ok(Value::Binary(Bytes::copy_from_slice(bytes)))
}

/// Without a fraction it is whole, as in JSON that JavaScript writes.
fn number(float: f64) -> Value {
    let whole = (float.fract() == 0.0).then(|| number_text(float).parse::<Number>().ok()).flatten();
    whole.map_or_else(|| float.into(), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn what_can_be_written_can_be_read() {
        for levels in [0, 1, 127] {
            let value = nested(levels);
            assert_eq!(decode(&encode(&value).unwrap()), Ok(value));
        }
        assert!(encode(&nested(128)).is_err());
        let deep = [[0x91].repeat(128), vec![0xc0]].concat();
        assert_eq!(decode(&deep), Err(DecodeError::TooDeep { limit: 127 }));
    }

    #[test]
    fn bytes_are_two_levels() {
        let with_bytes = |levels| (0..levels).fold(Value::Binary(Bytes::new()), |inner, _| Value::Array(vec![inner]));
        assert_eq!(decode(&encode(&with_bytes(125)).unwrap()), Ok(with_bytes(125)));
        assert!(encode(&with_bytes(126)).is_err());
        let deep = [[0x91].repeat(126), vec![0xc4, 0]].concat();
        assert_eq!(decode(&deep), Err(DecodeError::TooDeep { limit: 127 }));
    }

    #[test]
    fn nothing_may_follow_a_value() {
        let error = decode(&[0xc0, 0xc0]).unwrap_err();
        assert_eq!(error.to_string(), "malformed message: 1 trailing bytes");
        assert!(decode(&[]).is_err());
    }

    #[test]
    fn a_length_is_not_believed_before_its_items_are_there() {
        assert!(decode(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(decode(&[0xdf, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
