//! Requests that are turned away: every row of Node's list, to the letter.

use sockeye_engine::{Clients, EngineConfig, Transport};

use crate::support::{Pending, Polling, Request, Server, WebSocket};

const CODE_0: &str = r#"{"code":0,"message":"Transport unknown"}"#;
const CODE_1: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const CODE_2: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const CODE_3: &str = r#"{"code":3,"message":"Bad request"}"#;
const CODE_5: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;

#[track_caller]
fn check(server: &Server, request: Request, body: &str) {
    let answer = request.answer(server.address);
    answer.check(400, body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-length"), Some(&*body.len().to_string()));
}

/// A refused WebSocket is answered by the bare message, and its connection ends.
#[track_caller]
fn check_upgrade(server: &Server, target: &str, message: &str) {
    let mut pending = Request::websocket(target).send(server.address);
    let answer = pending.read_answer();
    answer.check(400, message);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(answer.header("content-length"), Some(&*message.len().to_string()));
    assert!(pending.is_ended());
}

#[test]
fn an_unknown_transport_is_code_0() {
    Server::each(&EngineConfig::default(), |server| {
        for transport in ["", "&transport=", "&transport=tobi", "&transport=constructor", "&transport=__proto__"] {
            check(server, Request::get(&format!("/engine.io/?EIO=4{transport}")), CODE_0);
            check_upgrade(server, &format!("/engine.io/?EIO=4{transport}"), "Transport unknown");
        }
        check(server, Request::get("/engine.io/"), CODE_0);
        check(server, Request::get("/engine.io/?EIO=4&transport=webtransport"), CODE_0);
    });
}

#[test]
fn a_transport_that_is_off_is_code_0() {
    Server::each_alone(&EngineConfig::default().transports([Transport::Polling]), |server| {
        check_upgrade(server, "/engine.io/?EIO=4&transport=websocket", "Transport unknown");
    });
    Server::each(&EngineConfig::default().transports([Transport::WebSocket]), |server| {
        check(server, Request::get("/engine.io/?EIO=4&transport=polling"), CODE_0);
    });
}

#[test]
fn an_illegal_origin_is_code_3() {
    Server::each(&EngineConfig::default(), |server| {
        // hyper refuses most illegal characters by itself; what it lets through is judged by us.
        let raw = b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: server\r\nOrigin: a\x01b\r\n\r\n";
        assert_eq!(Pending::raw(server.address, raw).answer().status, 400);
        let raw =
            b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: server\r\nOrigin: http://\xc3\xa4\r\n\r\n";
        assert_eq!(Pending::raw(server.address, raw).answer().status, 200);
    });
}

#[test]
fn an_unknown_session_is_code_1() {
    Server::each(&EngineConfig::default(), |server| {
        for sid in ["AAAAAAAAAAAAAAAAAAAA", "constructor", "__proto__", "%00", "..%2F..%2Fetc"] {
            let target = format!("/engine.io/?EIO=4&transport=polling&sid={sid}");
            check(server, Request::get(&target), CODE_1);
            check(server, Request::post(&target, "4hello"), CODE_1);
            check_upgrade(server, &target.replace("polling", "websocket"), "Session ID unknown");
        }
    });
}

#[test]
fn a_session_on_another_transport_is_code_3() {
    Server::each(&EngineConfig::default(), |server| {
        let socket = WebSocket::open(server);
        let target = format!("/engine.io/?EIO=4&transport=polling&sid={}", socket.sid());
        check(server, Request::get(&target), CODE_3);
        check(server, Request::post(&target, "4hello"), CODE_3);
        check(server, Request::get(&target.replace("polling", "websocket")), CODE_3);
        let polling = Polling::open(server);
        check(server, Request::get(&polling.upgrade_target()), CODE_3);
        polling.send("4hello");
        polling.expect("4hello");
    });
}

#[test]
fn a_session_is_opened_by_get_only() {
    Server::each(&EngineConfig::default(), |server| {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            check(server, Request::new(method, "/engine.io/?EIO=4&transport=polling"), CODE_2);
            check(server, Request::new(method, "/engine.io/?EIO=4&transport=websocket"), CODE_2);
        }
    });
}

#[test]
fn websocket_without_upgrade_is_code_3() {
    Server::each(&EngineConfig::default(), |server| {
        check(server, Request::get("/engine.io/?EIO=4&transport=websocket"), CODE_3);
    });
}

#[test]
fn an_unknown_protocol_is_code_5() {
    Server::each(&EngineConfig::default(), |server| {
        for query in ["", "EIO=", "EIO=2", "EIO=5", "EIO=abc", "EIO=4&EIO=x"] {
            check(server, Request::get(&format!("/engine.io/?{query}&transport=polling")), CODE_5);
            check_upgrade(server, &format!("/engine.io/?{query}&transport=websocket"), "Unsupported protocol version");
        }
    });
}

#[test]
fn protocol_3_is_code_5_where_it_is_not_wanted() {
    Server::each(&EngineConfig::default().clients(Clients::Protocol4), |server| {
        check(server, Request::get("/engine.io/?EIO=3&transport=polling"), CODE_5);
        check_upgrade(server, "/engine.io/?EIO=3&transport=websocket", "Unsupported protocol version");
        Polling::open(server).send("4hello");
    });
}

#[test]
fn a_websocket_for_polling_is_accepted_and_closed() {
    Server::each(&EngineConfig::default(), |server| {
        WebSocket::connect(server.address, "/engine.io/?EIO=4&transport=polling").expect_close(None);
        let polling = Polling::open(server);
        WebSocket::connect(server.address, &polling.target).expect_close(None);
        polling.send("4unharmed");
        polling.expect("4unharmed");
    });
}

#[test]
fn other_methods_on_a_session_are_500() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
            Request::new(method, &polling.target).answer(server.address).check(500, "");
        }
        polling.send("4unharmed");
        polling.expect("4unharmed");
    });
}

#[test]
fn a_broken_websocket_handshake_is_400_or_426() {
    const TARGET: &str = "/engine.io/?EIO=4&transport=websocket";
    Server::each(&EngineConfig::default(), |server| {
        let upgrade = |headers: &[(&str, &str)]| {
            let request = Request::get(TARGET).header("Connection", "Upgrade").header("Upgrade", "websocket");
            let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
            let mut pending = request.send(server.address);
            let answer = pending.read_answer();
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(pending.is_ended());
            answer
        };
        let version = ("Sec-WebSocket-Version", "13");
        let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(upgrade(&[version]).status, 400, "no key");
        assert_eq!(upgrade(&[version, ("Sec-WebSocket-Key", "short")]).status, 400, "no key of 16 bytes");
        for headers in [&[key][..], &[key, ("Sec-WebSocket-Version", "8")]] {
            let answer = upgrade(headers);
            assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, Some("13")));
        }
        assert_eq!(server.engine.connections(), 1, "the bystander's alone");
    });
}

#[test]
fn http_1_0_is_no_websocket() {
    Server::each(&EngineConfig::default(), |server| {
        let raw =
            b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        Pending::raw(server.address, raw).answer().check(400, "Bad request");
    });
}
