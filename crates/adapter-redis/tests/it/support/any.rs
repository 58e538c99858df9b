use std::time::Duration;

use proptest::{collection::vec, option, prelude::*};
use sockeye_adapter::{
    Room, Selection, SocketId,
    cluster::{Broadcast, Envelope, Flags, Message, RequestId, SocketDetails},
};
use sockeye_protocol::socket::Value;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z#é😀\"\\\\ ]{0,8}", Just("\u{0}user\u{0}42".to_owned())]
}

fn plain_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Whole ones come back as whole numbers.
        any::<f64>().prop_filter("a fraction", |float| float.fract() != 0.0).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let entries = proptest::collection::btree_map("[a-z]{0,3}", inner.clone(), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::Array),
            entries.prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn value(with_bytes: bool) -> BoxedStrategy<Value> {
    if !with_bytes {
        return plain_value().boxed();
    }
    let bytes = || vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Binary(bytes.into()));
    let beside = (plain_value(), bytes()).prop_map(|(plain, bytes)| Value::Array(vec![plain, bytes]));
    prop_oneof![plain_value(), bytes(), beside].boxed()
}

fn rooms() -> impl Strategy<Value = Vec<Room>> {
    vec(text().prop_map(Room::from), 0..4)
}

/// Each room once, as messages have them.
fn selection() -> impl Strategy<Value = Selection> {
    let names = || proptest::collection::btree_set(text(), 0..4);
    (names(), names()).prop_map(|(rooms, except)| {
        let except = Selection::all().except(except.into_iter().collect::<Vec<_>>());
        if rooms.is_empty() { except } else { except.to(rooms.into_iter().collect::<Vec<_>>()) }
    })
}

fn flags() -> impl Strategy<Value = Flags> {
    let timeout = option::of((0..1_u64 << 40).prop_map(Duration::from_millis));
    (any::<bool>(), option::of(any::<bool>()), timeout, any::<bool>())
        .prop_map(|(volatile, compress, timeout, single_answer)| Flags { volatile, compress, timeout, single_answer })
}

fn request() -> impl Strategy<Value = RequestId> {
    text().prop_map(RequestId::from)
}

fn event(with_bytes: bool) -> impl Strategy<Value = Vec<Value>> {
    (text(), vec(value(with_bytes), 0..3))
        .prop_map(|(name, arguments)| std::iter::once(Value::from(name)).chain(arguments).collect())
}

fn sockets(with_bytes: bool) -> impl Strategy<Value = Vec<SocketDetails>> {
    let socket = (text(), plain_value(), rooms(), value(with_bytes))
        .prop_map(|(id, handshake, rooms, data)| SocketDetails { id: SocketId::from(id), handshake, rooms, data });
    vec(socket, 0..3)
}

/// What all formats have. The classic one has no bytes outside of broadcasts and answers of clients.
pub(crate) fn message(bytes_everywhere: bool) -> impl Strategy<Value = Message> {
    let broadcast = (event(true), selection(), flags(), option::of(0..1_u64 << 53), option::of(request()));
    prop_oneof![
        broadcast.prop_map(|(event, to, flags, id, request)| {
            Message::Broadcast(Broadcast { event, to, flags, id, request })
        }),
        (selection(), rooms()).prop_map(|(to, rooms)| Message::Join { to, rooms }),
        (selection(), rooms()).prop_map(|(to, rooms)| Message::Leave { to, rooms }),
        (selection(), any::<bool>()).prop_map(|(to, close)| Message::Disconnect { to, close }),
        (selection(), request()).prop_map(|(to, request)| Message::FetchSockets { to, request }),
        (request(), sockets(bytes_everywhere)).prop_map(|(request, sockets)| Message::Sockets { request, sockets }),
        (event(bytes_everywhere), option::of(request()))
            .prop_map(|(event, request)| Message::ServerSideEmit { event, request }),
        (request(), value(bytes_everywhere))
            .prop_map(|(request, answer)| Message::ServerSideAnswer { request, answer }),
        (request(), any::<u64>()).prop_map(|(request, count)| Message::ClientCount { request, count }),
        (request(), value(true)).prop_map(|(request, answer)| Message::ClientAnswer { request, answer }),
    ]
}

pub(crate) fn envelope(bytes_everywhere: bool) -> impl Strategy<Value = Envelope> {
    ("[a-zA-Z0-9]{6}", text(), message(bytes_everywhere)).prop_map(|(from, namespace, message)| Envelope {
        from: from.into(),
        namespace: format!("/{namespace}").into(),
        message,
    })
}
