//! The polling transport: payloads of both protocols, and requests that overlap, break off or lie.

use std::time::Duration;

use sockeye_engine::{CloseCause, CloseReason, Closed, EngineConfig, Guarantee};

use crate::support::{Pending, Polling, Request, Server, eventually, ms, settle};

fn error(cause: CloseCause) -> Closed {
    Closed { reason: CloseReason::TransportError, cause }
}

const PARSE_ERROR: Closed = Closed { reason: CloseReason::ParseError, cause: CloseCause::Malformed };
const UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;

#[test]
fn protocol_4_payloads_are_separated_packets() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let answer = polling.post("4hello\u{1e}4€😀\u{1e}bAQIDBA==\u{1e}4");
        answer.check(200, "ok");
        assert_eq!(answer.header("content-type"), Some("text/html"));
        assert_eq!(answer.header("content-length"), Some("2"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let answer = polling.poll();
        answer.check(200, "4hello\u{1e}4€😀\u{1e}bAQIDBA==\u{1e}4");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    });
}

#[test]
fn protocol_3_payloads_are_counted_packets() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open_with(server, "EIO=3&b64=1");
        polling.send("6:4hello4:4€😀10:b4AQIDBA==");
        let answer = polling.poll();
        answer.check(200, "6:4hello4:4€😀10:b4AQIDBA==");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    });
}

#[test]
fn protocol_3_payloads_are_bytes_where_bytes_are_in_them() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open_with(server, "EIO=3");
        let body = [
            b"\0\x06\xff4hello".as_slice(),
            b"\x01\x05\xff\x04\x01\x02\x03\x04",
            b"\0\x04\xff4\xe2\x82\xac",
            b"\0\x01\x00\xff4abcdefghi",
        ]
        .concat();
        let request = Request::post(&polling.target, body.clone()).header("Content-Type", "application/octet-stream");
        request.answer(server.address).check(200, "ok");
        let answer = polling.poll();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/octet-stream")));
        assert_eq!(answer.body, body);
        polling.send("6:4hello");
        let answer = polling.poll();
        answer.check(200, "6:4hello");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    });
}

#[test]
fn a_pending_poll_is_answered_when_there_is_something() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        let poll = polling.start_poll();
        connection.send_text(b"later", &[], Guarantee::Reliable);
        poll.answer().check(200, "4later");
    });
}

#[test]
fn a_body_may_come_in_chunks_that_split_characters() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let head = format!("POST {} HTTP/1.1\r\nHost: server\r\nTransfer-Encoding: chunked\r\n\r\n", polling.target);
        let mut post = Pending::raw(server.address, head.as_bytes());
        for chunk in ["4€😀".as_bytes(), b"\x1e", "4ä".as_bytes()].concat().chunks(1) {
            post.write(b"1\r\n");
            post.write(chunk);
            post.write(b"\r\n");
        }
        post.write(b"0\r\n\r\n");
        post.answer().check(200, "ok");
        polling.expect("4€😀\u{1e}4ä");
    });
}

#[test]
fn a_body_may_come_in_pieces() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let body = "4€😀".repeat(3);
        let head =
            format!("POST {} HTTP/1.1\r\nHost: server\r\nContent-Length: {}\r\n\r\n", polling.target, body.len());
        let mut post = Pending::raw(server.address, head.as_bytes());
        for byte in body.as_bytes().chunks(1) {
            post.write(byte);
            std::thread::sleep(ms(1));
        }
        post.answer().check(200, "ok");
        polling.expect(&body);
    });
}

#[test]
fn many_requests_may_share_a_connection() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let mut http = Pending::raw(server.address, b"");
        for number in 0..5 {
            let body = format!("4{number}");
            http.write(
                format!("POST {} HTTP/1.1\r\nHost: s\r\nContent-Length: 2\r\n\r\n{body}", polling.target).as_bytes(),
            );
            http.read_answer().check(200, "ok");
            http.write(format!("GET {} HTTP/1.1\r\nHost: s\r\n\r\n", polling.target).as_bytes());
            http.read_answer().check(200, &body);
        }
    });
}

