//! Acknowledgements, both ways.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use sockeye::{Ack, AckError, Arguments, Data, EmitError, Replies, Socket, State};

use crate::support::{Gate, Host, Notes, builder, notes, within};

/// A client, and the server's end of it.
async fn pair(host: &Host) -> (crate::support::Client, Socket) {
    let mut client = host.open().await;
    let id = client.join("/").await;
    let socket = host.io.socket(&id).unwrap();
    (client, socket)
}

#[tokio::test]
async fn what_a_handler_returns_is_the_answer() {
    let host = Host::plain(builder()).await;
    let io = &host.io;
    io.on("number", async || 1);
    io.on("text", async || "a");
    io.on("bool", async || true);
    io.on("list", async || vec![1, 2]);
    io.on("tuple", async || (1, "a"));
    io.on("none", async || None::<i32>);
    io.on("some", async || Some(1));
    io.on("map", async || BTreeMap::from([("a", 1)]));
    io.on("json", async || serde_json::json!({ "a": [1] }));
    io.on("data", async || Data((1, [2])));
    io.on("ok", async || Ok::<_, EmitError>("fine"));
    io.on("arguments", async |arguments: Arguments| arguments);
    io.on("nothing", async || ());
    io.on("emit", async |socket: Socket| socket.emit("pong", ()));
    let mut client = host.join().await;
    let cases = [
        ("number", "[1]"),
        ("text", r#"["a"]"#),
        ("bool", "[true]"),
        ("list", "[[1,2]]"),
        ("tuple", r#"[1,"a"]"#),
        ("none", "[null]"),
        ("some", "[1]"),
        ("map", r#"[{"a":1}]"#),
        ("json", r#"[{"a":[1]}]"#),
        ("data", "[1,[2]]"),
        ("ok", r#"["fine"]"#),
    ];
    for (id, (event, answer)) in cases.into_iter().enumerate() {
        client.send(&format!(r#"42{id}["{event}"]"#)).await;
        client.expect(&format!("43{id}{answer}")).await;
        // The same without an id is not answered.
        client.send(&format!(r#"42["{event}"]"#)).await;
    }
    client.send(r#"420["arguments", 1 ,{"a" : 2}]"#).await;
    client.expect(r#"430[1 ,{"a" : 2}]"#).await;
    client.send_all([r#"421["nothing"]"#, r#"422["emit"]"#]).await;
    client.expect(r#"42["pong"]"#).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn bytes_are_answered_as_an_attachment() {
    let host = Host::plain(builder()).await;
    host.io.of("/x").on("bytes", async || (1, Bytes::from_static(b"\x01\x02")));
    let mut client = host.open().await;
    client.join("/x").await;
    client.send(r#"42/x,12["bytes"]"#).await;
    client.expect(r#"461-/x,12[1,{"_placeholder":true,"num":0}]"#).await;
    client.expect_binary(b"\x01\x02").await;
}

#[tokio::test]
async fn an_event_can_be_answered_by_hand_and_is_answered_once() {
    let gate = Gate::new();
    let host = Host::plain(builder().state(gate.clone())).await;
    let io = &host.io;
    io.on("by hand", async |ack: Ack, State(gate): State<Gate>| {
        gate.pass().await;
        let wanted = ack.is_wanted();
        ack.send(("later", wanted))
    });
    io.on("both", async |ack: Ack| {
        ack.send("by hand")?;
        Ok::<_, EmitError>("returned")
    });
    io.on("dropped", async |_: Ack| "returned");
    io.on("two handlers", async || "first");
    io.on("two handlers", async || "second");
    io.on("wanted", async |ack: Ack, socket: Socket| socket.emit("wanted", ack.is_wanted()));
    let mut client = host.join().await;
    gate.open(1);
    client.send(r#"421["by hand"]"#).await;
    client.expect(r#"431["later",true]"#).await;
    client.send(r#"422["both"]"#).await;
    client.expect(r#"432["by hand"]"#).await;
    client.send_all([r#"423["dropped"]"#, r#"424["two handlers"]"#]).await;
    client.expect(r#"434["first"]"#).await;
    client.send_all([r#"42["wanted"]"#, r#"425["wanted"]"#]).await;
    client.expect(r#"42["wanted",false]"#).await;
    client.expect(r#"42["wanted",true]"#).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn on_any_leaves_the_answer_to_the_handlers_of_the_name() {
    let host = Host::plain(builder()).await;
    host.io.on_any(async |_: Ack| "any");
    host.io.on("e", async || "named");
    let mut client = host.join().await;
    client.send(r#"421["e"]"#).await;
    client.expect(r#"431["named"]"#).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn large_ack_ids_come_back_as_they_were() {
    let host = Host::plain(builder()).await;
    host.io.on("e", async || 1);
    let mut client = host.join().await;
    for id in ["0", "9007199254740991", "18446744073709551615"] {
        client.send(&format!(r#"42{id}["e"]"#)).await;
        client.expect(&format!("43{id}[1]")).await;
    }
}

#[tokio::test]
async fn a_client_answers_with_values_tuples_and_bytes() {
    for host in Host::each(builder).await {
        let (mut client, socket) = pair(&host).await;
        let asked = socket.emit_with_ack::<String>("ask", (1, "a"));
        let (text, id) = client.asked().await;
        assert_eq!(text, r#"42["ask",1,"a"]"#);
        client.send(&format!(r#"43{id}["answer","surplus"]"#)).await;
        assert_eq!(within("an answer", asked).await.unwrap(), "answer");

        let asked = socket.emit_with_ack::<(i32, Option<String>)>("ask", ());
        let (_, id) = client.asked().await;
        client.send(&format!("43{id}[1]")).await;
        assert_eq!(within("an answer", asked).await.unwrap(), (1, None));

        let asked = socket.emit_with_ack::<Bytes>("ask", Bytes::from_static(b"?"));
        let (text, id) = client.asked().await;
        assert_eq!(text, r#"451-["ask",{"_placeholder":true,"num":0}]"#);
        client.expect_binary(b"?").await;
        client.send(&format!(r#"461-{id}[{{"_placeholder":true,"num":0}}]"#)).await;
        client.send_binary(b"!").await;
        assert_eq!(within("an answer", asked).await.unwrap(), b"!"[..]);

        let asked = socket.emit_with_ack::<i32>("ask", ());
        let (_, id) = client.asked().await;
        client.send(&format!(r#"43{id}["no number"]"#)).await;
        assert!(matches!(within("an answer", asked).await, Err(AckError::Mismatch(_))));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_times_out_and_may_come_too_late() {
    let host = Host::plain(builder().max_pending_acks(1)).await;
    let (mut client, socket) = pair(&host).await;
    for _ in 0..3 {
        let asked = socket.timeout(Duration::from_millis(20)).emit_with_ack::<i32>("ask", ());
        assert!(matches!(within("the timeout", asked).await, Err(AckError::Timeout)));
        let (_, id) = client.asked().await;
        client.send(&format!("43{id}[1]")).await;
    }
    client.expect_nothing().await;
    assert_eq!(host.reached("ack_timeout"), 3);
}

#[tokio::test]
async fn an_answer_is_waited_for_30_s_if_nothing_else_is_said() {
    let host = Host::plain(builder()).await;
    let (_client, socket) = pair(&host).await;
    // A clock of its own, which goes on as soon as nobody has anything else to do.
    let waiting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = tokio::time::Instant::now();
            let answer = socket.emit_with_ack::<i32>("ask", ()).await;
            assert!(matches!(answer, Err(AckError::Timeout)));
            start.elapsed().as_secs()
        })
    });
    assert_eq!(waiting.join().unwrap(), 30);
}

#[tokio::test]
async fn a_disconnect_ends_the_waiting_at_once() {
    let host = Host::plain(builder()).await;
    for end in 0..3 {
        let (mut client, socket) = pair(&host).await;
        let asked = socket.no_timeout().emit_with_ack::<i32>("ask", ());
        client.asked().await;
        match end {
            0 => client.close().await,
            1 => client.send("41").await,
            _ => socket.disconnect(),
        }
        assert!(matches!(within("the end", asked).await, Err(AckError::Disconnected)));
        let asked = socket.emit_with_ack::<i32>("ask", ());
        assert!(matches!(within("the end", asked).await, Err(AckError::Disconnected)));
    }
}

#[tokio::test]
async fn unknown_and_repeated_answers_are_ignored() {
    let host = Host::plain(builder()).await;
    let (mut client, socket) = pair(&host).await;
    client.send_all(["43999[1]", "4318446744073709551615[1]"]).await;
    let (first, second) = (socket.emit_with_ack::<i32>("a", ()), socket.emit_with_ack::<i32>("b", ()));
    let (_, a) = client.asked().await;
    let (_, b) = client.asked().await;
    assert_ne!(a, b);
    client.send_all([format!("43{a}[1]"), format!("43{a}[2]"), format!("43{b}[3]")]).await;
    assert_eq!((within("a", first).await.unwrap(), within("b", second).await.unwrap()), (1, 3));
    client.expect_nothing().await;
}

#[tokio::test]
async fn ids_do_not_collide() {
    let host = Host::plain(builder()).await;
    let (mut client, socket) = pair(&host).await;
    let asked: Vec<_> = (0..1000).map(|number| socket.emit_with_ack::<i32>("ask", number)).collect();
    let mut questions = Vec::new();
    for _ in 0..asked.len() {
        questions.push(client.asked().await);
    }
    // Answered in the other order.
    let answers = questions.iter().rev().map(|(text, id)| {
        let number: i32 = text.trim_start_matches(r#"42["ask","#).trim_end_matches(']').parse().unwrap();
        format!("43{id}[{}]", number + 1)
    });
    client.send_all(answers.collect::<Vec<_>>()).await;
    for (number, asked) in (1..).zip(asked) {
        assert_eq!(within("an answer", asked).await.unwrap(), number);
    }
}

#[tokio::test]
async fn a_socket_owes_so_many_answers_and_no_more() {
    let host = Host::plain(builder().max_pending_acks(2)).await;
    let (mut client, socket) = pair(&host).await;
    let first = socket.emit_with_ack::<i32>("ask", 1);
    let second = socket.emit_with_ack::<i32>("ask", 2);
    let third = socket.emit_with_ack::<i32>("ask", 3);
    let refused = within("a refusal", third).await;
    assert!(matches!(refused, Err(AckError::Emit(EmitError::TooManyAcks { limit: 2 }))), "{refused:?}");
    assert_eq!(host.reached("max_pending_acks"), 1);
    // Who drops the future waits no more.
    drop(first);
    let fourth = socket.emit_with_ack::<i32>("ask", 4);
    for _ in 0..2 {
        client.asked().await;
    }
    let (text, id) = client.asked().await;
    assert_eq!(text, r#"42["ask",4]"#);
    client.send(&format!("43{id}[40]")).await;
    assert_eq!(within("an answer", fourth).await.unwrap(), 40);
    drop(second);
}

#[tokio::test]
async fn a_question_that_can_not_be_sent_is_not_waited_for() {
    let host = Host::plain(builder().max_pending_acks(1)).await;
    let (mut client, socket) = pair(&host).await;
    for _ in 0..3 {
        let failed = within("a refusal", socket.emit_with_ack::<i32>("connect", ())).await;
        assert!(matches!(failed, Err(AckError::Emit(EmitError::ReservedName { .. }))), "{failed:?}");
        let many = vec![Bytes::from_static(b"x"); 11];
        let failed = within("a refusal", socket.emit_with_ack::<i32>("many", many)).await;
        assert!(matches!(failed, Err(AckError::Emit(EmitError::Encode(_)))), "{failed:?}");
    }
    let asked = socket.emit_with_ack::<i32>("ask", ());
    let (_, id) = client.asked().await;
    client.send(&format!("43{id}[1]")).await;
    assert_eq!(within("an answer", asked).await.unwrap(), 1);
}

#[tokio::test]
async fn a_broadcast_tells_who_answered_and_who_did_not() {
    let host = Host::plain(builder()).await;
    let (mut quick, quick_socket) = pair(&host).await;
    let (mut silent, silent_socket) = pair(&host).await;
    let (mut odd, odd_socket) = pair(&host).await;
    let (mut leaving, leaving_socket) = pair(&host).await;
    let asked = host.io.timeout(Duration::from_millis(500)).emit_with_ack::<i32>("ask", 1);
    let (text, id) = quick.asked().await;
    assert_eq!(text, r#"42["ask",1]"#);
    quick.send(&format!("43{id}[7]")).await;
    assert_eq!(silent.asked().await.1, id);
    assert_eq!(odd.asked().await.1, id);
    odd.send(&format!(r#"43{id}["text"]"#)).await;
    leaving.asked().await;
    leaving.close().await;
    let Replies { answers, missing, .. } = within("the answers", asked).await.unwrap();
    assert_eq!(answers, [(quick_socket.id().clone(), 7)]);
    let missing: BTreeMap<_, _> = missing.into_iter().collect();
    assert_eq!(missing.len(), 3);
    assert!(matches!(missing[silent_socket.id()], AckError::Timeout));
    assert!(matches!(missing[odd_socket.id()], AckError::Mismatch(_)));
    assert!(matches!(missing[leaving_socket.id()], AckError::Disconnected));
}

#[tokio::test]
async fn a_broadcast_to_nobody_is_answered_at_once() {
    let host = Host::plain(builder()).await;
    let asked = host.io.to("nowhere").no_timeout().emit_with_ack::<i32>("ask", ());
    let replies = within("no answers", asked).await.unwrap();
    assert!(replies.answers.is_empty() && replies.missing.is_empty());
    let failed = within("a refusal", host.io.broadcast().emit_with_ack::<i32>("disconnect", ())).await;
    assert!(matches!(failed, Err(EmitError::ReservedName { .. })));
}

#[tokio::test]
async fn a_handler_may_ask_the_very_client_it_was_called_by() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log).max_suspended_handlers(1)).await;
    host.io.on("ask me", async |State(log): State<Notes>, socket: Socket| {
        let answer = socket.emit_with_ack::<String>("who", ()).await;
        log.note(answer.as_deref().unwrap_or("nobody"));
        answer
    });
    let mut client = host.join().await;
    client.send_all([r#"421["ask me"]"#, r#"422["ask me"]"#]).await;
    for number in 1..3 {
        let (_, id) = client.asked().await;
        client.send(&format!(r#"43{id}["me"]"#)).await;
        seen.expect("me").await;
        client.expect(&format!(r#"43{number}["me"]"#)).await;
    }
}

#[tokio::test]
async fn a_thread_without_a_runtime_may_ask() {
    let host = Host::plain(builder()).await;
    let (mut client, socket) = pair(&host).await;
    let asked = std::thread::spawn(move || socket.emit_with_ack::<i32>("ask", ())).join().unwrap();
    let (_, id) = client.asked().await;
    client.send(&format!("43{id}[1]")).await;
    assert_eq!(within("an answer", asked).await.unwrap(), 1);
}
