//! Events about other sockets, by their id or room.

use sockeye::{Data, JoinError, Namespace, Socket};

use crate::arguments::Rooms;

pub(crate) fn register(namespace: &Namespace) {
    namespace.on("move", async |socket: Socket, Data((target, rooms)): Data<(String, Rooms)>| {
        socket.namespace().to(target).join(rooms.names())?;
        Ok::<_, JoinError>(Data(()))
    });
    namespace.on("unmove", async |socket: Socket, Data((target, rooms)): Data<(String, Rooms)>| {
        socket.namespace().to(target).leave(rooms.names());
        Data(())
    });
    namespace.on("kick-other", async |socket: Socket, Data((target, close)): Data<(String, bool)>| {
        let targets = socket.namespace().to(target);
        if close {
            targets.close()
        } else {
            targets.disconnect()
        }
        Data(())
    });
}
