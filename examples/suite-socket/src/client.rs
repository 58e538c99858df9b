//! The server of socket.io-client's own suite, of its versions 1.7 to 4.8.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sockeye::{
    Arguments, BoxError, ConfigError, ConnectError, Handshake, HandshakeRequest, Namespace, Recovery, Server, Socket,
};

use crate::client_binary;

/// Texts of two, three and four alphabets that must arrive as they are.
const TEXTS: [&str; 5] = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"];

pub(crate) fn server() -> Result<Server, ConfigError> {
    let io = Server::builder()
        .ping_interval(Duration::from_secs(2))
        .recovery(Recovery::default())
        .allow_request(async |_: HandshakeRequest| {
            // The suite's shortest timeouts must be able to win.
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        })
        .build()?;
    io.middleware(async |handshake: Handshake| match handshake.query("fail").as_deref() {
        None | Some("") => Ok(()),
        Some(_) => Err(ConnectError::new("Auth failed (main namespace)")),
    });
    values(&io);
    questions(&io);
    client_binary::events(&io);
    namespaces(&io);
    Ok(io)
}

fn namespaces(io: &Server) {
    for name in ["/timeout_socket", "/valid", "/asd"] {
        io.of(name);
    }
    io.of("/foo").on("getId", own_id);
    io.of("/abc")
        .on_connect(async |socket: Socket, handshake: Handshake| socket.emit("handshake", handshake.to_json()));
    io.of("/no").middleware(async || Err::<(), _>(ConnectError::new("Auth failed (custom namespace)")));
}

fn values(namespace: &Namespace) {
    namespace.on("hi", async |socket: Socket| socket.emit("hi", ()));
    namespace.on("false", async |socket: Socket| socket.emit("false", false));
    namespace.on("getDate", async |socket: Socket| socket.emit("takeDate", today()));
    namespace.on("getDateObj", async |socket: Socket| socket.emit("takeDateObj", Dated { date: today() }));
    namespace
        .on("getUtf8", async |socket: Socket| TEXTS.into_iter().try_for_each(|text| socket.emit("takeUtf8", text)));
}

fn questions(namespace: &Namespace) {
    namespace.on("echo", async |arguments: Arguments| arguments);
    namespace.on("getId", own_id);
    namespace.on("getAckDate", async || today());
    namespace.on("getHandshake", async |handshake: Handshake| handshake.to_json());
    namespace.on("ack", async |socket: Socket| {
        if let (5, Verdict { test: true }) = socket.emit_with_ack("ack", ()).await? {
            socket.emit("got it", ())?;
        }
        Ok::<_, BoxError>(())
    });
}

async fn own_id(socket: Socket) -> String {
    socket.id().to_string()
}

fn today() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

#[derive(Serialize)]
struct Dated {
    date: String,
}

#[derive(Deserialize)]
struct Verdict {
    test: bool,
}
