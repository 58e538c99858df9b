//! The server of the protocol's suite.

use std::num::NonZeroUsize;
use std::time::Duration;

use sockeye::{Arguments, ConfigError, Handshake, Namespace, Server, Socket};

pub(crate) fn server() -> Result<Server, ConfigError> {
    let io = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .connect_timeout(Duration::from_secs(1))
        // It sends requests at once on two connections and expects their order to hold, as with one event loop.
        .threads(NonZeroUsize::MIN)
        .build()?;
    behave(&io);
    behave(&io.of("/custom"));
    Ok(io)
}

fn behave(namespace: &Namespace) {
    namespace.on_connect(async |socket: Socket, handshake: Handshake| {
        let auth: serde_json::Value = handshake.auth()?;
        socket.emit("auth", auth)?;
        Ok::<_, sockeye::BoxError>(())
    });
    namespace.on("message", async |socket: Socket, arguments: Arguments| socket.emit("message-back", &arguments));
    namespace.on("message-with-ack", async |arguments: Arguments| arguments);
}
