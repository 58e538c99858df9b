//! The end of the engine: everybody is told, everything ends, the port is free.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use sockeye_engine::{
    Acceptor, Body, CloseCause, CloseReason, Closed, Connection, Drain, Engine, EngineConfig, Guarantee, Listener,
    Receiver,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    DEADLINE, Flavour, Pending, Polling, Request, Server, WebSocket, eventually, ms, now, serve, settle,
};

const SHUTDOWN: Closed = Closed { reason: CloseReason::ForcedClose, cause: CloseCause::Shutdown };

fn quick(grace: Duration) -> Drain {
    Drain { spread: Duration::ZERO, grace }
}

fn start(flavour: Flavour) -> Server {
    Server::start(flavour, EngineConfig::default())
}

#[test]
fn everybody_is_told_and_gets_what_waits() {
    for flavour in Flavour::ALL {
        let server = start(flavour);
        let mut sockets: Vec<_> = (0..10).map(|_| WebSocket::open(&server)).collect();
        let polling = Polling::open(&server);
        let poll = polling.start_poll();
        settle();
        let connections: Vec<_> = (0..11).map(|_| server.opened()).collect();
        connections.iter().take(10).for_each(|connection| connection.send_text(b"bye", &[], Guarantee::Reliable));
        let readers = std::thread::spawn(move || {
            for socket in &mut sockets {
                socket.expect("4bye");
                socket.expect_close(None);
            }
            drop(sockets);
        });
        server.close(quick(DEADLINE));
        readers.join().unwrap();
        poll.answer().check(200, "1");
        for connection in &connections {
            assert_eq!(server.closed(connection.id()), SHUTDOWN);
        }
        assert_eq!(server.engine.connections(), 0);
    }
}

#[test]
fn the_port_is_free_at_once() {
    let server = start(Flavour::Listen);
    let address = server.address;
    let socket = WebSocket::open(&server);
    let polling = Polling::open(&server);
    server.end();
    drop((socket, polling));
    let listener = std::net::TcpListener::bind(address);
    assert!(listener.is_ok(), "{listener:?}");
}

#[test]
fn clients_that_never_read_are_given_up_after_the_grace() {
    for flavour in Flavour::ALL {
        let server = start(flavour);
        let socket = WebSocket::open(&server);
        let connection = server.opened();
        while connection.waiting_bytes() == 0 {
            connection.send_text(&vec![b'x'; 100_000], &[], Guarantee::Reliable);
            std::thread::sleep(ms(5));
        }
        let start = now();
        server.close(quick(ms(200)));
        assert!(now() - start < ms(1500));
        assert_eq!(server.closed(socket.sid()), SHUTDOWN);
    }
}

#[test]
fn clients_that_never_close_are_given_up_after_the_grace() {
    for flavour in Flavour::ALL {
        let server = start(flavour);
        let mut socket = WebSocket::open(&server);
        let start = now();
        server.close(quick(ms(200)));
        assert!(now() - start < ms(1500));
        socket.expect_close(None);
    }
}

#[test]
fn connections_without_a_request_do_not_hold_the_end_up() {
    let server = start(Flavour::Listen);
    let _silent = Pending::raw(server.address, b"");
    let _half = Pending::raw(server.address, b"GET /engine.io/ HTT");
    let mut idle = Request::get("/elsewhere").send(server.address);
    idle.read_answer().check(404, "not the engine's");
    settle();
    let start = now();
    server.close(quick(DEADLINE / 2));
    assert!(now() - start < ms(1000), "not {:?}", now() - start);
}

#[test]
fn no_session_is_opened_while_closing() {
    for flavour in [Flavour::Hyper, Flavour::Opaque] {
        let server = start(flavour);
        server.close(quick(ms(100)));
        Request::get("/engine.io/?EIO=4&transport=polling").answer(server.address).check(503, "");
        Request::websocket("/engine.io/?EIO=4&transport=websocket").answer(server.address).check(503, "");
        assert_eq!(server.engine.connections(), 0);
    }
}

#[test]
fn sessions_that_nobody_polls_are_forgotten_at_the_end() {
    for flavour in Flavour::ALL {
        let server = start(flavour);
        let polling = Polling::open(&server);
        server.close(quick(ms(100)));
        assert_eq!(server.closed(polling.sid), SHUTDOWN);
        assert_eq!(server.engine.connections(), 0);
    }
}

#[test]
fn a_session_whose_handshake_is_under_way_is_closed_too() {
    let server = start(Flavour::Opaque);
    // So small that the answer to the handshake can't leave before it is read.
    let (mut client, io) = tokio::io::duplex(64);
    let engine = server.engine.clone();
    server.spawn(serve(server.engine.clone(), io));
    server.runtime().block_on(async {
        let request = b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client.write_all(request).await.unwrap();
    });
    settle();
    let closing = server.spawn(async move { engine.close(quick(DEADLINE)).await });
    settle();
    let answer = server.runtime().block_on(async {
        let mut answer = Vec::new();
        tokio::time::timeout(DEADLINE, client.read_to_end(&mut answer)).await.unwrap().unwrap();
        drop(client);
        answer
    });
    assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\x88\0"));
    assert_eq!(server.closed(server.opened().id()), SHUTDOWN);
    eventually("the end", || closing.is_finished());
}

#[test]
fn closing_twice_is_no_harm() {
    for flavour in Flavour::ALL {
        let server = start(flavour);
        let _socket = WebSocket::open(&server);
        server.close(quick(ms(50)));
        server.close(quick(ms(50)));
        server.end();
    }
}

#[test]
fn clients_are_closed_one_by_one_over_the_spread() {
    let server = start(Flavour::Listen);
    let sockets: Vec<_> = (0..5).map(|_| WebSocket::open(&server)).collect();
    let start = now();
    let engine = server.engine.clone();
    let closing = server.spawn(async move { engine.close(Drain { spread: ms(500), grace: ms(50) }).await });
    settle();
    let closed = sockets.iter().filter(|socket| server.has_closed(socket.sid())).count();
    assert!((1..5).contains(&closed), "{closed} of 5 after a tenth of the time");
    eventually("the end", || closing.is_finished());
    assert!(now() - start >= ms(390));
}

#[test]
fn a_program_that_ends_without_closing_does_not_wait_for_its_event_loops() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::new(EngineConfig::default(), Arc::new(Nobody)).unwrap();
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let answering = engine.clone();
        let answer = move |request| {
            let engine = answering.clone();
            async move { engine.handle(request).await }
        };
        let listening = engine.listen(listener, NonZeroUsize::MIN, answer);
        assert!(tokio::time::timeout(ms(50), listening).await.is_err(), "listening ended by itself");
    });
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        let _ = done.send(());
    });
    ended.recv_timeout(DEADLINE).expect("the runtime's end");
}

struct Nobody;

impl Acceptor for Nobody {
    fn accept(&self, _: Connection) -> Box<dyn Receiver> {
        panic!("an acceptor that can't")
    }
}

#[test]
fn a_panicking_acceptor_closes_the_connection_that_it_was_asked_about() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let engine = Engine::new(EngineConfig::default(), Arc::new(Nobody)).unwrap();
    runtime.block_on(async {
        let request = http::Request::get("/engine.io/?EIO=4&transport=polling").body(Body::default()).unwrap();
        assert_eq!(engine.handle(request).await.status(), 200);
        assert_eq!(engine.connections(), 0);
    });
}
