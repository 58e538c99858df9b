//! What happens at the bounds: slow consumers, bursts, floods.

use std::io::{Read, Write};

use bytes::Bytes;
use sockeye_engine::{CloseCause, CloseReason, Closed, Connection, EngineConfig, Frames, Guarantee};
use sockeye_websocket::{Opcode, masked_frame};

use crate::support::{Flavour, Polling, Request, Server, WebSocket, eventually, ms, now, settle};

const SLOW: Closed = Closed { reason: CloseReason::ForcedClose, cause: CloseCause::SlowConsumer };

/// What a kernel buffers on loopback, both sides together, is less.
const MORE_THAN_KERNELS_TAKE: usize = 24 << 20;

fn say(connection: &Connection, bytes: usize) {
    connection.send_text(&vec![b'x'; bytes], &[], Guarantee::Reliable);
}

/// Sends until bytes wait that the kernel does not take.
fn fill(connection: &Connection, mark: usize) {
    let mut sent = 0;
    while connection.waiting_bytes() <= mark && connection.is_open() {
        assert!(sent < MORE_THAN_KERNELS_TAKE, "the kernel takes everything");
        say(connection, 100_000);
        sent += 100_000;
        if connection.waiting_bytes() > mark {
            // It may leave yet.
            settle();
        }
    }
}

#[test]
fn a_client_that_never_reads_is_closed_after_the_patience() {
    let config = EngineConfig::default().outbox_mark(200_000).outbox_patience(ms(300)).close_timeout(ms(100));
    Server::each(&config, |server| {
        let socket = WebSocket::open(server);
        let connection = server.opened();
        fill(&connection, 200_000);
        let start = now();
        assert!(connection.is_open());
        assert_eq!(server.closed(socket.sid()), SLOW);
        assert!(now() - start < ms(2000));
        server.check_reached("outbox_patience", 1);
        eventually("the memory to be given back", || connection.waiting_bytes() == 0);
    });
}

#[test]
fn a_polling_client_that_never_polls_is_closed_after_the_patience() {
    let config = EngineConfig::default().outbox_mark(10_000).outbox_patience(ms(200));
    Server::each(&config, |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        say(&connection, 11_000);
        assert_eq!(server.closed(polling.sid), SLOW);
        eventually("the memory to be given back", || connection.waiting_bytes() == 0);
        assert_eq!(polling.poll().status, 400);
        server.check_reached("outbox_patience", 1);
    });
}

#[test]
fn a_client_at_the_hard_limit_is_closed_at_once() {
    let config = EngineConfig::default().outbox_mark(100_000).outbox_limit(1_000_000).close_timeout(ms(100));
    Server::each(&config, |server| {
        let socket = WebSocket::open(server);
        let connection = server.opened();
        let mut sent = 0;
        while connection.is_open() {
            assert!(sent < MORE_THAN_KERNELS_TAKE, "the limit holds");
            say(&connection, 100_000);
            sent += 100_000;
        }
        assert_eq!(server.closed(socket.sid()), SLOW);
        eventually("the memory to be given back", || connection.waiting_bytes() == 0);

        let polling = Polling::open(server);
        let connection = server.opened();
        (0..10).for_each(|_| say(&connection, 100_000));
        assert_eq!(server.closed(polling.sid), SLOW);
        server.check_reached("outbox_limit", 2);
        server.check_reached("outbox_patience", 0);
        eventually("the memory to be given back", || connection.waiting_bytes() == 0);
    });
}

#[test]
fn a_slow_client_that_reads_in_the_end_is_kept() {
    let config = EngineConfig::default().outbox_mark(100_000).outbox_limit(64 << 20).outbox_patience(ms(1500));
    Server::each(&config, |server| {
        let mut socket = WebSocket::open(server);
        let connection = server.opened();
        fill(&connection, 100_000);
        connection.send_text(b"end", &[], Guarantee::Reliable);
        settle();
        while socket.text() != "4end" {}
        assert_eq!(connection.waiting_bytes(), 0);
        std::thread::sleep(ms(1600));
        socket.echo("alive");
    });
}

#[test]
fn a_burst_to_a_healthy_reader_goes_through() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        let connection = server.opened();
        let speaker = std::thread::spawn(move || (0..500).for_each(|_| say(&connection, 10_000)));
        for _ in 0..500 {
            assert_eq!(socket.text().len(), 10_001);
        }
        speaker.join().unwrap();
        socket.echo("alive");
    });
}

