use sockeye_adapter::cluster::Broadcast;
use sockeye_protocol::socket::Value;

use super::{
    DecodeError,
    fields::{Fields, object, unexpected},
};

const EVENT: u64 = 2;
/// What old nodes write for an event with bytes.
const BINARY_EVENT: u64 = 5;

/// `{type, data, id?, nsp?}`.
pub(super) fn write(broadcast: &Broadcast, namespace: Option<&str>) -> Value {
    let kind = ("type", EVENT.into());
    let data = ("data", Value::Array(broadcast.event.clone()));
    match (broadcast.id, namespace) {
        (None, None) => object([kind, data]),
        (None, Some(namespace)) => object([kind, data, ("nsp", namespace.into())]),
        (Some(id), None) => object([kind, data, ("id", id.into())]),
        (Some(id), Some(namespace)) => object([kind, data, ("id", id.into()), ("nsp", namespace.into())]),
    }
}

/// Reads the event and its id out of a packet.
pub(super) fn read(fields: &mut Fields) -> Result<(Vec<Value>, Option<u64>), DecodeError> {
    match fields.take("type") {
        Value::Number(kind) if matches!(kind.as_u64(), Some(EVENT | BINARY_EVENT)) => {}
        other => return Err(unexpected("packet.type", "2 or 5", &other)),
    }
    Ok((fields.event("data")?, fields.count_if_any("id")?))
}
