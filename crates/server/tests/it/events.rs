//! Arguments and order.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sockeye::{Arguments, Data, Event, ExtractError, Socket, State, Value};

use crate::support::{Gate, Host, Notes, builder, notes};

#[tokio::test]
async fn a_tuple_takes_several_arguments_everything_else_the_first() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    let io = &host.io;
    io.on("one", async |State(log): State<Notes>, Data(value): Data<i32>| log.note(value));
    io.on("two", async |State(log): State<Notes>, Data(value): Data<(i32, String)>| log.note(format!("{value:?}")));
    io.on("list", async |State(log): State<Notes>, Data(value): Data<Vec<i32>>| log.note(format!("{value:?}")));
    io.on("maybe", async |State(log): State<Notes>, Data(value): Data<Option<i32>>| log.note(format!("{value:?}")));
    io.on("both", async |State(log): State<Notes>, Data(value): Data<(i32, Option<i32>)>| {
        log.note(format!("{value:?}"));
    });
    io.on("none", async |State(log): State<Notes>, Data(()): Data<()>| log.note("none"));
    io.on("any", async |State(log): State<Notes>, Data(value): Data<Value>| log.note(format!("{value:?}")));
    let mut client = host.join().await;
    let cases = [
        (r#"["one",1]"#, "1"),
        (r#"["one",1,"surplus",{}]"#, "1"),
        (r#"["two",1,"a"]"#, r#"(1, "a")"#),
        (r#"["list",[1,2]]"#, "[1, 2]"),
        (r#"["list",[1,2],[3]]"#, "[1, 2]"),
        (r#"["maybe"]"#, "None"),
        (r#"["maybe",null]"#, "None"),
        (r#"["maybe",3]"#, "Some(3)"),
        (r#"["both",1]"#, "(1, None)"),
        (r#"["both",1,2]"#, "(1, Some(2))"),
        (r#"["none"]"#, "none"),
        (r#"["none",1,2]"#, "none"),
        (r#"["any"]"#, "Null"),
        (r#"["any",null]"#, "Null"),
    ];
    for (packet, expected) in cases {
        client.send(&format!("42{packet}")).await;
        assert_eq!(seen.next().await, expected, "{packet}");
    }
}

#[tokio::test]
async fn emitted_tuples_are_several_arguments() {
    #[derive(Serialize)]
    struct Point {
        x: i32,
    }
    let host = Host::plain(builder()).await;
    let mut client = host.join().await;
    let io = &host.io;
    io.emit("none", ()).unwrap();
    io.emit("one", 1).unwrap();
    io.emit("text", "a\"b").unwrap();
    io.emit("two", (1, "a")).unwrap();
    io.emit("list", vec![1, 2]).unwrap();
    io.emit("point", &Point { x: 1 }).unwrap();
    io.emit("maybe", None::<i32>).unwrap();
    io.emit("nested", ((1, 2),)).unwrap();
    io.send("plain").unwrap();
    let expected = [
        r#"["none"]"#,
        r#"["one",1]"#,
        r#"["text","a\"b"]"#,
        r#"["two",1,"a"]"#,
        r#"["list",[1,2]]"#,
        r#"["point",{"x":1}]"#,
        r#"["maybe",null]"#,
        r#"["nested",[1,2]]"#,
        r#"["message","plain"]"#,
    ];
    for packet in expected {
        client.expect(&format!("42{packet}")).await;
    }
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct File {
    name: String,
    content: Bytes,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Upload {
    id: u32,
    #[serde(flatten)]
    file: File,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
enum Anything {
    Number(i32),
    File(File),
    Raw(Bytes),
}

#[tokio::test]
async fn bytes_arrive_anywhere_in_a_type_and_leave_from_anywhere() {
    let host = Host::plain(builder()).await;
    host.io.on("nested", async |Data(files): Data<Vec<File>>| Data(files));
    host.io.on("flattened", async |Data(upload): Data<Upload>| Data(upload));
    host.io.on("untagged", async |Data(all): Data<(Anything, Anything, Anything)>| Data(all));
    let mut client = host.join().await;
    let at = |num: usize| format!(r#"{{"_placeholder":true,"num":{num}}}"#);
    let cases = [
        ("nested", format!(r#"[{{"name":"a","content":{}}},{{"name":"b","content":{}}}]"#, at(0), at(1)), 2),
        ("flattened", format!(r#"{{"id":1,"name":"a","content":{}}}"#, at(0)), 1),
        ("untagged", format!(r#"1,{{"name":"a","content":{}}},{}"#, at(0), at(1)), 2),
    ];
    for (event, arguments, count) in cases {
        client.send(&format!(r#"45{count}-9["{event}",{arguments}]"#)).await;
        let attachments = [&b"first\xff"[..], b""];
        for bytes in &attachments[..count] {
            client.send_binary(bytes).await;
        }
        client.expect(&format!("46{count}-9[{arguments}]")).await;
        for bytes in &attachments[..count] {
            client.expect_binary(bytes).await;
        }
    }
}

#[tokio::test]
async fn a_placeholder_in_a_plain_event_stays_an_object() {
    let host = Host::plain(builder()).await;
    host.io.on("value", async |Data(value): Data<Value>| value);
    host.io.on("arguments", async |arguments: Arguments| arguments);
    let mut client = host.join().await;
    for event in ["value", "arguments"] {
        client.send(&format!(r#"421["{event}",{{"_placeholder":true,"num":0}}]"#)).await;
        client.expect(r#"431[{"_placeholder":true,"num":0}]"#).await;
    }
}

#[tokio::test]
async fn all_handlers_of_an_event_are_called_in_order() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on_connect(async |socket: Socket| {
        socket.on("e", async |State(log): State<Notes>| log.note("own"));
    });
    host.io.on("e", async |State(log): State<Notes>| log.note("first"));
    host.io.on("e", async |State(log): State<Notes>| log.note("second"));
    host.io.on_any(async |State(log): State<Notes>, Event(name): Event, arguments: Arguments| {
        log.note(format!("any {name} {:?}", arguments.read::<Vec<i32>>()));
    });
    let mut client = host.join().await;
    client.send(r#"42["e",[1]]"#).await;
    for expected in ["any e Ok([1])", "first", "second", "own"] {
        seen.expect(expected).await;
    }
    client.send(r#"42["unheard",[2]]"#).await;
    seen.expect("any unheard Ok([2])").await;
    host.io.off("e");
    client.send(r#"42["e",[3]]"#).await;
    for expected in ["any e Ok([3])", "own"] {
        seen.expect(expected).await;
    }
}

#[tokio::test]
async fn a_sockets_own_handlers_can_be_called_once_and_taken_away() {
    let host = Host::plain(builder()).await;
    host.io.on_connect(async |socket: Socket| {
        socket.once("once", async |socket: Socket| socket.emit("called", "once"));
        socket.on("on", async |socket: Socket| socket.emit("called", "on"));
    });
    host.io.on("off", async |socket: Socket| {
        socket.off("on");
    });
    host.io.on("on", async |socket: Socket| socket.emit("called", "shared"));
    let (mut client, mut other) = (host.join().await, host.join().await);
    client.send_all([r#"42["once"]"#, r#"42["once"]"#, r#"42["on"]"#, r#"42["off"]"#, r#"42["on"]"#]).await;
    for expected in ["once", "shared", "on", "shared"] {
        client.expect(&format!(r#"42["called","{expected}"]"#)).await;
    }
    client.expect_nothing().await;
    // The other client has its own.
    other.send_all([r#"42["on"]"#, r#"42["once"]"#]).await;
    for expected in ["shared", "on", "once"] {
        other.expect(&format!(r#"42["called","{expected}"]"#)).await;
    }
}

#[tokio::test]
async fn events_start_in_order_whether_or_not_their_handlers_wait() {
    const EVENTS: usize = 2_000;
    for host_number in 0..2 {
        let (log, mut seen) = notes();
        let host = match host_number {
            0 => Host::plain(builder().state(log)).await,
            _ => Host::axum(builder().state(log)).await,
        };
        host.io.on("n", async |State(log): State<Notes>, Data(number): Data<u64>| {
            log.note(number);
            match number * 2_654_435_761 % 97 {
                0..30 => tokio::task::yield_now().await,
                30..60 => tokio::time::sleep(Duration::from_micros(number % 700)).await,
                _ => {}
            }
        });
        let mut client = host.join().await;
        let packets: Vec<String> = (0..EVENTS).map(|number| format!(r#"42["n",{number}]"#)).collect();
        for some in packets.chunks(137) {
            client.send_all(some).await;
        }
        for number in 0..EVENTS {
            assert_eq!(seen.next().await, number.to_string());
        }
    }
}

#[tokio::test]
async fn answers_of_handlers_that_do_not_wait_come_in_order() {
    let host = Host::plain(builder()).await;
    host.io.on("n", async |Data(number): Data<u64>| number);
    let mut client = host.join().await;
    client.send_all((0..500).map(|number| format!(r#"42{number}["n",{number}]"#))).await;
    for number in 0..500 {
        client.expect(&format!("43{number}[{number}]")).await;
    }
}

#[tokio::test]
async fn names_of_an_objects_own_and_null_are_names_and_arguments_like_others() {
    let host = Host::plain(builder()).await;
    host.io.fallback(async |Event(name): Event, Data(value): Data<Option<i32>>| (name.to_string(), value));
    let mut client = host.join().await;
    for name in ["__proto__", "constructor", "hasOwnProperty", "toString", "", "1"] {
        client.send(&format!(r#"421["{name}",null]"#)).await;
        client.expect(&format!(r#"431["{name}",null]"#)).await;
    }
}

#[tokio::test]
async fn an_event_without_a_handler_is_no_fault() {
    let host = Host::plain(builder()).await;
    let mut client = host.join().await;
    client.send_all([r#"42["nobody",1]"#, r#"427["nobody",1]"#, "42[1,2]", r#"42[""]"#]).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn malformed_events_close_the_connection_whether_or_not_somebody_listens() {
    let cases = [
        r#"42["known",1"#,
        r#"42["unknown",1"#,
        r#"42["known",}]"#,
        r#"42["unknown",}]"#,
        "42{}",
        r#"42"text""#,
        "42[true]",
        "42[null]",
        "42[{}]",
        r#"42["connect"]"#,
        r#"42["disconnect"]"#,
        r#"42abc["known"]"#,
        "4abc",
        "49",
        "4",
        "41{}",
        r#"43["no id"]x"#,
        "431{}",
        "45",
        "451",
        "45a-",
        "451.23-",
    ];
    for packet in cases {
        let (log, mut seen) = notes();
        let host = Host::plain(builder().state(log)).await;
        host.io.on("known", async |State(log): State<Notes>, Data(_): Data<i32>| log.note("called"));
        host.io.on_disconnect(async |State(log): State<Notes>, reason: sockeye::DisconnectReason| log.note(reason));
        let mut client = host.join().await;
        client.send(packet).await;
        assert_eq!(client.rest().await, Vec::<String>::new(), "{packet}");
        assert_eq!(seen.next().await, "forced close", "{packet}");
    }
}

#[tokio::test]
async fn nothing_of_a_read_is_handled_behind_a_malformed_packet() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on("e", async |State(log): State<Notes>, Data(number): Data<i32>| log.note(number));
    let mut client = host.join().await;
    client.send_all([r#"42["e",1]"#, "42{}", r#"42["e",2]"#]).await;
    client.expect_closed().await;
    seen.expect("1").await;
    assert_eq!(seen.so_far(), Vec::<String>::new());
}

#[tokio::test]
async fn data_that_does_not_fit_reaches_the_error_hook_which_may_answer() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder()).await;
    host.io.on("first", async |Data(number): Data<i32>| number);
    host.io.on("ack first", async |ack: sockeye::Ack, Data(number): Data<i32>| ack.send(number));
    host.io.on_error(move |failure| {
        let mismatch = matches!(failure.error.downcast_ref(), Some(ExtractError::Mismatch { .. }));
        log.note(format!("{} {mismatch}", failure.event));
        if let Some(ack) = failure.ack {
            ack.send(("error", failure.socket.id().as_str())).unwrap();
        }
    });
    let mut client = host.open().await;
    let id = client.join("/").await;
    for event in ["first", "ack first"] {
        client.send(&format!(r#"425["{event}","no number"]"#)).await;
        seen.expect(&format!("{event} true")).await;
        client.expect(&format!(r#"435["error","{id}"]"#)).await;
        // Nobody to answer.
        client.send(&format!(r#"42["{event}"]"#)).await;
        seen.expect(&format!("{event} true")).await;
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_handlers_error_reaches_the_error_hook_which_may_answer() {
    let (gate, (log, mut seen)) = (Gate::new(), notes());
    let host = Host::plain(builder().state(gate.clone())).await;
    host.io.on("now", async || Err::<i32, _>("failed now"));
    host.io.on("later", async |State(gate): State<Gate>| {
        gate.pass().await;
        Err::<i32, _>("failed later")
    });
    host.io.on_error(move |failure| {
        log.note(format!("{}: {}", failure.event, failure.error));
        if let Some(ack) = failure.ack {
            ack.send(failure.error.to_string()).unwrap();
        }
    });
    gate.open(2);
    let mut client = host.join().await;
    for event in ["now", "later"] {
        client.send(&format!(r#"425["{event}"]"#)).await;
        seen.expect(&format!("{event}: failed {event}")).await;
        client.expect(&format!(r#"435["failed {event}"]"#)).await;
        client.send(&format!(r#"42["{event}"]"#)).await;
        seen.expect(&format!("{event}: failed {event}")).await;
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn without_a_hook_a_failure_sends_no_answer_and_closes_nothing() {
    let host = Host::plain(builder()).await;
    host.io.on("number", async |Data(number): Data<i32>| number);
    host.io.on("fails", async || Err::<i32, _>("failed"));
    host.io.on("lost", async |State(missing): State<u64>| missing);
    let mut client = host.join().await;
    client.send_all([r#"421["number","text"]"#, r#"422["fails"]"#, r#"423["lost"]"#, r#"424["number",4]"#]).await;
    client.expect("434[4]").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn large_text_and_half_an_emoji_go_through() {
    let host = Host::plain(builder()).await;
    host.io.on("echo", async |arguments: Arguments| arguments);
    host.io.on("length", async |Data(text): Data<String>| text.len());
    let mut client = host.join().await;
    let large = "x".repeat(900_000);
    client.send(&format!(r#"421["echo","{large}"]"#)).await;
    client.expect(&format!(r#"431["{large}"]"#)).await;
    client.send(&format!(r#"422["length","{large}"]"#)).await;
    client.expect("432[900000]").await;
    client.send(r#"423["echo","\ud83d"]"#).await;
    client.expect(r#"433["\ud83d"]"#).await;
}

#[tokio::test]
async fn json_that_is_nested_too_deep_for_a_type_does_not_fit_and_closes_nothing() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder()).await;
    host.io.on("read", async |Data(_): Data<serde_json::Value>| {});
    host.io.on("echo", async |arguments: Arguments| arguments);
    host.io.on_error(move |failure| {
        let mismatch = matches!(failure.error.downcast_ref(), Some(ExtractError::Mismatch { .. }));
        log.note(format!("{} {mismatch}", failure.event));
    });
    let mut client = host.join().await;
    for depth in [200, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        client.send(&format!(r#"42["read",{deep}]"#)).await;
        seen.expect("read true").await;
        // What is not read is passed on as it is.
        client.send(&format!(r#"421["echo",{deep}]"#)).await;
        client.expect(&format!("431[{deep}]")).await;
    }
}
