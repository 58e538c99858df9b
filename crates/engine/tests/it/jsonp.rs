//! Polling by JSONP: scripts out, forms in.

use sockeye_engine::{CloseCause, CloseReason, Closed, EngineConfig};

use crate::support::{Answer, Polling, Request, Server};

/// A form as the official clients post it: line ends doubly escaped, everything else percent-encoded.
fn form(payload: &str) -> String {
    let escaped = payload.replace("\\n", "\\\n").replace('\n', "\\n");
    let encoded = escaped.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    });
    format!("d={}", encoded.collect::<String>())
}

fn post(polling: &Polling, body: impl Into<Vec<u8>>) -> Answer {
    let request = Request::post(&polling.target, body);
    request.header("Content-Type", "application/x-www-form-urlencoded").answer(polling.address)
}

fn malformed() -> Closed {
    Closed { reason: CloseReason::ParseError, cause: CloseCause::Malformed }
}

#[test]
fn a_session_opens_with_a_script() {
    Server::each(&EngineConfig::default(), |server| {
        for (query, prefix) in
            [("EIO=3&j=0", r#"___eio[0]("118:0{\"sid\":\""#), ("EIO=4&j=12", r#"___eio[12]("0{\"sid\":\""#)]
        {
            let answer = Request::get(&format!("/engine.io/?{query}&transport=polling")).answer(server.address);
            assert_eq!(answer.status, 200);
            assert!(answer.text().starts_with(prefix), "{}", answer.text());
            assert!(answer.text().ends_with(r#"}");"#), "{}", answer.text());
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
            assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
        }
        let answer = Request::get("/engine.io/?EIO=4&transport=polling&j=1);alert(2").answer(server.address);
        assert!(answer.text().starts_with(r#"___eio[12]("0"#), "only the digits are told again: {}", answer.text());
    });
}

#[test]
fn messages_go_out_as_scripts_and_come_in_as_forms() {
    Server::each(&EngineConfig::default(), |server| {
        let old = Polling::open_with(server, "EIO=3&j=7");
        let sent = post(&old, form("15:4\"q\" a+b&c=d\\n€10:b4AQIDBA=="));
        sent.check(200, "ok");
        assert_eq!(sent.header("content-type"), Some("text/html"));
        assert_eq!(server.received(old.sid), "\"q\" a+b&c=d\\n€".as_bytes());
        assert_eq!(server.received(old.sid), [1, 2, 3, 4]);
        let answer = old.poll();
        answer.check(200, r#"___eio[7]("15:4\"q\" a+b&c=d\\n€10:b4AQIDBA==");"#);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));

        let new = Polling::open_with(server, "EIO=4&j=0");
        post(&new, form("4line\nfeed \u{2028}\u{1e}bAQIDBA==\u{1e}4😀")).check(200, "ok");
        new.poll().check(200, r#"___eio[0]("4line\nfeed \u2028\u001ebAQIDBA==\u001e4😀");"#);
    });
}

#[test]
fn a_session_ends_by_jsonp_too() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open_with(server, "EIO=4&j=0");
        let poll = polling.start_poll();
        crate::support::settle();
        post(&polling, "d=1").check(200, "ok");
        poll.answer().check(200, r#"___eio[0]("6");"#);
        assert_eq!(server.closed(polling.sid).reason, CloseReason::TransportClose);
    });
}

#[test]
fn what_is_no_form_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        for body in ["", "4hello", "x=4hello", "d=4a&d=4b", "d=%FF", "d=", "d=x", "d=4%C3"] {
            let polling = Polling::open_with(server, "EIO=4&j=0");
            assert_eq!((post(&polling, body).status, body), (400, body));
            assert_eq!(server.closed(polling.sid), malformed(), "{body:?}");
        }
        let polling = Polling::open_with(server, "EIO=3&j=0");
        let bytes = Request::post(&polling.target, vec![1, 1, 255, 4]);
        assert_eq!(bytes.header("Content-Type", "application/octet-stream").answer(server.address).status, 400);
        assert_eq!(
            server.closed(polling.sid),
            Closed { reason: CloseReason::TransportError, cause: CloseCause::ContentType }
        );
    });
}

#[test]
fn the_limit_is_that_of_what_the_form_says() {
    Server::each(&EngineConfig::default().max_payload(2000), |server| {
        let polling = Polling::open_with(server, "EIO=4&j=0");
        let fits = format!("4{}", "€".repeat(666));
        let body = form(&fits);
        assert!(body.len() > 5900 && fits.len() == 1999);
        post(&polling, body).check(200, "ok");
        polling.poll().check(200, &format!(r#"___eio[0]("{fits}");"#));
        post(&polling, form(&format!("{fits}aa"))).check(413, "");
        post(&polling, vec![b'd'; 20_000]).check(413, "");
        post(&polling, form("4unharmed")).check(200, "ok");
        polling.poll().check(200, r#"___eio[0]("4unharmed");"#);
    });
}
