//! More than handlers can bear.

use std::time::Duration;

use sockeye::{Data, Socket, State};
use sockeye_websocket::{Opcode, masked_frame};

use crate::support::{Gate, Host, Notes, builder, notes, within};

/// Handlers of `wait` note their number and wait at the gate.
fn wait_at_the_gate(host: &Host) {
    host.io.on("wait", async |State(gate): State<Gate>, State(log): State<Notes>, Data(number): Data<usize>| {
        log.note(number);
        gate.pass().await;
    });
}

#[tokio::test]
async fn events_wait_behind_256_suspended_handlers_while_all_else_goes_on() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let short = Duration::from_millis(100);
    let settings = builder().state(gate.clone()).state(log).ping_interval(short).ping_timeout(Duration::from_secs(20));
    let host = Host::plain(settings).await;
    wait_at_the_gate(&host);
    host.io.on_disconnect(async |State(log): State<Notes>| log.note("disconnected"));
    let mut client = host.open().await;
    let id = client.join("/").await;
    client.send_all((0..300).map(|number| format!(r#"42["wait",{number}]"#))).await;
    for number in 0..256 {
        seen.expect(&number.to_string()).await;
    }
    client.settle().await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
    assert_eq!((host.reached("max_suspended_handlers"), host.reached("max_waiting_events")), (1, 0));
    // Answers are taken meanwhile.
    let asked = host.io.socket(&id).unwrap().emit_with_ack::<i32>("ask", ());
    let (_, ack) = client.asked().await;
    client.send(&format!("43{ack}[1]")).await;
    assert_eq!(within("an answer", asked).await.unwrap(), 1);
    // One ends, one starts.
    gate.open(1);
    seen.expect("256").await;
    client.settle().await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
    gate.open(1000);
    for number in 257..300 {
        seen.expect(&number.to_string()).await;
    }
    client.send("41").await;
    seen.expect("disconnected").await;
}

#[tokio::test]
async fn nobody_waits_until_all_that_one_client_sent_is_handled() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on("work", async |State(log): State<Notes>, Data(number): Data<usize>| {
        std::thread::sleep(Duration::from_millis(2));
        log.note(number);
    });
    host.io.on("now", async |State(log): State<Notes>| log.note("now"));
    let (mut busy, mut other) = (host.join().await, host.join().await);
    busy.send_all((0..200).map(|number| format!(r#"42["work",{number}]"#))).await;
    seen.expect("0").await;
    other.send(r#"42["now"]"#).await;
    let mut seen_first = 1;
    while seen.next().await != "now" {
        seen_first += 1;
    }
    // Turns of 5 ms, so of four events: one that was under way, and some leeway for a busy machine.
    assert!(seen_first <= 20, "{seen_first} events came first");
    for number in seen_first..200 {
        seen.expect(&number.to_string()).await;
    }
}

#[tokio::test]
async fn another_sockets_events_do_not_wait() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let host = Host::plain(builder().state(gate.clone()).state(log).max_suspended_handlers(1)).await;
    wait_at_the_gate(&host);
    host.io.of("/x").on("now", async |State(log): State<Notes>| log.note("now"));
    let mut client = host.join().await;
    client.join("/x").await;
    client.send_all([r#"42["wait",0]"#, r#"42["wait",1]"#, r#"42/x,["now"]"#]).await;
    seen.expect("0").await;
    seen.expect("now").await;
    gate.open(1);
    seen.expect("1").await;
}

#[tokio::test]
async fn sockets_full_of_handlers_that_wait_for_their_client_do_not_starve() {
    let host = Host::plain(builder().max_suspended_handlers(4)).await;
    host.io
        .on("ask", async |socket: Socket, Data(number): Data<i32>| socket.emit_with_ack::<i32>("double", number).await);
    let mut client = host.join().await;
    client.send_all((0..40).map(|number| format!(r#"42{number}["ask",{number}]"#))).await;
    let mut answered = 0;
    while answered < 40 {
        let text = client.text().await;
        let Some(answer) = text.strip_prefix("43") else {
            let at = text.find('[').unwrap();
            let number: i32 = text[at..].trim_start_matches(r#"["double","#).trim_end_matches(']').parse().unwrap();
            client.send(&format!("43{}[{}]", &text[2..at], number * 2)).await;
            continue;
        };
        let (id, value) = answer.split_once('[').unwrap();
        assert_eq!(id.parse::<i32>().unwrap() * 2, value.trim_end_matches(']').parse::<i32>().unwrap());
        answered += 1;
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn beyond_the_bound_nothing_is_read_no_heartbeat_missed_and_all_resumes_in_order() {
    async fn check(with_axum: bool) {
        const EVENTS: usize = 160;
        let (gate, (log, mut seen)) = (Gate::new(), notes());
        let settings = builder()
            .state(gate.clone())
            .state(log)
            .max_suspended_handlers(2)
            .max_waiting_events(64 << 10)
            .ping_interval(Duration::from_millis(50))
            .ping_timeout(Duration::from_millis(1500));
        let host = if with_axum { Host::axum(settings).await } else { Host::plain(settings).await };
        host.io.on(
            "wait",
            async |State(gate): State<Gate>, State(log): State<Notes>, Data((number, _)): Data<(usize, String)>| {
                log.note(number);
                gate.pass().await;
            },
        );
        host.io.on_disconnect(async |State(log): State<Notes>, reason: sockeye::DisconnectReason| log.note(reason));
        let mut client = host.join().await;
        // 16 MB, far more than the kernel's buffers and our bound hold together.
        let filling = "x".repeat(100_000);
        let mut bytes = Vec::new();
        for number in 0..EVENTS {
            let event = format!(r#"42["wait",{number},"{filling}"]"#);
            bytes.extend_from_slice(&masked_frame(Opcode::Text, event.as_bytes(), [1, 2, 3, 4]));
        }
        seen_none_but(&mut seen, &client, &mut bytes).await;
        assert_eq!((host.reached("max_suspended_handlers"), host.reached("max_waiting_events")), (1, 1));
        gate.open(EVENTS);
        client.write(&bytes).await;
        for number in 2..EVENTS {
            seen.expect(&number.to_string()).await;
        }
        client.expect_nothing().await;
        client.close().await;
        seen.expect("transport close").await;
    }
    tokio::join!(check(false), check(true));
}

/// Writes until the server has read nothing for longer than a heartbeat may be missed; two handlers have begun then.
async fn seen_none_but(seen: &mut crate::support::Seen, client: &crate::support::Client, bytes: &mut Vec<u8>) {
    let mut idle = 0;
    let mut written = 0;
    while idle < 40 {
        let took = client.try_write(&bytes[written..]);
        written += took;
        idle = if took == 0 { idle + 1 } else { 0 };
        if took == 0 {
            // Real time has to pass for heartbeats to be missed.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    bytes.drain(..written);
    assert!(!bytes.is_empty(), "the server read everything");
    assert_eq!(seen.so_far(), ["0", "1"]);
}

#[tokio::test]
async fn a_socket_that_stopped_reading_and_is_disconnected_lets_its_connection_go_on() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let settings = builder().state(gate.clone()).state(log).max_suspended_handlers(1).max_waiting_events(0);
    let host = Host::plain(settings).await;
    wait_at_the_gate(&host);
    host.io.of("/x").on("echo", async || 1);
    let mut client = host.join().await;
    client.join("/x").await;
    client.send_all([r#"42["wait",0]"#, r#"42["wait",1]"#]).await;
    seen.expect("0").await;
    client.send(r#"42/x,7["echo"]"#).await;
    host.io.broadcast().disconnect_sockets();
    client.expect("41").await;
    client.expect("43/x,7[1]").await;
}
