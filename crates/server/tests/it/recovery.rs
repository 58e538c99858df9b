//! Clients that lose their connection and come back.

use std::time::Duration;

use sockeye::{ConnectError, Data, Drain, Recovery, RecoveryMiddlewares, ServerBuilder, Socket};
use tokio::task::JoinSet;

use crate::support::{Client, Host, http, within};

fn builder(recovery: Recovery) -> ServerBuilder {
    crate::support::builder().recovery(recovery)
}

async fn host() -> Host {
    Host::plain(builder(Recovery::default())).await
}

async fn eventually(what: &str, happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(what, waiting).await;
}

/// A client that may come back.
struct Guest {
    client: Client,
    id: String,
    pid: String,
}

fn field(packet: &str, name: &str) -> String {
    let (_, rest) = packet.split_once(&format!(r#""{name}":""#)).unwrap_or_else(|| panic!("{name} in {packet}"));
    rest.split('"').next().unwrap().to_owned()
}

impl Guest {
    async fn join(host: &Host, auth: &str) -> Self {
        let mut client = Client::open(host.address, 4).await;
        client.send(&format!("40{auth}")).await;
        let answer = client.text().await;
        Self { client, id: field(&answer, "sid"), pid: field(&answer, "pid") }
    }

    /// The next event; its offset is taken off and returned.
    async fn event(&mut self, expected: &str) -> String {
        let text = self.client.text().await;
        let (event, offset) = text.rsplit_once(",\"").unwrap();
        assert_eq!(format!("{event}]"), expected);
        offset.trim_end_matches("\"]").to_owned()
    }

    async fn lose(self, host: &Host) -> (String, String) {
        let count = host.io.socket_count();
        self.client.abort();
        eventually("the loss to be noticed", || host.io.socket_count() < count).await;
        (self.id, self.pid)
    }

    /// Comes back: the missed events without their offsets, and whether the socket is the same.
    async fn back(host: &Host, pid: &str, offset: Option<&str>) -> (Vec<String>, Self, bool) {
        let mut client = Client::open(host.address, 4).await;
        let offset = offset.map(|offset| format!(r#","offset":"{offset}""#)).unwrap_or_default();
        client.send(&format!(r#"40{{"pid":"{pid}"{offset}}}"#)).await;
        let mut missed = Vec::new();
        loop {
            let text = client.text().await;
            if text.starts_with("40") {
                let guest = Self { client, id: field(&text, "sid"), pid: field(&text, "pid") };
                let same = guest.pid == pid;
                return (missed, guest, same);
            }
            missed.push(text.rsplit_once(",\"").unwrap().0.to_owned());
        }
    }
}

#[tokio::test]
async fn what_was_sent_meanwhile_arrives_once_and_in_order() {
    let host = host().await;
    let mut guest = Guest::join(&host, "").await;
    host.io.emit("e", 1).unwrap();
    let offset = guest.event(r#"42["e",1]"#).await;
    let (id, pid) = guest.lose(&host).await;
    host.io.emit("e", 2).unwrap();
    host.io.to("elsewhere").emit("e", "not meant for it").unwrap();
    host.io.to(&*id).emit("e", 3).unwrap();
    host.io.except(&*id).emit("e", "nor this").unwrap();
    host.io.volatile().emit("e", "not kept").unwrap();
    let (missed, guest, same) = Guest::back(&host, &pid, Some(&offset)).await;
    assert_eq!((missed, same, guest.id), (vec![r#"42["e",2"#.to_owned(), r#"42["e",3"#.to_owned()], true, id));
}

#[tokio::test]
async fn a_socket_keeps_its_id_rooms_user_and_data() {
    let host = host().await;
    host.io.on_connect(async |socket: Socket| socket.emit("recovered", socket.is_recovered()));
    let mut guest = Guest::join(&host, "").await;
    let offset = guest.event(r#"42["recovered",false]"#).await;
    let socket = host.io.socket(&guest.id).unwrap();
    socket.join(["a", "b"]).unwrap();
    socket.set_user("ann");
    socket.data().set("nick", "Ann").unwrap();
    let (id, pid) = guest.lose(&host).await;
    assert!(host.io.socket(&id).is_none());
    let (missed, mut guest, same) = Guest::back(&host, &pid, Some(&offset)).await;
    assert!(missed.is_empty() && same);
    guest.event(r#"42["recovered",true]"#).await;
    let socket = host.io.socket(&id).unwrap();
    assert_eq!(socket.rooms().iter().map(ToString::to_string).collect::<Vec<_>>(), [&*id, "a", "b"]);
    assert_eq!((socket.user().as_deref(), socket.data().get("nick")), (Some("ann"), Some("Ann".to_owned())));
    host.io.user("ann").emit("e", ()).unwrap();
    guest.event(r#"42["e"]"#).await;
}

#[tokio::test]
async fn what_was_sent_to_its_user_meanwhile_arrives() {
    let host = host().await;
    host.io.middleware(async |socket: Socket| socket.set_user("ann"));
    let guest = Guest::join(&host, "").await;
    let (_, pid) = guest.lose(&host).await;
    host.io.user("ann").emit("e", 1).unwrap();
    host.io.user("bob").emit("e", "not meant for it").unwrap();
    let (missed, _, same) = Guest::back(&host, &pid, None).await;
    assert_eq!((missed, same), (vec![r#"42["e",1"#.to_owned()], true));
}

#[tokio::test]
async fn it_works_before_the_first_event_and_again_and_again() {
    let host = host().await;
    let guest = Guest::join(&host, "").await;
    let (id, mut pid) = guest.lose(&host).await;
    let mut last = None;
    for turn in 0..3 {
        host.io.emit("turn", turn).unwrap();
        let (missed, guest, same) = Guest::back(&host, &pid, last.as_deref()).await;
        assert_eq!((missed, same, &guest.id), (vec![format!(r#"42["turn",{turn}"#)], true, &id));
        host.io.emit("here", turn).unwrap();
        let mut guest = guest;
        last = Some(guest.event(&format!(r#"42["here",{turn}]"#)).await);
        pid = guest.lose(&host).await.1;
    }
}

#[tokio::test]
async fn a_client_that_has_had_all_needs_no_log() {
    // Every event is dropped at once for want of room.
    let host = Host::plain(builder(Recovery::default().log_limit(1))).await;
    let mut guest = Guest::join(&host, "").await;
    host.io.emit("e", 1).unwrap();
    let offset = guest.event(r#"42["e",1]"#).await;
    let (_, pid) = guest.lose(&host).await;
    let (missed, guest, same) = Guest::back(&host, &pid, Some(&offset)).await;
    assert!(missed.is_empty() && same);
    let (_, pid) = guest.lose(&host).await;
    host.io.emit("e", 2).unwrap();
    let (missed, _, same) = Guest::back(&host, &pid, Some(&offset)).await;
    assert!(missed.is_empty() && !same, "what is lost is not passed over in silence");
    let metrics = host.io.metrics();
    assert_eq!((metrics.bounds.of("log_limit"), metrics.recovered, metrics.unrecovered), (2, 1, 1));
    assert_eq!(metrics.kept_bytes, 0);
}

#[tokio::test]
async fn a_connection_that_is_half_open_is_replaced() {
    let host = host().await;
    host.io.on_disconnect(async |reason: sockeye::DisconnectReason, cause: sockeye::CloseCause, io: Socket| {
        io.namespace().emit("left", (reason.as_str(), format!("{cause:?}")))
    });
    let mut old = Guest::join(&host, "").await;
    host.io.emit("e", 1).unwrap();
    let offset = old.event(r#"42["e",1]"#).await;
    host.io.emit("e", "on its way when the connection broke").unwrap();
    let (missed, mut guest, same) = Guest::back(&host, &old.pid, Some(&offset)).await;
    assert_eq!((missed.len(), same, &guest.id, host.io.socket_count()), (2, true, &old.id, 1));
    assert_eq!(missed[1], r#"42["left","transport close","Replaced""#);
    old.client.text().await;
    old.client.rest().await;
    host.io.emit("e", 2).unwrap();
    guest.event(r#"42["e",2]"#).await;
}

#[tokio::test]
async fn events_that_ask_for_an_answer_and_volatile_ones_have_no_offset() {
    let host = host().await;
    let mut guest = Guest::join(&host, "").await;
    host.io.volatile().emit("v", "text").unwrap();
    guest.client.expect(r#"42["v","text"]"#).await;
    let socket = host.io.socket(&guest.id).unwrap();
    let answer = socket.emit_with_ack::<String>("q", ());
    guest.client.expect(r#"420["q"]"#).await;
    guest.client.send(r#"430["a"]"#).await;
    assert_eq!(answer.await.unwrap(), "a");
    socket.emit("b", (1, bytes::Bytes::from_static(b"x"))).unwrap();
    let text = guest.client.text().await;
    assert!(text.starts_with(r#"451-["b",1,{"_placeholder":true,"num":0},""#), "{text}");
    guest.client.expect_binary(b"x").await;
}

#[tokio::test]
async fn what_makes_no_sense_begins_a_new_session() {
    let host = host().await;
    let mut guest = Guest::join(&host, "").await;
    host.io.emit("e", 1).unwrap();
    guest.event(r#"42["e",1]"#).await;
    let (id, pid) = guest.lose(&host).await;
    for (pid, offset) in [("unknown", None), ("", None), (&*pid, Some("the text of a volatile event"))] {
        let (missed, guest, same) = Guest::back(&host, pid, offset).await;
        assert!(missed.is_empty() && !same && guest.id != id);
    }
    for auth in [r#"{"pid":1}"#, r#"{"pid":"x","offset":{}}"#, r#"{"offset":"x"}"#] {
        assert!(!Guest::join(&host, auth).await.id.is_empty());
    }
}

#[tokio::test]
async fn an_offset_of_another_life_counts_as_none() {
    let host = host().await;
    let guest = Guest::join(&host, "").await;
    let (_, pid) = guest.lose(&host).await;
    host.io.emit("e", 1).unwrap();
    let (missed, _, same) = Guest::back(&host, &pid, Some("~abcde.7f")).await;
    assert_eq!((missed.len(), same), (1, true));
}

#[tokio::test]
async fn who_was_disconnected_on_purpose_has_nothing_to_come_back_for() {
    let host = host().await;
    for turn in 0..3 {
        let mut guest = Guest::join(&host, "").await;
        match turn {
            0 => host.io.disconnect_sockets(),
            1 => host.io.close_sockets(),
            _ => guest.client.send("41").await,
        }
        eventually("it to leave", || host.io.socket_count() == 0).await;
        let (_, _, same) = Guest::back(&host, &guest.pid, None).await;
        assert!(!same, "turn {turn}");
        host.io.close_sockets();
        eventually("it to leave", || host.io.socket_count() == 0).await;
    }
}

#[tokio::test]
async fn the_time_to_come_back_ends() {
    let host = Host::plain(builder(Recovery::default().max_disconnection(Duration::from_millis(50)))).await;
    let guest = Guest::join(&host, "").await;
    let (_, pid) = guest.lose(&host).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(!Guest::back(&host, &pid, None).await.2);
}

#[tokio::test]
async fn middlewares_are_passed_again_only_if_that_is_wanted() {
    for (middlewares, passed) in [(RecoveryMiddlewares::Skipped, 1), (RecoveryMiddlewares::Run, 2)] {
        let host = Host::plain(builder(Recovery::default().middlewares(middlewares))).await;
        host.io.middleware(async |socket: Socket| {
            tokio::task::yield_now().await;
            let passed: u32 = socket.data().get("passed").unwrap_or_default();
            socket.data().set("passed", passed + 1).map(drop)
        });
        let guest = Guest::join(&host, "").await;
        let (id, pid) = guest.lose(&host).await;
        host.io.emit("e", ()).unwrap();
        let (missed, _guest, same) = Guest::back(&host, &pid, None).await;
        assert_eq!((missed.len(), same), (1, true));
        assert_eq!(host.io.socket(&id).unwrap().data().get("passed"), Some(passed));
    }
}

#[tokio::test]
async fn who_goes_while_he_comes_back_can_come_back_again() {
    let host = Host::plain(builder(Recovery::default().middlewares(RecoveryMiddlewares::Run))).await;
    host.io.middleware(async |Data(auth): Data<serde_json::Value>| {
        if auth["wait"] == true {
            std::future::pending::<()>().await;
        }
        if auth["bad"] == true { Err(ConnectError::new("bad")) } else { Ok(()) }
    });
    let guest = Guest::join(&host, "").await;
    let (_, pid) = guest.lose(&host).await;
    let mut client = Client::open(host.address, 4).await;
    client.send(&format!(r#"40{{"pid":"{pid}","wait":true}}"#)).await;
    client.settle().await;
    client.abort();
    eventually("the loss to be noticed", || host.io.connection_count() == 0).await;
    let (_, guest, same) = Guest::back(&host, &pid, None).await;
    assert!(same);
    let (_, pid) = guest.lose(&host).await;
    let mut client = Client::open(host.address, 4).await;
    client.send(&format!(r#"40{{"pid":"{pid}","bad":true}}"#)).await;
    client.expect(r#"44{"message":"bad"}"#).await;
    assert!(!Guest::back(&host, &pid, None).await.2, "who was refused has lost what was kept");
}

#[tokio::test]
async fn who_comes_again_before_he_was_let_in_is_recovered_though_his_loss_went_unnoticed() {
    let host = Host::plain(builder(Recovery::default().middlewares(RecoveryMiddlewares::Run))).await;
    host.io.middleware(async |Data(auth): Data<serde_json::Value>| {
        if auth["wait"] == true {
            std::future::pending::<()>().await;
        }
    });
    let guest = Guest::join(&host, "").await;
    let (id, pid) = guest.lose(&host).await;
    host.io.emit("e", 1).unwrap();
    let mut half_open = Client::open(host.address, 4).await;
    half_open.send(&format!(r#"40{{"pid":"{pid}","wait":true}}"#)).await;
    half_open.settle().await;
    let (missed, guest, same) = Guest::back(&host, &pid, None).await;
    assert_eq!((missed.len(), same, guest.id), (1, true, id));
    half_open.expect_closed().await;
}

#[tokio::test]
async fn what_a_middleware_emits_comes_once_and_behind_what_was_missed() {
    let host = Host::plain(builder(Recovery::default().middlewares(RecoveryMiddlewares::Run))).await;
    host.io.middleware(async |socket: Socket| {
        tokio::task::yield_now().await;
        socket.emit("welcome", socket.is_recovered())
    });
    let mut guest = Guest { client: Client::open(host.address, 4).await, id: String::new(), pid: String::new() };
    guest.client.send("40").await;
    let offset = guest.event(r#"42["welcome",false]"#).await;
    guest.pid = field(&guest.client.text().await, "pid");
    let (_, pid) = guest.lose(&host).await;
    host.io.emit("missed", 1).unwrap();
    let (missed, mut guest, same) = Guest::back(&host, &pid, Some(&offset)).await;
    assert_eq!((missed, same), (vec![r#"42["missed",1"#.to_owned(), r#"42["welcome",true"#.to_owned()], true));
    guest.client.expect_nothing().await;
}

#[tokio::test]
async fn whom_a_middleware_disconnects_has_nothing_to_come_back_for() {
    let host = Host::plain(builder(Recovery::default().middlewares(RecoveryMiddlewares::Run))).await;
    host.io.middleware(async |socket: Socket, Data(auth): Data<serde_json::Value>| {
        if auth["bad"] == true {
            socket.disconnect();
        }
    });
    let guest = Guest::join(&host, "").await;
    let (_, pid) = guest.lose(&host).await;
    let mut client = Client::open(host.address, 4).await;
    client.send(&format!(r#"40{{"pid":"{pid}","bad":true}}"#)).await;
    client.expect("41").await;
    assert!(!Guest::back(&host, &pid, None).await.2);
}

#[tokio::test]
async fn each_namespace_of_a_connection_is_recovered_by_itself() {
    let host = host().await;
    let other = host.io.of("/other");
    let mut client = Client::open(host.address, 4).await;
    client.send("40").await;
    let main = client.text().await;
    client.send("40/other,").await;
    let second = client.text().await;
    host.io.emit("e", "main").unwrap();
    other.emit("e", "other").unwrap();
    let offset = |text: &str| text.rsplit_once(",\"").unwrap().1.trim_end_matches("\"]").to_owned();
    let offsets = [offset(&client.text().await), offset(&client.text().await)];
    // The server has not noticed yet that this connection is gone, neither in the one nor in the other.
    host.io.emit("e", "missed in main").unwrap();
    other.emit("e", "missed in other").unwrap();
    let mut again = Client::open(host.address, 4).await;
    let (main_pid, other_pid) = (field(&main, "pid"), field(&second, "pid"));
    again.send(&format!(r#"40{{"pid":"{other_pid}","offset":"{}"}}"#, offsets[1])).await;
    assert_ne!(field(&again.text().await, "pid"), other_pid, "a secret is of one namespace");
    again.send(&format!(r#"40/other,{{"pid":"{other_pid}","offset":"{}"}}"#, offsets[1])).await;
    assert!(again.text().await.starts_with(r#"42/other,["e","missed in other","#));
    assert_eq!(field(&again.text().await, "sid"), field(&second, "sid"));
    let mut third = Client::open(host.address, 4).await;
    third.send(&format!(r#"40{{"pid":"{main_pid}","offset":"{}"}}"#, offsets[0])).await;
    assert!(third.text().await.starts_with(r#"42["e","missed in main","#));
    assert_eq!(field(&third.text().await, "sid"), field(&main, "sid"));
    again.expect_nothing().await;
}

#[tokio::test]
async fn who_missed_more_than_may_wait_for_a_client_begins_anew() {
    let host = Host::plain(builder(Recovery::default()).outbox_mark(10_000).outbox_limit(10_000)).await;
    for (count, recovered) in [(8, true), (12, false)] {
        let (_, pid) = Guest::join(&host, "").await.lose(&host).await;
        for number in 0..count {
            host.io.emit("e", (number, "x".repeat(1_000))).unwrap();
        }
        let (missed, mut guest, same) = Guest::back(&host, &pid, None).await;
        assert_eq!((missed.len(), same), (if recovered { count } else { 0 }, recovered));
        host.io.emit("goes on", ()).unwrap();
        guest.event(r#"42["goes on"]"#).await;
    }
    assert_eq!(host.reached("outbox_limit"), 1);
}

#[tokio::test]
async fn attachments_and_a_polling_client_s_events_are_recovered_too() {
    for host in Host::each(|| builder(Recovery::default())).await {
        let polling = || async {
            let open = http(host.address, "GET /socket.io/?EIO=4&transport=polling", b"").await;
            format!("/socket.io/?EIO=4&transport=polling&sid={}", field(open.text(), "sid"))
        };
        let post = |target: &str| format!("POST {target}\nContent-Type: text/plain;charset=UTF-8");
        let target = polling().await;
        http(host.address, &post(&target), b"40").await;
        let pid = field(http(host.address, &format!("GET {target}"), b"").await.text(), "pid");
        // It is replaced: that nobody polls any more goes unnoticed for long.
        host.io.emit("e", (1, bytes::Bytes::from_static(b"x"))).unwrap();
        let target = polling().await;
        http(host.address, &post(&target), format!(r#"40{{"pid":"{pid}"}}"#).as_bytes()).await;
        let answer = http(host.address, &format!("GET {target}"), b"").await;
        let packets: Vec<&str> = answer.text().split('\u{1e}').collect();
        assert!(packets[0].starts_with(r#"451-["e",1,{"_placeholder":true,"num":0},""#), "{packets:?}");
        assert_eq!((packets[1], field(packets[2], "pid")), ("beA==", pid));
    }
}

#[tokio::test]
async fn nobody_is_recovered_by_a_server_that_has_closed() {
    let host = host().await;
    let guest = Guest::join(&host, "").await;
    let mut client = guest.client;
    let at_once = Drain { spread: Duration::ZERO, grace: Duration::ZERO };
    tokio::join!(host.io.close_with(at_once), client.expect_closed());
    // What clients are told of its end makes them come back, to the server that takes its place: as new ones.
    let next = self::host().await;
    assert!(!Guest::back(&next, &guest.pid, None).await.2);
}

#[tokio::test]
async fn who_comes_back_while_his_loss_is_being_noticed_is_recovered() {
    for kicked in [false, true] {
        let (begun, mut beginnings) = tokio::sync::mpsc::channel(1);
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let may_go_on = std::sync::Mutex::new(may_go_on);
        let host = Host::stealing(builder(Recovery::default())).await;
        host.io.on_disconnecting(move || {
            let _ = begun.try_send(());
            // As a handler that computes for long: the socket is about to leave, but has not left.
            let _ = tokio::task::block_in_place(|| may_go_on.lock().unwrap().recv());
            async {}
        });
        let guest = Guest::join(&host, "").await;
        host.io.emit("e", 1).unwrap();
        let (id, pid) = (guest.id.clone(), guest.pid.clone());
        let mut kick = None;
        if kicked {
            let io = host.io.clone();
            kick = Some(std::thread::spawn(move || io.disconnect_sockets()));
        } else {
            guest.client.abort();
        }
        within("the beginning of its end", beginnings.recv()).await;
        let (missed, back, same) = Guest::back(&host, &pid, None).await;
        assert_eq!((missed.len(), same, back.id == id), if kicked { (0, false, false) } else { (1, true, true) });
        go_on.send(()).unwrap();
        if let Some(kick) = kick {
            kick.join().unwrap();
        }
        drop(go_on);
        host.io.emit("e", 2).unwrap();
        let mut back = back;
        back.event(r#"42["e",2]"#).await;
        let (_, pid) = back.lose(&host).await;
        assert!(Guest::back(&host, &pid, None).await.2, "what the first had left to do harms nobody");
    }
}

#[tokio::test]
async fn only_so_many_namespaces_stay_for_clients_that_are_away() {
    let host = Host::plain(builder(Recovery::default().session_limit(2))).await;
    host.io.of_pattern(r"^/x\d$").unwrap();
    let mut pids = Vec::new();
    for name in ["/x1", "/x2", "/x3"] {
        let mut client = Client::open(host.address, 4).await;
        client.send(&format!("40{name},")).await;
        pids.push((name, field(&client.text().await, "pid")));
        client.abort();
        eventually("the loss to be noticed", || host.io.connection_count() == 0).await;
    }
    eventually("the bound to be counted", || host.reached("session_limit") == 1).await;
    for (name, pid) in pids {
        let mut client = Client::open(host.address, 4).await;
        client.send(&format!(r#"40{name},{{"pid":"{pid}"}}"#)).await;
        assert_eq!(field(&client.text().await, "pid") == pid, name != "/x3", "{name}");
    }
}

#[tokio::test]
async fn old_clients_get_offsets_but_no_secret() {
    let host = host().await;
    let mut client = Client::open(host.address, 3).await;
    client.expect("40").await;
    host.io.emit("e", 1).unwrap();
    assert!(client.text().await.starts_with(r#"42["e",1,""#));
}

/// Whatever the moment of the loss, and however many threads emit, nothing is lost or comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emits_from_many_threads_reach_a_client_that_comes_and_goes() {
    const THREADS: usize = 3;
    const EVENTS: usize = 300;
    let host = host().await;
    let guest = Guest::join(&host, "").await;
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let io = host.io.clone();
            std::thread::spawn(move || {
                for number in 0..EVENTS {
                    io.emit("n", (thread, number)).unwrap();
                    std::thread::sleep(Duration::from_micros(300));
                }
            })
        })
        .collect();
    let mut seen: Vec<(usize, usize)> = Vec::new();
    let (mut guest, mut offset) = (guest, None);
    while seen.len() < THREADS * EVENTS {
        for _ in 0..40.min(THREADS * EVENTS - seen.len()) {
            let text = guest.client.text().await;
            let event: (String, usize, usize, String) = serde_json::from_str(&text[2..]).unwrap();
            seen.push((event.1, event.2));
            offset = Some(event.3);
        }
        // Some events are on their way when the connection breaks.
        let (pid, id) = (guest.pid.clone(), guest.id.clone());
        guest.client.abort();
        let mut client = Client::open(host.address, 4).await;
        let told = offset.as_ref().map(|offset| format!(r#","offset":"{offset}""#)).unwrap_or_default();
        client.send(&format!(r#"40{{"pid":"{pid}"{told}}}"#)).await;
        loop {
            let text = client.text().await;
            if text.starts_with("40") {
                assert_eq!((field(&text, "pid"), field(&text, "sid")), (pid, id));
                break;
            }
            let event: (String, usize, usize, String) = serde_json::from_str(&text[2..]).unwrap();
            seen.push((event.1, event.2));
            offset = Some(event.3);
        }
        guest = Guest { client, id: guest.id, pid: guest.pid };
    }
    for thread in threads {
        thread.join().unwrap();
    }
    for thread in 0..THREADS {
        let numbers: Vec<usize> = seen.iter().filter(|(from, _)| *from == thread).map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>());
    }
}

/// Whoever knows the secret takes the session over, and there is never more than one socket of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_come_for_one_session_at_once_one_has_it() {
    const CLIENTS: usize = 6;
    const ROUNDS: usize = 15;
    let host = Host::stealing(builder(Recovery::default().middlewares(RecoveryMiddlewares::Run))).await;
    host.io.middleware(async |Data(auth): Data<serde_json::Value>| {
        if auth["slow"] == true {
            tokio::task::yield_now().await;
        }
    });
    let guest = Guest::join(&host, "").await;
    let (id, pid) = (guest.id.clone(), guest.pid.clone());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (address, pid) = (host.address, pid.clone());
        clients.spawn(async move {
            for round in 0..ROUNDS {
                let mut client = Client::open(address, 4).await;
                client.send(&format!(r#"40{{"pid":"{pid}","slow":{}}}"#, (number + round) % 2 == 0)).await;
                if round % 3 == 0 {
                    client.abort();
                } else {
                    // It is let in, as the one or another, or replaced at once.
                    let _ = client.next().await;
                }
            }
        });
    }
    let mut sent = 0;
    let all = async {
        while !clients.is_empty() {
            host.io.to(&*id).emit("e", sent).unwrap();
            sent += 1;
            assert!(host.io.sockets().iter().filter(|socket| socket.id().as_str() == id).count() <= 1);
            tokio::time::sleep(Duration::from_micros(500)).await;
            if let Some(ended) = clients.try_join_next() {
                ended.unwrap();
            }
        }
    };
    within("all clients", all).await;
    drop(guest);
    eventually("all to be gone", || host.io.connection_count() == 0 && host.io.socket_count() == 0).await;
    assert!(host.io.rooms().is_empty());
    host.io.emit("last", ()).unwrap();
    let (missed, ..) = Guest::back(&host, &pid, None).await;
    // Whoever came in between, and was lost before it was let in, has the session still; a client that begins anew has not.
    assert!(missed.is_empty() || missed.last().is_some_and(|event| event == r#"42["last""#), "{missed:?}");
}

#[tokio::test]
async fn the_text_of_a_volatile_event_is_never_taken_for_an_offset() {
    let host = host().await;
    for text in ["64123.50", "hello.1", "~hello.1"] {
        let mut guest = Guest::join(&host, "").await;
        host.io.emit("e", 1).unwrap();
        guest.event(r#"42["e",1]"#).await;
        let (_, pid) = guest.lose(&host).await;
        let (missed, guest, same) = Guest::back(&host, &pid, Some(text)).await;
        assert!(missed.is_empty() && !same, "{text}");
        guest.lose(&host).await;
    }
}

#[tokio::test]
async fn what_all_namespaces_keep_together_is_bounded() {
    let host = Host::plain(builder(Recovery::default().total_limit(5_000))).await;
    let guest = Guest::join(&host, "").await;
    host.io.of("/other").emit("e", "x".repeat(3_000)).unwrap();
    let (_, pid) = guest.lose(&host).await;
    host.io.emit("e", "y".repeat(3_000)).unwrap();
    assert!(!Guest::back(&host, &pid, None).await.2, "there was no room left for it");
    assert_eq!(host.reached("total_limit"), 1);
    let guest = Guest::join(&host, "").await;
    let (_, pid) = guest.lose(&host).await;
    host.io.emit("e", "short").unwrap();
    let (missed, _, same) = Guest::back(&host, &pid, None).await;
    assert_eq!((missed.len(), same), (1, true));
}

#[tokio::test]
async fn of_too_many_who_are_away_those_who_left_first_begin_anew() {
    let host = Host::plain(builder(Recovery::default().session_limit(1))).await;
    let (_, first) = Guest::join(&host, "").await.lose(&host).await;
    let (_, second) = Guest::join(&host, "").await.lose(&host).await;
    let (_, _anew, is_first) = Guest::back(&host, &first, None).await;
    let (_, _back, is_second) = Guest::back(&host, &second, None).await;
    assert!(!is_first && is_second);
    assert_eq!(host.reached("session_limit"), 1);
}
