//! From polling to WebSocket: nothing lost, nothing doubled, and polling unharmed whatever happens to the probe.

use sockeye_engine::{CloseCause, CloseReason, Closed, Connection, EngineConfig, Guarantee, Transport};
use sockeye_websocket::Opcode;

use crate::support::{Polling, Request, Server, WebSocket, eventually, ms, settle};

fn probe(polling: &Polling) -> WebSocket {
    let mut socket = WebSocket::connect(polling.address, &polling.upgrade_target());
    socket.send("2probe");
    socket.expect("3probe");
    socket.sid = Some(polling.sid);
    socket
}

fn upgrade(server: &Server) -> (Connection, WebSocket) {
    let polling = Polling::open(server);
    let connection = server.opened();
    let mut socket = probe(&polling);
    socket.send("5");
    eventually("the upgrade", || connection.transport() == Transport::WebSocket);
    (connection, socket)
}

fn say(connection: &Connection, text: &str) {
    connection.send_text(text.as_bytes(), &[], Guarantee::Reliable);
}

#[track_caller]
fn expect_unharmed(polling: &Polling) {
    polling.send("4unharmed");
    polling.expect("4unharmed");
}

#[test]
fn a_session_moves_to_websocket() {
    Server::each(&EngineConfig::default(), |server| {
        for query in ["EIO=4", "EIO=3"] {
            let polling = Polling::open_with(server, query);
            let connection = server.opened();
            let poll = polling.start_poll();
            let mut socket = probe(&polling);
            // The server ends the poll, so that the client can pause polling.
            poll.answer().check(200, if query == "EIO=4" { "6" } else { "1:6" });
            assert_eq!(connection.transport(), Transport::Polling);
            socket.send("5");
            socket.echo("hello");
            assert_eq!(connection.transport(), Transport::WebSocket);
            socket.send_close(1000);
            socket.expect_close(None);
            let closed = Closed { reason: CloseReason::TransportClose, cause: CloseCause::Peer };
            assert_eq!(server.closed(polling.sid), closed);
        }
    });
}

#[test]
fn a_session_moves_from_scripts_to_websocket() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open_with(server, "EIO=3&j=0");
        let connection = server.opened();
        connection.send_binary(&[1, 2, 3, 4], Guarantee::Reliable);
        polling.poll().check(200, r#"___eio[0]("10:b4AQIDBA==");"#);
        let mut socket = probe(&polling);
        socket.send("5");
        socket.echo("over");
        connection.send_binary(&[1, 2, 3, 4], Guarantee::Reliable);
        socket.expect_binary(&[4, 1, 2, 3, 4]);
    });
}

#[test]
fn a_poll_that_comes_during_the_probe_is_ended_too() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let _socket = probe(&polling);
        polling.expect("6");
        polling.expect("6");
    });
}

#[test]
fn a_server_that_speaks_first_after_the_upgrade_is_heard() {
    Server::each(&EngineConfig::default(), |server| {
        let (connection, mut socket) = upgrade(server);
        settle();
        for number in 0..3 {
            say(&connection, &format!("news {number}"));
            socket.expect(&format!("4news {number}"));
        }
    });
}

#[test]
fn a_server_that_closes_right_after_the_upgrade_is_heard() {
    Server::each(&EngineConfig::default(), |server| {
        let (connection, mut socket) = upgrade(server);
        settle();
        connection.close(Closed::forced(CloseCause::Application));
        socket.expect_close(None);
    });
}

#[test]
fn messages_around_an_upgrade_arrive_once_and_in_order() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        (0..10).for_each(|number| say(&connection, &format!("a{number}")));
        let first = polling.poll().text();
        (0..10).for_each(|number| say(&connection, &format!("b{number}")));
        let mut socket = probe(&polling);
        (0..10).for_each(|number| say(&connection, &format!("c{number}")));
        let second = polling.poll().text();
        (0..10).for_each(|number| say(&connection, &format!("d{number}")));
        socket.send("5");
        (0..10).for_each(|number| say(&connection, &format!("e{number}")));
        let mut heard: Vec<String> =
            [first, second].iter().flat_map(|text| text.split('\u{1e}')).map(str::to_owned).collect();
        heard.extend((0..20).map(|_| socket.text()));
        let said = ['a', 'b', 'c', 'd', 'e']
            .into_iter()
            .flat_map(|part| (0..10).map(move |number| format!("4{part}{number}")));
        assert_eq!(heard, said.collect::<Vec<_>>());
        socket.echo("nothing left");
    });
}

#[test]
fn messages_of_a_busy_server_survive_an_upgrade() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        let speaker = std::thread::spawn(move || {
            for number in 0..2000 {
                say(&connection, &number.to_string());
                if number % 50 == 0 {
                    std::thread::sleep(ms(1));
                }
            }
        });
        let mut heard: Vec<String> = polling.poll().text().split('\u{1e}').map(str::to_owned).collect();
        let mut socket = probe(&polling);
        // The last poll: it brings what there is, or a noop.
        heard.extend(polling.poll().text().split('\u{1e}').map(str::to_owned));
        socket.send("5");
        heard.retain(|packet| packet != "6");
        while heard.len() < 2000 {
            heard.push(socket.text());
        }
        assert_eq!(heard, (0..2000).map(|number| format!("4{number}")).collect::<Vec<_>>());
        speaker.join().unwrap();
    });
}

#[test]
fn messages_may_follow_the_upgrade_packet_in_one_write() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let mut socket = WebSocket::connect(polling.address, &polling.upgrade_target());
        let frames: Vec<u8> = ["2probe", "5", "4a", "4b"]
            .iter()
            .flat_map(|packet| sockeye_websocket::masked_frame(Opcode::Text, packet.as_bytes(), [1, 2, 3, 4]))
            .collect();
        socket.write(&frames);
        for packet in ["3probe", "4a", "4b"] {
            socket.expect(packet);
        }
    });
}