#[test]
fn a_burst_from_a_handler_goes_through() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        socket.send("4burst");
        for _ in 0..500 {
            assert_eq!(socket.text().len(), 10_001);
        }
        socket.expect("4burst");
    });
}

#[test]
fn a_burst_to_a_polling_client_goes_through() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        (0..500).for_each(|_| say(&connection, 10_000));
        let mut messages = 0;
        while messages < 500 {
            messages += polling.poll().text().split('\u{1e}').count();
        }
        assert_eq!(messages, 500);
    });
}

#[test]
fn volatile_messages_are_dropped_while_something_waits() {
    let config = EngineConfig::default().outbox_limit(64 << 20);
    Server::each(&config, |server| {
        let mut socket = WebSocket::open(server);
        let connection = server.opened();
        connection.send_text(b"fresh", &[], Guarantee::Volatile);
        socket.expect("4fresh");
        fill(&connection, 0);
        let frames = Frames::new(b"late", Vec::new());
        connection.send(&frames, Guarantee::Volatile);
        connection.send_binary(b"late", Guarantee::Volatile);
        connection.send_text(b"end", &[], Guarantee::Reliable);
        loop {
            let text = socket.text();
            assert_ne!(text, "4late");
            if text == "4end" {
                break;
            }
        }
        assert_eq!(server.engine.metrics().dropped, 2);
        let polling = Polling::open(server);
        let connection = server.opened();
        connection.send_text(b"no poll waits", &[], Guarantee::Volatile);
        let poll = polling.start_poll();
        poll.0.set_nonblocking(true).unwrap();
        eventually("the poll to be there", || {
            connection.send_text(b"a poll waits", &[], Guarantee::Volatile);
            poll.0.peek(&mut [0]).is_ok()
        });
        poll.0.set_nonblocking(false).unwrap();
        poll.answer().check(200, "4a poll waits");
    });
}

