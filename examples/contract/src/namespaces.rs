//! Who may join which namespace.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockeye::{ConnectError, Data, DisconnectReason, Handshake, Namespace, Server, Socket, State};

use crate::reasons::Reasons;
use crate::{others, rooms, this_socket, uncalled, values};

pub(crate) fn open(io: &Server) -> anyhow::Result<()> {
    let admin = io.of("/admin");
    io.middleware(delay_or_refuse);
    admin.middleware(check_token);
    let tenants = io.of_pattern(r"^/tenant-\d+$")?;
    for namespace in [io.of("/"), admin, tenants] {
        behave(&namespace);
    }
    io.on_error(uncalled::told);
    Ok(())
}

/// What holds alike in every namespace.
fn behave(namespace: &Namespace) {
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
    others::register(namespace);
    this_socket::register(namespace);
    uncalled::register(namespace);
}

#[derive(Serialize)]
struct Welcome<'a> {
    id: &'a str,
    ns: &'a str,
    recovered: bool,
}

/// What clients may ask of the main namespace's middleware in their `auth`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wishes {
    delay: u64,
    fail: bool,
}

async fn delay_or_refuse(handshake: Handshake, Data(wishes): Data<Wishes>) -> Result<(), ConnectError> {
    tokio::time::sleep(Duration::from_millis(wishes.delay.min(1000))).await;
    if wishes.fail || handshake.query("fail").as_deref() == Some("1") {
        return Err(ConnectError::new("refused").data(serde_json::json!({ "code": 4001 })));
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials {
    token: String,
}

async fn check_token(Data(auth): Data<Credentials>) -> Result<(), ConnectError> {
    if auth.token == "secret" {
        return Ok(());
    }
    Err(ConnectError::new("not authorized").data(serde_json::json!({ "code": 401, "hint": "token" })))
}
