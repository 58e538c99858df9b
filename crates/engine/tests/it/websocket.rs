//! The WebSocket transport: what frames carry, and what breaks them.

use sockeye_engine::{CloseCause, CloseReason, Closed, EngineConfig, Guarantee};
use sockeye_websocket::{Header, Message, Opcode, masked_frame};

use crate::support::{Flavour, Pending, Request, Server, WebSocket, ms, now, settle};

fn error(cause: CloseCause) -> Closed {
    Closed { reason: CloseReason::TransportError, cause }
}

const PARSE_ERROR: Closed = Closed { reason: CloseReason::ParseError, cause: CloseCause::Malformed };
const BY_PEER: Closed = Closed { reason: CloseReason::TransportClose, cause: CloseCause::Peer };

#[test]
fn text_and_bytes_come_back() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        for text in ["", "hello", "€😀", &"x".repeat(200), &"long".repeat(50_000)] {
            socket.echo(text);
        }
        for payload in [&b""[..], b"\x01\x02\x03\x04", &vec![7; 70_000]] {
            socket.frame(Opcode::Binary, payload);
            socket.expect_binary(payload);
        }
    });
}

#[test]
fn protocol_3_marks_its_bytes() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open_with(server, "EIO=3");
        socket.echo("hello");
        socket.frame(Opcode::Binary, b"\x04\x01\x02");
        socket.expect_binary(b"\x04\x01\x02");
        socket.frame(Opcode::Binary, b"\x01\x02");
        socket.expect_close(None);
        assert_eq!(server.closed(socket.sid()), PARSE_ERROR);
    });
}

#[test]
fn who_takes_text_only_gets_bytes_as_text() {
    Server::each(&EngineConfig::default(), |server| {
        for (query, packet) in [("EIO=3&b64=1", "b4AQIDBA=="), ("EIO=4&b64=1", "bAQIDBA==")] {
            let mut socket = WebSocket::open_with(server, query);
            server.opened().send_binary(&[1, 2, 3, 4], Guarantee::Reliable);
            socket.expect(packet);
            socket.send(packet);
            assert_eq!(server.received(socket.sid()), [1, 2, 3, 4]);
            socket.expect(packet);
        }
    });
}

#[test]
fn messages_of_one_read_are_answered_in_order() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        let frames: Vec<u8> = (0..200)
            .flat_map(|number: u32| masked_frame(Opcode::Text, format!("4{number}").as_bytes(), [1, 2, 3, 4]))
            .collect();
        socket.write(&frames);
        (0..200).for_each(|number| socket.expect(&format!("4{number}")));
    });
}

#[test]
fn messages_may_come_byte_by_byte() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        for byte in masked_frame(Opcode::Text, "4€ byte by byte".as_bytes(), [9, 8, 7, 6]).chunks(1) {
            socket.write(byte);
        }
        socket.expect("4€ byte by byte");
    });
}

#[test]
fn messages_may_come_in_fragments_with_pings_between() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        let euro = "€".as_bytes();
        fragment(&mut socket, Opcode::Text, false, &[b"4", &euro[..1]].concat());
        socket.frame(Opcode::Ping, b"between");
        assert_eq!(socket.next(), Some(Message::Pong(b"between".into())));
        fragment(&mut socket, Opcode::Continuation, false, &euro[1..2]);
        fragment(&mut socket, Opcode::Continuation, true, &euro[2..]);
        socket.expect("4€");
    });
}

fn fragment(socket: &mut WebSocket, opcode: Opcode, is_final: bool, payload: &[u8]) {
    let header = Header { is_final, mask: Some([0; 4]), ..Header::new(opcode, payload.len()) };
    socket.write(&[&*header.encode(), payload].concat());
}

#[test]
fn pings_are_answered_and_pongs_passed_over() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        socket.frame(Opcode::Pong, b"unasked");
        socket.frame(Opcode::Ping, b"");
        assert_eq!(socket.next(), Some(Message::Pong(b"".into())));
        socket.frame(Opcode::Ping, &[5; 125]);
        assert_eq!(socket.next(), Some(Message::Pong([5; 125].as_slice().into())));
        socket.echo("alive");
    });
}

