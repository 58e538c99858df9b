//! Holds the whole server to the laws of memory: what an idle connection costs, a broadcast, an event, a burst.
//!
//! A binary of its own, for it counts every allocation of the process. The clients are plain blocking sockets, which
//! hold no heap.

#![allow(clippy::print_stdout, reason = "the figures are told to who asks by --nocapture")]
#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use sockeye::{Arguments, Data, Drain, EmitError, Listener, Server, Socket};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::net::TcpSocket;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is made once for all is there after so many connections.
const FIRST: usize = 100;
const MEASURED: usize = 900;

/// One test, since tests of one binary run side by side.
#[test]
fn the_laws_of_memory_hold() {
    // Both ends of a thousand connections are here.
    rlimit::increase_nofile_limit(4096).unwrap();
    let mut idle = 0;
    with_a_crowd(1, |crowd| {
        idle = an_idle_connection_is_small(crowd);
        a_broadcast_allocates_for_all_at_once(crowd, 64);
        a_broadcast_allocates_for_all_at_once(crowd, 2000);
        a_large_broadcast_leaves_nothing_behind(crowd, idle);
        what_waited_for_a_slow_reader_is_given_back(crowd);
    });
    with_a_crowd(100, |crowd| {
        let with_hundred = an_idle_connection_is_small(crowd);
        assert!((idle - with_hundred).abs() < 64, "{idle} bytes with 1 handler, {with_hundred} with 100");
    });
    with_a_crowd(1, |crowd| {
        crowd.grow(1);
        an_event_allocates_at_most_once(crowd);
        a_namespace_that_was_left_holds_nothing(crowd);
    });
}

/// Runs a test against a server of its own, with so many handlers beside those of the test.
fn with_a_crowd(handlers: usize, test: impl FnOnce(&mut Crowd)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let io = Server::builder().threads(NonZeroUsize::MIN).build().unwrap();
    for number in 0..handlers {
        io.on(&format!("event {number}"), async |socket: Socket, Data(text): Data<String>| socket.emit("e", text));
    }
    io.on("broadcast", async |socket: Socket, arguments: Arguments| socket.namespace().emit("news", &arguments));
    io.on("add", async |Data(number): Data<i32>| number + 1);
    io.on("burst", async |socket: Socket, Data((count, text)): Data<(usize, String)>| {
        (0..count).try_for_each(|_| socket.emit("part", &text))?;
        Ok::<_, EmitError>(())
    });
    io.of_pattern("^/made-up-").unwrap();

    let listener = runtime.block_on(Listener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let served = io.clone();
    let serving = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(served.serve(listener)).unwrap();
    });
    test(&mut Crowd { address, streams: Vec::with_capacity(FIRST + MEASURED) });
    runtime.block_on(io.close_with(Drain { spread: Duration::ZERO, grace: Duration::ZERO }));
    serving.join().unwrap();
}

/// Measured: 1,588 bytes, 1,232 of them the engine's (its own test says which). The others are the client with its
/// namespace, the socket, and its places in the tables of sockets and rooms.
fn an_idle_connection_is_small(crowd: &mut Crowd) -> isize {
    crowd.grow(FIRST);
    let region = Region::new(ALLOCATOR);
    crowd.grow(MEASURED);
    let held = held(&region) / MEASURED.cast_signed();
    println!("{held} bytes per idle connection");
    println!("{} allocations made to open one", region.change().allocations / MEASURED);
    assert!(held <= 1650, "{held} bytes per idle connection");
    held
}

