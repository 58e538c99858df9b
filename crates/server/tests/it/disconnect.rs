//! Why and how sockets end.

use std::time::Duration;

use sockeye::{DisconnectReason, ServerBuilder, Socket, State};
use sockeye_websocket::{Opcode, masked_frame};

use crate::support::{Client, Gate, Host, Notes, Seen, builder, notes};

async fn host_with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Host, Seen) {
    let (log, seen) = notes();
    let host = Host::plain(settings(builder().state(log))).await;
    host.io.on_disconnecting(async |State(log): State<Notes>, socket: Socket, reason: DisconnectReason| {
        log.note(format!("{reason}, leaving {}", socket.rooms().len()));
    });
    host.io.on_disconnect(async |State(log): State<Notes>, socket: Socket, reason: DisconnectReason| {
        log.note(format!("{reason}, left {} {}", socket.rooms().len(), socket.is_connected()));
    });
    host.io.on_connect(async |socket: Socket| drop(socket.join("room")));
    (host, seen)
}

async fn expect_reason(seen: &mut Seen, reason: &str) {
    assert_eq!(seen.next().await, format!("{reason}, leaving 2"));
    assert_eq!(seen.next().await, format!("{reason}, left 0 false"));
}

#[tokio::test]
async fn the_reason_of_a_client_that_goes_is_told() {
    let (host, mut seen) = host_with(|settings| settings).await;
    host.join().await.close().await;
    expect_reason(&mut seen, "transport close").await;
    drop(host.join().await);
    expect_reason(&mut seen, "transport close").await;
    host.join().await.send("41").await;
    expect_reason(&mut seen, "client namespace disconnect").await;
    host.join().await.send("1").await;
    expect_reason(&mut seen, "transport close").await;
    host.join().await.abort();
    expect_reason(&mut seen, "transport error").await;
}

#[tokio::test]
async fn the_reason_of_a_client_that_breaks_the_protocol_is_told() {
    let (host, mut seen) = host_with(|settings| settings).await;
    let cases = [
        ("no packet", "parse error"),
        ("", "parse error"),
        ("42{}", "forced close"),
        ("42/nowhere,[\"e\"]", "forced server close"),
        ("40", "forced server close"),
        ("2", "transport error"),
    ];
    for (packet, reason) in cases {
        let mut client = host.join().await;
        client.send(packet).await;
        client.expect_closed().await;
        assert_eq!(seen.next().await, format!("{reason}, leaving 2"), "{packet:?}");
        assert_eq!(seen.next().await, format!("{reason}, left 0 false"), "{packet:?}");
    }
    // A frame that is not masked.
    let mut client = host.join().await;
    client.write(b"\x81\x0242").await;
    client.expect_closed().await;
    expect_reason(&mut seen, "transport error").await;
    // More than may be sent at once.
    let mut client = host.join().await;
    client.write(&masked_frame(Opcode::Text, &vec![b'4'; 1_000_001], [1, 2, 3, 4])).await;
    client.expect_closed().await;
    expect_reason(&mut seen, "transport error").await;
}

#[tokio::test]
async fn a_client_that_misses_its_heartbeat_is_disconnected() {
    let short = Duration::from_millis(50);
    let (host, mut seen) = host_with(|settings| settings.ping_interval(short).ping_timeout(short)).await;
    let mut silent = host.join().await;
    silent.answers_pings = false;
    silent.expect_closed().await;
    expect_reason(&mut seen, "ping timeout").await;
    let mut alive = Client::open(host.address, 4).await;
    alive.join("/").await;
    let mut other = Client::open(host.address, 4).await;
    other.answers_pings = false;
    other.join("/").await;
    let told = async {
        tokio::select! {
            () = expect_reason(&mut seen, "ping timeout") => {}
            incoming = alive.next() => panic!("{incoming:?}"),
        }
    };
    tokio::join!(told, other.expect_closed());
    assert_eq!(host.io.socket_count(), 1);
}

