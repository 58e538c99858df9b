//! What a client is told when it opens a session.

use std::time::Duration;

use sockeye_engine::{EngineConfig, Protocol, TrailingSlash, Transport, Upgrades};

use crate::support::{Flavour, Polling, Request, Server, WebSocket};

fn open_json(sid: &str, upgrades: &str) -> String {
    format!(
        r#"{{"sid":"{sid}","upgrades":[{upgrades}],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#
    )
}

#[test]
fn polling_answers_the_open_packet_of_protocol_4() {
    Server::each(&EngineConfig::default(), |server| {
        let answer = Request::get("/engine.io/?EIO=4&transport=polling&t=abc").answer(server.address);
        let connection = server.opened();
        answer.check(200, &format!("0{}", open_json(connection.id().as_str(), "\"websocket\"")));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!((connection.protocol(), connection.transport()), (Protocol::V4, Transport::Polling));
        assert_eq!(connection.handshake().url(), "/engine.io/?EIO=4&transport=polling&t=abc");
        assert_eq!(connection.handshake().header("host"), Some("server"));
    });
}

#[test]
fn polling_answers_the_open_packet_of_protocol_3() {
    Server::each(&EngineConfig::default(), |server| {
        let answer = Request::get("/engine.io/?EIO=3&transport=polling").answer(server.address);
        let connection = server.opened();
        let packet = format!("0{}", open_json(connection.id().as_str(), "\"websocket\""));
        answer.check(200, &format!("{}:{packet}", packet.len()));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(connection.protocol(), Protocol::V3);
    });
}

#[test]
fn websocket_begins_with_the_open_packet() {
    Server::each(&EngineConfig::default(), |server| {
        for (query, protocol) in [("EIO=4", Protocol::V4), ("EIO=3", Protocol::V3)] {
            let mut socket = WebSocket::connect(server.address, &format!("/engine.io/?{query}&transport=websocket"));
            let connection = server.opened();
            socket.expect(&format!("0{}", open_json(connection.id().as_str(), "")));
            assert_eq!((connection.protocol(), connection.transport()), (protocol, Transport::WebSocket));
            if server.flavour != Flavour::Opaque {
                assert_eq!(connection.handshake().address(), Some(socket.stream.local_addr().unwrap()));
            }
            socket.echo("hello");
        }
    });
}

#[test]
fn the_open_packet_tells_what_is_configured() {
    let config = EngineConfig::default()
        .ping_interval(Duration::from_millis(12_345))
        .ping_timeout(Duration::from_millis(678))
        .max_payload(4_321)
        .allow_upgrades(Upgrades::NotOffered);
    Server::each(&config, |server| {
        let answer = Request::get("/engine.io/?EIO=4&transport=polling").answer(server.address);
        let sid = server.opened().id();
        answer.check(
            200,
            &format!(r#"0{{"sid":"{sid}","upgrades":[],"pingInterval":12345,"pingTimeout":678,"maxPayload":4321}}"#),
        );
    });
}

#[test]
fn no_upgrade_is_offered_where_websocket_is_off() {
    Server::each_alone(&EngineConfig::default().transports([Transport::Polling]), |server| {
        let answer = Request::get("/engine.io/?EIO=4&transport=polling").answer(server.address);
        assert!(answer.text().contains(r#""upgrades":[],"#));
    });
}

#[track_caller]
fn check_paths(server: &Server, ours: &[&str], others: &[&str]) {
    for path in ours {
        assert_eq!(Request::get(&format!("{path}?EIO=4&transport=polling")).answer(server.address).status, 200);
        server.opened();
        WebSocket::connect(server.address, &format!("{path}?EIO=4&transport=websocket"));
        server.opened();
    }
    for path in others {
        let target = format!("{path}?EIO=4&transport=polling");
        Request::get(&target).answer(server.address).check(404, "not the engine's");
        let target = format!("{path}?EIO=4&transport=websocket");
        Request::websocket(&target).answer(server.address).check(404, "not the engine's");
    }
}

const STRANGE_PATHS: [&str; 6] =
    ["/engine.iox/", "/engine.iofoo", "/engine.io//", "/engine.io/x", "/", "/x/engine.io/"];

#[test]
fn the_path_is_taken_with_its_last_slash_and_nothing_more() {
    Server::each(&EngineConfig::default(), |server| {
        check_paths(server, &["/engine.io/"], &STRANGE_PATHS);
        check_paths(server, &[], &["/engine.io", "/ENGINE.IO/", "/engine.io%2F", "/engine%2Eio/"]);
    });
}

#[test]
fn the_last_slash_may_be_optional() {
    let config = EngineConfig::default().path("/chat/").trailing_slash(TrailingSlash::Optional);
    Server::each_alone(&config, |server| {
        check_paths(server, &["/chat/", "/chat"], &["/chat//", "/chat/x", "/chatx", "/engine.io/"]);
    });
}

#[test]
fn ids_are_20_characters_and_never_the_same() {
    Server::each(&EngineConfig::default(), |server| {
        let mut ids: Vec<_> = (0..50).map(|_| Polling::open(server).sid).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 50);
    });
}

#[test]
fn what_is_sent_while_accepting_follows_the_open_packet() {
    for flavour in Flavour::ALL {
        let server = Server::greeting(flavour, EngineConfig::default(), |connection| {
            connection.send_text(b"welcome", &[], sockeye_engine::Guarantee::Reliable);
        });
        WebSocket::open(&server).expect("4welcome");
        Polling::open(&server).expect("4welcome");
        server.end();
    }
}

#[test]
fn a_client_that_names_subprotocols_gets_the_first() {
    Server::each(&EngineConfig::default(), |server| {
        let request = "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: my-proto, other\r\n\r\n";
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101 ") && head.contains("sec-websocket-protocol: my-proto\r\n"), "{head}");
    });
}
