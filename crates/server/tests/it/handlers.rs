//! What becomes of a handler.

use std::time::Duration;

use sockeye::{Drain, Socket, State};

use crate::support::{Gate, Host, Notes, builder, notes, until, within};

fn panics() {
    panic!("on purpose");
}

fn note_reasons(host: &Host) {
    host.io.on_disconnect(async |State(log): State<Notes>, reason: sockeye::DisconnectReason| log.note(reason));
}

#[tokio::test]
async fn a_panicking_handler_closes_its_own_socket_only() {
    for later in [false, true] {
        let (gate, (log, mut seen)) = (Gate::new(), notes());
        let host = Host::plain(builder().state(gate.clone()).state(log)).await;
        note_reasons(&host);
        host.io.on("now", async || panics());
        host.io.on("later", async |State(gate): State<Gate>| {
            gate.pass().await;
            panics();
        });
        gate.open(1);
        let (mut client, mut other) = (host.join().await, host.join().await);
        client.send(if later { r#"421["later"]"# } else { r#"421["now"]"# }).await;
        client.expect_closed().await;
        seen.expect("forced server close").await;
        other.expect_nothing().await;
        assert_eq!(host.io.socket_count(), 1);
    }
}

#[tokio::test]
async fn a_panic_in_a_middleware_or_connect_handler_closes_its_own_socket_only() {
    for connected in [false, true] {
        let host = Host::plain(builder()).await;
        let namespace = host.io.of("/x");
        if connected {
            namespace.on_connect(async || panics());
        } else {
            namespace.middleware(async || panics());
        }
        let (mut client, mut other) = (host.join().await, host.join().await);
        client.send("40/x,").await;
        client.rest().await;
        other.expect_nothing().await;
        until("the sockets have gone", || host.io.socket_count() == 1 && namespace.socket_count() == 0).await;
        assert_eq!(host.io.connection_count(), 1);
    }
}

#[tokio::test]
async fn a_panic_in_a_disconnect_handler_leaves_nothing_behind() {
    for after in [false, true] {
        let (log, mut seen) = notes();
        let host = Host::plain(builder().state(log)).await;
        let (x, y) = (host.io.of("/x"), host.io.of("/y"));
        if after {
            x.on_disconnect(async || panics())
        } else {
            x.on_disconnecting(async || panics())
        };
        x.on_disconnect(async |State(log): State<Notes>| log.note("x"));
        y.on_disconnect(async |State(log): State<Notes>| log.note("y"));
        x.on_connect(async |socket: Socket| drop(socket.join("room")));
        let mut client = host.open().await;
        client.join("/x").await;
        client.join("/y").await;
        client.close().await;
        seen.expect("x").await;
        seen.expect("y").await;
        assert_eq!((x.socket_count(), y.socket_count(), x.rooms()), (0, 0, Vec::new()));
    }
}

#[tokio::test]
async fn a_panic_in_a_disconnect_handler_does_not_hit_who_disconnected_the_socket() {
    let host = Host::plain(builder()).await;
    host.io.of("/x").on_disconnect(async || panics());
    host.io.on("kick", async |socket: Socket| {
        socket.server().unwrap().of("/x").broadcast().disconnect_sockets();
        "kicked"
    });
    let (mut kicked, mut client) = (host.open().await, host.join().await);
    kicked.join("/x").await;
    client.send(r#"421["kick"]"#).await;
    client.expect(r#"431["kicked"]"#).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_suspended_handler_outlives_its_connection_and_runs_to_its_end() {
    for which in 0..2 {
        let (gate, (log, mut seen)) = (Gate::new(), notes());
        let settings = builder().state(gate.clone()).state(log);
        let host = if which == 0 { Host::plain(settings).await } else { Host::axum(settings).await };
        note_reasons(&host);
        host.io.on("long", async |State(gate): State<Gate>, State(log): State<Notes>, socket: Socket| {
            log.note("begins");
            gate.pass().await;
            log.note(format!("ends {}", socket.is_connected()));
            socket.emit("nobody hears", ())?;
            Ok::<_, sockeye::EmitError>("an answer that nobody gets")
        });
        let mut client = host.join().await;
        client.send(r#"421["long"]"#).await;
        seen.expect("begins").await;
        client.close().await;
        // The disconnect does not wait for the handler.
        seen.expect("transport close").await;
        gate.open(1);
        seen.expect("ends false").await;
    }
}

#[tokio::test]
async fn a_suspended_handler_is_aborted_at_the_end_of_the_grace() {
    struct Told(Notes);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let host = Host::plain(builder().state(gate.clone()).state(log)).await;
    note_reasons(&host);
    host.io.on("long", async |State(gate): State<Gate>, State(log): State<Notes>| {
        let _told = Told(log.clone());
        log.note("begins");
        gate.pass().await;
        log.note("never");
    });
    let mut client = host.join().await;
    client.send(r#"42["long"]"#).await;
    seen.expect("begins").await;
    let drain = Drain { spread: Duration::ZERO, grace: Duration::from_millis(50) };
    within("closing", host.io.close_with(drain)).await;
    assert_eq!(seen.so_far(), ["server shutting down", "dropped"]);
}

#[tokio::test]
async fn close_waits_for_suspended_handlers_within_the_grace() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let host = Host::plain(builder().state(gate.clone()).state(log)).await;
    host.io.on("long", async |State(gate): State<Gate>, State(log): State<Notes>| {
        log.note("begins");
        gate.pass().await;
        log.note("ends");
    });
    let mut client = host.join().await;
    client.send(r#"42["long"]"#).await;
    seen.expect("begins").await;
    let drain = Drain { spread: Duration::ZERO, grace: Duration::from_secs(60) };
    let closing = async {
        tokio::join!(host.io.close_with(drain), async {
            client.expect_closed().await;
            drop(client);
            gate.open(1);
        })
    };
    within("closing", closing).await;
    assert_eq!(seen.so_far(), ["ends"]);
}

#[tokio::test]
async fn a_handler_that_does_not_wait_is_no_task() {
    let host = Host::axum(builder()).await;
    host.io.on("tasks", async || tokio::runtime::Handle::current().metrics().num_alive_tasks());
    host.io.on("same task", async || tokio::task::try_id().map(|id| id.to_string()));
    let mut client = host.join().await;
    client.send_all([r#"421["same task"]"#, r#"422["same task"]"#]).await;
    let (first, second) = (client.text().await, client.text().await);
    assert!(first.starts_with("431[\"") && first[3..] == second[3..], "{first} {second}");
}

#[tokio::test]
async fn a_panicking_error_hook_closes_its_own_socket_only() {
    let gate = Gate::new();
    let host = Host::plain(builder().state(gate.clone()).max_suspended_handlers(1)).await;
    host.io.on("now", async || Err::<(), _>("failed"));
    host.io.on("later", async |State(gate): State<Gate>| {
        gate.pass().await;
        Err::<(), _>("failed")
    });
    host.io.on_error(|_| panic!("the error hook panics"));
    gate.open(1);
    for event in ["now", "later"] {
        let (mut client, mut other) = (host.join().await, host.join().await);
        client.send(&format!(r#"42["{event}"]"#)).await;
        client.expect_closed().await;
        other.expect_nothing().await;
    }
}
