//! What stands in the headers of answers: cookie, CORS, and what the application adds.

use http::{HeaderMap, HeaderValue};
use sockeye_engine::{Cookie, Cors, EngineConfig, HandshakeRequest};

use crate::support::{Answer, Polling, Request, Server};

const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

#[track_caller]
fn check(answer: &Answer, headers: &[(&str, Option<&str>)]) {
    for (name, value) in headers {
        assert_eq!(answer.header(name), *value, "{name} of {answer:?}");
    }
}

#[test]
fn only_the_first_polling_answer_sets_the_cookie() {
    let config = EngineConfig::default().cookie(Cookie::default().name("node"));
    Server::each(&config, |server| {
        let answer = Request::get(POLLING).answer(server.address);
        let sid = server.opened().id();
        check(&answer, &[("set-cookie", Some(&format!("node={sid}; Path=/; HttpOnly; SameSite=Lax")))]);
        let polling = Polling::open(server);
        check(&polling.post("4hello"), &[("set-cookie", None)]);
        check(&polling.poll(), &[("set-cookie", None)]);
        let mut refused = Request::get("/engine.io/?EIO=5&transport=polling").send(server.address);
        check(&refused.read_answer(), &[("set-cookie", None)]);
        let mut socket = Request::websocket(WEBSOCKET).send(server.address);
        check(&socket.read_answer(), &[("set-cookie", None)]);
    });
}

#[test]
fn without_cors_nothing_is_permitted() {
    Server::each(&EngineConfig::default(), |server| {
        let answer = Request::get(POLLING).header("Origin", "http://app.example").answer(server.address);
        check(&answer, &[("access-control-allow-origin", None), ("vary", None)]);
        let preflight = Request::new("OPTIONS", POLLING).header("Access-Control-Request-Method", "POST");
        preflight.answer(server.address).check(400, r#"{"code":2,"message":"Bad handshake method"}"#);
    });
}

#[test]
fn a_preflight_is_answered_whatever_it_asks_for() {
    let config = EngineConfig::default().cors(Cors::origins(["http://app.example"]).credentials());
    Server::each(&config, |server| {
        let polling = Polling::open(server);
        for target in [POLLING, "/engine.io/", &polling.target, "/engine.io/?sid=unknown"] {
            let preflight = Request::new("OPTIONS", target)
                .header("Origin", "http://app.example")
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "content-type");
            let answer = preflight.answer(server.address);
            answer.check(204, "");
            let permitted = [
                ("access-control-allow-origin", Some("http://app.example")),
                ("access-control-allow-credentials", Some("true")),
                ("access-control-allow-methods", Some("GET,HEAD,PUT,PATCH,POST,DELETE")),
                ("access-control-allow-headers", Some("content-type")),
                ("vary", Some("Origin, Access-Control-Request-Headers")),
            ];
            check(&answer, &permitted);
        }
        let stranger = Request::new("OPTIONS", POLLING).header("Origin", "http://evil.example").answer(server.address);
        stranger.check(204, "");
        check(&stranger, &[("access-control-allow-origin", None)]);
        polling.send("4unharmed");
        polling.expect("4unharmed");
    });
}

#[test]
fn every_answer_tells_who_may_read_it_refusals_too() {
    let config = EngineConfig::default().cors(Cors::origins(["http://app.example"]).exposed_headers(["x-own"]));
    Server::each(&config, |server| {
        let permitted = [
            ("access-control-allow-origin", Some("http://app.example")),
            ("access-control-expose-headers", Some("x-own")),
            ("access-control-allow-methods", None),
            ("vary", Some("Origin")),
        ];
        let send = |request: Request| request.header("Origin", "http://app.example").answer(server.address);
        check(&send(Request::get("/engine.io/?EIO=4")), &permitted);
        check(&send(Request::get(&format!("{POLLING}&sid=x"))), &permitted);
        check(&send(Request::post(POLLING, "")), &permitted);
        check(&send(Request::get(POLLING)), &permitted);
        let polling = Polling::open(server);
        check(&send(Request::post(&polling.target, "4hello")), &permitted);
        check(&send(Request::get(&polling.target)), &permitted);
        check(&send(Request::post(&polling.target, vec![b'4'; 1_000_001])), &permitted);
        check(&send(Request::websocket(WEBSOCKET)), &permitted);
        let nothing = [("access-control-allow-origin", None), ("vary", None)];
        check(&send(Request::websocket("/engine.io/?EIO=4")), &nothing);
    });
}

fn mark(headers: &mut HeaderMap, name: &'static str) {
    headers.append("x-hook", HeaderValue::from_static(name));
}

#[test]
fn the_application_changes_the_headers_of_first_and_of_all_answers() {
    let config = EngineConfig::default()
        .cookie(Cookie::default())
        .cors(Cors::any())
        .on_initial_headers(|headers, request| {
            assert!(request.query("sid").is_none());
            assert!(headers.contains_key("access-control-allow-origin"));
            headers.remove("set-cookie");
            mark(headers, "first");
        })
        .on_headers(|headers, request: &HandshakeRequest| {
            headers.insert("x-method", HeaderValue::from_str(request.method().as_str()).unwrap());
            mark(headers, "each");
        });
    Server::each(&config, |server| {
        let hooks = |answer: &Answer| {
            let marks = answer.headers.iter().filter(|(name, _)| name == "x-hook");
            marks.map(|(_, value)| value.clone()).collect::<Vec<_>>().join(" ")
        };
        let first = Request::get(POLLING).answer(server.address);
        assert_eq!(hooks(&first), "first each");
        check(&first, &[("set-cookie", None), ("x-method", Some("GET"))]);
        let polling = Polling::open(server);
        let posted = polling.post("4hello");
        assert_eq!(hooks(&posted), "each");
        check(&posted, &[("x-method", Some("POST"))]);
        assert_eq!(hooks(&polling.poll()), "each");
        assert_eq!(hooks(&Request::websocket(WEBSOCKET).send(server.address).read_answer()), "first each");
        let upgrade = Request::websocket(&polling.upgrade_target()).send(server.address).read_answer();
        assert_eq!((upgrade.status, &*hooks(&upgrade)), (101, "each"));
        assert_eq!(hooks(&Request::get("/engine.io/?EIO=4").answer(server.address)), "");
        assert_eq!(hooks(&Request::websocket("/engine.io/").answer(server.address)), "");
    });
}

#[test]
fn a_panicking_header_hook_costs_nobody_an_answer() {
    let config = EngineConfig::default().on_headers(|_, _| panic!("as the test asked for"));
    Server::each_alone(&config, |server| {
        let polling = Polling::open(server);
        polling.send("4hello");
        polling.expect("4hello");
    });
}

#[test]
fn old_explorers_are_told_that_we_do_not_attack_them() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        for (agent, told) in [
            ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", Some("0")),
            ("Mozilla/4.0 (compatible;MSIE 8.0; Windows NT 6.1)", Some("0")),
            ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0", None),
        ] {
            let agent = |request: Request| request.header("User-Agent", agent).answer(server.address);
            check(&agent(Request::get(POLLING)), &[("x-xss-protection", told)]);
            check(&agent(Request::post(&polling.target, "4hello")), &[("x-xss-protection", told)]);
            check(&agent(Request::get(&polling.target)), &[("x-xss-protection", told)]);
        }
    });
}
