//! How much memory a message takes while it waits, roughly.

use sockeye_protocol::socket::Value;

use super::{Message, SocketDetails};
use crate::names::Room;
use crate::selection::Selection;

/// The bytes of a message: its texts and bytes, and the places that hold them.
pub(super) fn weight(message: &Message) -> usize {
    size_of::<Message>()
        + match message {
            Message::Broadcast(broadcast) => values(&broadcast.event) + selection(&broadcast.to),
            Message::Join { to, rooms } | Message::Leave { to, rooms } => selection(to) + list(rooms),
            Message::Disconnect { to, .. } | Message::FetchSockets { to, .. } | Message::SocketIds { to, .. } => {
                selection(to)
            }
            Message::Sockets { sockets, .. } => sockets.iter().map(socket).sum(),
            Message::ServerSideEmit { event, .. } => values(event),
            Message::ServerSideAnswer { answer, .. } | Message::ClientAnswer { answer, .. } => value(answer),
            Message::Rooms { rooms, .. } => list(rooms),
            Message::Ids { ids, .. } => ids.iter().map(|id| size_of_val(id) + id.as_str().len()).sum(),
            Message::Ordered { order, .. } => weight(order),
            Message::Hello
            | Message::Heartbeat
            | Message::Farewell
            | Message::ClientCount { .. }
            | Message::AllRooms { .. }
            | Message::Done { .. } => 0,
        }
}

fn selection(selection: &Selection) -> usize {
    list(selection.rooms().unwrap_or_default()) + list(selection.excepted())
}

fn list(rooms: &[Room]) -> usize {
    rooms.iter().map(|room| size_of_val(room) + room.as_str().len()).sum()
}

fn socket(socket: &SocketDetails) -> usize {
    size_of_val(socket) + list(&socket.rooms) + value(&socket.handshake) + value(&socket.data)
}

fn values(values: &[Value]) -> usize {
    values.iter().map(value).sum()
}

fn value(value: &Value) -> usize {
    size_of_val(value)
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Binary(bytes) => bytes.len(),
            Value::Array(items) => values(items),
            Value::Object(entries) => {
                entries.iter().map(|(key, value)| size_of_val(key) + key.len() + self::value(value)).sum()
            }
        }
}
