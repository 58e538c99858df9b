//! Holds the server to design laws 1 and 2 and to handlers that cost a connection nothing.
//!
//! A binary of its own, for it counts every allocation of the process.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

use std::alloc::System;
use std::num::NonZeroUsize;
use std::time::Duration;

use sockeye::{Data, Drain, Listener, Server, Socket};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SOCKETS: usize = 1_000;
/// Of these it is measured what each holds.
const MEASURED: usize = 400;

/// A connection in the main namespace that reads nothing from here on but what it is asked to.
async fn join(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, b"\"maxPayload\":1000000}").await;
    // `40`, masked with zeros.
    stream.write_all(b"\x81\x82\x00\x00\x00\x0040").await.unwrap();
    read_until(&mut stream, b"\"}").await;
    stream
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut read = Vec::with_capacity(1024);
    while !read.ends_with(end) {
        let byte = tokio::time::timeout(Duration::from_secs(20), stream.read_u8()).await;
        read.push(byte.expect("an answer in time").unwrap());
    }
}

/// A server with so many handlers, a thousand connections to it, and what one of those holds in bytes.
async fn crowd(handlers: usize) -> (Server, Vec<TcpStream>, isize) {
    let io = Server::builder().threads(NonZeroUsize::MIN).build().unwrap();
    for number in 0..handlers {
        io.on(&format!("event {number}"), async |socket: Socket, Data(text): Data<String>| socket.emit("e", text));
    }
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = io.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(served.serve(listener)).unwrap();
    });
    let mut streams = Vec::with_capacity(SOCKETS);
    // Maps have grown for all then.
    for _ in MEASURED..SOCKETS {
        streams.push(join(address).await);
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..MEASURED {
        streams.push(join(address).await);
    }
    let change = region.change();
    let held = change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed() + change.bytes_reallocated;
    (io, streams, held / MEASURED.cast_signed())
}

/// Broadcasts, lets everything be written, and says how many allocations that took.
async fn count_broadcast(socket: Socket) -> Result<usize, sockeye::EmitError> {
    let text = "x".repeat(100);
    let region = Region::new(ALLOCATOR);
    socket.namespace().emit("news", &text)?;
    // The writing is done between the turns of this thread's loop.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let change = region.change();
    Ok(change.allocations + change.reallocations)
}

/// One test, since tests of one binary run side by side.
#[tokio::test]
async fn a_broadcast_and_a_hundred_handlers_cost_what_one_does() {
    let (io, mut streams, with_one) = crowd(1).await;
    let drain = Drain { spread: Duration::ZERO, grace: Duration::ZERO };
    io.on("broadcast", count_broadcast);

    // `421["broadcast"]`, masked with zeros.
    streams[0].write_all(b"\x81\x90\0\0\0\x00421[\"broadcast\"]").await.unwrap();
    let mut answer = vec![0; 1024];
    let mut read = 0;
    while !answer[..read].ends_with(b"]") || !answer[..read].windows(3).any(|three| three == b"431") {
        let more = tokio::time::timeout(Duration::from_secs(20), streams[0].read(&mut answer[read..])).await;
        read += more.expect("an answer in time").unwrap();
    }
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    let (_, count) = answer.split_once("431[").unwrap();
    let count: usize = count.trim_end_matches(']').parse().unwrap();
    // Among them are those of the task that the waiting handler has become.
    assert!(count <= 20, "a broadcast to {} sockets took {count} allocations", io.socket_count());
    println!("a broadcast to {SOCKETS} sockets: {count} allocations; a connection: {with_one} bytes");

    // Everybody has been written to before the answer was.
    for stream in &mut streams[1..] {
        read_until(stream, b"\"]").await;
    }
    drop(streams);
    io.close_with(drain).await;
    drop(io);

    let (io, streams, with_hundred) = crowd(100).await;
    assert!((with_one - with_hundred).abs() < 64, "{with_one} bytes with 1 handler, {with_hundred} with 100");
    drop(streams);
    io.close_with(drain).await;
}
