//! The behaviours, alike in every namespace.

use std::sync::Arc;
use std::time::Duration;

use sockeye::{
    Ack, Arguments, Data, DisconnectReason, EmitError, Handshake, JoinError, Namespace, Socket, State, Value,
};

use crate::reasons::Reasons;

/// A room's name and something to send there.
type RoomAnd<T> = Data<(String, T)>;

pub(crate) fn register(namespace: &Namespace) {
    values(namespace);
    rooms(namespace);
    questions(namespace);
    namespace.on(
        "kick",
        async |socket: Socket, Data(close): Data<bool>| if close { socket.close() } else { socket.disconnect() },
    );
    namespace.on("reason-of", async |State(reasons): State<Arc<Reasons>>, Data(id): Data<String>| reasons.of(&id));
    namespace.on_disconnect(async |socket: Socket, State(reasons): State<Arc<Reasons>>, reason: DisconnectReason| {
        reasons.note(socket.id().as_ref(), reason);
    });
}

fn values(namespace: &Namespace) {
    namespace.on(
        "echo",
        async |socket: Socket, arguments: Arguments, ack: Ack| {
            if ack.is_wanted() { ack.send(&arguments) } else { socket.emit("echo:reply", &arguments) }
        },
    );
    namespace.on("sum", async |Data((a, b)): Data<(i64, i64)>| a.saturating_add(b));
    namespace.on("bin", async |socket: Socket, Data(value): Data<Value>| {
        socket.emit("bin:reply", &value)?;
        Ok::<_, EmitError>(value)
    });
    namespace.on("auth", async |handshake: Handshake| handshake.auth::<Value>());
    namespace.on("sink", async || true);
    namespace.on("large", async |Data(length): Data<usize>| "x".repeat(length.min(8_000_000)));
    namespace.on("seq", async |socket: Socket, Data(count): Data<u32>| {
        (0..count.min(10_000)).try_for_each(|number| socket.emit("seq", number))
    });
    namespace.on("volatile", async |socket: Socket, Data(value): Data<Value>| socket.volatile().emit("news", &value));
}

fn rooms(namespace: &Namespace) {
    namespace.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room)?;
        Ok::<_, JoinError>(rooms_of(&socket))
    });
    namespace.on("leave", async |socket: Socket, Data(room): Data<String>| {
        socket.leave(room);
        rooms_of(&socket)
    });
    namespace.on("rooms", async |socket: Socket| rooms_of(&socket));
    namespace.on("to-room", async |socket: Socket, Data((room, value)): RoomAnd<Value>| {
        done(socket.to(room).emit("news", &value))
    });
    namespace.on("in-room", async |socket: Socket, Data((room, value)): RoomAnd<Value>| {
        done(socket.namespace().to(room).emit("news", &value))
    });
    namespace.on("except", async |socket: Socket, Data((room, value)): RoomAnd<Value>| {
        done(socket.namespace().except(room).emit("news", &value))
    });
    namespace.on("to-except", async |socket: Socket, Data((room, except, value)): Data<(String, String, Value)>| {
        done(socket.namespace().to(room).except(except).emit("news", &value))
    });
    namespace.on("broadcast", async |socket: Socket, Data(value): Data<Value>| {
        done(socket.broadcast().emit("news", &value))
    });
    namespace.on("private", async |socket: Socket, Data((id, value)): RoomAnd<Value>| {
        done(socket.namespace().to(id).emit("private", (socket.id().as_ref(), &value)))
    });
}

fn questions(namespace: &Namespace) {
    namespace.on("ask", async |socket: Socket, Data(question): Data<Value>| {
        let answer = socket.emit_with_ack::<Value>("question", &question).await?;
        socket.emit("answer", &answer)?;
        Ok::<_, sockeye::BoxError>(())
    });
    namespace.on("ask-timeout", async |socket: Socket, Data((limit, question)): Data<(u64, Value)>| {
        let asking = socket.timeout(Duration::from_millis(limit)).emit_with_ack::<Value>("question", &question);
        match asking.await {
            Ok(answer) => socket.emit("answer", &answer),
            Err(_) => socket.emit("answer-timeout", ()),
        }
    });
}

/// An emit is acknowledged with `true`, so that a client knows when it has been made.
fn done(emitted: Result<(), EmitError>) -> Result<bool, EmitError> {
    emitted.map(|()| true)
}

fn rooms_of(socket: &Socket) -> Vec<String> {
    let mut rooms: Vec<_> = socket.rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    rooms
}
