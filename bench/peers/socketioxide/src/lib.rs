//! socketioxide as a contestant: the load contract (echo, broadcast, join, room) as an application would write it.
//!
//! `PORT [--threads N | --current-thread]`: socketioxide's own default is tokio's multi-threaded runtime with a worker
//! per core; `--current-thread` runs the same server on one single-threaded loop.

use std::{io, net::Ipv4Addr};

use axum::serve::ListenerExt;
use rmpv::Value;
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
};
use tokio::{net::TcpListener, runtime};

/// Reads the arguments, picks the runtime and serves until the process is killed.
///
/// # Errors
/// Whatever keeps the port from being bound, and arguments that are not understood.
pub fn run() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (port, mut runtime) = match args[..] {
        [port] => (port, runtime::Builder::new_multi_thread()),
        [port, "--current-thread"] => (port, runtime::Builder::new_current_thread()),
        [port, "--threads", threads] => {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(threads.parse().map_err(io::Error::other)?);
            (port, builder)
        }
        _ => return Err(io::Error::other("usage: PORT [--threads N | --current-thread]")),
    };
    let port = port.parse().map_err(io::Error::other)?;
    runtime.enable_all().build()?.block_on(serve(port))
}

async fn serve(port: u16) -> io::Result<()> {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://{}", listener.local_addr()?);
    // axum leaves Nagle's algorithm on, which would hold back small frames.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("an accepted socket takes TCP_NODELAY"));
    axum::serve(listener, axum::Router::new().layer(layer)).await
}

/// `rmpv::Value` is what socketioxide's documentation names for data that may be text or binary.
async fn connected(socket: SocketRef) {
    socket.on("echo", async |Data::<Value>(data), ack: AckSender| {
        ack.send(&data).ok();
    });
    socket.on("broadcast", async |io: SocketIo, Data::<Value>(data)| {
        io.emit("broadcast", &data).await.ok();
    });
    socket.on("join", async |socket: SocketRef, Data::<String>(room), ack: AckSender| {
        socket.join(room);
        ack.send(&()).ok();
    });
    socket.on("room", async |io: SocketIo, Data::<(String, Value)>((room, data))| {
        io.to(room).emit("room", &data).await.ok();
    });
}
