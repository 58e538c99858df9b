//! What events pass before their handlers are called.

use sockeye::{Ack, Arguments, Data, Event, Socket, State};

use crate::support::{Gate, Host, Notes, Seen, builder, notes, until, within};

async fn host_with(gate: &Gate) -> (Host, Seen) {
    let (log, seen) = notes();
    (Host::plain(builder().state(log).state(gate.clone())).await, seen)
}

/// Events whose name begins with `slow` wait at the gate.
async fn wait_if_slow(Event(name): Event, State(gate): State<Gate>, State(log): State<Notes>) {
    log.note(format!("passes {name}"));
    if name.starts_with("slow") {
        gate.pass().await;
    }
}

fn note_handled(host: &Host) {
    host.io.fallback(async |Event(name): Event, State(log): State<Notes>| log.note(format!("handled {name}")));
}

/// Answers with the error.
fn answer_errors(host: &Host) {
    host.io.on_error(|failure| {
        if let Some(ack) = failure.ack {
            let _ = ack.send((failure.event, failure.error.to_string()));
        }
    });
}

#[tokio::test]
async fn middlewares_are_passed_in_order_between_the_catch_alls_and_the_handlers() {
    let (host, mut seen) = host_with(&Gate::new()).await;
    host.io.on("e", async |State(log): State<Notes>| log.note("handler"));
    host.io.event_middleware(async |State(log): State<Notes>, Event(name): Event| log.note(format!("first {name}")));
    host.io.event_middleware(async |State(log): State<Notes>, Data(number): Data<i32>| {
        log.note(format!("second {number}"));
        Ok::<_, &str>(())
    });
    host.io.on_any(async |State(log): State<Notes>| log.note("any"));
    host.io.on_connect(async |socket: Socket| {
        socket.on_any(async |State(log): State<Notes>| log.note("own any"));
        socket.event_middleware(async |State(log): State<Notes>| log.note("own"));
        socket.on("e", async |State(log): State<Notes>| log.note("own handler"));
    });
    let mut client = host.join().await;
    client.send(r#"42["e",5]"#).await;
    for expected in ["any", "own any", "first e", "second 5", "own", "handler", "own handler"] {
        seen.expect(expected).await;
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn an_error_stops_the_event_and_reaches_the_error_hook_which_may_answer() {
    for slow in [false, true] {
        let gate = Gate::new();
        let (host, mut seen) = host_with(&gate).await;
        answer_errors(&host);
        if slow {
            host.io.event_middleware(async || tokio::task::yield_now().await);
        }
        host.io.event_middleware(async |Event(name): Event| if name == "bad" { Err("blocked") } else { Ok(()) });
        host.io.event_middleware(async |State(log): State<Notes>| log.note("second"));
        note_handled(&host);
        let mut client = host.join().await;
        client.send_all([r#"421["bad"]"#, r#"42["bad"]"#, r#"42["good"]"#]).await;
        client.expect(r#"431["bad","blocked"]"#).await;
        seen.expect("second").await;
        seen.expect("handled good").await;
        client.expect_nothing().await;
        assert_eq!(seen.so_far(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn data_that_does_not_fit_a_middleware_stops_the_event() {
    let (host, mut seen) = host_with(&Gate::new()).await;
    answer_errors(&host);
    host.io.event_middleware(async |Data(_): Data<i32>| {});
    note_handled(&host);
    let mut client = host.join().await;
    client.send_all([r#"421["e","text"]"#, r#"42["e",1]"#]).await;
    assert!(client.text().await.starts_with(r#"431["e","the arguments are no i32"#));
    seen.expect("handled e").await;
}

#[tokio::test]
async fn a_middleware_may_answer_and_the_first_answer_counts() {
    let (host, _) = host_with(&Gate::new()).await;
    host.io.event_middleware(async |Event(name): Event, ack: Ack| match &*name {
        "by hand" => ack.send("middleware").map_err(|error| error.to_string()),
        "both" => ack.send("middleware").map_err(|error| error.to_string()).and(Err("stopped".to_owned())),
        _ => Ok(()),
    });
    host.io.on_error(|failure| drop(failure.ack.map(|ack| ack.send("hook"))));
    for name in ["by hand", "both", "neither"] {
        host.io.on(name, async || "handler");
    }
    let mut client = host.join().await;
    client.send_all([r#"421["by hand"]"#, r#"422["both"]"#, r#"423["neither"]"#]).await;
    client.expect(r#"431["middleware"]"#).await;
    client.expect(r#"432["middleware"]"#).await;
    client.expect(r#"433["handler"]"#).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn events_wait_behind_a_middleware_that_waits_while_all_else_goes_on() {
    let gate = Gate::new();
    let (host, mut seen) = host_with(&gate).await;
    host.io.event_middleware(wait_if_slow);
    note_handled(&host);
    let mut client = host.open().await;
    let id = client.join("/").await;
    client.send_all([r#"42["slow 1",{"a":1}]"#, r#"42["quick 2"]"#, r#"42["slow 3"]"#, r#"42["quick 4"]"#]).await;
    seen.expect("passes slow 1").await;
    client.settle().await;
    // Answers are taken meanwhile, and do not pass middlewares.
    let asked = host.io.socket(&id).unwrap().emit_with_ack::<i32>("ask", ());
    let (_, ack) = client.asked().await;
    client.send(&format!("43{ack}[1]")).await;
    assert_eq!(within("an answer", asked).await.unwrap(), 1);
    assert_eq!(seen.so_far(), Vec::<String>::new());
    gate.open(1);
    for expected in ["handled slow 1", "passes quick 2", "handled quick 2", "passes slow 3"] {
        seen.expect(expected).await;
    }
    client.settle().await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
    gate.open(1);
    for expected in ["handled slow 3", "passes quick 4", "handled quick 4"] {
        seen.expect(expected).await;
    }
}

#[tokio::test]
async fn a_middleware_may_ask_the_very_client_that_it_holds_back() {
    let (host, _) = host_with(&Gate::new()).await;
    host.io.event_middleware(async |socket: Socket| socket.emit_with_ack::<bool>("may it?", ()).await.map(drop));
    host.io.on("e", async |Data(number): Data<i32>| number);
    let mut client = host.join().await;
    client.send_all([r#"421["e",1]"#, r#"422["e",2]"#]).await;
    for number in 1..=2 {
        let (question, ack) = client.asked().await;
        assert_eq!(question, r#"42["may it?"]"#);
        client.send(&format!("43{ack}[true]")).await;
        client.expect(&format!("43{number}[{number}]")).await;
    }
}

#[tokio::test]
async fn events_of_another_socket_do_not_wait() {
    let gate = Gate::new();
    let (host, mut seen) = host_with(&gate).await;
    host.io.event_middleware(wait_if_slow);
    host.io.of("/x").on("now", async |State(log): State<Notes>| log.note("now"));
    note_handled(&host);
    let (mut client, mut other) = (host.join().await, host.join().await);
    client.join("/x").await;
    client.send_all([r#"42["slow"]"#, r#"42/x,["now"]"#]).await;
    seen.expect("passes slow").await;
    seen.expect("now").await;
    other.send(r#"42["e"]"#).await;
    seen.expect("passes e").await;
    seen.expect("handled e").await;
    gate.open(1);
    seen.expect("handled slow").await;
}

#[tokio::test]
async fn an_event_whose_client_has_gone_meanwhile_reaches_no_handler() {
    let gate = Gate::new();
    let (host, mut seen) = host_with(&gate).await;
    host.io.event_middleware(wait_if_slow);
    note_handled(&host);
    let mut client = host.join().await;
    client.send_all([r#"42["slow"]"#, r#"42["behind"]"#]).await;
    seen.expect("passes slow").await;
    client.close().await;
    until("the connection has gone", || host.io.connection_count() == 0).await;
    gate.open(1);
    // The next one's are handled, so whatever the first had left to do has been done.
    let mut other = host.join().await;
    other.send_all([r#"42["slow 2"]"#]).await;
    gate.open(1);
    seen.expect("passes slow 2").await;
    seen.expect("handled slow 2").await;
}

#[tokio::test]
async fn events_that_wait_behind_a_middleware_have_a_bound() {
    let gate = Gate::new();
    let (log, mut seen) = notes();
    let settings = builder().state(log).state(gate.clone()).max_waiting_events(1 << 10).max_suspended_handlers(1);
    let host = Host::plain(settings).await;
    host.io.event_middleware(async |Data((number, _)): Data<(usize, String)>, State(gate): State<Gate>| {
        if number == 0 {
            gate.pass().await;
        }
    });
    host.io.on("n", async |Data((number, _)): Data<(usize, String)>, State(log): State<Notes>| log.note(number));
    let mut client = host.join().await;
    let filling = "x".repeat(60_000);
    let events: Vec<_> = (0..400).map(|number| format!(r#"42["n",{number},"{filling}"]"#)).collect();
    let frames = events.iter().flat_map(|event| {
        sockeye_websocket::masked_frame(sockeye_websocket::Opcode::Text, event.as_bytes(), [1, 2, 3, 4])
    });
    let mut bytes: Vec<u8> = frames.collect();
    // Until the server has read nothing for a while: what is left does not fit the kernel's buffers.
    let mut idle = 0;
    while idle < 10 {
        let took = client.try_write(&bytes);
        bytes.drain(..took);
        idle = if took == 0 { idle + 1 } else { 0 };
        tokio::time::sleep(std::time::Duration::from_millis(if took == 0 { 20 } else { 0 })).await;
    }
    assert!(!bytes.is_empty(), "the server read everything");
    assert_eq!(seen.so_far(), Vec::<String>::new());
    gate.open(1);
    client.write(&bytes).await;
    for number in 0..400 {
        seen.expect(&number.to_string()).await;
    }
}

#[tokio::test]
async fn a_panicking_middleware_closes_its_own_socket_only() {
    for slow in [false, true] {
        let (host, _) = host_with(&Gate::new()).await;
        if slow {
            host.io.event_middleware(async || tokio::task::yield_now().await);
        }
        host.io.event_middleware(async |Event(name): Event| assert_ne!(name, "bad", "on purpose"));
        host.io.on("e", async || 1);
        let (mut client, mut other) = (host.join().await, host.join().await);
        client.send_all([r#"42["bad"]"#, r#"421["e"]"#]).await;
        client.expect_closed().await;
        other.send(r#"421["e"]"#).await;
        other.expect("431[1]").await;
        assert_eq!(host.io.socket_count(), 1);
    }
}

#[tokio::test]
async fn a_malformed_event_closes_the_connection_whatever_its_middleware_says() {
    for packet in [r#"42["e",nothing]"#, r#"42["slow",nothing]"#, r#"42["bad",nothing]"#] {
        let gate = Gate::new();
        let (host, mut seen) = host_with(&gate).await;
        host.io.event_middleware(wait_if_slow);
        host.io.event_middleware(async |Event(name): Event| if name == "bad" { Err("blocked") } else { Ok(()) });
        host.io.on_disconnect(async |reason: sockeye::DisconnectReason, State(log): State<Notes>| log.note(reason));
        let mut client = host.join().await;
        client.send(packet).await;
        client.expect_closed().await;
        assert!(seen.next().await.starts_with("passes"));
        seen.expect("forced close").await;
    }
}

#[tokio::test]
async fn binary_arguments_come_through_a_middleware_that_waits() {
    let (host, _) = host_with(&Gate::new()).await;
    host.io.event_middleware(async |_: Arguments| tokio::task::yield_now().await);
    host.io.on("e", async |arguments: Arguments| arguments);
    let mut client = host.join().await;
    client.send(r#"451-7["e",{"_placeholder":true,"num":0},"x"]"#).await;
    client.send_binary(b"bytes").await;
    client.expect(r#"461-7[{"_placeholder":true,"num":0},"x"]"#).await;
    client.expect_binary(b"bytes").await;
}

#[tokio::test]
async fn many_events_through_middlewares_on_many_threads_keep_their_order() {
    let (log, mut seen) = notes();
    let host = Host::stealing(builder().state(log)).await;
    host.io.event_middleware(async |Data(number): Data<u64>| {
        if number % 3 == 0 {
            tokio::task::yield_now().await;
        }
    });
    host.io.on("n", async |Data(number): Data<u64>, State(log): State<Notes>| {
        log.note(number);
        if number % 5 == 0 {
            tokio::task::yield_now().await;
        }
    });
    let mut client = host.join().await;
    let packets: Vec<String> = (0..2_000).map(|number| format!(r#"42["n",{number}]"#)).collect();
    for some in packets.chunks(61) {
        client.send_all(some).await;
    }
    for number in 0..2_000 {
        seen.expect(&number.to_string()).await;
    }
}
