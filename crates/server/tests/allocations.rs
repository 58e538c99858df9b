//! Holds the server to design laws 1 and 2 and to handlers that cost a connection nothing.
//!
//! A binary of its own, for it counts every allocation of the process.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

use std::alloc::System;
use std::net::SocketAddr;
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
async fn join(address: SocketAddr) -> TcpStream {
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

/// Serves on a thread of its own, until the server is closed.
async fn serve(io: &Server) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = io.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(served.serve(listener)).unwrap();
    });
    address
}

/// A server with so many handlers, a thousand connections to it, and what one of those holds in bytes.
async fn crowd(handlers: usize) -> (Server, Vec<TcpStream>, isize) {
    let io = Server::builder().threads(NonZeroUsize::MIN).build().unwrap();
    for number in 0..handlers {
        io.on(&format!("event {number}"), async |socket: Socket, Data(text): Data<String>| socket.emit("e", text));
    }
    let address = serve(&io).await;
    let mut streams = Vec::with_capacity(SOCKETS);
    // Maps have grown for all then.
    for _ in MEASURED..SOCKETS {
        streams.push(join(address).await);
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..MEASURED {
        streams.push(join(address).await);
    }
    let held = held(&region) / MEASURED.cast_signed();
    (io, streams, held)
}

/// The bytes that have been allocated since then and not been given back.
fn held(region: &Region<'_, System>) -> isize {
    let change = region.change();
    change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed()
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

/// How many allocations an event takes whose handler answers at once, with all that stands around it.
async fn count_event(stream: &mut TcpStream) -> usize {
    const EVENTS: usize = 1_000;
    // `421["add",12]`, masked with zeros; the answer is `4431[13]` behind two bytes of header.
    let events = b"\x81\x8d\0\0\0\x00421[\"add\",12]".repeat(EVENTS);
    let mut answers = vec![0; EVENTS * 9];
    let region = Region::new(ALLOCATOR);
    let (mut reading, mut writing) = stream.split();
    let exchange = async { tokio::join!(writing.write_all(&events), reading.read_exact(&mut answers)) };
    let (written, read) = tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("answers in time");
    written.and(read.map(drop)).unwrap();
    region.change().allocations / EVENTS
}

/// What is left of each namespace that a client makes up, joins and leaves, in bytes.
async fn held_by_made_up_name(stream: &mut TcpStream) -> isize {
    const NAMES: usize = 2_000;
    let mut region = Region::new(ALLOCATOR);
    for number in 0..NAMES {
        // Whatever is made for the first ones stays.
        if number == NAMES / 2 {
            region = Region::new(ALLOCATOR);
        }
        let mut frames = Vec::with_capacity(128);
        for packet in [format!("40/made-up-{number:020},"), format!("41/made-up-{number:020},")] {
            frames.extend_from_slice(&[0x81, 0x80 | u8::try_from(packet.len()).unwrap(), 0, 0, 0, 0]);
            frames.extend_from_slice(packet.as_bytes());
        }
        stream.write_all(&frames).await.unwrap();
        read_until(stream, b"\"}").await;
    }
    held(&region) / (NAMES / 2).cast_signed()
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

    let io = Server::builder().threads(NonZeroUsize::MIN).build().unwrap();
    io.on("add", async |Data(number): Data<i32>| number + 1);
    io.of_pattern("^/made-up-").unwrap();
    let mut stream = join(serve(&io).await).await;
    let (first, event) = (count_event(&mut stream).await, count_event(&mut stream).await);
    let name = held_by_made_up_name(&mut stream).await;
    println!("an event: {event} allocations, {first} at first; a namespace that was left: {name} bytes");
    assert!(event <= 1, "an event took {event} allocations");
    assert!(name < 16, "a namespace that was left holds {name} bytes");
    drop(stream);
    io.close_with(drain).await;
}
