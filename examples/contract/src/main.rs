//! The contract server: a fixed set of behaviours behind events, for checks from outside.

mod arguments; // Lists of arguments and of rooms.
mod namespaces; // Who may join which.
mod options; // The command line.
mod others; // Events about other sockets.
mod reasons; // Why sockets went.
mod rooms; // Events about rooms, and broadcasts.
mod settings; // The server's settings.
mod stopping; // The signals that end the process, and how it ends.
mod this_socket; // Events about the socket itself.
mod uncalled; // Events that reach no handler.
mod values; // Events that carry values, and their acknowledgements.

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use clap::Parser;
use sockeye::Listener;

use crate::options::Options;
use crate::settings::NodeName;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    options.check()?;
    let io = settings::server(&options).await?;
    namespaces::open(&io, &NodeName(options.name.as_str().into()))?;

    let address = ("127.0.0.1", options.port);
    let listener =
        Listener::bind(address).await.with_context(|| format!("cannot listen on --port {}", options.port))?;
    // Before the address is told: who reads it may stop the server at once.
    let stopped = stopping::signal()?;
    announce(&format!("listening on http://{}", listener.local_addr()?));
    let routes = Router::new().route("/healthz", get("ok"));
    tokio::select! {
        served = io.serve_with(listener, routes) => served?,
        () = stopped => stopping::close(&io).await,
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "whoever starts this program waits for this line")]
fn announce(line: &str) {
    println!("{line}");
}
