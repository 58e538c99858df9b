use sockeye_adapter::cluster::{Broadcast, Message, NodeId};
use sockeye_protocol::socket::{Value, messagepack};

use crate::wire::{
    DecodeError, EncodeError,
    fields::{Fields, unexpected},
    options::{read_options, write_options},
    packet,
};

const ROOT: &str = "/";

/// `[uid, packet, opts]`.
pub(super) fn write(from: &NodeId, namespace: &str, broadcast: &Broadcast) -> Result<Vec<u8>, EncodeError> {
    let packet = packet::write(broadcast, Some(namespace));
    let options = write_options(&broadcast.to, broadcast.flags, from.is_emitter())?;
    Ok(messagepack::encode(&Value::Array(vec![from.as_str().into(), packet, options]))?)
}

pub(super) fn read(namespace: &str, bytes: &[u8]) -> Result<(NodeId, Message), DecodeError> {
    const EXPECTED: &str = "a list of the sender, a packet and options";
    let parts = match messagepack::decode(bytes)? {
        Value::Array(parts) => parts,
        other => return Err(unexpected("broadcast", EXPECTED, &other)),
    };
    // Node ignores what follows.
    let [Value::String(uid), packet, options] =
        <[Value; 3]>::try_from(parts.into_iter().take(3).collect::<Vec<_>>())
            .map_err(|parts| unexpected("broadcast", EXPECTED, &Value::Array(parts)))?
    else {
        return Err(unexpected("uid", "a text", &Value::Null));
    };
    let mut packet = Fields::of(packet, "packet")?;
    // Emitters of version 1 leave it out.
    let found = packet.text_if_any("nsp")?.unwrap_or(ROOT.into());
    if found != namespace {
        return Err(DecodeError::OtherNamespace { expected: namespace.into(), found });
    }
    let (event, id) = packet::read(&mut packet)?;
    let (to, flags) = read_options(options)?;
    Ok((NodeId::from(uid), Message::Broadcast(Broadcast { event, to, flags, id, request: None })))
}
