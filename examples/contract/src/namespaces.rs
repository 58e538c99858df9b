//! Who may join which namespace.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use sockeye::{ConnectError, Data, DisconnectReason, Handshake, Namespace, Server, Socket, State};

use crate::reasons::Reasons;
use crate::settings::NodeName;
use crate::{others, rooms, this_socket, uncalled, values};

pub(crate) fn open(io: &Server, node: &NodeName) -> anyhow::Result<()> {
    let admin = io.of("/admin");
    io.middleware(delay_or_refuse);
    admin.middleware(check_token);
    let tenants = io.of_pattern(r"^/tenant-\d+$")?;
    for namespace in [io.of("/"), admin, tenants] {
        behave(&namespace, node);
    }
    io.on_error(uncalled::told);
    Ok(())
}

/// What holds alike in every namespace.
fn behave(namespace: &Namespace, node: &NodeName) {
    namespace.on_connect(async |socket: Socket| {
        socket.emit(
            "welcome",
            Welcome { id: socket.id().as_str(), ns: socket.namespace().name(), recovered: socket.is_recovered() },
        )
    });
    namespace.on_disconnect(async |socket: Socket, State(reasons): State<Arc<Reasons>>, reason: DisconnectReason| {
        reasons.note(socket.id(), reason);
    });
    values::register(namespace);
    rooms::register(namespace);
    others::register(namespace, node);
    this_socket::register(namespace);
    uncalled::register(namespace);
}

#[derive(Serialize)]
struct Welcome<'a> {
    id: &'a str,
    ns: &'a str,
    recovered: bool,
}

/// Clients may ask for a delay in milliseconds, or to be refused, in their `auth` or in the query of their connection.
async fn delay_or_refuse(handshake: Handshake, Data(auth): Data<Value>) -> Result<(), ConnectError> {
    let delay = auth["delay"].as_f64().unwrap_or_default().clamp(0.0, 1000.0);
    tokio::time::sleep(Duration::from_secs_f64(delay / 1000.0)).await;
    if auth["fail"] == true || handshake.query("fail").as_deref() == Some("1") {
        return Err(ConnectError::new("refused").data(json!({ "code": 4001 })));
    }
    Ok(())
}

async fn check_token(Data(auth): Data<Value>) -> Result<(), ConnectError> {
    if auth["token"] == "secret" {
        return Ok(());
    }
    Err(ConnectError::new("not authorized").data(json!({ "code": 401, "hint": "token" })))
}
