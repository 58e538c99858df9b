use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use smol_str::SmolStr;
use sockeye_adapter::cluster::{Envelope, NodeId};
use sockeye_protocol::socket::{Value, messagepack};

use crate::wire::{
    DecodeError, EncodeError,
    envelope::{self, has_bytes, read_message},
    json::{self, is_json},
};

/// Node reads base64 with and without padding, and writes it with.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The names and values of an entry, in their order.
///
/// # Errors
/// [`EncodeError`] for messages that this format has not, that are for nobody, or whose values nest too deep.
pub fn encode_entry(envelope: &Envelope) -> Result<Vec<(&'static str, String)>, EncodeError> {
    let kind = envelope::kind(&envelope.message)?;
    let mut entry =
        vec![("uid", envelope.from.to_string()), ("nsp", envelope.namespace.to_string()), ("type", kind.to_string())];
    if let Some(data) = envelope::data(envelope)? {
        let data = if has_bytes(&data) { to_base64(&data)? } else { data.to_json()? };
        entry.push(("data", data));
    }
    Ok(entry)
}

/// Reads the names and values of an entry, in whatever order. Names that are not known are ignored.
///
/// # Errors
/// [`DecodeError`] for an entry that is no message.
pub fn decode_entry<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Envelope, DecodeError> {
    let (mut uid, mut namespace, mut kind, mut data) = (None, None, None, None);
    for (name, value) in fields {
        match name {
            "uid" => uid = Some(text(value, "uid")?),
            "nsp" => namespace = Some(text(value, "nsp")?).filter(|namespace| !namespace.is_empty()),
            "type" => kind = Some(text(value, "type")?),
            "data" if !value.is_empty() => data = Some(value),
            _ => {}
        }
    }
    let data = match data {
        None => Value::Null,
        Some(json) if is_json(json) => json::decode(json)?,
        Some(text) => from_base64(text, "data")?,
    };
    let kind = kind.ok_or_else(|| missing("type", "a number"))?;
    let unknown = |_| DecodeError::UnknownType { expected: "1 to 13", found: kind.to_string() };
    Ok(Envelope {
        from: uid.map_or_else(NodeId::unknown, NodeId::new),
        namespace: namespace.ok_or_else(|| missing("nsp", "a namespace"))?,
        message: read_message(kind.parse().map_err(unknown)?, data)?,
    })
}

/// MessagePack as text.
pub(super) fn to_base64(value: &Value) -> Result<String, EncodeError> {
    Ok(BASE64.encode(messagepack::encode(value)?))
}

/// MessagePack out of text.
pub(super) fn from_base64(text: &[u8], field: &'static str) -> Result<Value, DecodeError> {
    let bytes = BASE64.decode(text).map_err(|_| DecodeError::Text { field, expected: "JSON or base64" })?;
    Ok(messagepack::decode(&bytes)?)
}

fn text(value: &[u8], field: &'static str) -> Result<SmolStr, DecodeError> {
    str::from_utf8(value).map(SmolStr::new).map_err(|_| DecodeError::Text { field, expected: "text" })
}

fn missing(field: &'static str, expected: &'static str) -> DecodeError {
    DecodeError::Field { field, expected, found: "nothing".to_owned() }
}