/// Measured: 16, with the event that asks for it; most are the growing list of connections that the worker is to write.
fn a_broadcast_allocates_for_all_at_once(crowd: &mut Crowd, size: usize) {
    let (event, news) = (text(&format!(r#"42["broadcast","{}"]"#, "x".repeat(size))), answer("news", size));
    let mut read = vec![0; news.len()];
    let region = Region::new(ALLOCATOR);
    crowd.streams[0].write_all(&event).unwrap();
    for stream in &mut crowd.streams {
        stream.read_exact(&mut read).unwrap();
    }
    let change = region.change();
    let count = change.allocations + change.reallocations;
    assert!(read == news, "{}", String::from_utf8_lossy(&read));
    println!("{count} allocations for a broadcast of {size} bytes to {} sockets", crowd.streams.len());
    assert!(count <= 20, "a broadcast to {} sockets took {count} allocations", crowd.streams.len());
}

/// Measured: nothing.
fn a_large_broadcast_leaves_nothing_behind(crowd: &mut Crowd, idle: isize) {
    const SIZE: usize = 60_000;
    let (event, news) = (text(&format!(r#"42["broadcast","{}"]"#, "x".repeat(SIZE))), answer("news", SIZE));
    let mut read = vec![0; news.len()];
    let region = Region::new(ALLOCATOR);
    crowd.streams[0].write_all(&event).unwrap();
    for stream in &mut crowd.streams {
        stream.read_exact(&mut read).unwrap();
    }
    settle();
    let left = held(&region) / crowd.streams.len().cast_signed();
    assert!(read == news, "another text");
    println!("{left} bytes per connection left of a broadcast of {SIZE} bytes");
    assert!(left <= idle / 10, "{left} bytes per connection left of a broadcast of {SIZE} bytes");
}

/// Measured: 32 bytes, of up to 9 MB.
fn what_waited_for_a_slow_reader_is_given_back(crowd: &Crowd) {
    // More than the kernel takes for a client that has little room, and less than `outbox_limit`.
    const PARTS: usize = 200;
    const SIZE: usize = 60_000;
    let event = text(&format!(r#"42["burst",{PARTS},"{}"]"#, "x".repeat(SIZE)));
    let part = answer("part", SIZE);
    let mut read = vec![0; part.len()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let narrow = TcpSocket::new_v4().unwrap();
    narrow.set_recv_buffer_size(1 << 16).unwrap();
    let narrow = runtime.block_on(narrow.connect(crowd.address)).unwrap().into_std().unwrap();
    narrow.set_nonblocking(false).unwrap();
    let mut stream = join(narrow);
    settle();
    let region = Region::new(ALLOCATOR);
    stream.write_all(&event).unwrap();
    let waiting = held_at_last(&region);
    for _ in 0..PARTS {
        stream.read_exact(&mut read).unwrap();
        assert!(read == part, "another event");
    }
    settle();
    let left = held(&region);
    println!("{waiting} bytes held while a client read nothing, {left} afterwards");
    assert!(waiting > 1 << 20, "only {waiting} bytes waited");
    assert!(left < 1024, "{left} bytes left of a burst");
}

/// Measured: one for each event.
fn an_event_allocates_at_most_once(crowd: &mut Crowd) {
    const EVENTS: usize = 1_000;
    let events = text(r#"421["add",12]"#).repeat(EVENTS);
    let mut answers = vec![0; EVENTS * 9];
    let stream = &mut crowd.streams[0];
    let mut count = || {
        let region = Region::new(ALLOCATOR);
        stream.write_all(&events).unwrap();
        stream.read_exact(&mut answers).unwrap();
        assert!(answers.ends_with(b"\x81\x07431[13]"), "another answer");
        region.change().allocations
    };
    let (first, then) = (count(), count());
    println!("{then} allocations for {EVENTS} events, {first} for the first");
    assert!(then <= EVENTS + 20, "{EVENTS} events took {then} allocations");
}

/// Measured: nothing.
fn a_namespace_that_was_left_holds_nothing(crowd: &mut Crowd) {
    const NAMES: usize = 2_000;
    let stream = &mut crowd.streams[0];
    let mut region = Region::new(ALLOCATOR);
    for number in 0..NAMES {
        // Whatever is made for the first ones stays.
        if number == NAMES / 2 {
            region = Region::new(ALLOCATOR);
        }
        let join = text(&format!("40/made-up-{number:020},"));
        stream.write_all(&[join, text(&format!("41/made-up-{number:020},"))].concat()).unwrap();
        read_until(stream, b"\"}");
    }
    let held = held(&region) / (NAMES / 2).cast_signed();
    println!("{held} bytes per namespace that was left");
    assert!(held < 16, "a namespace that was left holds {held} bytes");
}

/// The bytes that have been allocated since then and not been given back.
fn held(region: &Region<'_, System>) -> isize {
    let change = region.change();
    change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed()
}

/// The same once the server rests.
fn held_at_last(region: &Region<'_, System>) -> isize {
    let mut last = 0;
    for _ in 0..50 {
        settle();
        let now = held(region);
        if now == last {
            break;
        }
        last = now;
    }
    last
}

/// Gives the server time for what it does behind its answers.
fn settle() {
    thread::sleep(Duration::from_millis(200));
}

/// Clients in the main namespace, which read nothing but what they are asked to.
struct Crowd {
    address: SocketAddr,
    streams: Vec<TcpStream>,
}

impl Crowd {
    fn grow(&mut self, by: usize) {
        for _ in 0..by {
            self.streams.push(join(TcpStream::connect(self.address).unwrap()));
        }
        // The last one's HTTP part goes after its answer.
        settle();
    }
}

fn join(mut stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request).unwrap();
    read_until(&mut stream, b"\"maxPayload\":1000000}");
    stream.write_all(&text("40")).unwrap();
    read_until(&mut stream, b"\"}");
    stream
}

fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut read = Vec::with_capacity(1024);
    let mut byte = [0];
    while !read.ends_with(end) {
        stream.read_exact(&mut byte).unwrap();
        read.extend_from_slice(&byte);
    }
}

/// A frame that is masked with zeros.
fn text(text: &str) -> Vec<u8> {
    let mut frame = header(0x80, text.len());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// An event of the server with so long a text.
fn answer(event: &str, size: usize) -> Vec<u8> {
    let text = format!(r#"42["{event}","{}"]"#, "x".repeat(size));
    [header(0, text.len()), text.into_bytes()].concat()
}

fn header(mark: u8, len: usize) -> Vec<u8> {
    match u8::try_from(len) {
        Ok(len @ ..126) => vec![0x81, mark | len],
        _ => [&[0x81, mark | 0x7e][..], &u16::try_from(len).unwrap().to_be_bytes()].concat(),
    }
}
