//! What a server counts.

use std::collections::HashSet;

use sockeye::metrics::Kind;
use sockeye::{JoinError, Socket};

use crate::support::{Gate, Host, builder, http, until};

#[tokio::test]
async fn what_is_there_is_counted_and_what_has_gone_is_not() {
    let gate = Gate::new();
    let host = Host::plain(builder().state(gate.clone())).await;
    host.io.on_connect(async |socket: Socket| socket.join(["a", "b"]));
    host.io.on("wait", async |sockeye::State(gate): sockeye::State<Gate>| gate.pass().await);
    host.io.of("/x");
    let before = host.io.metrics();
    assert_eq!((before.connections, before.sockets, before.rooms, before.namespaces), (0, 0, 0, 2));
    let (mut first, second) = (host.join().await, host.join().await);
    first.join("/x").await;
    first.send(r#"42["wait"]"#).await;
    first.settle().await;
    let during = host.io.metrics();
    assert_eq!((during.connections, during.websockets, during.sockets, during.rooms), (2, 2, 3, 2));
    assert_eq!((during.suspended_handlers, during.opened), (1, 2));
    assert!(during.deadlines >= 2 && during.tasks > before.tasks, "{during:?}");
    first.close().await;
    second.abort();
    let present = |metrics: &sockeye::Metrics| metrics.connections + metrics.sockets;
    until("all to be gone", || present(&host.io.metrics()) == 0).await;
    gate.open(1);
    until("the handler's end", || host.io.metrics().suspended_handlers == 0).await;
    let after = host.io.metrics();
    assert_eq!((after.websockets, after.sockets, after.rooms, after.namespaces), (0, 0, 0, 2));
    assert_eq!((after.closed.of("peer"), after.closed.total()), (1, 2));
}

#[tokio::test]
async fn bounds_are_counted_by_the_names_of_their_settings() {
    let host = Host::plain(builder().max_rooms(1).max_namespaces(1).max_pending_acks(1).max_attachments(1)).await;
    host.io.on_connect(async |socket: Socket| {
        assert!(matches!(socket.join(["a", "b"]), Err(JoinError::TooManyRooms { .. })));
        let _first = socket.emit_with_ack::<()>("ask", ());
        assert!(socket.emit_with_ack::<()>("ask", ()).await.is_err());
    });
    let mut client = host.join().await;
    client.asked().await;
    client.send("40/x,").await;
    client.text().await;
    client.send(r#"452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#).await;
    client.expect_closed().await;
    let metrics = host.io.metrics();
    for setting in ["max_rooms", "max_namespaces", "max_pending_acks", "max_attachments"] {
        assert_eq!(metrics.bounds.of(setting), 1, "{setting} of {:?}", metrics.bounds);
    }
    assert_eq!(metrics.closed.of("malformed"), 1);
}

#[tokio::test]
async fn messages_are_counted_once_for_each_recipient() {
    let host = Host::plain(builder()).await;
    let (mut first, mut second) = (host.join().await, host.join().await);
    let before = host.io.metrics();
    first.send_all([r#"42["a"]"#, r#"42["b"]"#]).await;
    host.io.emit("news", 1).unwrap();
    for client in [&mut first, &mut second] {
        client.expect(r#"42["news",1]"#).await;
        client.settle().await;
    }
    let after = host.io.metrics();
    assert_eq!((after.received - before.received, after.sent - before.sent), (2, 2));
}

async fn panics() {
    panic!("as the client asked for");
}

#[tokio::test]
async fn errors_and_panics_of_handlers_are_counted() {
    let host = Host::plain(builder()).await;
    host.io.on("number", async |sockeye::Data(_): sockeye::Data<i32>| ());
    host.io.on("panic", panics);
    let mut client = host.join().await;
    client.send_all([r#"42["number","none"]"#, r#"42["panic"]"#]).await;
    client.expect_closed().await;
    let metrics = host.io.metrics();
    assert_eq!((metrics.errors, metrics.panics, metrics.closed.of("panic")), (1, 1, 1));
}

#[tokio::test]
async fn refusals_are_counted_by_their_kinds() {
    let host = Host::plain(builder()).await;
    for (query, kind) in [
        ("EIO=4&transport=smoke", "unknown_transport"),
        ("EIO=4&transport=polling&sid=x", "unknown_session"),
        ("EIO=5&transport=polling", "unsupported_protocol"),
    ] {
        http(host.address, &format!("GET /socket.io/?{query}"), b"").await;
        assert_eq!(host.io.metrics().refused.of(kind), 1, "{kind}");
    }
}

#[test]
fn every_sample_has_a_name_that_prometheus_takes_and_its_own_label() {
    let io = builder().build().unwrap();
    let metrics = io.metrics();
    let mut seen = HashSet::new();
    for sample in metrics.iter() {
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(is_plain(sample.name) && sample.label.is_none_or(|(name, value)| is_plain(name) && is_plain(value)));
        assert_eq!(sample.kind == Kind::Counter, sample.name.ends_with("_total"), "{}", sample.name);
        assert!(seen.insert((sample.name, sample.label)), "{sample:?} twice");
        assert!(sample.value == 0 || matches!(sample.name, "sockeye_namespaces" | "sockeye_tasks"), "{sample:?}");
    }
}

/// The text of all files of Rust below a folder.
fn sources(folder: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn the_guide_names_every_bound_and_a_test_that_exists() {
    let guide = include_str!("../../docs/options.md").split_once("# Every bound").unwrap().1;
    let rows: Vec<Vec<&str>> = guide
        .lines()
        .filter(|line| line.starts_with("| `"))
        .take_while(|line| !line.starts_with("| `recovery`"))
        .map(|line| line.split('|').collect())
        .collect();
    let named: HashSet<&str> = rows.iter().map(|row| row[1].trim().trim_matches('`')).collect();
    let metrics = builder().build().unwrap().metrics();
    assert_eq!(named, metrics.bounds.iter().map(|(bound, _)| bound).collect());
    let mut text = String::new();
    sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut text);
    for test in rows.iter().flat_map(|row| row[4].split(',')).map(|test| test.trim().trim_matches('`')) {
        assert!(text.contains(&format!("fn {test}()")), "{test}");
    }
}
