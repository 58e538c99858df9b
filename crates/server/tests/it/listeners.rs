//! Catch-alls both ways, fallbacks, and handlers that come and go.

use bytes::Bytes;
use sockeye::{Data, Event, Outgoing, Socket, State};

use crate::support::{Gate, Host, Notes, builder, notes};

fn note_outgoing(log: Notes) -> impl Fn(&Outgoing<'_>) + Send + Sync + 'static {
    move |outgoing| {
        let arguments = outgoing.read::<(Option<serde_json::Value>, Option<i32>)>();
        log.note(format!("{} {} {arguments:?}", outgoing.socket().namespace().name(), outgoing.event()));
    }
}

#[tokio::test]
async fn what_is_emitted_is_told_once_for_each_socket_it_goes_to() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder()).await;
    host.io.on_any_outgoing(note_outgoing(log.clone()));
    let (mut one, mut two) = (host.open().await, host.join().await);
    let id = one.join("/").await;
    host.io.socket(&id).unwrap().join(["a", "b"]).unwrap();
    host.io.to(["a", "b"]).emit("room", ("x", 1)).unwrap();
    seen.expect(r#"/ room Ok((Some(String("x")), Some(1)))"#).await;
    host.io.emit("all", ()).unwrap();
    seen.expect("/ all Ok((None, None))").await;
    seen.expect("/ all Ok((None, None))").await;
    host.io.socket(&id).unwrap().emit("one", 5).unwrap();
    seen.expect("/ one Ok((Some(Number(5)), None))").await;
    drop(host.io.socket(&id).unwrap().emit_with_ack::<()>("ask", ()));
    seen.expect("/ ask Ok((None, None))").await;
    drop(host.io.broadcast().except(&id).emit_with_ack::<()>("ask all", ()));
    seen.expect("/ ask all Ok((None, None))").await;
    // Nobody, an event that can't be, and another namespace.
    host.io.to("nowhere").emit("nobody", ()).unwrap();
    host.io.emit("connect", ()).unwrap_err();
    host.io.of("/x").emit("elsewhere", ()).unwrap();
    host.io.off_any_outgoing();
    host.io.emit("later", ()).unwrap();
    assert_eq!(seen.so_far(), Vec::<String>::new());
    for expected in [r#"42["room","x",1]"#, r#"42["all"]"#, r#"42["one",5]"#] {
        one.expect(expected).await;
    }
    two.expect(r#"42["all"]"#).await;
}

#[tokio::test]
async fn a_socket_may_listen_to_what_it_is_sent_itself() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder()).await;
    let (mut one, mut two) = (host.open().await, host.open().await);
    let (id, other) = (one.join("/").await, two.join("/").await);
    let socket = host.io.socket(&id).unwrap();
    let own = log.clone();
    socket.on_any_outgoing(move |outgoing| own.note(format!("own {}", outgoing.event())));
    host.io.on_any_outgoing(move |outgoing| log.note(format!("shared {}", outgoing.event())));
    host.io.socket(&other).unwrap().emit("other", ()).unwrap();
    host.io.to(&id).emit("mine", ()).unwrap();
    for expected in ["shared other", "shared mine", "own mine"] {
        seen.expect(expected).await;
    }
    socket.off_any_outgoing();
    socket.emit("last", ()).unwrap();
    seen.expect("shared last").await;
    one.close().await;
    crate::support::until("it has gone", || host.io.socket_count() == 1).await;
    socket.emit("nobody", ()).unwrap();
    assert_eq!(seen.so_far(), Vec::<String>::new());
}

