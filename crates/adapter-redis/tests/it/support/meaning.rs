use std::time::Duration;

use sockeye_adapter::{
    Room, Selection, SocketId,
    cluster::{Broadcast, Envelope, Flags, Message, NodeId, RequestId, SocketDetails},
};
use sockeye_protocol::socket::Value;

use super::Look;

pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Bytes are `{"$bytes": "<hex>"}`.
pub(crate) fn value(json: &Value) -> Value {
    match json {
        Value::Array(items) => Value::Array(items.iter().map(value).collect()),
        Value::Object(entries) => match json.get("$bytes") {
            Some(hex) => Value::Binary(bytes_of(hex.text()).into()),
            None => Value::Object(entries.iter().map(|(key, item)| (key.clone(), value(item))).collect()),
        },
        other => other.clone(),
    }
}

fn values(json: &Value) -> Vec<Value> {
    json.list().iter().map(value).collect()
}

pub(crate) fn rooms(json: &Value) -> Vec<Room> {
    json.list().iter().map(|room| room.text().into()).collect()
}

fn selection(json: &Value) -> Selection {
    let all = Selection::all().except(rooms(json.at("except")));
    if *json.at("rooms") == Value::Null { all } else { all.to(rooms(json.at("rooms"))) }
}

fn flags(json: &Value) -> Flags {
    Flags {
        volatile: *json.at("volatile") == Value::Bool(true),
        compress: json.get("compress").map(|flag| *flag == Value::Bool(true)),
        timeout: json.at("timeout").number_if_any().map(Duration::from_millis),
        single_answer: *json.at("single") == Value::Bool(true),
    }
}

fn request(json: &Value) -> RequestId {
    json.at("request").text().into()
}

fn asked(json: &Value) -> Option<RequestId> {
    json.at("request").text_if_any().map(RequestId::new)
}

fn socket(json: &Value) -> SocketDetails {
    SocketDetails {
        id: json.at("id").text().into(),
        handshake: value(json.at("handshake")),
        rooms: rooms(json.at("rooms")),
        data: value(json.at("data")),
    }
}

fn message(json: &Value) -> Message {
    let to = || selection(json.at("to"));
    let list = |name: &str| json.at(name).list();
    match json.at("kind").text() {
        "hello" => Message::Hello,
        "heartbeat" => Message::Heartbeat,
        "farewell" => Message::Farewell,
        "broadcast" => Message::Broadcast(Broadcast {
            event: values(json.at("event")),
            to: to(),
            flags: flags(json.at("flags")),
            id: json.at("id").number_if_any(),
            request: asked(json),
        }),
        "join" => Message::Join { to: to(), rooms: rooms(json.at("rooms")) },
        "leave" => Message::Leave { to: to(), rooms: rooms(json.at("rooms")) },
        "disconnect" => Message::Disconnect { to: to(), close: *json.at("close") == Value::Bool(true) },
        "fetch" => Message::FetchSockets { to: to(), request: request(json) },
        "sockets" => Message::Sockets { request: request(json), sockets: list("sockets").iter().map(socket).collect() },
        "serverSideEmit" => Message::ServerSideEmit { event: values(json.at("event")), request: asked(json) },
        "serverSideAnswer" => Message::ServerSideAnswer { request: request(json), answer: value(json.at("answer")) },
        "clientCount" => {
            Message::ClientCount { request: request(json), count: json.at("count").number_if_any().unwrap() }
        }
        "clientAnswer" => Message::ClientAnswer { request: request(json), answer: value(json.at("answer")) },
        "allRooms" => Message::AllRooms { request: request(json) },
        "rooms" => Message::Rooms { request: request(json), rooms: rooms(json.at("rooms")) },
        "socketIds" => Message::SocketIds { to: to(), request: request(json) },
        "ids" => {
            let ids = list("ids").iter().map(|id| SocketId::new(id.text()));
            Message::Ids { request: request(json), ids: ids.collect() }
        }
        "ordered" => Message::Ordered { request: request(json), order: Box::new(message(json.at("order"))) },
        "done" => Message::Done { request: request(json) },
        other => panic!("no message is called {other}"),
    }
}

pub(crate) fn envelope(json: &Value) -> Envelope {
    Envelope {
        from: NodeId::new(json.at("from").text()),
        namespace: json.at("namespace").text().into(),
        message: message(json.at("message")),
    }
}
