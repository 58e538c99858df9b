//! Into a namespace, or not.

use std::time::Duration;

use sockeye::{ConnectError, Data, Handshake, Socket, State};

use crate::support::{Client, Gate, Host, Notes, builder, notes, until};

#[tokio::test]
async fn the_answer_carries_an_id_that_differs_from_the_sessions_and_between_namespaces() {
    for host in Host::each(builder).await {
        host.io.of("/admin");
        let mut client = host.open().await;
        let (main, admin) = (client.join("/").await, client.join("/admin").await);
        assert_eq!((main.len(), admin.len()), (20, 20));
        assert!(main != admin && main != client.session && admin != client.session);
        assert_eq!(host.io.socket(&main).unwrap().id().as_str(), main);
        assert!(host.io.socket(&admin).is_none());
        assert_eq!((host.io.socket_count(), host.io.of("/admin").socket_count()), (1, 1));
    }
}

#[tokio::test]
async fn an_unknown_namespace_is_refused_and_the_others_stay() {
    for host in Host::each(builder).await {
        let mut client = host.join().await;
        client.send("40/nowhere,").await;
        client.expect(r#"44/nowhere,{"message":"Invalid namespace"}"#).await;
        host.io.on("echo", async |Data(text): Data<String>| text);
        client.send(r#"421["echo","still here"]"#).await;
        client.expect(r#"431["still here"]"#).await;
    }
}

#[tokio::test]
async fn auth_reaches_middleware_and_handlers() {
    #[derive(serde::Deserialize)]
    struct Auth {
        token: String,
    }
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.middleware(async |State(log): State<Notes>, Data(auth): Data<Auth>| log.note(auth.token));
    host.io.on_connect(async |State(log): State<Notes>, handshake: Handshake, Data(auth): Data<Auth>| {
        log.note(format!("{} {}", handshake.auth_json(), auth.token));
        log.note(handshake.header("x-test").unwrap_or_default());
        log.note(handshake.query("EIO").unwrap_or_default());
        log.note(handshake.address().is_some_and(|address| address.ip().is_loopback()));
    });
    let mut client = host.open().await;
    client.join_with("/", r#"{"token":"abc"}"#).await;
    seen.expect("abc").await;
    seen.expect(r#"{"token":"abc"} abc"#).await;
    seen.expect("yes").await;
    seen.expect("4").await;
    seen.expect("true").await;
}

#[tokio::test]
async fn auth_that_does_not_fit_is_refused_with_a_reason() {
    let host = Host::plain(builder()).await;
    host.io.middleware(async |Data(_): Data<(u8,)>| {});
    let mut client = host.open().await;
    client.send(r#"40{"a":1}"#).await;
    let answer = client.text().await;
    assert!(answer.starts_with(r#"44{"message":"invalid auth: "#), "{answer}");
    assert_eq!(host.io.socket_count(), 0);
}

#[tokio::test]
async fn auth_that_is_no_object_closes_the_connection() {
    for packet in ["40[]", r#"40"token""#, r#"40{"a":"#, "40null", "40true"] {
        let host = Host::plain(builder()).await;
        let mut client = host.open().await;
        client.send(packet).await;
        assert_eq!(client.rest().await, Vec::<String>::new(), "{packet}");
        assert_eq!(host.io.socket_count(), 0, "{packet}");
    }
}

#[tokio::test]
async fn a_middlewares_error_reaches_the_client_with_its_data() {
    for host in Host::each(builder).await {
        let admin = host.io.of("admin");
        admin.middleware(async || {
            Err::<(), _>(ConnectError::new("not authorized").data(serde_json::json!({ "code": 401 })))
        });
        admin.middleware(async |socket: Socket| socket.emit("never", ()));
        let mut client = host.open().await;
        client.send("40/admin,").await;
        client.expect(r#"44/admin,{"message":"not authorized","data":{"code":401}}"#).await;
        // The transport stays, and the client may ask again.
        client.send("40/admin,").await;
        client.expect(r#"44/admin,{"message":"not authorized","data":{"code":401}}"#).await;
        client.join("/").await;
    }
}

#[tokio::test]
async fn any_error_of_a_middleware_is_a_message() {
    let host = Host::plain(builder()).await;
    host.io.middleware(async || Err::<(), _>("come back \"later\""));
    let mut client = host.open().await;
    client.send("40").await;
    client.expect(r#"44{"message":"come back \"later\""}"#).await;
}

#[tokio::test]
async fn middlewares_are_passed_in_order_even_if_they_wait() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.middleware(async |State(log): State<Notes>, socket: Socket| {
        tokio::task::yield_now().await;
        log.note(format!("first {}", socket.is_connected()));
    });
    host.io.middleware(async |State(log): State<Notes>| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        log.note("second");
    });
    host.io.middleware(async |State(log): State<Notes>| log.note("third"));
    host.io.on_connect(async |State(log): State<Notes>, socket: Socket| {
        log.note(format!("connected {}", socket.is_connected()));
    });
    host.join().await;
    assert_eq!(
        [seen.next().await, seen.next().await, seen.next().await, seen.next().await],
        ["first false", "second", "third", "connected true"]
    );
}

#[tokio::test]
async fn a_socket_passes_the_middlewares_of_when_it_came_once() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let host = Host::plain(builder().state(gate.clone()).state(log)).await;
    host.io.middleware(async |State(gate): State<Gate>, State(log): State<Notes>| {
        log.note("first");
        gate.pass().await;
    });
    host.io.on("e", async || 1);
    let mut early = host.open().await;
    early.send("40").await;
    seen.expect("first").await;
    host.io.middleware(async |State(log): State<Notes>| log.note("second"));
    gate.open(1);
    assert!(early.text().await.starts_with("40{"));
    assert_eq!(seen.so_far(), Vec::<String>::new());
    gate.open(1);
    let mut late = host.join().await;
    assert_eq!(seen.so_far(), ["first", "second"]);
    for client in [&mut early, &mut late] {
        client.send_all([r#"421["e"]"#, r#"422["e"]"#]).await;
        client.expect("431[1]").await;
        client.expect("432[1]").await;
    }
    assert_eq!(seen.so_far(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_middleware_emits_precedes_the_answer_and_what_a_connect_handler_emits_follows() {
    for host in Host::each(builder).await {
        host.io.middleware(async |socket: Socket| socket.emit("early", 1));
        host.io.on_connect(async |socket: Socket| socket.emit("late", 2));
        let mut client = host.open().await;
        client.send("40").await;
        client.expect(r#"42["early",1]"#).await;
        assert!(client.text().await.starts_with(r#"40{"sid":"#));
        client.expect(r#"42["late",2]"#).await;
    }
}

#[tokio::test]
async fn a_socket_in_a_middleware_gets_no_broadcasts() {
    let gate = Gate::new();
    let host = Host::plain(builder().state(gate.clone())).await;
    host.io.middleware(async |State(gate): State<Gate>, socket: Socket| {
        socket.join("room")?;
        gate.pass().await;
        Ok::<_, sockeye::JoinError>(())
    });
    let mut client = host.open().await;
    client.send("40").await;
    client.settle().await;
    host.io.emit("news", 1).unwrap();
    host.io.to("room").emit("news", 2).unwrap();
    client.expect_nothing().await;
    assert_eq!(host.io.socket_count(), 0);
    gate.open(1);
    assert!(client.text().await.starts_with("40{"));
    host.io.to("room").emit("news", 3).unwrap();
    client.expect(r#"42["news",3]"#).await;
}

#[tokio::test]
async fn rooms_joined_in_a_failing_middleware_are_left() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.middleware(async |State(log): State<Notes>, socket: Socket| {
        let joined = socket.join(["a", "b"]);
        log.note(format!("{joined:?} {}", socket.rooms().len()));
        Err::<(), _>("no")
    });
    let mut client = host.open().await;
    client.send("40").await;
    client.expect(r#"44{"message":"no"}"#).await;
    seen.expect("Ok(()) 3").await;
    assert!(host.io.rooms().is_empty());
    client.expect_nothing().await;
}

#[tokio::test]
async fn nothing_stays_of_a_client_that_goes_while_it_is_in_a_middleware() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let host = Host::plain(builder().state(gate.clone()).state(log)).await;
    host.io.middleware(async |State(gate): State<Gate>, State(log): State<Notes>, socket: Socket| {
        let _ = socket.join("room");
        log.note("waits");
        gate.pass().await;
        log.note(format!("goes on {:?} {:?}", socket.rooms(), socket.join("again")));
    });
    host.io.on_connect(async |State(log): State<Notes>| log.note("connected"));
    host.io.on_disconnect(async |State(log): State<Notes>| log.note("disconnected"));
    let mut client = host.open().await;
    client.send("40").await;
    seen.expect("waits").await;
    assert_eq!(host.io.rooms().len(), 1);
    client.close().await;
    until("the connection has gone", || host.io.connection_count() == 0).await;
    assert!(host.io.rooms().is_empty());
    gate.open(1);
    seen.expect("goes on [] Ok(())").await;
    // Another client comes all the way, so whatever the first had left to do has been done.
    gate.open(1);
    let _other = host.join().await;
    assert_eq!([seen.next().await, seen.next().await.split(' ').next().unwrap().to_owned()], ["waits", "goes"]);
    seen.expect("connected").await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
    assert_eq!(host.io.socket_count(), 1);
}

#[tokio::test]
async fn a_middleware_may_disconnect_its_socket() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.of("/x").middleware(async |socket: Socket| socket.disconnect());
    host.io.of("/x").on_connect(async |State(log): State<Notes>| log.note("connected"));
    let mut client = host.join().await;
    client.send("40/x,").await;
    client.expect("41/x,").await;
    client.expect_nothing().await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
    assert_eq!(host.io.of("/x").socket_count(), 0);
}

#[tokio::test]
async fn a_second_connect_to_a_namespace_closes_the_connection() {
    for host in Host::each(builder).await {
        let mut client = host.join().await;
        client.send("40").await;
        client.expect_closed().await;
        until("the socket has gone", || host.io.socket_count() == 0).await;
    }
}

#[tokio::test]
async fn a_second_connect_while_the_first_is_in_a_middleware_closes_the_connection() {
    let gate = Gate::new();
    let host = Host::plain(builder().state(gate.clone())).await;
    host.io.middleware(async |State(gate): State<Gate>| gate.pass().await);
    let mut client = host.open().await;
    client.send_all(["40", "40"]).await;
    client.expect_closed().await;
    assert_eq!(host.io.socket_count(), 0);
}

#[tokio::test]
async fn packets_for_a_namespace_that_was_not_joined_close_the_connection() {
    for packet in
        [r#"42/x,["event"]"#, r#"43/x,1["answer"]"#, "41/x,", r#"44/x,{"message":"no"}"#, r#"44{"message":"no"}"#]
    {
        let (log, mut seen) = notes();
        let host = Host::plain(builder().state(log)).await;
        host.io.of("/x");
        host.io.on_disconnect(async |State(log): State<Notes>, reason: sockeye::DisconnectReason| {
            log.note(reason);
        });
        let mut client = host.join().await;
        client.send(packet).await;
        client.expect_closed().await;
        seen.expect("forced server close").await;
    }
}

#[tokio::test]
async fn a_connection_joins_as_many_namespaces_as_it_may() {
    let host = Host::plain(builder().max_namespaces(2)).await;
    for name in ["/a", "/b", "/c"] {
        host.io.of(name);
    }
    let mut client = host.open().await;
    client.join("/a").await;
    client.join("/b").await;
    client.send("40/c,").await;
    client
        .expect(r#"44/c,{"message":"too many namespaces: expected at most 2 on one connection (`max_namespaces`)"}"#)
        .await;
    client.send("41/a,").await;
    client.join("/c").await;
}

#[tokio::test]
async fn a_connection_that_joins_no_namespace_is_closed() {
    for host in Host::each(|| builder().connect_timeout(Duration::from_millis(50))).await {
        let mut silent = host.open().await;
        let mut joined = host.join().await;
        silent.expect_closed().await;
        let mut refused = host.open().await;
        refused.send("40/nowhere,").await;
        refused.text().await;
        refused.expect_closed().await;
        joined.expect_nothing().await;
        assert_eq!((host.io.connection_count(), host.reached("connect_timeout")), (1, 2));
    }
}

#[tokio::test]
async fn a_client_may_leave_a_namespace_and_come_back_as_another_socket() {
    let host = Host::plain(builder()).await;
    let mut client = host.open().await;
    let first = client.join("/").await;
    client.send("41").await;
    let second = client.join("/").await;
    assert_ne!(first, second);
    assert!(host.io.socket(&first).is_none() && host.io.socket(&second).is_some());
}

#[tokio::test]
async fn names_of_namespaces_may_hold_anything_but_a_comma() {
    let host = Host::plain(builder()).await;
    for name in ["/a?b=c", "/ä ö", "/x/y", "//", "/42"] {
        host.io.of(name);
        let mut client = Client::open(host.address, 4).await;
        client.join(name).await;
    }
}

#[tokio::test]
async fn who_is_neither_let_in_nor_refused_gets_a_connect_error_after_the_connect_timeout() {
    let host = Host::plain(builder().connect_timeout(Duration::from_millis(200))).await;
    host.io.of("/never").middleware(async || std::future::pending::<Result<(), ConnectError>>().await);
    host.io.of_dynamic(async |_: String, _: serde_json::Value| std::future::pending::<bool>().await);
    let mut client = host.join().await;
    for name in ["/never", "/perhaps"] {
        client.send(&format!("40{name},")).await;
        client.expect(&format!(r#"44{name},{{"message":"not let in within 200ms (`connect_timeout`)"}}"#)).await;
    }
    client.send("40/never,").await;
    client.text().await;
    let metrics = host.io.metrics();
    assert_eq!((metrics.bounds.of("connect_timeout"), metrics.connect_errors, metrics.suspended_handlers), (3, 3, 0));
}