#[tokio::test]
async fn outgoing_attachments_can_be_read_kept_and_sent_on() {
    let host = Host::plain(builder()).await;
    let copies = host.io.of("/copies");
    host.io.on_any_outgoing(move |outgoing| {
        assert_eq!(outgoing.read::<Bytes>().unwrap(), "bytes");
        copies.emit(outgoing.event(), &outgoing.arguments().unwrap()).unwrap();
    });
    let mut client = host.join().await;
    client.join("/copies").await;
    host.io.emit("e", (Bytes::from_static(b"bytes"), "x")).unwrap();
    client.expect(r#"451-["e",{"_placeholder":true,"num":0},"x"]"#).await;
    client.expect_binary(b"bytes").await;
    client.expect(r#"451-/copies,["e",{"_placeholder":true,"num":0},"x"]"#).await;
    client.expect_binary(b"bytes").await;
}

#[tokio::test]
async fn answers_are_not_told_as_emits() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder()).await;
    host.io.on_any_outgoing(move |outgoing| log.note(outgoing.event()));
    host.io.on("e", async || 1);
    let mut client = host.join().await;
    client.send(r#"421["e"]"#).await;
    client.expect("431[1]").await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
}

#[tokio::test]
async fn catch_alls_of_namespace_and_socket_can_be_taken_away() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on_any(async |State(log): State<Notes>| log.note("shared"));
    host.io.on("own off", async |socket: Socket| _ = socket.off_any());
    host.io.on("off", async |socket: Socket| _ = socket.namespace().off_any());
    host.io.on_connect(async |socket: Socket| {
        socket.on_any(async |State(log): State<Notes>, Event(name): Event| log.note(name));
    });
    let mut client = host.join().await;
    client.send_all([r#"42["own off"]"#, r#"42["e"]"#, r#"42["off"]"#, r#"42["e"]"#]).await;
    client.settle().await;
    assert_eq!(seen.so_far(), ["shared", "own off", "shared", "shared"]);
}

#[tokio::test]
async fn a_fallback_is_called_for_what_nobody_handles_and_may_answer() {
    let host = Host::plain(builder()).await;
    host.io.on_any(async || {});
    host.io.fallback(async || "replaced");
    host.io.fallback(async |Event(name): Event, Data(number): Data<i32>| (name.to_string(), number));
    host.io.on("shared", async || 1);
    host.io.on_connect(async |socket: Socket| {
        socket.on("own", async || 2);
        socket.once("once", async || 3);
    });
    let mut client = host.join().await;
    client.send_all([r#"421["shared",0]"#, r#"422["own",0]"#, r#"423["once",0]"#, r#"424["once",0]"#]).await;
    client.send_all([r#"425["unknown",0]"#, r#"42["unknown",0]"#]).await;
    for expected in ["431[1]", "432[2]", "433[3]", r#"434["once",0]"#, r#"435["unknown",0]"#] {
        client.expect(expected).await;
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_handler_called_once_is_so_even_if_it_waits_and_many_events_come() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let host = Host::plain(builder().state(log).state(gate.clone())).await;
    host.io.on_connect(async |socket: Socket| {
        socket.once("e", async |State(gate): State<Gate>, State(log): State<Notes>, Data(number): Data<i32>| {
            log.note(number);
            gate.pass().await;
            log.note("ends");
        });
    });
    let mut client = host.join().await;
    client.send_all((0..50).map(|number| format!(r#"42["e",{number}]"#))).await;
    client.settle().await;
    gate.open(50);
    seen.expect("0").await;
    seen.expect("ends").await;
    client.expect_nothing().await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
}

#[tokio::test]
async fn handlers_changed_within_a_handler_count_from_the_next_event_on() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on("e", async |socket: Socket, State(log): State<Notes>| {
        log.note("first");
        socket.namespace().off("e");
        socket.once("e", async |socket: Socket, State(log): State<Notes>| {
            log.note("once");
            // Another one, for the next event.
            socket.once("e", async |State(log): State<Notes>| log.note("once more"));
        });
    });
    host.io.on("e", async |State(log): State<Notes>| log.note("second"));
    let mut client = host.join().await;
    client.send_all([r#"42["e"]"#, r#"42["e"]"#, r#"42["e"]"#, r#"42["e"]"#]).await;
    client.settle().await;
    assert_eq!(seen.so_far(), ["first", "second", "once", "once more"]);
}

#[tokio::test]
async fn one_handler_of_several_can_be_removed() {
    let host = Host::plain(builder()).await;
    host.io.on("e", async |socket: Socket| socket.emit("called", 1));
    let second = host.io.add_handler("e", async |socket: Socket| socket.emit("called", 2));
    host.io.on("e", async |socket: Socket| socket.emit("called", 3));
    host.io.on_connect(async |socket: Socket| {
        let own = socket.add_handler("e", async |socket: Socket| socket.emit("called", 4));
        socket.on("remove own", move |socket: Socket| {
            socket.remove_handler(&own);
            async {}
        });
    });
    let mut client = host.join().await;
    client.send(r#"42["e"]"#).await;
    for number in 1..=4 {
        client.expect(&format!(r#"42["called",{number}]"#)).await;
    }
    host.io.remove_handler(&second).remove_handler(&second);
    client.send_all([r#"42["remove own"]"#, r#"42["e"]"#]).await;
    for number in [1, 3] {
        client.expect(&format!(r#"42["called",{number}]"#)).await;
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_socket_that_is_held_by_its_own_handler_is_freed_all_the_same() {
    struct Told(Notes);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }
    let (log, mut seen) = notes();
    let host = Host::plain(builder()).await;
    host.io.on_connect(move |socket: Socket| {
        let told = std::sync::Arc::new(Told(log.clone()));
        async move {
            let itself = socket.clone();
            socket.extensions().insert(told);
            socket.on("e", move || {
                let itself = itself.clone();
                async move { itself.emit("from inside", ()) }
            });
        }
    });
    let mut client = host.open().await;
    let id = client.join("/").await;
    client.send(r#"42["e"]"#).await;
    client.expect(r#"42["from inside"]"#).await;
    let kept = host.io.socket(&id).unwrap();
    client.close().await;
    crate::support::until("it has gone", || host.io.socket_count() == 0).await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
    // Nor does one that is added too late hold it.
    let itself = kept.clone();
    kept.on("late", move || std::future::ready(itself.is_connected()));
    drop(kept);
    seen.expect("dropped").await;
}
