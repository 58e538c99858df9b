use smol_str::SmolStr;
use sockeye_adapter::{
    Room, Selection,
    cluster::{Broadcast, Message, NodeId, RequestId},
};
use sockeye_protocol::socket::{Value, messagepack};

use super::{sender, unsupported};
use crate::wire::{
    DecodeError, EncodeError,
    fields::{Fields, room, unexpected},
    options::{excepted, names, only_room, read_options, read_selection, rooms, write_options, write_selection},
    packet,
};

const SOCKETS: u64 = 0;
const ALL_ROOMS: u64 = 1;
const REMOTE_JOIN: u64 = 2;
const REMOTE_LEAVE: u64 = 3;
const REMOTE_DISCONNECT: u64 = 4;
const REMOTE_FETCH: u64 = 5;
pub(super) const SERVER_SIDE_EMIT: u64 = 6;
const BROADCAST: u64 = 7;

/// The fields of a request, in their order.
struct Request {
    entries: Vec<(String, Value)>,
}

impl Request {
    /// Begins with who asks, where that is known, and what the answers name.
    fn new(from: &NodeId, request: Option<&RequestId>, kind: u64) -> Self {
        let uid = from.is_known().then(|| ("uid".to_owned(), from.as_str().into()));
        let request = request.map(|request| ("requestId".to_owned(), request.as_str().into()));
        let kind = ("type".to_owned(), kind.into());
        Self { entries: uid.into_iter().chain(request).chain([kind]).collect() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.entries.push((name.to_owned(), value.into()));
        self
    }

    fn json(self) -> Result<Vec<u8>, EncodeError> {
        Ok(Value::Object(self.entries).to_json()?.into())
    }
}

pub(super) fn write(from: &NodeId, namespace: &str, message: &Message) -> Result<Vec<u8>, EncodeError> {
    match message {
        Message::SocketIds { to, request } if excepted(to).is_empty() => {
            Request::new(from, Some(request), SOCKETS).with("rooms", names(rooms(to)?)).json()
        }
        Message::AllRooms { request } => Request::new(from, Some(request), ALL_ROOMS).json(),
        Message::Join { to, rooms } => move_sockets(from, REMOTE_JOIN, to, rooms),
        Message::Leave { to, rooms } => move_sockets(from, REMOTE_LEAVE, to, rooms),
        Message::Disconnect { to, close } => {
            order(from, REMOTE_DISCONNECT).with("opts", write_selection(to)?).with("close", *close).json()
        }
        Message::FetchSockets { to, request } => {
            Request::new(from, Some(request), REMOTE_FETCH).with("opts", write_selection(to)?).json()
        }
        Message::ServerSideEmit { event, request } => {
            Request::new(from, request.as_ref(), SERVER_SIDE_EMIT).with("data", event.clone()).json()
        }
        Message::Broadcast(broadcast) => {
            let request = Request::new(from, broadcast.request.as_ref(), BROADCAST)
                .with("packet", packet::write(broadcast, Some(namespace)))
                .with("opts", write_options(&broadcast.to, broadcast.flags, false)?);
            Ok(messagepack::encode(&Value::Object(request.entries))?)
        }
        Message::Ordered { request, order } => write_ordered(from, request, order),
        other => Err(unsupported(other)),
    }
}

/// Emitters don't say that they are.
fn order(from: &NodeId, kind: u64) -> Request {
    let nobody = NodeId::unknown();
    Request::new(if from.is_emitter() { &nobody } else { from }, None, kind)
}

fn move_sockets(from: &NodeId, kind: u64, to: &Selection, rooms: &[Room]) -> Result<Vec<u8>, EncodeError> {
    order(from, kind).with("opts", write_selection(to)?).with("rooms", names(rooms)).json()
}

/// In the form of version 7: one socket, one room.
fn write_ordered(from: &NodeId, request: &RequestId, order: &Message) -> Result<Vec<u8>, EncodeError> {
    let (kind, to, name, value) = match order {
        Message::Join { to, rooms } if rooms.len() == 1 => (REMOTE_JOIN, to, "room", one(rooms)),
        Message::Leave { to, rooms } if rooms.len() == 1 => (REMOTE_LEAVE, to, "room", one(rooms)),
        Message::Disconnect { to, close } => (REMOTE_DISCONNECT, to, "close", (*close).into()),
        other => return Err(unsupported(other)),
    };
    let socket = only_room(to).filter(|_| excepted(to).is_empty()).ok_or_else(|| unsupported(order))?;
    Request::new(from, Some(request), kind).with("sid", socket.as_str()).with(name, value).json()
}

fn one(rooms: &[Room]) -> Value {
    rooms.first().map(Room::as_str).into()
}

pub(super) fn read(value: Value) -> Result<(NodeId, Message), DecodeError> {
    let mut fields = Fields::of(value, "request")?;
    if fields.has("requestid") {
        return Err(DecodeError::TooOld);
    }
    let from = sender(fields.text_if_any("uid")?);
    let kind = fields.take("type");
    let kind = match &kind {
        Value::Number(number) => number.as_u64().ok_or_else(|| unknown(&kind)),
        _ => Err(unknown(&kind)),
    };
    Ok((from, read_kind(kind?, &mut fields)?))
}

fn read_kind(kind: u64, fields: &mut Fields) -> Result<Message, DecodeError> {
    Ok(match kind {
        SOCKETS => Message::SocketIds { request: fields.request()?, to: read_selection(fields)? },
        ALL_ROOMS => Message::AllRooms { request: fields.request()? },
        REMOTE_JOIN | REMOTE_LEAVE | REMOTE_DISCONNECT if !fields.has("opts") => read_ordered(kind, fields)?,
        REMOTE_JOIN => Message::Join { to: selection(fields)?, rooms: fields.rooms("rooms")? },
        REMOTE_LEAVE => Message::Leave { to: selection(fields)?, rooms: fields.rooms("rooms")? },
        REMOTE_DISCONNECT => Message::Disconnect { to: selection(fields)?, close: fields.truth("close") },
        REMOTE_FETCH => Message::FetchSockets { request: fields.request()?, to: selection(fields)? },
        SERVER_SIDE_EMIT => Message::ServerSideEmit { request: fields.request_if_any()?, event: fields.event("data")? },
        BROADCAST => read_broadcast(fields)?,
        other => return Err(unknown(&other.into())),
    })
}

fn selection(fields: &mut Fields) -> Result<Selection, DecodeError> {
    Ok(read_options(fields.take("opts"))?.0)
}

fn read_broadcast(fields: &mut Fields) -> Result<Message, DecodeError> {
    let request = Some(fields.request()?);
    let (event, id) = packet::read(&mut Fields::of(fields.take("packet"), "packet")?)?;
    let (to, flags) = read_options(fields.take("opts"))?;
    Ok(Message::Broadcast(Broadcast { event, to, flags, id, request }))
}

fn read_ordered(kind: u64, fields: &mut Fields) -> Result<Message, DecodeError> {
    let to = Selection::all().to(fields.text("sid")?.as_str());
    let order = match kind {
        REMOTE_JOIN => Message::Join { to, rooms: vec![read_room(fields)?] },
        REMOTE_LEAVE => Message::Leave { to, rooms: vec![read_room(fields)?] },
        _ => Message::Disconnect { to, close: fields.truth("close") },
    };
    Ok(Message::Ordered { request: fields.request()?, order: Box::new(order) })
}

fn read_room(fields: &mut Fields) -> Result<Room, DecodeError> {
    let name = fields.take("room");
    room(name.clone()).ok_or_else(|| unexpected("room", "a text", &name))
}

fn unknown(found: &Value) -> DecodeError {
    let found: SmolStr = found.to_json().map(SmolStr::from).unwrap_or_default();
    DecodeError::UnknownType { expected: "0 to 7", found: found.into() }
}
