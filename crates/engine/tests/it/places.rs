//! How many sessions there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye_engine::{CloseCause, Closed, EngineConfig, Forbidden, HandshakeRequest, SessionId};

use crate::support::{Answer, Flavour, Polling, Request, Server, WebSocket, eventually, ms};

const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";
const CODE_6: &str = r#"{"code":6,"message":"Too many connections"}"#;

#[track_caller]
fn check_full(server: &Server) {
    let refused = Request::get(POLLING).answer(server.address);
    refused.check(503, CODE_6);
    assert_eq!(refused.header("content-type"), Some("application/json"));
    assert_eq!(refused.header("retry-after"), Some("5"));
    let refused = Request::websocket(WEBSOCKET).answer(server.address);
    refused.check(503, "Too many connections");
    assert_eq!(refused.header("retry-after"), Some("5"));
}

/// Waits until another session may open, and has it do so.
#[track_caller]
fn get_in(server: &Server, from: &str) -> SessionId {
    let mut answer: Option<Answer> = None;
    eventually("a place", || {
        let asked = Request::get(POLLING).header("X-From", from).answer(server.address);
        let is_in = asked.status == 200;
        answer = Some(asked);
        is_in
    });
    let text = answer.unwrap().text();
    let sid = text.split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap();
    sid.parse().unwrap()
}

#[test]
fn beyond_max_connections_nobody_gets_in_and_nobody_is_harmed() {
    Server::each_alone(&EngineConfig::default().max_connections(2), |server| {
        let (polling, mut socket) = (Polling::open(server), WebSocket::open(server));
        check_full(server);
        socket.echo("not harmed");
        polling.send("4neither");
        polling.expect("4neither");
        let mut upgraded = WebSocket::connect(server.address, &polling.upgrade_target());
        upgraded.send("2probe");
        upgraded.expect("3probe");
        upgraded.send("5");
        upgraded.echo("which has its place already");
        let metrics = server.engine.metrics();
        assert_eq!((metrics.connections, metrics.websockets, metrics.opened, metrics.upgraded), (2, 2, 2, 1));
        assert_eq!(metrics.bounds.of("max_connections"), 2);
        assert_eq!(metrics.refused.of("too_many_connections"), 2);
    });
}

#[test]
fn a_place_is_given_back_however_a_session_ends() {
    let config = EngineConfig::default().max_connections(1).ping_interval(ms(100)).ping_timeout(ms(50));
    Server::each_alone(&config, |server| {
        // The peer closes, or says so.
        drop(WebSocket::open(server));
        server.opened();
        get_in(server, "");
        // Its connection has missed its heartbeat by then.
        assert_eq!(server.closed(server.opened().id()).cause, CloseCause::Silence);
        let polling = loop {
            let sid = get_in(server, "");
            let closing = Request::post(&format!("{POLLING}&sid={sid}"), "1").answer(server.address);
            if closing.status == 200 {
                break sid;
            }
        };
        server.closed(polling);
        // We close it, while nobody polls: it goes when its client has been told.
        let sid = get_in(server, "");
        let connection = loop {
            let connection = server.opened();
            if connection.id() == sid {
                break connection;
            }
        };
        connection.close(Closed::forced(CloseCause::Application));
        check_full(server);
        Request::get(&format!("{POLLING}&sid={sid}")).answer(server.address).check(200, "1");
        get_in(server, "");
    });
}

#[test]
fn what_never_becomes_a_session_gives_its_place_back() {
    let taken: SessionId = "aaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    let config = EngineConfig::default()
        .max_connections(2)
        .allow_request(async |request: HandshakeRequest| match request.query("word") {
            Some(_) => Err(Forbidden::default()),
            None => Ok(()),
        })
        .generate_id(move |_| async move { Ok::<_, std::io::Error>(taken) });
    Server::each_alone(&config, |server| {
        let _kept = get_in(server, "");
        for _ in 0..3 {
            assert_eq!(Request::get(POLLING).answer(server.address).status, 400, "the id is taken");
            assert_eq!(Request::websocket(WEBSOCKET).answer(server.address).status, 400, "the id is taken");
            assert_eq!(Request::get(&format!("{POLLING}&word=x")).answer(server.address).status, 403);
            assert_eq!(Request::websocket(&format!("{WEBSOCKET}&word=x")).answer(server.address).status, 400);
            let old = WEBSOCKET.replace("EIO=4", "EIO=5");
            assert_eq!(Request::websocket(&old).answer(server.address).status, 400, "no such protocol");
            let odd = Request::get(WEBSOCKET).header("Connection", "Upgrade").header("Upgrade", "websocket");
            assert_eq!(odd.answer(server.address).status, 426, "no version");
            assert_eq!(server.engine.metrics().bounds.of("max_connections"), 0);
        }
    });
}

#[test]
fn a_websocket_that_breaks_off_in_its_handshake_gives_its_place_back() {
    Server::each_alone(&EngineConfig::default().max_connections(1), |server| {
        for _ in 0..10 {
            let broken = Request::websocket(WEBSOCKET).send(server.address);
            drop(broken);
        }
        get_in(server, "");
    });
}

#[test]
fn who_waits_for_the_application_has_a_place() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let config = EngineConfig::default().max_connections(1).allow_request(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::pending()
    });
    let mut expected = 0;
    for flavour in Flavour::ALL {
        let server = Server::start(flavour, config.clone());
        let waiting = Request::get(POLLING).send(server.address);
        expected += 1;
        eventually("the application to be asked", || asked.load(Ordering::Relaxed) == expected);
        check_full(&server);
        drop(waiting);
        eventually("the place to be free", || {
            let waiting = Request::get(POLLING).send(server.address);
            waiting.0.set_read_timeout(Some(ms(50))).unwrap();
            waiting.0.peek(&mut [0]).is_err()
        });
        expected = asked.load(Ordering::Relaxed);
    }
}

#[test]
fn each_address_has_its_own_places() {
    let config = EngineConfig::default()
        .max_connections_per_address(1)
        .client_address(|request| request.header("x-from")?.parse().ok());
    Server::each_alone(&config, |server| {
        let first = get_in(server, "10.0.0.1");
        Request::get(POLLING).header("X-From", "10.0.0.1").answer(server.address).check(503, CODE_6);
        get_in(server, "10.0.0.2");
        get_in(server, "2001:db8::1");
        Request::get(POLLING).header("X-From", "2001:db8::2").answer(server.address).check(503, CODE_6);
        assert_eq!(server.engine.metrics().bounds.of("max_connections_per_address"), 2);
        assert_eq!(Request::post(&format!("{POLLING}&sid={first}"), "1").answer(server.address).status, 200);
        get_in(server, "10.0.0.1");
    });
}

#[test]
fn the_peers_address_counts_if_nobody_says_otherwise() {
    Server::each_alone(&EngineConfig::default().max_connections_per_address(1), |server| {
        let mut socket = WebSocket::open(server);
        match server.flavour {
            Flavour::Listen => check_full(server),
            // The HTTP server does not tell it, but the WebSocket's own stream does.
            Flavour::Hyper => {
                let mut second = WebSocket::connect(server.address, WEBSOCKET);
                second.expect_close(None);
                assert_eq!(server.engine.metrics().bounds.of("max_connections_per_address"), 1);
            }
            Flavour::Opaque => drop(WebSocket::open(server)),
        }
        socket.echo("not harmed");
    });
}
