//! Events about the socket itself.

use std::sync::Arc;

use serde_json::Value;
use sockeye::{BoxError, Data, Handshake, Namespace, Socket, State};

use crate::reasons::Reasons;
use crate::settings::NodeName;

pub(crate) fn register(namespace: &Namespace) {
    tells(namespace);
    data(namespace);
    ends(namespace);
}

fn tells(namespace: &Namespace) {
    namespace.on("id", async |socket: Socket| socket.id().to_string());
    namespace.on("namespace", async |socket: Socket| socket.namespace().name().to_owned());
    namespace.on("transport", async |socket: Socket| socket.transport().name());
    namespace.on("recovered", async |socket: Socket| socket.is_recovered());
    namespace.on("node", async |State(NodeName(name)): State<NodeName>| name.to_string());
    namespace.on("handshake", async |handshake: Handshake| {
        let mut told = handshake.to_json();
        if let Some(fields) = told.as_object_mut() {
            // The same as `issued`, in words.
            fields.remove("time");
        }
        told
    });
}

fn data(namespace: &Namespace) {
    namespace.on("set-data", async |socket: Socket, Data((key, value)): Data<(String, Value)>| {
        socket.data().set(key, value)?;
        Ok::<_, BoxError>(socket.data().to_json())
    });
    namespace.on("get-data", async |socket: Socket| socket.data().to_json());
}

fn ends(namespace: &Namespace) {
    namespace.on(
        "kick",
        async |socket: Socket, Data(close): Data<Option<bool>>| {
            if close.unwrap_or_default() { socket.close() } else { socket.disconnect() }
        },
    );
    namespace.on("reason-of", async |State(reasons): State<Arc<Reasons>>, Data(id): Data<String>| reasons.of(&id));
}
