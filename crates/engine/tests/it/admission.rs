//! Whom the application lets in, and under which id.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_engine::{EngineConfig, Forbidden, HandshakeRequest, SessionId};

use crate::support::{Polling, Request, Server, WebSocket, ms};

const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";
const CODE_1: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const CODE_3: &str = r#"{"code":3,"message":"Bad request"}"#;
const CODE_4: &str = r#"{"code":4,"message":"Forbidden"}"#;

/// A WebSocket gets the bare message with status 400, whatever the reason.
#[track_caller]
fn check_upgrade(server: &Server, request: Request, message: &str) {
    let mut pending = request.send(server.address);
    let answer = pending.read_answer();
    answer.check(400, message);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert!(pending.is_ended());
}

/// Lets in who knows the word; takes its time for it.
async fn ask_for_the_word(request: HandshakeRequest) -> Result<(), Forbidden> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    match request.query("word").as_deref().or(request.header("x-word")) {
        Some("please") => Ok(()),
        Some("panic") => panic!("as the client asked for"),
        Some(_) => Err(Forbidden::new("say \"please\"")),
        None => Err(Forbidden::default()),
    }
}

#[test]
fn the_application_is_asked_about_new_sessions() {
    Server::each_alone(&EngineConfig::default().allow_request(ask_for_the_word), |server| {
        Request::get(POLLING).answer(server.address).check(403, CODE_4);
        let refused = Request::get(&format!("{POLLING}&word=now")).answer(server.address);
        refused.check(403, r#"{"code":4,"message":"say \"please\""}"#);
        assert_eq!(refused.header("content-type"), Some("application/json"));
        Request::get(&format!("{POLLING}&word=panic")).answer(server.address).check(403, CODE_4);
        check_upgrade(server, Request::websocket(WEBSOCKET), "Forbidden");
        check_upgrade(server, Request::websocket(&format!("{WEBSOCKET}&word=x")), "say \"please\"");
        check_upgrade(server, Request::websocket(&format!("{WEBSOCKET}&word=panic")), "Forbidden");
        // Node asks before it finds out that this makes no sense.
        check_upgrade(server, Request::websocket(POLLING), "Forbidden");
        assert_eq!(server.engine.connections(), 0);
        assert_eq!(Request::get(POLLING).header("X-Word", "please").answer(server.address).status, 200);
        WebSocket::open_with(server, "EIO=4&word=please").echo("hello");
    });
}

#[test]
fn the_application_is_not_asked_about_open_sessions() {
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let config = EngineConfig::default().allow_request(move |request: HandshakeRequest| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move { if request.query("sid").is_none() { Ok(()) } else { Err(Forbidden::default()) } }
    });
    Server::each_alone(&config, |server| {
        let polling = Polling::open(server);
        polling.send("4hello");
        polling.expect("4hello");
        let mut socket = WebSocket::connect(server.address, &polling.upgrade_target());
        socket.send("2probe");
        socket.expect("3probe");
    });
    assert_eq!(asked.load(Ordering::Relaxed), 3, "once for each server");
}

