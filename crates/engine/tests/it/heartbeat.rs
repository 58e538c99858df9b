//! Heartbeats of both protocols on both transports.

use std::sync::Arc;

use http::{Method, Request};
use http_body_util::BodyExt;
use sockeye_engine::{
    Acceptor, Body, CloseCause, CloseReason, Closed, Connection, Engine, EngineConfig, Message, Receiver,
};

use crate::support::{Polling, Server, WebSocket, ms, now};

const SILENCE: Closed = Closed { reason: CloseReason::PingTimeout, cause: CloseCause::Silence };
const DIRECTION: Closed = Closed { reason: CloseReason::TransportError, cause: CloseCause::HeartbeatDirection };

fn quick() -> EngineConfig {
    EngineConfig::default().ping_interval(ms(120)).ping_timeout(ms(100))
}

#[test]
fn protocol_4_is_pinged_on_websocket() {
    Server::each_alone(&quick(), |server| {
        let start = now();
        let mut socket = WebSocket::open(server);
        for _ in 0..3 {
            socket.expect("2");
            socket.send("3");
        }
        assert!(now() - start >= ms(340), "three intervals");
        socket.echo("alive");
    });
}

#[test]
fn protocol_4_is_pinged_on_polling() {
    Server::each_alone(&quick(), |server| {
        let polling = Polling::open(server);
        for _ in 0..3 {
            polling.expect("2");
            polling.send("3");
        }
        polling.send("4alive");
        polling.expect("4alive");
    });
}

#[test]
fn a_silent_client_of_protocol_4_is_closed() {
    Server::each_alone(&quick(), |server| {
        let start = now();
        let mut socket = WebSocket::open(server);
        socket.expect("2");
        socket.expect_close(None);
        assert_eq!(server.closed(socket.sid()), SILENCE);
        let took = now() - start;
        assert!(took >= ms(215) && took < ms(1500), "interval and timeout, not {took:?}");

        let polling = Polling::open(server);
        polling.expect("2");
        polling.expect("1");
        assert_eq!(server.closed(polling.sid), SILENCE);

        let polling = Polling::open(server);
        assert_eq!(server.closed(polling.sid), SILENCE, "a client that does not even poll");
        server.check_reached("ping_timeout", 3);
        assert_eq!(polling.poll().status, 400);
    });
}

#[test]
fn protocol_3_pings_by_itself() {
    Server::each_alone(&quick(), |server| {
        let mut socket = WebSocket::open_with(server, "EIO=3");
        let polling = Polling::open_with(server, "EIO=3");
        for _ in 0..4 {
            std::thread::sleep(ms(80));
            socket.send("2");
            socket.expect("3");
            polling.send("1:2");
            polling.expect("1:3");
        }
        socket.echo("alive");
    });
}

#[test]
fn a_silent_client_of_protocol_3_is_closed() {
    Server::each_alone(&quick(), |server| {
        let start = now();
        let mut socket = WebSocket::open_with(server, "EIO=3");
        let polling = Polling::open_with(server, "EIO=3");
        polling.expect("1:1");
        socket.expect_close(None);
        assert!(now() - start >= ms(215));
        assert_eq!(server.closed(socket.sid()), SILENCE);
        assert_eq!(server.closed(polling.sid), SILENCE);
    });
}

#[test]
fn messages_are_no_sign_of_life() {
    Server::each_alone(&quick(), |server| {
        let mut socket = WebSocket::open_with(server, "EIO=3");
        let start = now();
        while !server.has_closed(socket.sid()) {
            assert!(now() - start < ms(1500));
            let _ = std::io::Write::write_all(&mut socket.stream, b"\x81\x82\0\0\0\x004x");
            std::thread::sleep(ms(20));
        }
        assert_eq!(server.closed(socket.sid()), SILENCE);
    });
}

#[test]
fn a_heartbeat_in_the_wrong_direction_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        for (query, packet) in [("EIO=4", "2"), ("EIO=3", "3")] {
            let mut socket = WebSocket::open_with(server, query);
            socket.send(packet);
            socket.expect_close(None);
            assert_eq!(server.closed(socket.sid()), DIRECTION);
        }
        for (query, packet) in [("EIO=4", "2"), ("EIO=3", "1:3")] {
            let polling = Polling::open_with(server, query);
            polling.post(packet).check(400, "");
            assert_eq!(server.closed(polling.sid), DIRECTION);
        }
    });
}

#[test]
fn pings_go_on_after_an_upgrade() {
    Server::each_alone(&quick(), |server| {
        let polling = Polling::open(server);
        let mut socket = WebSocket::connect(server.address, &polling.upgrade_target());
        socket.send("2probe");
        socket.expect("3probe");
        socket.send("5");
        for _ in 0..3 {
            socket.expect("2");
            socket.send("3");
        }
        socket.echo("alive");
    });
}

#[test]
fn a_client_that_is_not_read_is_not_called_silent() {
    Server::each_alone(&quick(), |server| {
        let mut socket = WebSocket::open(server);
        let connection = server.opened();
        connection.pause();
        for _ in 0..3 {
            socket.expect("2");
        }
        assert!(connection.is_open());
        connection.resume();
        socket.send("4alive");
        while socket.text() != "4alive" {}
    });
}

struct Mute;

impl Acceptor for Mute {
    fn accept(&self, _: Connection) -> Box<dyn Receiver> {
        Box::new(Self)
    }
}

impl Receiver for Mute {
    fn receive(&mut self, _: Message<'_>) {}
    fn closed(&mut self, _: Closed) {}
}

/// The official suites ask within the millisecond in which the time is up.
#[tokio::test(start_paused = true)]
async fn a_request_finds_a_session_closed_whose_time_is_up_to_the_nanosecond() {
    let config = EngineConfig::default();
    let silence = ms(45_000);
    let engine = Engine::new(config, Arc::new(Mute)).unwrap();
    for (query, ping) in [("EIO=3&transport=polling&b64=1", "1:2"), ("EIO=4&transport=polling", "3")] {
        for method in [Method::GET, Method::POST] {
            let open = ask(&engine, Method::GET, query, "").await.1;
            let sid = open.split('"').nth(3).unwrap();
            tokio::time::advance(silence).await;
            let (status, body) = ask(&engine, method, &format!("{query}&sid={sid}"), ping).await;
            assert_eq!((status, body.as_str()), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
        }
    }
}

async fn ask(engine: &Engine, method: Method, query: &str, body: &'static str) -> (u16, String) {
    let request = Request::builder().method(method).uri(format!("/engine.io/?{query}")).body(Body::from(body)).unwrap();
    let response = engine.handle(request).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
