//! The server that the interop tests talk to where the contract server won't do: its times are as asked, so that a test
//! can speak slowly by hand, and it serves in both ways.
//!
//! Small behaviours, each behind an event, made of the public API only.

mod events;
mod reasons;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::{Parser, ValueEnum};
use serde::Deserialize;
use sockeye::{ConnectError, Data, Listener, MessagePackParser, Namespace, PerMessageDeflate, Server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::reasons::Reasons;

/// All times are in milliseconds, and Node's defaults.
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[arg(long, default_value_t = 25_000)]
    ping_interval: u64,
    #[arg(long, default_value_t = 20_000)]
    ping_timeout: u64,
    #[arg(long, default_value_t = 45_000)]
    connect_timeout: u64,
    #[arg(long, default_value_t = 10_000)]
    upgrade_timeout: u64,
    /// How packets are written: `socket.io-msgpack-parser`'s way instead of as text.
    #[arg(long, value_enum)]
    parser: Option<PacketParser>,
    /// Serves by `io.serve`, one event loop per core, instead of as a layer of axum's.
    #[arg(long)]
    listen: bool,
    /// Compresses WebSocket messages for clients that want it.
    #[arg(long)]
    deflate: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum PacketParser {
    Msgpack,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut settings = Server::builder();
    if args.deflate {
        settings = settings.per_message_deflate(PerMessageDeflate::default());
    }
    let settings = settings
        .ping_interval(Duration::from_millis(args.ping_interval))
        .ping_timeout(Duration::from_millis(args.ping_timeout))
        .connect_timeout(Duration::from_millis(args.connect_timeout))
        .upgrade_timeout(Duration::from_millis(args.upgrade_timeout))
        .state(Arc::new(Reasons::default()));
    let io = match args.parser {
        Some(PacketParser::Msgpack) => settings.parser(MessagePackParser).build()?,
        None => settings.build()?,
    };
    for namespace in [io.of("/"), guarded(io.of("/admin")), io.of("/other")] {
        events::register(&namespace);
    }
    io.middleware(delay_or_refuse);

    // Before the address is told: the tests may stop the server at once.
    let signalled = stop_signal()?;
    if args.listen {
        let listener = Listener::bind(("127.0.0.1", args.port)).await?;
        say(&format!("http://{}", listener.local_addr()?));
        tokio::select! {
            ended = io.serve(listener) => ended?,
            () = signalled => io.close().await,
        }
        return Ok(());
    }
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await?;
    say(&format!("http://{}", listener.local_addr()?));
    let app = Router::new().layer(io.layer());
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        () = signalled => {}
    }
    // Every client is told, and gets what waits for it. Requests that are never finished end with the process.
    io.close().await;
    Ok(())
}

/// What clients may ask of the main namespace's middleware in their `auth`.
#[derive(Default, Deserialize)]
struct Wishes {
    #[serde(default)]
    delay: u64,
    #[serde(default)]
    fail: bool,
}

async fn delay_or_refuse(Data(wishes): Data<Wishes>) -> Result<(), ConnectError> {
    tokio::time::sleep(Duration::from_millis(wishes.delay.min(1000))).await;
    if wishes.fail {
        return Err(ConnectError::new("refused").data(serde_json::json!({ "code": 4001 })));
    }
    Ok(())
}

#[derive(Default, Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

/// Lets in only who has the token.
fn guarded(namespace: Namespace) -> Namespace {
    namespace.middleware(async |Data(auth): Data<Token>| {
        if auth.token == "secret" {
            return Ok(());
        }
        Err(ConnectError::new("not authorized").data(serde_json::json!({ "code": 401 })))
    });
    namespace
}

/// Ends when the process is asked to stop, from this call on.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[allow(clippy::print_stdout, reason = "the tests read the address from standard output")]
fn say(line: &str) {
    println!("{line}");
}
