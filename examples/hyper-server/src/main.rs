//! Socket.IO as a service of hyper's server, for who accepts connections in an own way.
//!
//! `cargo run -p hyper-server`, then `io("http://localhost:3000")` in a page or in Node.

use std::time::Duration;

use clap::Parser;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use sockeye::{Data, Server, Socket};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

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

    let listener = TcpListener::bind(("127.0.0.1", Args::parse().port)).await?;
    println!("http://{}", listener.local_addr()?);
    tokio::select! {
        () = accept(&io, listener) => {}
        _ = tokio::signal::ctrl_c() => io.close().await,
    }
    Ok(())
}

async fn accept(io: &Server, listener: TcpListener) {
    let tasks = TaskTracker::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tasks.spawn(serve(io.clone(), stream))),
            // Too many open files, perhaps: some will be closed in a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(io: Server, stream: TcpStream) {
    // Messages are small and wanted at once.
    let _ = stream.set_nodelay(true);
    // Without `_with_upgrades` there would be polling only.
    let http = auto::Builder::new(TokioExecutor::new());
    let service = TowerToHyperService::new(io.service());
    if let Err(error) = http.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        eprintln!("connection lost: {error}");
    }
}
