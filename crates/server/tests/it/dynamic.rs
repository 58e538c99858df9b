//! Namespaces that are made when a client asks for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye::{ConnectError, EmptyNamespaces, Namespace, Recovery, Server, Socket, State};

use crate::support::{Gate, Host, Notes, builder, notes, until, within};

const INVALID: &str = r#"{"message":"Invalid namespace"}"#;

async fn host_with_tenants() -> (Host, Namespace) {
    let host = Host::plain(builder()).await;
    let tenants = host.io.of_pattern(r"^/tenant-\d+$").unwrap();
    (host, tenants)
}

/// Notes each new namespace.
fn note_namespaces(io: &Server, log: Notes) {
    io.on_namespace(move |namespace| log.note(namespace.name()));
}

/// Whether the very next client is refused.
async fn is_refused(host: &Host, name: &str) -> bool {
    let mut client = host.open().await;
    client.send(&format!("40{name},")).await;
    client.text().await == format!("44{name},{INVALID}")
}

#[tokio::test]
async fn a_pattern_makes_a_namespace_for_each_name_that_it_matches() {
    let (host, tenants) = host_with_tenants().await;
    tenants.on("where", async |socket: Socket| socket.namespace().name().to_owned());
    let mut client = host.open().await;
    client.join("/tenant-1").await;
    client.join("/tenant-2").await;
    client.send_all([r#"42/tenant-2,1["where"]"#, r#"42/tenant-1,2["where"]"#]).await;
    client.expect(r#"43/tenant-2,1["/tenant-2"]"#).await;
    client.expect(r#"43/tenant-1,2["/tenant-1"]"#).await;
    host.io.of("/tenant-2").emit("news", 1).unwrap();
    client.expect(r#"42/tenant-2,["news",1]"#).await;
    for name in ["/tenant-", "/tenant-1x", "/x/tenant-1", "/tenant-٤", "/_0"] {
        assert!(is_refused(&host, name).await, "{name}");
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn what_is_no_pattern_is_named_in_the_error() {
    let io = Server::builder().build().unwrap();
    let error = io.of_pattern("(?=no").unwrap_err();
    assert!(error.to_string().contains(r#""(?=no""#), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_function_is_asked_with_name_and_auth() {
    let host = Host::plain(builder()).await;
    host.io.of_dynamic(async |name: String, auth: serde_json::Value| name == "/secret" && auth["token"] == "1");
    host.io.of_dynamic(async |name: String, auth: serde_json::Value| {
        tokio::task::yield_now().await;
        if name == "/open" && auth == serde_json::json!({}) { Ok(true) } else { Err("no") }
    });
    let mut old = host.join_old().await;
    old.send("40/secret?token=1").await;
    old.expect("40/secret,").await;
    old.close().await;
    assert!(is_refused(&host, "/secret").await);
    let mut client = host.open().await;
    client.join_with("/secret", r#"{"token":"1"}"#).await;
    client.join("/open").await;
    assert!(is_refused(&host, "/other").await);
}

#[tokio::test]
async fn a_function_that_panics_refuses_its_client_and_no_other() {
    let host = Host::plain(builder()).await;
    host.io.of_dynamic(|name: String, _| {
        assert_ne!(name, "/now", "on purpose");
        async move {
            tokio::task::yield_now().await;
            assert_ne!(name, "/later", "on purpose");
            false
        }
    });
    host.io.of_pattern("^/(now|x)$").unwrap();
    let mut client = host.open().await;
    // The next parent is asked.
    client.join("/now").await;
    client.send("40/later,").await;
    client.expect(&format!("44/later,{INVALID}")).await;
    client.join("/x").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_slow_function_holds_up_nothing_else() {
    let gate = Gate::new();
    let host = Host::plain(builder().max_namespaces(2)).await;
    let passing = gate.clone();
    host.io.of_dynamic(move |_, _| {
        let gate = passing.clone();
        async move {
            gate.pass().await;
            true
        }
    });
    host.io.on("echo", async |sockeye::Data(number): sockeye::Data<i32>| number);
    let mut client = host.join().await;
    client.send("40/slow,").await;
    client.send(r#"421["echo",5]"#).await;
    client.expect("431[5]").await;
    // It has its place already.
    client.send("40/third,").await;
    assert!(client.text().await.contains("too many namespaces"));
    gate.open(1);
    assert!(client.text().await.starts_with(r#"40/slow,{"sid":"#));
}

#[tokio::test]
async fn a_second_connect_while_it_is_decided_closes_the_connection() {
    let host = Host::plain(builder()).await;
    host.io.of_dynamic(|_, _| std::future::pending::<bool>());
    let mut client = host.open().await;
    client.send_all(["40/x,", "40/x,"]).await;
    client.expect_closed().await;
}

#[tokio::test]
async fn nothing_stays_of_a_client_that_goes_while_it_is_decided() {
    for answer in [true, false] {
        let (gate, (log, mut seen)) = (Gate::new(), notes());
        let host = Host::plain(builder().state(log.clone())).await;
        let passing = (gate.clone(), log);
        let parent = host.io.of_dynamic(move |_, _| {
            let (gate, log) = passing.clone();
            async move {
                log.note("asked");
                gate.pass().await;
                log.note("decided");
                answer
            }
        });
        parent.on_connect(async |State(log): State<Notes>| log.note("connected"));
        let mut client = host.open().await;
        client.send("40/x,").await;
        seen.expect("asked").await;
        client.close().await;
        until("the connection has gone", || host.io.connection_count() == 0).await;
        gate.open(2);
        seen.expect("decided").await;
        // Another one makes it anew, or is refused as well.
        let mut client = host.open().await;
        client.send("40/x,").await;
        assert_eq!(client.text().await.starts_with("40/x,"), answer);
        let expected: &[&str] = if answer { &["asked", "decided", "connected"] } else { &["asked", "decided"] };
        assert_eq!(seen.so_far(), expected);
        assert_eq!(parent.socket_count(), usize::from(answer));
    }
}

#[tokio::test]
async fn parents_are_tried_in_the_order_in_which_they_were_made() {
    let host = Host::plain(builder()).await;
    for (number, pattern) in ["^/a", "^/a", "^/"].into_iter().enumerate() {
        let parent = host.io.of_pattern(pattern).unwrap();
        parent.on_connect(move |socket: Socket| async move { socket.emit("parent", number) });
    }
    let mut client = host.open().await;
    client.join("/ab").await;
    client.expect(r#"42/ab,["parent",0]"#).await;
    client.join("/b").await;
    client.expect(r#"42/b,["parent",2]"#).await;
}

#[tokio::test]
async fn a_child_has_the_handlers_that_its_parent_had_when_it_was_made() {
    let (host, tenants) = host_with_tenants().await;
    tenants.middleware(
        async |handshake: sockeye::Handshake| {
            if handshake.auth_json() == "{}" { Ok(()) } else { Err(ConnectError::new("no")) }
        },
    );
    tenants.on("e", async || "parent");
    let mut client = host.open().await;
    client.join("/tenant-1").await;
    tenants.off("e").on("e", async || "later");
    host.io.of("/tenant-1").on("own", async || "own");
    client.join("/tenant-2").await;
    client.send(r#"40/tenant-3,{"a":1}"#).await;
    client.expect(r#"44/tenant-3,{"message":"no"}"#).await;
    client.send_all([r#"42/tenant-1,1["e"]"#, r#"42/tenant-2,2["e"]"#, r#"42/tenant-1,3["own"]"#]).await;
    client.send(r#"42/tenant-2,4["own"]"#).await;
    for answer in [r#"43/tenant-1,1["parent"]"#, r#"43/tenant-2,2["later"]"#, r#"43/tenant-1,3["own"]"#] {
        client.expect(answer).await;
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn what_a_parent_emits_reaches_all_its_children_and_nobody_else() {
    let (host, tenants) = host_with_tenants().await;
    tenants.on_connect(async |socket: Socket| socket.join(["all", socket.namespace().name()]));
    tenants.emit("nobody is there", ()).unwrap();
    let (mut one, mut two) = (host.join().await, host.open().await);
    one.join("/tenant-1").await;
    let id = two.join("/tenant-2").await;
    tenants.emit("e", 1).unwrap();
    tenants.to("all").except(&id).emit("e", 2).unwrap();
    tenants.within("/tenant-2").emit("e", bytes::Bytes::from_static(b"b")).unwrap();
    one.expect(r#"42/tenant-1,["e",1]"#).await;
    one.expect(r#"42/tenant-1,["e",2]"#).await;
    two.expect(r#"42/tenant-2,["e",1]"#).await;
    two.expect(r#"451-/tenant-2,["e",{"_placeholder":true,"num":0}]"#).await;
    two.expect_binary(b"b").await;
    assert_eq!((tenants.socket_count(), tenants.sockets().len(), host.io.socket_count()), (2, 2, 1));
    assert_eq!(tenants.socket(&id).unwrap().namespace().name(), "/tenant-2");
    assert!(tenants.emit("connect", ()).is_err());

    let asked = tenants.broadcast().emit_with_ack::<String>("ask", ());
    for client in [&mut one, &mut two] {
        let (question, ack) = client.asked().await;
        let name = question.split(',').next().unwrap().trim_start_matches("42").to_owned();
        client.send(&format!(r#"43{name},{ack}["{name}"]"#)).await;
    }
    let answers = within("answers", asked).await.unwrap().answers;
    let mut answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
    answers.sort();
    assert_eq!(answers, ["/tenant-1", "/tenant-2"]);

    tenants.broadcast().disconnect_sockets();
    one.expect("41/tenant-1,").await;
    two.expect("41/tenant-2,").await;
    one.expect_nothing().await;
}

#[tokio::test]
async fn what_is_done_through_a_parent_is_done_to_the_sockets_of_all_its_children() {
    let (log, mut seen) = notes();
    let (host, tenants) = host_with_tenants().await;
    tenants.on_room(move |event| {
        if let sockeye::RoomEvent::Joined { room, .. } = event
            && room.as_str() == "room"
        {
            log.note(room);
        }
    });
    tenants.middleware(async |socket: Socket| socket.set_user("42"));
    let (mut one, mut two) = (host.open().await, host.open().await);
    one.join("/tenant-1").await;
    two.join("/tenant-2").await;
    tenants.sockets_join("room");
    seen.expect("room").await;
    seen.expect("room").await;
    assert_eq!((tenants.fetch_sockets().await.answers.len(), tenants.to("room").sockets().len()), (2, 2));
    tenants.user("42").emit("e", 1).unwrap();
    one.expect(r#"42/tenant-1,["e",1]"#).await;
    two.expect(r#"42/tenant-2,["e",1]"#).await;
}

#[tokio::test]
async fn a_name_asked_for_that_a_pattern_matches_is_a_child_and_stays() {
    let (host, tenants) = host_with_tenants().await;
    tenants.on("e", async || "parent's");
    let child = host.io.of("tenant-7");
    let mut client = host.open().await;
    client.join("/tenant-7").await;
    client.send(r#"42/tenant-7,1["e"]"#).await;
    client.expect(r#"43/tenant-7,1["parent's"]"#).await;
    tenants.emit("e", 1).unwrap();
    client.expect(r#"42/tenant-7,["e",1]"#).await;
    client.send("41/tenant-7,").await;
    client.join("/tenant-7").await;
    assert_eq!(child.socket_count(), 1);
}

#[tokio::test]
async fn every_new_namespace_but_the_main_one_is_told_of_before_anybody_is_in_it() {
    let (log, mut seen) = notes();
    let (host, _) = host_with_tenants().await;
    note_namespaces(&host.io, log);
    host.io.on_namespace(|namespace| {
        // To look for it from inside is no dead end.
        assert!(namespace.server().unwrap().of(namespace.name()) == *namespace);
        namespace.middleware(async || Err::<(), _>("not yet"));
    });
    host.io.of("/x");
    host.io.of("/x");
    host.io.of("/");
    let mut client = host.join().await;
    client.send_all(["40/tenant-1,", "40/x,"]).await;
    client.expect(r#"44/tenant-1,{"message":"not yet"}"#).await;
    client.expect(r#"44/x,{"message":"not yet"}"#).await;
    assert_eq!(seen.so_far(), ["/x", "/tenant-1"]);
    client.expect_nothing().await;
}

#[tokio::test]
async fn nobody_gets_into_a_namespace_whose_hook_panicked() {
    let (host, _) = host_with_tenants().await;
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    host.io.on_namespace(move |_| assert_ne!(counted.fetch_add(1, Ordering::Relaxed), 0, "on purpose"));
    assert!(is_refused(&host, "/tenant-1").await);
    // Nothing is left of it, so the next attempt is a new one.
    host.open().await.join("/tenant-1").await;
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_empty_namespace_is_removed_and_can_be_made_again() {
    let (log, mut seen) = notes();
    let (host, tenants) = host_with_tenants().await;
    note_namespaces(&host.io, log);
    let mut kept = Vec::new();
    for how in 0..4 {
        let mut client = host.open().await;
        client.join("/tenant-1").await;
        kept.push(tenants.sockets().pop().unwrap().namespace());
        match how {
            0 => client.send("41/tenant-1,").await,
            1 => client.close().await,
            2 => client.abort(),
            _ => tenants.broadcast().disconnect_sockets(),
        }
        until("the socket has gone", || tenants.socket_count() == 0).await;
        seen.expect("/tenant-1").await;
    }
    host.open().await.join("/tenant-1").await;
    seen.expect("/tenant-1").await;
    assert!(kept.iter().all(|old| *old != host.io.of("/tenant-1")));
}

#[tokio::test]
async fn a_namespace_lives_until_the_last_one_has_left() {
    let (log, mut seen) = notes();
    let (host, _) = host_with_tenants().await;
    note_namespaces(&host.io, log);
    let (mut one, mut two) = (host.open().await, host.open().await);
    one.join("/tenant-1").await;
    two.join("/tenant-1").await;
    one.send("41/tenant-1,").await;
    one.join("/tenant-1").await;
    two.close().await;
    one.send("41/tenant-1,").await;
    one.settle().await;
    assert_eq!(seen.so_far(), ["/tenant-1"]);
    one.join("/tenant-1").await;
    seen.expect("/tenant-1").await;
}

#[tokio::test]
async fn a_namespace_that_nobody_was_let_into_is_removed_too() {
    let (log, mut seen) = notes();
    let gate = Gate::new();
    let host = Host::plain(builder().state(gate.clone())).await;
    note_namespaces(&host.io, log);
    let tenants = host.io.of_pattern("^/tenant-").unwrap();
    tenants.middleware(async |State(gate): State<Gate>| {
        gate.pass().await;
        Err::<(), _>("no")
    });
    // One is refused, one goes before it is.
    let (mut one, mut two) = (host.open().await, host.open().await);
    one.send("40/tenant-1,").await;
    seen.expect("/tenant-1").await;
    two.send("40/tenant-1,").await;
    two.settle().await;
    two.close().await;
    gate.open(2);
    one.expect(r#"44/tenant-1,{"message":"no"}"#).await;
    gate.open(1);
    one.send("40/tenant-1,").await;
    seen.expect("/tenant-1").await;
}

#[tokio::test]
async fn a_namespace_that_was_asked_for_while_it_lived_stays() {
    let (log, mut seen) = notes();
    let (host, _) = host_with_tenants().await;
    note_namespaces(&host.io, log);
    let mut client = host.open().await;
    client.join("/tenant-1").await;
    let asked = host.io.of("/tenant-1");
    client.send("41/tenant-1,").await;
    client.join("/tenant-1").await;
    assert_eq!((asked.socket_count(), seen.so_far()), (1, vec!["/tenant-1".to_owned()]));
}

#[tokio::test]
async fn empty_namespaces_can_be_kept() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().empty_namespaces(EmptyNamespaces::Kept)).await;
    host.io.of_pattern("^/x$").unwrap();
    note_namespaces(&host.io, log);
    let mut client = host.open().await;
    client.join("/x").await;
    client.send("41/x,").await;
    client.join("/x").await;
    assert_eq!(seen.so_far(), ["/x"]);
}

#[tokio::test]
async fn a_name_that_a_client_makes_up_has_its_bound() {
    let host = Host::plain(builder()).await;
    host.io.of_pattern("^/x+$").unwrap();
    let longest = format!("/{}", "x".repeat(1023));
    host.open().await.join(&longest).await;
    assert!(is_refused(&host, &format!("{longest}x")).await);
    assert_eq!(host.reached("namespace_name"), 1);
}

#[tokio::test]
async fn a_client_that_varies_the_name_and_is_disconnected_each_time_leaves_nothing() {
    let host = Host::plain(builder().max_namespaces(4)).await;
    let parent = host.io.of_pattern("^/x").unwrap();
    parent.on_connect(async |socket: Socket| socket.disconnect());
    let mut client = host.join().await;
    for number in 0..20 {
        client.join(&format!("/x{number}")).await;
        client.expect(&format!("41/x{number},")).await;
    }
    // What was under way to one of the last is ignored, as ever.
    client.send(r#"42/x19,["late"]"#).await;
    client.expect_nothing().await;
    // Of the first nobody knows any more.
    client.send(r#"42/x0,["late"]"#).await;
    client.expect_closed().await;
}

#[tokio::test]
async fn clients_that_ask_at_once_get_into_one_namespace() {
    const CLIENTS: usize = 24;
    let host = Host::stealing(builder()).await;
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    host.io.on_namespace(move |_| _ = counted.fetch_add(1, Ordering::Relaxed));
    let by_pattern = host.io.of_pattern("^/pattern-").unwrap();
    let by_function = host.io.of_dynamic(async |name: String, _: serde_json::Value| {
        tokio::task::yield_now().await;
        name.starts_with("/function-")
    });
    for round in 0..8 {
        for (kind, parent) in [("pattern", &by_pattern), ("function", &by_function)] {
            let name = format!("/{kind}-{round}");
            let clients = (0..CLIENTS).map(|_| async {
                let mut client = host.open().await;
                client.join(&name).await;
                client
            });
            let mut clients = within("all clients", futures_util::future::join_all(clients)).await;
            host.io.of(&name).emit("e", round).unwrap();
            for client in &mut clients {
                client.expect(&format!(r#"42{name},["e",{round}]"#)).await;
            }
            assert_eq!(parent.socket_count(), CLIENTS);
            drop(clients);
            until("all have gone", || parent.socket_count() == 0).await;
        }
    }
    assert_eq!(made.load(Ordering::Relaxed), 16);
}

#[tokio::test]
async fn clients_that_come_and_go_at_once_always_find_a_namespace_that_lives() {
    let host = Host::stealing(builder()).await;
    let parent = host.io.of_pattern("^/x$").unwrap();
    let visits = (0..16).map(|_| async {
        let mut client = host.open().await;
        for number in 0..40 {
            let id = client.join("/x").await;
            // The namespace by that name is the one it is in.
            parent.to(id).emit("e", number).unwrap();
            client.expect(&format!(r#"42/x,["e",{number}]"#)).await;
            client.send("41/x,").await;
        }
        client.settle().await;
    });
    within("all visits", futures_util::future::join_all(visits)).await;
    assert_eq!(parent.socket_count(), 0);
}

#[tokio::test]
async fn a_namespace_stays_as_long_as_somebody_may_come_back_to_it() {
    let (log, mut seen) = notes();
    let recovery = Recovery::default().max_disconnection(Duration::from_secs(1));
    let host = Host::plain(builder().recovery(recovery)).await;
    let tenants = host.io.of_pattern("^/tenant-").unwrap();
    note_namespaces(&host.io, log);
    let mut client = host.open().await;
    client.send("40/tenant-1,").await;
    let welcome = client.text().await;
    client.abort();
    until("the socket has gone", || tenants.socket_count() == 0).await;
    tenants.emit("meanwhile", 1).unwrap();
    let mut client = host.open().await;
    let (_, pid) = welcome.split_once(r#""pid":""#).unwrap();
    client.send(&format!(r#"40/tenant-1,{{"pid":"{pid}"#)).await;
    assert!(client.text().await.starts_with(r#"42/tenant-1,["meanwhile",1,"#));
    assert_eq!(client.text().await, welcome);
    seen.expect("/tenant-1").await;
    client.abort();
    // Nobody comes back in time: whoever comes next finds a new one.
    let joined = async {
        while seen.so_far().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let mut client = host.open().await;
            client.send("40/tenant-1,").await;
            client.text().await;
            client.send("41/tenant-1,").await;
            client.settle().await;
        }
    };
    within("a new one", joined).await;
}
