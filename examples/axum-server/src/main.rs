//! Socket.IO beside the routes of axum: one layer, and handlers and routes share the server's handle.
//!
//! `cargo run -p axum-server`, then `io("http://localhost:3000")` in a page or in Node, and
//! `curl http://localhost:3000/shout -d hello` to be heard there.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use clap::Parser;
use sockeye::{Data, Server, Socket};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "whoever starts the example reads the address there")]
async fn main() -> anyhow::Result<()> {
    let io = Server::builder().build()?;
    io.on("shout", async |socket: Socket, Data(text): Data<String>| socket.broadcast().emit("shout", text));
    io.on("add", async |Data((a, b)): Data<(i64, i64)>| a.saturating_add(b));

    // The layer takes the requests of Socket.IO, the routes get all others.
    let app = Router::new().route("/shout", post(shout)).layer(io.layer()).with_state(io.clone());
    let listener = TcpListener::bind(("127.0.0.1", Args::parse().port)).await?;
    println!("http://{}", listener.local_addr()?);
    tokio::select! {
        ended = axum::serve(listener, app) => ended?,
        _ = tokio::signal::ctrl_c() => io.close().await,
    }
    Ok(())
}

async fn shout(State(io): State<Server>, text: String) -> StatusCode {
    match io.emit("shout", text) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
