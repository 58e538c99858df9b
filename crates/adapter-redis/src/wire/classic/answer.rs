use sockeye_adapter::{
    SocketId,
    cluster::{Message, NodeId, RequestId},
};
use sockeye_protocol::socket::{Value, messagepack};

use super::{request::SERVER_SIDE_EMIT, sender, unsupported};
use crate::wire::{
    DecodeError, EncodeError,
    fields::{Fields, object, room},
    options::names,
    sockets,
};

const BROADCAST_CLIENT_COUNT: u64 = 8;
const BROADCAST_ACK: u64 = 9;

pub(super) fn write(from: &NodeId, answer: &Message) -> Result<Vec<u8>, EncodeError> {
    let mut value = match answer {
        Message::Sockets { request, sockets } => {
            object([("requestId", request.as_str().into()), ("sockets", sockets::write(sockets))])
        }
        Message::Ids { request, ids } => object([("requestId", request.as_str().into()), ("sockets", names(ids))]),
        Message::Rooms { request, rooms } => object([("requestId", request.as_str().into()), ("rooms", names(rooms))]),
        Message::Done { request } => object([("requestId", request.as_str().into())]),
        Message::ServerSideAnswer { request, answer } => object([
            ("type", SERVER_SIDE_EMIT.into()),
            ("requestId", request.as_str().into()),
            ("data", answer.clone()),
        ]),
        Message::ClientCount { request, count } => object([
            ("type", BROADCAST_CLIENT_COUNT.into()),
            ("requestId", request.as_str().into()),
            ("clientCount", (*count).into()),
        ]),
        Message::ClientAnswer { request, answer } => {
            object([("type", BROADCAST_ACK.into()), ("requestId", request.as_str().into()), ("packet", answer.clone())])
        }
        other => return Err(unsupported(other)),
    };
    if let Value::Object(entries) = &mut value
        && from.is_known()
    {
        entries.push(("uid".to_owned(), from.as_str().into()));
    }
    // Clients may answer with bytes.
    match answer {
        Message::ClientAnswer { .. } => Ok(messagepack::encode(&value)?),
        _ => Ok(value.to_json()?.into()),
    }
}

/// Answers don't say what they answer; only those that came later have a type.
pub(super) fn read(value: Value) -> Result<(NodeId, Message), DecodeError> {
    let mut fields = Fields::of(value, "answer")?;
    if fields.has("requestid") {
        return Err(DecodeError::TooOld);
    }
    let from = sender(fields.text_if_any("uid")?);
    let request = fields.request()?;
    let message = match fields.count_if_any("type")? {
        None if fields.has("sockets") => read_sockets(request, fields.list("sockets")?)?,
        None if fields.has("rooms") => Message::Rooms { request, rooms: fields.rooms("rooms")? },
        None => Message::Done { request },
        Some(SERVER_SIDE_EMIT) => Message::ServerSideAnswer { request, answer: fields.take("data") },
        Some(BROADCAST_CLIENT_COUNT) => Message::ClientCount { request, count: fields.count("clientCount")? },
        Some(BROADCAST_ACK) => Message::ClientAnswer { request, answer: fields.take("packet") },
        Some(other) => {
            return Err(DecodeError::UnknownType { expected: "6, 8 and 9, or none", found: other.to_string() });
        }
    };
    Ok((from, message))
}

/// Ids if the first is one. An empty list may be either; it is taken for sockets, which today's nodes ask for.
fn read_sockets(request: RequestId, list: Vec<Value>) -> Result<Message, DecodeError> {
    if !matches!(list.first(), Some(Value::String(_))) {
        return Ok(Message::Sockets { request, sockets: sockets::read(list)? });
    }
    let ids = list.into_iter().filter_map(room).map(SocketId::new).collect();
    Ok(Message::Ids { request, ids })
}
