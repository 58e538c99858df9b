use sockeye_adapter::{
    Selection,
    cluster::{Broadcast, Envelope, Flags, Message, NodeId},
};
use sockeye_protocol::socket::Value;

use super::{
    DecodeError, EncodeError,
    fields::{Fields, object},
    options::{names, read_options, write_options},
    packet, sockets,
};

const INITIAL_HEARTBEAT: u64 = 1;
const HEARTBEAT: u64 = 2;
const BROADCAST: u64 = 3;
const SOCKETS_JOIN: u64 = 4;
const SOCKETS_LEAVE: u64 = 5;
const DISCONNECT_SOCKETS: u64 = 6;
const FETCH_SOCKETS: u64 = 7;
const FETCH_SOCKETS_RESPONSE: u64 = 8;
const SERVER_SIDE_EMIT: u64 = 9;
const SERVER_SIDE_EMIT_RESPONSE: u64 = 10;
const BROADCAST_CLIENT_COUNT: u64 = 11;
const BROADCAST_ACK: u64 = 12;
const ADAPTER_CLOSE: u64 = 13;

/// What stands in the field `type`.
pub(super) fn kind(message: &Message) -> Result<u64, EncodeError> {
    Ok(match message {
        Message::Hello => INITIAL_HEARTBEAT,
        Message::Heartbeat => HEARTBEAT,
        Message::Broadcast(_) => BROADCAST,
        Message::Join { .. } => SOCKETS_JOIN,
        Message::Leave { .. } => SOCKETS_LEAVE,
        Message::Disconnect { .. } => DISCONNECT_SOCKETS,
        Message::FetchSockets { .. } => FETCH_SOCKETS,
        Message::Sockets { .. } => FETCH_SOCKETS_RESPONSE,
        Message::ServerSideEmit { .. } => SERVER_SIDE_EMIT,
        Message::ServerSideAnswer { .. } => SERVER_SIDE_EMIT_RESPONSE,
        Message::ClientCount { .. } => BROADCAST_CLIENT_COUNT,
        Message::ClientAnswer { .. } => BROADCAST_ACK,
        Message::Farewell => ADAPTER_CLOSE,
        other => return Err(EncodeError::Unsupported { format: "sharded and streams", message: other.name() }),
    })
}

/// What stands in the field `data`, if there is one.
pub(super) fn data(envelope: &Envelope) -> Result<Option<Value>, EncodeError> {
    let emitter = envelope.from.is_emitter();
    let request = |request: &_| ("requestId", AsRef::<str>::as_ref(request).into());
    Ok(Some(match &envelope.message {
        Message::Broadcast(broadcast) => {
            let packet = ("packet", packet::write(broadcast, emitter.then_some(&envelope.namespace)));
            let options = ("opts", write_options(&broadcast.to, broadcast.flags, emitter)?);
            match &broadcast.request {
                None => object([packet, options]),
                Some(asked) => object([packet, request(asked), options]),
            }
        }
        Message::Join { to, rooms } | Message::Leave { to, rooms } => {
            object([("opts", options(to)?), ("rooms", names(rooms))])
        }
        Message::Disconnect { to, close } => object([("opts", options(to)?), ("close", (*close).into())]),
        Message::FetchSockets { to, request: asked } => object([("opts", options(to)?), request(asked)]),
        Message::Sockets { request: asked, sockets } => object([request(asked), ("sockets", sockets::write(sockets))]),
        Message::ServerSideEmit { event, request: None } => object([("packet", event.clone().into())]),
        Message::ServerSideEmit { event, request: Some(asked) } => {
            object([request(asked), ("packet", event.clone().into())])
        }
        Message::ServerSideAnswer { request: asked, answer } | Message::ClientAnswer { request: asked, answer } => {
            object([request(asked), ("packet", answer.clone())])
        }
        Message::ClientCount { request: asked, count } => object([request(asked), ("clientCount", (*count).into())]),
        _ => return Ok(None),
    }))
}

fn options(to: &Selection) -> Result<Value, EncodeError> {
    write_options(to, Flags::default(), false)
}

/// `{type, data?, uid, nsp}`.
pub(super) fn write(envelope: &Envelope) -> Result<Value, EncodeError> {
    let kind = ("type", kind(&envelope.message)?.into());
    let uid = ("uid", envelope.from.as_str().into());
    let namespace = ("nsp", envelope.namespace.as_str().into());
    Ok(match data(envelope)? {
        None => object([kind, uid, namespace]),
        Some(data) => object([kind, ("data", data), uid, namespace]),
    })
}

pub(super) fn read(value: Value) -> Result<Envelope, DecodeError> {
    let mut fields = Fields::of(value, "message")?;
    Ok(Envelope {
        from: fields.text_if_any("uid")?.map_or_else(NodeId::unknown, NodeId::new),
        namespace: fields.text("nsp")?,
        message: read_message(fields.count("type")?, fields.take("data"))?,
    })
}

/// Reads what is told out of `data`.
pub(super) fn read_message(kind: u64, data: Value) -> Result<Message, DecodeError> {
    match kind {
        INITIAL_HEARTBEAT => return Ok(Message::Hello),
        HEARTBEAT => return Ok(Message::Heartbeat),
        ADAPTER_CLOSE => return Ok(Message::Farewell),
        BROADCAST..ADAPTER_CLOSE => {}
        other => return Err(DecodeError::UnknownType { expected: "1 to 13", found: other.to_string() }),
    }
    let mut data = Fields::of(data, "data")?;
    Ok(match kind {
        BROADCAST => read_broadcast(&mut data)?,
        SOCKETS_JOIN => Message::Join { to: selection(&mut data)?, rooms: data.rooms("rooms")? },
        SOCKETS_LEAVE => Message::Leave { to: selection(&mut data)?, rooms: data.rooms("rooms")? },
        DISCONNECT_SOCKETS => Message::Disconnect { to: selection(&mut data)?, close: data.truth("close") },
        FETCH_SOCKETS => Message::FetchSockets { to: selection(&mut data)?, request: data.request()? },
        FETCH_SOCKETS_RESPONSE => {
            Message::Sockets { request: data.request()?, sockets: sockets::read(data.list("sockets")?)? }
        }
        SERVER_SIDE_EMIT => Message::ServerSideEmit { event: data.event("packet")?, request: data.request_if_any()? },
        SERVER_SIDE_EMIT_RESPONSE => {
            Message::ServerSideAnswer { request: data.request()?, answer: data.take("packet") }
        }
        BROADCAST_CLIENT_COUNT => Message::ClientCount { request: data.request()?, count: data.count("clientCount")? },
        _ => Message::ClientAnswer { request: data.request()?, answer: data.take("packet") },
    })
}

fn read_broadcast(data: &mut Fields) -> Result<Message, DecodeError> {
    let (event, id) = packet::read(&mut Fields::of(data.take("packet"), "packet")?)?;
    let (to, flags) = read_options(data.take("opts"))?;
    Ok(Message::Broadcast(Broadcast { event, to, flags, id, request: data.request_if_any()? }))
}

fn selection(data: &mut Fields) -> Result<Selection, DecodeError> {
    Ok(read_options(data.take("opts"))?.0)
}

/// Whether there are bytes in a value: JSON has no form for them.
pub(super) fn has_bytes(value: &Value) -> bool {
    match value {
        Value::Binary(_) => true,
        Value::Array(items) => items.iter().any(has_bytes),
        Value::Object(entries) => entries.iter().any(|(_, value)| has_bytes(value)),
        _ => false,
    }
}
