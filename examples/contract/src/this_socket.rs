//! Events about the socket itself.

use std::sync::Arc;

use sockeye::{Data, Namespace, Socket, State};

use crate::reasons::Reasons;
use crate::settings::NodeName;

pub(crate) fn register(namespace: &Namespace) {
    namespace.on("id", async |socket: Socket| socket.id().to_string());
    namespace.on("namespace", async |socket: Socket| socket.namespace().name().to_owned());
    namespace.on("transport", async |socket: Socket| socket.transport().name());
    namespace.on("node", async |State(NodeName(name)): State<NodeName>| name.to_string());
    namespace.on(
        "kick",
        async |socket: Socket, Data(close): Data<bool>| if close { socket.close() } else { socket.disconnect() },
    );
    namespace.on("reason-of", async |State(reasons): State<Arc<Reasons>>, Data(id): Data<String>| reasons.of(&id));
}