#[test]
fn a_second_poll_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        for (query, close) in [("EIO=4", "1"), ("EIO=3", "1:1")] {
            let polling = Polling::open_with(server, query);
            let first = polling.start_poll();
            settle();
            polling.poll().check(400, "");
            first.answer().check(200, close);
            assert_eq!(server.closed(polling.sid), error(CloseCause::Overlap));
            polling.poll().check(400, UNKNOWN);
        }
    });
}

#[test]
fn a_second_post_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let poll = polling.start_poll();
        settle();
        let head = format!("POST {} HTTP/1.1\r\nHost: server\r\nContent-Length: 6\r\n\r\n4he", polling.target);
        let mut first = Pending::raw(server.address, head.as_bytes());
        settle();
        polling.post("4second").check(400, "");
        assert_eq!(server.closed(polling.sid), error(CloseCause::Overlap));
        poll.answer().check(200, "1");
        first.write(b"llo");
        assert!(matches!(first.answer().status, 200 | 400));
        polling.poll().check(400, UNKNOWN);
    });
}

#[test]
fn an_aborted_poll_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let poll = polling.start_poll();
        settle();
        drop(poll);
        assert_eq!(server.closed(polling.sid), error(CloseCause::Lost));
        polling.poll().check(400, UNKNOWN);
    });
}

#[test]
fn an_aborted_post_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let head = format!("POST {} HTTP/1.1\r\nHost: server\r\nContent-Length: 100\r\n\r\n4half", polling.target);
        drop(Pending::raw(server.address, head.as_bytes()));
        assert_eq!(server.closed(polling.sid), error(CloseCause::Lost));
        polling.poll().check(400, UNKNOWN);
    });
}

#[test]
fn bytes_from_a_protocol_4_client_end_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let request = Request::post(&polling.target, "4hello").header("Content-Type", "application/octet-stream");
        request.answer(server.address).check(400, "");
        assert_eq!(server.closed(polling.sid), error(CloseCause::ContentType));
        polling.poll().check(400, UNKNOWN);
    });
}

#[test]
fn a_body_beyond_the_limit_is_413_and_the_session_goes_on() {
    Server::each(&EngineConfig::default().max_payload(1000), |server| {
        let polling = Polling::open(server);
        polling.post("4".to_owned() + &"x".repeat(1000)).check(413, "");
        let head = format!("POST {} HTTP/1.1\r\nHost: server\r\nTransfer-Encoding: chunked\r\n\r\n", polling.target);
        let mut post = Pending::raw(server.address, head.as_bytes());
        for _ in 0..2 {
            post.write(b"200\r\n");
            post.write(&[b'4'; 0x200]);
            post.write(b"\r\n");
        }
        post.answer().check(413, "");
        let whole = "4".to_owned() + &"x".repeat(999);
        polling.send(&whole);
        polling.expect(&whole);
    });
}

#[test]
fn what_is_no_payload_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        for (query, body) in [
            ("EIO=4", b"".as_slice()),
            ("EIO=4", b"abc"),
            ("EIO=4", b"4ok\x1e"),
            ("EIO=4", b"4\xff\xfe"),
            ("EIO=4", b"b!!!!"),
            ("EIO=3", b""),
            ("EIO=3", b"abc"),
            ("EIO=3", b"99:4hello"),
            ("EIO=3", b"99999999999999999999999:4"),
        ] {
            let polling = Polling::open_with(server, query);
            let poll = polling.start_poll();
            settle();
            polling.post(body).check(400, "");
            assert_eq!(server.closed(polling.sid), PARSE_ERROR, "{body:?}");
            assert_eq!(poll.answer().status, 200);
            polling.poll().check(400, UNKNOWN);
        }
    });
}

