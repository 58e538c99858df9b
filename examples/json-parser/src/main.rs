//! A server whose packets are plain JSON. Its clients use the same form: `io({ parser })`, see `interop/support`.

mod parser; // Packets as JSON, and back.

use std::error::Error;

use bytes::Bytes;
use clap::Parser;
use sockeye::{Arguments, ConnectError, Data, EmitError, Listener, Server, Socket};
use tokio::signal::unix::{SignalKind, signal};

use crate::parser::JsonParser;

#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

#[derive(serde::Deserialize)]
struct Login {
    token: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Server::builder().parser(JsonParser).build()?;
    io.on("echo", async |socket: Socket, arguments: Arguments| {
        socket.emit("echoed", &arguments)?;
        Ok::<_, EmitError>(arguments)
    });
    io.on("news", async |socket: Socket, Data(news): Data<String>| socket.namespace().emit("news", news));
    io.on("ask me", async |socket: Socket| {
        let name: String = socket.emit_with_ack("who are you?", ()).await?;
        socket.emit("hello", name)?;
        Ok::<_, sockeye::BoxError>(())
    });
    io.on("bytes", async |socket: Socket| match socket.emit("bytes", Bytes::from_static(b"none")) {
        Ok(()) => "sent".to_owned(),
        Err(error) => error.source().map(ToString::to_string).unwrap_or_default(),
    });
    io.of("/admin").middleware(async |Data(login): Data<Login>| match login.token.as_deref() {
        Some("secret") => Ok(()),
        _ => Err(ConnectError::new("not authorized").data(serde_json::json!({ "code": 401 }))),
    });

    let mut stop = signal(SignalKind::terminate())?;
    let listener = Listener::bind(("127.0.0.1", Args::parse().port)).await?;
    announce(listener.local_addr()?);
    tokio::select! {
        ended = io.serve(listener) => ended?,
        _ = stop.recv() => io.close().await,
        _ = tokio::signal::ctrl_c() => io.close().await,
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "whoever starts this program waits for this line")]
fn announce(address: std::net::SocketAddr) {
    println!("listening on http://{address}");
}