#[test]
fn a_healthy_client_gets_its_last_pong_however_many_pings_it_sends() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        let pings: Vec<u8> =
            (0..100_u8).flat_map(|number| masked_frame(Opcode::Ping, &[number; 100], [1, 2, 3, 4])).collect();
        socket.write(&pings);
        while socket.next() != Some(Message::Pong([99; 100].as_slice().into())) {}
        socket.echo("alive");
    });
}

#[test]
fn what_only_a_server_sends_is_passed_over() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        for packet in ["0{}", "5", "6"] {
            socket.send(packet);
        }
        socket.echo("alive");
    });
}

#[test]
fn the_limit_counts_every_byte_of_a_message() {
    Server::each(&EngineConfig::default().max_payload(1000), |server| {
        let mut socket = WebSocket::open(server);
        socket.echo(&"x".repeat(999));
        socket.send(&"4".repeat(1001));
        socket.expect_close(Some(1009));
        assert_eq!(server.closed(socket.sid()), error(CloseCause::TooLarge));

        let mut socket = WebSocket::open(server);
        fragment(&mut socket, Opcode::Text, false, &[b'4'; 600]);
        fragment(&mut socket, Opcode::Continuation, false, &[b'4'; 600]);
        socket.expect_close(Some(1009));

        let mut socket = WebSocket::open(server);
        let header = Header { mask: Some([0; 4]), payload_len: u64::MAX >> 1, ..Header::new(Opcode::Binary, 0) };
        socket.write(&header.encode());
        socket.expect_close(Some(1009));
        assert_eq!(server.closed(socket.sid()), error(CloseCause::TooLarge));
        server.check_reached("max_payload", 3);
    });
}

#[test]
fn endless_fragments_are_refused() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        fragment(&mut socket, Opcode::Text, false, b"4");
        socket.write(&b"\0\x80\0\0\0\0".repeat(16_384));
        socket.expect_close(Some(1008));
        server.check_reached("max_fragments", 1);
    });
}

#[test]
fn a_message_may_come_in_as_many_fragments_as_were_set() {
    Server::each(&EngineConfig::default().max_fragments(3), |server| {
        let mut socket = WebSocket::open(server);
        let mut say = |count: usize| {
            fragment(&mut socket, Opcode::Text, false, b"4");
            (2..count).for_each(|_| fragment(&mut socket, Opcode::Continuation, false, b"x"));
            fragment(&mut socket, Opcode::Continuation, true, b"x");
        };
        say(3);
        say(4);
        socket.expect("4xx");
        socket.expect_close(Some(1008));
        assert_eq!(server.closed(socket.sid()), error(CloseCause::Malformed));
    });
}

#[test]
fn text_that_is_no_text_is_1007() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        socket.frame(Opcode::Text, b"4\xff\xfe");
        socket.expect_close(Some(1007));
        assert_eq!(server.closed(socket.sid()), error(CloseCause::Malformed));
    });
}

#[test]
fn what_is_no_packet_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        for packet in ["", "abc", "9", "b!!!", "€"] {
            let mut socket = WebSocket::open(server);
            socket.send(packet);
            socket.expect_close(None);
            assert_eq!(server.closed(socket.sid()), PARSE_ERROR, "{packet:?}");
        }
    });
}

#[test]
fn what_is_no_frame_is_1002() {
    Server::each(&EngineConfig::default(), |server| {
        for bytes in
            [&b"\x81\x02hi"[..], b"\xff\xff\xff\xff", b"\x83\x80\0\0\0\0", b"\x80\x80\0\0\0\0", b"GET / HTTP/1.1\r\n"]
        {
            let mut socket = WebSocket::open(server);
            socket.write(bytes);
            socket.expect_close(Some(1002));
            assert_eq!(server.closed(socket.sid()), error(CloseCause::Malformed), "{bytes:?}");
        }
    });
}