#[test]
fn requests_after_an_upgrade_are_turned_away() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let mut socket = probe(&polling);
        socket.send("5");
        socket.echo("upgraded");
        polling.poll().check(400, r#"{"code":3,"message":"Bad request"}"#);
        polling.post("4hello").check(400, r#"{"code":3,"message":"Bad request"}"#);
        WebSocket::connect(server.address, &polling.upgrade_target()).expect_close(None);
        socket.echo("unharmed");
    });
}

#[test]
fn a_second_upgrade_is_accepted_and_closed() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let mut first = probe(&polling);
        let mut second = WebSocket::connect(server.address, &polling.upgrade_target());
        second.expect_close(None);
        first.send("5");
        first.echo("hello");
    });
}

#[test]
fn a_wrong_packet_ends_the_probe_alone() {
    Server::each(&EngineConfig::default(), |server| {
        for packet in ["5", "2", "2other", "4hello", "abc", "", "1"] {
            let polling = Polling::open(server);
            let mut socket = WebSocket::connect(server.address, &polling.upgrade_target());
            socket.send(packet);
            socket.expect_close(None);
            expect_unharmed(&polling);
            let mut socket = probe(&polling);
            socket.send(if packet == "5" { "4hello" } else { packet });
            socket.expect_close(None);
            expect_unharmed(&polling);
            let mut again = probe(&polling);
            again.send("5");
            again.echo("at last");
        }
    });
}

#[test]
fn garbage_ends_the_probe_alone() {
    Server::each(&EngineConfig::default(), |server| {
        for bytes in [&b"\xff\xff\xff\xff"[..], b"\x81\x026x", b"\x82\x81\0\0\0\0x"] {
            let polling = Polling::open(server);
            let mut socket = WebSocket::connect(server.address, &polling.upgrade_target());
            socket.write(bytes);
            socket.expect_close(None);
            expect_unharmed(&polling);
        }
    });
}

#[test]
fn a_probe_that_is_lost_leaves_polling_unharmed() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        drop(WebSocket::connect(server.address, &polling.upgrade_target()));
        expect_unharmed(&polling);
        drop(probe(&polling));
        expect_unharmed(&polling);
        let mut socket = probe_when_free(server, &polling);
        socket.send("5");
        socket.echo("at last");
    });
}

/// The loss of an earlier probe may not have been noticed yet.
fn probe_when_free(server: &Server, polling: &Polling) -> WebSocket {
    loop {
        let mut socket = WebSocket::connect(server.address, &polling.upgrade_target());
        socket.send("2probe");
        if let Some(sockeye_websocket::Message::Text(text)) = socket.next() {
            assert_eq!(text, "3probe");
            return socket;
        }
        settle();
    }
}

#[test]
fn a_probe_may_take_only_so_long() {
    Server::each(&EngineConfig::default().upgrade_timeout(ms(150)), |server| {
        let polling = Polling::open(server);
        let mut silent = WebSocket::connect(server.address, &polling.upgrade_target());
        silent.expect_close(None);
        expect_unharmed(&polling);
        let mut half = probe(&polling);
        half.expect_close(None);
        expect_unharmed(&polling);
        server.check_reached("upgrade_timeout", 2);
        let mut whole = probe(&polling);
        whole.send("5");
        whole.echo("in time");
        std::thread::sleep(ms(250));
        whole.echo("and for good");
    });
}

#[test]
fn a_probe_ends_with_its_session() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        let mut socket = probe(&polling);
        connection.close(Closed::forced(CloseCause::Application));
        socket.expect_close(None);
        assert!(polling.poll().text().ends_with('1'));
    });
}

#[test]
fn last_words_reach_a_client_that_has_paused_polling() {
    Server::each(&EngineConfig::default().close_timeout(ms(300)), |server| {
        let end = |polling: &Polling| {
            let connection = server.opened();
            let socket = probe(polling);
            say(&connection, "last words");
            connection.close(Closed::forced(CloseCause::Application));
            socket
        };
        let polling = Polling::open(server);
        let mut socket = end(&polling);
        socket.send("5");
        socket.expect("4last words");
        socket.expect_close(None);
        assert_eq!(polling.poll().status, 400);

        // Who polls all the same finds them there.
        let polling = Polling::open(server);
        let mut socket = end(&polling);
        polling.expect("4last words");
        socket.send("5");
        socket.expect_close(None);

        let polling = Polling::open(server);
        let mut undecided = end(&polling);
        undecided.expect_close(None);
        polling.expect("4last words");
        polling.expect("1");
    });
}

#[test]
fn a_poll_that_is_given_up_after_the_upgrade_harms_nobody() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let mut socket = probe(&polling);
        let poll = polling.start_poll();
        socket.send("5");
        socket.echo("upgraded");
        drop(poll);
        settle();
        socket.echo("alive");
    });
}

#[test]
fn a_post_that_is_cut_off_after_the_upgrade_harms_nobody() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let post = Request::new("POST", &polling.target).header("Content-Length", "100").send(server.address);
        settle();
        let mut socket = probe(&polling);
        socket.send("5");
        socket.echo("alive");
        drop(post);
        settle();
        socket.echo("still alive");
    });
}

#[test]
fn a_post_under_way_during_the_upgrade_is_delivered() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let mut post = Request::new("POST", &polling.target).header("Content-Length", "6").send(server.address);
        settle();
        let mut socket = probe(&polling);
        socket.send("5");
        socket.echo("upgraded");
        post.write(b"4hello");
        post.answer().check(200, "ok");
        socket.expect("4hello");
    });
}