#[test]
fn the_application_sees_the_request() {
    let config = EngineConfig::default().allow_request(async |request: HandshakeRequest| {
        assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/engine.io/"));
        assert_eq!(request.query("x").as_deref(), Some("2"), "the last one");
        assert_eq!(request.headers()["x-a"], "b");
        assert!(!request.is_secure());
        assert_eq!(format!("{request:?}"), r#"HandshakeRequest { method: GET, path: "/engine.io/", .. }"#);
        let address = request.address().map_or("unknown".to_owned(), |address| address.ip().to_string());
        Err(Forbidden::new(address))
    });
    Server::each_alone(&config, |server| {
        let refused = Request::get(&format!("{POLLING}&x=1&x=2")).header("X-A", "b").answer(server.address);
        let address = if server.flavour == crate::support::Flavour::Listen { "127.0.0.1" } else { "unknown" };
        refused.check(403, &format!(r#"{{"code":4,"message":"{address}"}}"#));
    });
}

#[test]
fn a_client_that_gives_up_while_the_application_thinks_leaves_nothing() {
    let config = EngineConfig::default().allow_request(async |_| std::future::pending().await);
    Server::each_alone(&config, |server| {
        drop(Request::get(POLLING).send(server.address));
        drop(Request::websocket(WEBSOCKET).send(server.address));
        crate::support::settle();
        assert_eq!(server.engine.connections(), 0);
    });
}

#[test]
fn the_protocol_is_judged_after_the_application_and_before_the_id() {
    let config =
        EngineConfig::default().allow_request(ask_for_the_word).generate_id(async |_| Err::<SessionId, _>("no ids"));
    Server::each_alone(&config, |server| {
        Request::get("/engine.io/?EIO=5&transport=polling").answer(server.address).check(403, CODE_4);
        let target = "/engine.io/?EIO=5&transport=polling&word=please";
        let refused = Request::get(target).answer(server.address);
        refused.check(400, r#"{"code":5,"message":"Unsupported protocol version"}"#);
        Request::get(&format!("{POLLING}&word=please")).answer(server.address).check(400, CODE_3);
    });
}

#[test]
fn origins_that_are_not_listed_are_refused_on_every_transport() {
    let config = EngineConfig::default().allowed_origins(["https://app.example", "null"]);
    Server::each(&config, |server| {
        let from = |target: &str, origin: &str| Request::get(target).header("Origin", origin);
        for origin in ["https://evil.example", "https://app.example.evil", "http://app.example", ""] {
            from(POLLING, origin).answer(server.address).check(403, CODE_4);
            check_upgrade(server, Request::websocket(WEBSOCKET).header("Origin", origin), "Forbidden");
        }
        for origin in ["https://app.example", "null"] {
            assert_eq!(from(POLLING, origin).answer(server.address).status, 200);
        }
        // A script names no origin.
        Request::get(&format!("{POLLING}&j=0")).answer(server.address).check(403, CODE_4);
        let polling = Polling::open(server);
        from(&polling.target, "https://evil.example").answer(server.address).check(403, CODE_4);
        let post = Request::post(&polling.target, "4evil").header("Origin", "https://evil.example");
        post.answer(server.address).check(403, CODE_4);
        let upgrade = Request::websocket(&polling.upgrade_target()).header("Origin", "https://evil.example");
        check_upgrade(server, upgrade, "Forbidden");
        polling.send("4unharmed");
        polling.expect("4unharmed");
        from(&format!("{POLLING}&sid=x"), "https://evil.example").answer(server.address).check(400, CODE_1);
    });
}

#[test]
fn a_function_may_choose_the_origins() {
    let config = EngineConfig::default().allowed_origins_fn(|origin| origin == Some("https://app.example"));
    Server::each_alone(&config, |server| {
        Request::get(POLLING).answer(server.address).check(403, CODE_4);
        check_upgrade(server, Request::websocket(WEBSOCKET), "Forbidden");
        let answer = Request::get(POLLING).header("Origin", "https://app.example").answer(server.address);
        assert_eq!(answer.status, 200);
    });
}

#[test]
fn the_application_may_make_the_ids() {
    let config = EngineConfig::default().generate_id(async |request: HandshakeRequest| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        request.query("id").unwrap_or_default().parse::<SessionId>()
    });
    Server::each_alone(&config, |server| {
        let polling = Polling::open_with(server, "EIO=4&id=an_id-of_20_letters_");
        assert_eq!(polling.sid.as_str(), "an_id-of_20_letters_");
        let socket = WebSocket::open_with(server, "EIO=3&id=another_of_20_letter");
        assert_eq!(socket.sid().as_str(), "another_of_20_letter");
        polling.send("4hello");
        polling.expect("4hello");
        for id in ["", "short", "a%20blank%20in%20twenty", "an_id_of_21_letters_x", "an_id-of_20_letters_"] {
            Request::get(&format!("{POLLING}&id={id}")).answer(server.address).check(400, CODE_3);
            check_upgrade(server, Request::websocket(&format!("{WEBSOCKET}&id={id}")), "Bad request");
        }
        assert_eq!(server.engine.connections(), 2);
        polling.send("4unharmed");
        polling.expect("4unharmed");
    });
}

#[test]
fn of_two_sessions_with_one_id_only_one_is_opened() {
    let config = EngineConfig::default().generate_id(async |_| "always_the_same_id_x".parse::<SessionId>());
    Server::each_alone(&config, |server| {
        let sent: Vec<_> = (0..8).map(|_| Request::get(POLLING).send(server.address)).collect();
        let opened = sent.into_iter().map(|request| request.answer().status).filter(|status| *status == 200).count();
        assert_eq!((opened, server.engine.connections()), (1, 1));
    });
}

#[test]
fn a_hook_that_panics_refuses_its_own_request_only() {
    let config = EngineConfig::default().generate_id(|request: HandshakeRequest| {
        assert!(request.query("good").is_some(), "as the client asked for");
        async move { "an_id-of_20_letters_".parse::<SessionId>() }
    });
    Server::each_alone(&config, |server| {
        Request::get(POLLING).answer(server.address).check(400, CODE_3);
        assert_eq!(Request::get(&format!("{POLLING}&good")).answer(server.address).status, 200);
    });
}

#[test]
fn a_hook_that_never_decides_refuses_after_the_connect_timeout() {
    let config = EngineConfig::default().connect_timeout(ms(50));
    let never_lets_in = config.clone().allow_request(|_| std::future::pending());
    Server::each_alone(&never_lets_in, |server| {
        Request::get(POLLING).answer(server.address).check(403, CODE_4);
        check_upgrade(server, Request::websocket(WEBSOCKET), "Forbidden");
        assert_eq!(server.engine.metrics().bounds.of("connect_timeout"), 2);
    });
    let never_makes_an_id = config.generate_id(|_| std::future::pending::<Result<SessionId, std::io::Error>>());
    Server::each_alone(&never_makes_an_id, |server| {
        Request::get(POLLING).answer(server.address).check(400, CODE_3);
    });
}