#[test]
fn answers_to_what_came_before_garbage_still_leave() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        socket.echo("hello");
        socket.write(&[&masked_frame(Opcode::Text, b"4x", [0; 4])[..], b"\xff\xff\xff\xff"].concat());
        // The echo may be dropped with a session that ends badly; the code must come.
        let mut next = socket.next();
        if matches!(next, Some(Message::Text(_))) {
            next = socket.next();
        }
        assert!(matches!(next, Some(Message::Close(Some(close))) if close.code == 1002));
    });
}

#[test]
fn garbage_right_behind_the_handshake_harms_nobody() {
    Server::each(&EngineConfig::default(), |server| {
        let mut bytes =
            b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                .to_vec();
        bytes.extend(b"\xff\xff\xff garbage \0\0");
        let mut pending = Pending::raw(server.address, &bytes);
        assert_eq!(pending.read_answer().status, 101);
        let sid = server.opened().id();
        assert_eq!(server.closed(sid), error(CloseCause::Malformed));
        assert!(matches!(WebSocket::over(pending.0).next(), Some(Message::Text(_) | Message::Close(_))));
    });
}

#[test]
fn frames_right_behind_the_handshake_are_taken() {
    Server::each(&EngineConfig::default(), |server| {
        let mut bytes =
            b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                .to_vec();
        bytes.extend(masked_frame(Opcode::Text, b"4early", [4, 3, 2, 1]));
        let mut pending = Pending::raw(server.address, &bytes);
        assert_eq!(pending.read_answer().status, 101);
        let mut socket = WebSocket::over(pending.0);
        assert!(socket.text().starts_with('0'));
        socket.expect("4early");
        socket.echo("later");
    });
}

#[test]
fn garbage_instead_of_a_handshake_is_400() {
    Server::each(&EngineConfig::default(), |server| {
        for bytes in [&b"\0\0\0\0\r\n\r\n"[..], b"hello\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n"] {
            let mut pending = Pending::raw(server.address, bytes);
            assert_eq!(pending.read_answer().status, 400);
            assert!(pending.is_ended());
        }
    });
}

#[test]
fn a_head_without_end_is_431() {
    Server::each(&EngineConfig::default(), |server| {
        let mut pending = Pending::raw(server.address, b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nX: ");
        pending.write(&vec![b'x'; 500 * 1024]);
        assert_eq!(pending.read_answer().status, 431);
        if server.flavour == Flavour::Listen {
            server.check_reached("max_head", 1);
        }
    });
}

#[test]
fn strange_headers_of_a_handshake_do_no_harm() {
    Server::each(&EngineConfig::default(), |server| {
        let head = |headers: &str| {
            format!(
                "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 {headers}\r\n"
            )
        };
        // CVE-2024-37890: more headers than are read.
        assert_eq!(Pending::raw(server.address, head(&"X: x\r\n".repeat(1_000)).as_bytes()).read_answer().status, 431);
        // CVE-2021-32640: what an expression would try to read in very many ways.
        let start = now();
        for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
            let header = format!("{name}: a{}b{},;=\"\\\r\n", " ".repeat(30_000), " ,".repeat(10_000));
            assert_eq!(Pending::raw(server.address, head(&header).as_bytes()).read_answer().status, 101, "{name}");
        }
        assert!(now() - start < ms(2000));
        WebSocket::open(server).echo("unharmed");
    });
}

