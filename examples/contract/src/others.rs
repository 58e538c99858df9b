//! Events about other sockets, by their id or room.

use serde::Serialize;
use sockeye::{AckError, Answers, Arguments, Data, Namespace, RemoteSocket, ServerEvent, Socket, Spread, Value};

use crate::arguments::{Rooms, done};
use crate::rooms::sorted;
use crate::settings::NodeName;

pub(crate) fn register(namespace: &Namespace, node: &NodeName) {
    namespace.on("who", who);
    sides(namespace, node);
    namespace.on("move", async |socket: Socket, Data((target, rooms)): Data<(String, Rooms)>| {
        socket.namespace().to(target).sockets_join(rooms.names());
        Data(())
    });
    namespace.on("unmove", async |socket: Socket, Data((target, rooms)): Data<(String, Rooms)>| {
        socket.namespace().to(target).sockets_leave(rooms.names());
        Data(())
    });
    namespace.on("kick-other", async |socket: Socket, Data((target, close)): Data<(String, Option<bool>)>| {
        let targets = socket.namespace().to(target);
        if close.unwrap_or_default() {
            targets.close_sockets();
        } else {
            targets.disconnect_sockets();
        }
        Data(())
    });
}

/// What the other nodes are told and asked, and what this one does when they ask.
fn sides(namespace: &Namespace, node: &NodeName) {
    let (sockets, NodeName(name)) = (namespace.local(), node.clone());
    namespace.on_server_side("side", move |event: ServerEvent| {
        let (sockets, arguments) = (sockets.clone(), with_name(&name, &event));
        async move {
            if let Err(error) = sockets.emit("side", arguments) {
                eprintln!("side: {error}");
            }
        }
    });
    let NodeName(name) = node.clone();
    namespace.on_server_side("side-ask", move |event: ServerEvent| {
        let Spread(arguments) = with_name(&name, &event);
        async move {
            if let Err(error) = event.answer((arguments,)) {
                eprintln!("side-ask: {error}");
            }
        }
    });
    namespace.on("side-emit", async |socket: Socket, arguments: Arguments| {
        done(socket.namespace().server_side_emit("side", &arguments))
    });
    namespace.on("side-ask", async |socket: Socket, arguments: Arguments| {
        let Answers { answers, missing } = socket.namespace().server_side_emit_with_ack("side-ask", &arguments).await?;
        Ok::<_, AckError>(Data(Replies { err: !missing.is_empty(), replies: answers }))
    });
}

/// The name of this node, and what another one has sent.
fn with_name(name: &str, event: &ServerEvent) -> Spread<Value> {
    let Spread(sent) = event.read().unwrap_or_else(|_| Spread(Vec::new()));
    Spread([Value::from(name)].into_iter().chain(sent).collect())
}

/// What other nodes answered, and whether one did not.
#[derive(Serialize)]
struct Replies {
    err: bool,
    replies: Vec<Value>,
}

/// A socket that was asked for.
#[derive(Serialize)]
struct Found {
    id: String,
    rooms: Vec<String>,
    data: serde_json::Value,
}

impl Found {
    fn of(socket: &RemoteSocket) -> Self {
        Self { id: socket.id().to_string(), rooms: sorted(socket.rooms()), data: socket.data().clone() }
    }
}

async fn who(socket: Socket, Data(room): Data<Option<String>>) -> Vec<Found> {
    let namespace = socket.namespace();
    let sockets = match room {
        Some(room) => namespace.to(room).fetch_sockets().await.answers,
        None => namespace.fetch_sockets().await.answers,
    };
    let mut found: Vec<_> = sockets.iter().map(Found::of).collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found
}
