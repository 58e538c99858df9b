//! Events about rooms, and broadcasts.

use std::time::Duration;

use serde::Serialize;
use sockeye::{Arguments, BoxError, Data, JoinError, Namespace, Room, Socket, Value};

use crate::arguments::{Rooms, behind, done};

pub(crate) fn register(namespace: &Namespace) {
    membership(namespace);
    broadcasts(namespace);
    to_rooms(namespace);
    namespace.on("ask-room", ask_room);
}

/// The names of rooms, sorted.
pub(crate) fn sorted(rooms: &[Room]) -> Vec<String> {
    let mut names: Vec<_> = rooms.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

fn membership(namespace: &Namespace) {
    namespace.on("join", async |socket: Socket, Data(rooms): Data<Rooms>| {
        socket.join(rooms.names())?;
        Ok::<_, JoinError>(sorted(&socket.rooms()))
    });
    namespace.on("leave", async |socket: Socket, Data(rooms): Data<Rooms>| {
        socket.leave(rooms.names());
        sorted(&socket.rooms())
    });
    namespace.on("leave-all", async |socket: Socket| {
        socket.leave_all();
        sorted(&socket.rooms())
    });
    namespace.on("rooms", async |socket: Socket| sorted(&socket.rooms()));
}

fn broadcasts(namespace: &Namespace) {
    namespace.on("broadcast-all", async |socket: Socket, news: Arguments| done(socket.namespace().emit("news", &news)));
    namespace.on("broadcast", async |socket: Socket, news: Arguments| done(socket.broadcast().emit("news", &news)));
    namespace.on("local", async |socket: Socket, news: Arguments| done(socket.namespace().local().emit("news", &news)));
}

fn to_rooms(namespace: &Namespace) {
    namespace.on("to-room", async |socket: Socket, Data(rooms): Data<Rooms>, arguments: Arguments| {
        done(socket.to(rooms.names()).emit("news", behind(1, &arguments)?))
    });
    namespace.on("in-room", async |socket: Socket, Data(rooms): Data<Rooms>, arguments: Arguments| {
        done(socket.namespace().to(rooms.names()).emit("news", behind(1, &arguments)?))
    });
    namespace.on(
        "to-room-except",
        async |socket: Socket, Data((rooms, except)): Data<(Rooms, Rooms)>, arguments: Arguments| {
            let chosen = socket.namespace().to(rooms.names()).except(except.names());
            done(chosen.emit("news", behind(2, &arguments)?))
        },
    );
    namespace.on("all-except", async |socket: Socket, Data(except): Data<Rooms>, arguments: Arguments| {
        done(socket.namespace().except(except.names()).emit("news", behind(1, &arguments)?))
    });
    namespace.on("private", async |socket: Socket, Data(id): Data<String>, arguments: Arguments| {
        let mut private = behind(1, &arguments)?;
        private.0.insert(0, socket.id().as_ref().into());
        done(socket.namespace().to(id).emit("private", private))
    });
}

/// Who answered, and whether somebody did not.
#[derive(Serialize)]
struct Responses {
    err: bool,
    responses: Vec<Value>,
}

async fn ask_room(
    socket: Socket,
    Data((room, limit)): Data<(String, u64)>,
    arguments: Arguments,
) -> Result<Data<Responses>, BoxError> {
    let asked = socket.namespace().to(room).timeout(Duration::from_millis(limit));
    let replies = asked.emit_with_ack::<Value>("question", behind(2, &arguments)?).await?;
    Ok(Data(Responses { err: !replies.is_complete(), responses: replies.into_values() }))
}