#[test]
fn bytes_that_are_no_payload_end_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        for body in [
            b"".as_slice(),
            b"\x01\x09\xff\x04short",
            b"\x01\x01",
            b"\x01\x0a\xff\x04",
            b"\x02\x01\xff\x04",
            b"\x00\x02\xff4\xff",
            b"\x01\x02\xff\x05x",
            b"\x01\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff\x04",
            b"6:4hello",
        ] {
            let polling = Polling::open_with(server, "EIO=3");
            let request = Request::post(&polling.target, body).header("Content-Type", "application/octet-stream");
            request.answer(server.address).check(400, "");
            assert_eq!(server.closed(polling.sid), PARSE_ERROR, "{body:?}");
            assert!(!server.has_received(polling.sid));
        }
    });
}

#[test]
fn lengths_count_what_javascript_counts() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open_with(server, "EIO=3");
        // As JavaScript counts, as bytes would be counted, as characters would be: only the first is right.
        polling.send("5:4€😀\u{e9}2:4a");
        polling.expect("5:4€😀\u{e9}2:4a");
        for body in ["10:4€😀\u{e9}", "4:4€😀\u{e9}2:4a", "3:4a😀"] {
            let polling = Polling::open_with(server, "EIO=3");
            polling.post(body).check(400, "");
            assert_eq!(server.closed(polling.sid), PARSE_ERROR, "{body:?}");
        }
    });
}

#[test]
fn clients_that_close_after_each_request_are_served() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        for _ in 0..3 {
            let close = |request: Request| request.header("Connection", "close").send(server.address);
            let mut post = close(Request::post(&polling.target, "4hello"));
            post.read_answer().check(200, "ok");
            assert!(post.is_ended());
            let mut poll = close(Request::get(&polling.target));
            poll.read_answer().check(200, "4hello");
            assert!(poll.is_ended());
        }
    });
}

#[test]
fn packets_before_a_broken_one_are_delivered() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        polling.post("4first\u{1e}x\u{1e}4last");
        assert_eq!(server.closed(polling.sid), PARSE_ERROR);
        assert_eq!(server.received(polling.sid), b"first");
    });
}

#[test]
fn a_close_packet_ends_the_session_and_its_poll() {
    Server::each(&EngineConfig::default(), |server| {
        for (query, close, noop) in [("EIO=4", "1", "6"), ("EIO=3", "1:1", "1:6")] {
            let polling = Polling::open_with(server, query);
            let poll = polling.start_poll();
            settle();
            polling.send(close);
            poll.answer().check(200, noop);
            let closed = Closed { reason: CloseReason::TransportClose, cause: CloseCause::Peer };
            assert_eq!(server.closed(polling.sid), closed);
            polling.poll().check(400, UNKNOWN);
        }
    });
}

#[test]
fn a_pending_poll_is_told_that_the_server_closes() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        let poll = polling.start_poll();
        settle();
        connection.close(Closed::forced(CloseCause::Application));
        poll.answer().check(200, "1");
        polling.poll().check(400, UNKNOWN);
    });
}

#[test]
fn the_next_poll_is_told_that_the_server_has_closed() {
    // So short that several heartbeats would have been due meanwhile.
    let config = EngineConfig::default().ping_interval(ms(100)).ping_timeout(Duration::from_secs(20));
    Server::each_alone(&config, |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        connection.send_text(b"last words", &[], Guarantee::Reliable);
        connection.close(Closed::forced(CloseCause::Application));
        assert_eq!(server.closed(polling.sid), Closed::forced(CloseCause::Application));
        std::thread::sleep(ms(300));
        polling.expect("4last words");
        polling.expect("1");
        polling.poll().check(400, UNKNOWN);
        eventually("the session to be forgotten", || server.engine.connections() == 0);
    });
}

#[test]
fn a_closed_session_that_waits_for_its_last_poll_takes_no_more_posts() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        server.opened().close(Closed::forced(CloseCause::Application));
        for _ in 0..3 {
            polling.post("4late").check(400, UNKNOWN);
        }
        polling.expect("1");
        assert!(!server.has_received(polling.sid));
    });
}