#[tokio::test]
async fn the_server_disconnects_one_namespace_or_closes_the_connection() {
    for with_axum in [false, true] {
        let (log, mut seen) = notes();
        let settings = builder().state(log);
        let host = if with_axum { Host::axum(settings).await } else { Host::plain(settings).await };
        for name in ["/", "/x", "/y"] {
            host.io.of(name).on_disconnect(
                async |State(log): State<Notes>, socket: Socket, reason: DisconnectReason| {
                    log.note(format!("{} {reason}", socket.namespace().name()));
                },
            );
        }
        host.io.of("/y").on("echo", async || 1);
        let mut client = host.join().await;
        client.join("/x").await;
        client.join("/y").await;
        host.io.of("/x").broadcast().disconnect_sockets();
        client.expect("41/x,").await;
        seen.expect("/x server namespace disconnect").await;
        client.send(r#"42/y,1["echo"]"#).await;
        client.expect("43/y,1[1]").await;
        let socket = host.io.sockets().pop().unwrap();
        socket.close();
        socket.close();
        let mut told = client.rest().await;
        told.sort();
        assert_eq!(told, ["41", "41/y,"]);
        let mut reasons = [seen.next().await, seen.next().await];
        reasons.sort();
        assert_eq!(reasons, ["/ server namespace disconnect", "/y server namespace disconnect"]);
        assert_eq!(seen.so_far(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_was_emitted_before_the_disconnect_still_arrives_and_nothing_after() {
    let host = Host::plain(builder()).await;
    host.io.on("leave", async |socket: Socket| {
        socket.emit("before", "x".repeat(100_000))?;
        socket.disconnect();
        socket.emit("after", ())?;
        socket.volatile().emit("after", ())
    });
    host.io.on("close", async |socket: Socket| {
        socket.emit("before", "x".repeat(100_000))?;
        socket.close();
        socket.emit("after", ())
    });
    for event in ["leave", "close"] {
        let mut client = host.join().await;
        client.send(&format!(r#"42["{event}"]"#)).await;
        assert!(client.text().await.starts_with(r#"42["before","x"#));
        client.expect("41").await;
        if event == "leave" {
            client.expect_nothing().await;
        } else {
            client.expect_closed().await;
        }
    }
}

#[tokio::test]
async fn events_in_flight_after_a_disconnect_are_ignored_and_spare_the_other_namespaces() {
    let (host, mut seen) = host_with(|settings| settings).await;
    host.io.on("leave", async |socket: Socket| socket.disconnect());
    host.io.on("e", async |State(log): State<Notes>| log.note("called"));
    host.io.of("/x").on("echo", async || 1);
    let mut client = host.join().await;
    client.join("/x").await;
    client.send_all([r#"42["leave"]"#, r#"421["e"]"#, r#"431["answer"]"#, "41", r#"42/x,2["echo"]"#]).await;
    client.expect("41").await;
    client.expect("43/x,2[1]").await;
    expect_reason(&mut seen, "server namespace disconnect").await;
    // Coming back is possible, and ends the indulgence.
    client.join("/").await;
    client.send(r#"42["e"]"#).await;
    seen.expect("called").await;
}

#[tokio::test]
async fn events_after_the_clients_own_disconnect_close_the_connection() {
    let (host, mut seen) = host_with(|settings| settings).await;
    host.io.of("/x");
    let mut client = host.join().await;
    client.join("/x").await;
    client.send_all(["41/x,", r#"42/x,["e"]"#]).await;
    client.expect_closed().await;
    expect_reason(&mut seen, "forced server close").await;
}

#[tokio::test]
async fn waiting_events_of_a_socket_that_has_gone_are_not_handled() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let host = Host::plain(builder().state(log).state(gate.clone()).max_suspended_handlers(1)).await;
    host.io.on("wait", async |State(gate): State<Gate>, State(log): State<Notes>| {
        log.note("begins");
        gate.pass().await;
        log.note("ends");
    });
    host.io.on_disconnect(async |State(log): State<Notes>| log.note("disconnected"));
    let mut client = host.join().await;
    client.send_all([r#"42["wait"]"#, r#"42["wait"]"#, "41"]).await;
    seen.expect("begins").await;
    seen.expect("disconnected").await;
    gate.open(2);
    seen.expect("ends").await;
    client.expect_nothing().await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
}

#[tokio::test]
async fn a_handle_kept_after_the_end_does_nothing() {
    let (host, mut seen) = host_with(|settings| settings).await;
    let mut client = host.open().await;
    let id = client.join("/").await;
    let socket = host.io.socket(&id).unwrap();
    client.close().await;
    expect_reason(&mut seen, "transport close").await;
    socket.emit("e", 1).unwrap();
    socket.volatile().emit("e", 1).unwrap();
    socket.join("room").unwrap();
    socket.leave("room");
    socket.leave_all();
    socket.on("e", async || {});
    socket.broadcast().emit("e", 1).unwrap();
    socket.disconnect();
    socket.close();
    assert_eq!((socket.id().as_str(), socket.rooms(), socket.is_connected()), (id.as_str(), vec![], false));
    assert_eq!(socket.handshake().auth_json(), "{}");
    assert_eq!(seen.so_far(), Vec::<String>::new());
    // Its place in the namespace may be another's by now, which has to stay untouched.
    let mut other = host.open().await;
    let other_id = other.join("/").await;
    socket.leave_all();
    socket.disconnect();
    assert_eq!(host.io.socket(&other_id).unwrap().rooms().len(), 2);
    other.expect_nothing().await;
}

#[tokio::test]
async fn a_slow_consumer_is_disconnected_by_force() {
    let (host, mut seen) = host_with(|settings| {
        settings.outbox_mark(64 << 10).outbox_limit(1 << 20).outbox_patience(Duration::from_millis(200))
    })
    .await;
    let mut slow = host.join().await;
    let mut quick = host.join().await;
    let slow_socket = host.io.sockets().into_iter().find(Socket::is_connected).unwrap();
    // More than the kernel takes for who does not read.
    let text = "x".repeat(500_000);
    for _ in 0..40 {
        slow_socket.emit("e", &text).unwrap();
    }
    expect_reason(&mut seen, "forced server close").await;
    quick.expect_nothing().await;
    slow.rest().await;
}