#[test]
fn a_flood_of_pings_from_a_client_that_never_reads_stays_bounded() {
    let config = EngineConfig::default().outbox_mark(100_000);
    Server::each(&config, |server| {
        let mut socket = WebSocket::open(server);
        let connection = server.opened();
        let pings: Vec<u8> = masked_frame(Opcode::Ping, &[7; 125], [1, 2, 3, 4]).repeat(1000);
        for _ in 0..100 {
            socket.write(&pings);
        }
        assert!(connection.is_open());
        assert_eq!(connection.waiting_bytes(), 0, "pongs beyond the bound are dropped, not queued");
        assert!(server.engine.metrics().bounds.of("control_frames") > 0);
        socket.send("4end");
        loop {
            match socket.next() {
                Some(sockeye_websocket::Message::Text(text)) => break assert_eq!(text, "4end"),
                Some(sockeye_websocket::Message::Pong(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_paused_connection_slows_its_client_down() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        let connection = server.opened();
        connection.pause();
        socket.stream.set_write_timeout(Some(ms(200))).unwrap();
        let frame = masked_frame(Opcode::Binary, &vec![1; 100_000], [1, 2, 3, 4]);
        let mut written = 0;
        // Pausing takes hold with the next read.
        let blocked = loop {
            assert!(written < MORE_THAN_KERNELS_TAKE, "nobody should read this");
            match socket.stream.write(&frame[written % frame.len()..]) {
                Ok(count) => written += count,
                Err(error) => break error,
            }
        };
        assert!(matches!(blocked.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{blocked}");
        connection.resume();
        let rest = frame[written % frame.len()..].to_vec();
        let mut stream = socket.stream.try_clone().unwrap();
        stream.set_write_timeout(Some(crate::support::DEADLINE)).unwrap();
        let frame_len = frame.len();
        let writer = std::thread::spawn(move || stream.write_all(&rest).unwrap());
        for _ in 0..=written / frame_len {
            socket.expect_binary(&vec![1; 100_000]);
        }
        writer.join().unwrap();
        socket.echo("alive");
    });
}

#[test]
fn a_client_that_goes_while_nothing_is_read_is_noticed() {
    let config = EngineConfig::default().ping_interval(ms(100)).ping_timeout(ms(100));
    for query in ["EIO=3", "EIO=4"] {
        Server::each_alone(&config, |server| {
            let socket = WebSocket::open_with(server, query);
            let sid = socket.sid();
            let connection = server.opened();
            connection.pause();
            settle();
            drop(socket);
            assert_eq!(server.closed(sid).reason, CloseReason::TransportError, "{query}");
        });
    }
    Server::each_alone(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        server.opened().pause();
        let post = Request::post(&polling.target, "4hello").send(server.address);
        assert_eq!(server.received(polling.sid), b"hello");
        drop(post);
        assert_eq!(server.closed(polling.sid).cause, CloseCause::Lost);
    });
}

#[test]
fn a_pause_that_never_ends_ends_the_connection() {
    let config = EngineConfig::default().pause_timeout(ms(100));
    Server::each(&config, |server| {
        let socket = WebSocket::open(server);
        server.opened().pause();
        assert_eq!(server.closed(socket.sid()), Closed::forced(CloseCause::Stalled));
        let polling = Polling::open(server);
        server.opened().pause();
        assert_eq!(server.closed(polling.sid), Closed::forced(CloseCause::Stalled));
        server.check_reached("pause_timeout", 2);
    });
}

#[test]
fn a_paused_polling_connection_gets_its_answer_when_it_goes_on() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        connection.pause();
        let post = Request::post(&polling.target, "4hello").send(server.address);
        assert_eq!(server.received(polling.sid), b"hello");
        post.0.set_nonblocking(true).unwrap();
        settle();
        assert!(post.0.peek(&mut [0]).is_err(), "no answer yet");
        post.0.set_nonblocking(false).unwrap();
        connection.resume();
        post.answer().check(200, "ok");
    });
}

#[test]
fn frames_with_attachments_reach_every_kind_of_client() {
    Server::each(&EngineConfig::default(), |server| {
        let frames = Frames::new(b"look", vec![Bytes::from_static(b"\x01\x02\x03\x04")]);
        let mut socket = WebSocket::open(server);
        server.opened().send(&frames, Guarantee::Reliable);
        socket.expect("4look");
        socket.expect_binary(b"\x01\x02\x03\x04");
        let mut old = WebSocket::open_with(server, "EIO=3");
        server.opened().send(&frames, Guarantee::Reliable);
        old.expect("4look");
        old.expect_binary(b"\x04\x01\x02\x03\x04");
        let mut text_only = WebSocket::open_with(server, "EIO=4&b64=1");
        server.opened().send(&frames, Guarantee::Reliable);
        text_only.expect("4look");
        text_only.expect("bAQIDBA==");
        let polling = Polling::open(server);
        server.opened().send(&frames, Guarantee::Reliable);
        polling.expect("4look\u{1e}bAQIDBA==");
        let old = Polling::open_with(server, "EIO=3&b64=1");
        server.opened().send(&frames, Guarantee::Reliable);
        old.expect("5:4look10:b4AQIDBA==");
    });
}

#[test]
fn a_body_that_does_not_end_ends_with_its_session() {
    let config = EngineConfig::default().ping_interval(ms(100)).ping_timeout(ms(100));
    Server::each_alone(&config, |server| {
        let polling = Polling::open(server);
        let request = Request::new("POST", &polling.target).header("Content-Length", "100");
        let mut posting = request.send(server.address);
        posting.write(b"4begun");
        assert_eq!(posting.read_answer().status, 400);
        assert_eq!(server.closed(polling.sid).reason, CloseReason::PingTimeout);
    });
}

#[test]
fn a_body_that_is_too_large_is_read_to_its_end_so_that_the_client_sees_the_refusal() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        for size in [1_000_001, 5_000_000] {
            polling.post(vec![b'x'; size]).check(413, "");
        }
        server.check_reached("max_payload", 2);
        polling.send("4small enough");
        polling.expect("4small enough");
    });
}

#[test]
fn a_body_that_is_announced_to_be_much_too_large_is_refused_before_it_comes() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let request = Request::new("POST", &polling.target).header("Content-Length", "100000000");
        assert_eq!(request.send(server.address).read_answer().status, 413);
        polling.send("4small enough");
        polling.expect("4small enough");
    });
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    const SENT: usize = 12 << 20;
    let server = Server::start(Flavour::Listen, EngineConfig::default().outbox_patience(ms(300)));
    let polling = Polling::open(&server);
    server.opened().send_text(&vec![b'x'; SENT], &[], Guarantee::Reliable);
    let mut poll = polling.start_poll();
    std::thread::sleep(ms(1500));
    let mut received = Vec::new();
    // A reset is an end too.
    let _ = poll.0.read_to_end(&mut received);
    assert!(received.len() < SENT, "all of it came");
    server.check_reached("outbox_patience", 1);
    WebSocket::open(&server).echo("still here");
    server.end();
}