#[test]
fn half_a_handshake_holds_nobody_up() {
    Server::each(&EngineConfig::default(), |server| {
        let _half = Pending::raw(server.address, b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ser");
        let _silent = Pending::raw(server.address, b"");
        WebSocket::open(server).echo("hello");
        Request::get("/elsewhere").answer(server.address).check(404, "not the engine's");
    });
}

#[test]
fn half_a_handshake_is_not_waited_for_long() {
    let server = Server::start(Flavour::Listen, EngineConfig::default().head_timeout(ms(150)));
    for half in [&b""[..], b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ser"] {
        let start = now();
        assert!(Pending::raw(server.address, half).is_ended());
        assert!((ms(140)..ms(2000)).contains(&(now() - start)));
    }
    server.check_reached("head_timeout", 2);
    let mut socket = WebSocket::open(&server);
    std::thread::sleep(ms(300));
    socket.echo("a WebSocket has no head any more");
    server.end();
}

#[test]
fn a_client_that_closes_is_answered() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        socket.send_close(1000);
        socket.expect_close(None);
        assert_eq!(server.closed(socket.sid()), BY_PEER);

        let mut socket = WebSocket::open(server);
        socket.frame(Opcode::Close, b"");
        socket.expect_close(None);
        assert_eq!(server.closed(socket.sid()), BY_PEER);

        let mut socket = WebSocket::open(server);
        socket.send_close(1005);
        socket.expect_close(Some(1002));
        assert_eq!(server.closed(socket.sid()), error(CloseCause::Malformed));
    });
}

#[test]
fn a_close_packet_ends_the_session() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        socket.send("1");
        socket.expect_close(None);
        assert_eq!(server.closed(socket.sid()), BY_PEER);
    });
}

#[test]
fn a_client_that_is_gone_ends_its_session() {
    Server::each(&EngineConfig::default(), |server| {
        let socket = WebSocket::open(server);
        let sid = socket.sid();
        drop(socket);
        assert_eq!(server.closed(sid).reason, CloseReason::TransportClose);
        assert_eq!(server.engine.connections(), 1, "the bystander's alone");
    });
}

#[test]
fn a_client_that_closed_its_half_gets_the_rest() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        socket.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(server.closed(socket.sid()), BY_PEER);
        socket.expect_close(None);
    });
}

#[test]
fn a_closing_server_says_so_and_waits_for_the_client() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        let connection = server.opened();
        connection.send_text(b"last words", &[], Guarantee::Reliable);
        connection.close(Closed::forced(CloseCause::Application));
        connection.send_text(b"too late", &[], Guarantee::Reliable);
        socket.expect("4last words");
        socket.expect_close(None);
        assert_eq!(server.closed(socket.sid()), Closed::forced(CloseCause::Application));
        assert!(!connection.is_open());
    });
}

#[test]
fn a_client_that_never_closes_is_not_waited_for_long() {
    Server::each(&EngineConfig::default().close_timeout(ms(150)), |server| {
        let mut socket = WebSocket::open(server);
        let start = now();
        server.opened().close(Closed::forced(CloseCause::Application));
        socket.expect_close(None);
        // What is written after the server has given up is answered by a reset, which ends the writing.
        while std::io::Write::write_all(&mut socket.stream, b"x").is_ok() {
            assert!(now() - start < crate::support::DEADLINE);
            settle();
        }
        server.check_reached("close_timeout", 1);
    });
}

#[test]
fn a_panicking_receiver_ends_its_own_connection_and_hears_nothing_more() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        let frames: Vec<u8> = ["4before", "4panic", "4after"]
            .iter()
            .flat_map(|packet| masked_frame(Opcode::Text, packet.as_bytes(), [1, 2, 3, 4]))
            .collect();
        socket.write(&frames);
        assert_eq!(server.closed(socket.sid()), Closed::forced(CloseCause::Panic));
        assert_eq!(server.received(socket.sid()), b"before");
        assert!(!server.has_received(socket.sid()));
        while socket.next().is_some() {}
    });
}

#[test]
fn messages_behind_a_close_by_the_receiver_are_not_answered() {
    Server::each(&EngineConfig::default(), |server| {
        let mut socket = WebSocket::open(server);
        let frames: Vec<u8> = ["4before", "4close", "4after"]
            .iter()
            .flat_map(|packet| masked_frame(Opcode::Text, packet.as_bytes(), [1, 2, 3, 4]))
            .collect();
        socket.write(&frames);
        assert_eq!(server.closed(socket.sid()), Closed::forced(CloseCause::Application));
        socket.expect("4before");
        socket.expect_close(None);
    });
}
