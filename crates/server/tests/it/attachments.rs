//! Binary data.

use bytes::Bytes;
use sockeye::{Data, EmitError, Socket, State};

use crate::support::{Host, Notes, builder, http, notes};

#[tokio::test]
async fn an_emit_with_too_many_attachments_is_an_error_and_sends_nothing() {
    let host = Host::plain(builder()).await;
    let mut client = host.join().await;
    let many = vec![Bytes::from_static(b"x"); 11];
    assert!(matches!(host.io.emit("many", &many), Err(EmitError::Encode(_))));
    let socket = host.io.sockets().pop().unwrap();
    assert!(matches!(socket.emit("many", &many), Err(EmitError::Encode(_))));
    client.expect_nothing().await;
    assert_eq!(host.reached("max_attachments"), 2);
    host.io.emit("many", &many[1..]).unwrap();
    assert!(client.text().await.starts_with(r#"4510-["many",[{"#));
    for _ in 0..10 {
        client.expect_binary(b"x").await;
    }
}

#[tokio::test]
async fn a_packet_with_too_many_attachments_closes_the_connection() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on_disconnect(async |State(log): State<Notes>, reason: sockeye::DisconnectReason| log.note(reason));
    let mut client = host.join().await;
    client.send(r#"4511-["many"]"#).await;
    client.expect_closed().await;
    seen.expect("forced close").await;
    assert_eq!(host.reached("max_attachments"), 1);
}

#[tokio::test]
async fn text_between_attachments_and_binary_out_of_place_close_the_connection() {
    for packets in [&[r#"451-["e",{"_placeholder":true,"num":0}]"#, r#"42["e"]"#][..], &["binary"]] {
        let (log, mut seen) = notes();
        let host = Host::plain(builder().state(log)).await;
        host.io.on_disconnect(async |State(log): State<Notes>, reason: sockeye::DisconnectReason| log.note(reason));
        let mut client = host.join().await;
        for packet in packets {
            match *packet {
                "binary" => client.send_binary(b"x").await,
                text => client.send(text).await,
            }
        }
        client.expect_closed().await;
        seen.expect("forced close").await;
    }
}

#[tokio::test]
async fn a_placeholder_without_attachment_closes_the_connection() {
    for num in ["1", "-1", "0.5", r#""0""#, "null"] {
        let (log, mut seen) = notes();
        let host = Host::plain(builder().state(log)).await;
        host.io.on("e", async |State(log): State<Notes>| log.note("called"));
        host.io.on_disconnect(async |State(log): State<Notes>, reason: sockeye::DisconnectReason| log.note(reason));
        let mut client = host.join().await;
        client.send(&format!(r#"451-["heard by nobody",{{"_placeholder":true,"num":{num}}}]"#)).await;
        client.send_binary(b"x").await;
        client.expect_closed().await;
        assert_eq!(seen.next().await, "forced close", "{num}");
    }
}

#[tokio::test]
async fn an_attachment_may_be_empty_and_used_twice() {
    let host = Host::plain(builder()).await;
    host.io.on("e", async |Data((a, b)): Data<(Bytes, Bytes)>| (a.len(), b.len()));
    let mut client = host.join().await;
    client.send(r#"451-1["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#).await;
    client.send_binary(b"").await;
    client.expect("431[0,0]").await;
}

#[tokio::test]
async fn reserved_names_can_not_be_emitted() {
    let host = Host::plain(builder()).await;
    let mut client = host.join().await;
    let socket = host.io.sockets().pop().unwrap();
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        assert!(matches!(host.io.emit(name, ()), Err(EmitError::ReservedName { .. })), "{name}");
        assert!(matches!(socket.emit(name, 1), Err(EmitError::ReservedName { .. })), "{name}");
        assert!(matches!(socket.volatile().emit(name, 1), Err(EmitError::ReservedName { .. })), "{name}");
    }
    host.io.emit("connection", 1).unwrap();
    client.expect(r#"42["connection",1]"#).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn binary_data_goes_both_ways_over_polling() {
    for host in Host::each(builder).await {
        host.io.on("bytes", async |socket: Socket, Data(bytes): Data<Bytes>| {
            socket.emit("back", &bytes)?;
            Ok::<_, EmitError>(bytes)
        });
        let open = http(host.address, "GET /socket.io/?EIO=4&transport=polling", b"").await;
        let sid = open.text().split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let (get, post) = (format!("GET {target}"), format!("POST {target}\nContent-Type: text/plain;charset=UTF-8"));
        assert_eq!(http(host.address, &post, b"40").await.text(), "ok");
        assert!(http(host.address, &get, b"").await.text().starts_with(r#"40{"sid":""#));
        let body = "451-7[\"bytes\",{\"_placeholder\":true,\"num\":0}]\x1ebAAH/";
        assert_eq!(http(host.address, &post, body.as_bytes()).await.text(), "ok");
        let expected = "451-[\"back\",{\"_placeholder\":true,\"num\":0}]\x1ebAAH/\x1e\
                        461-7[{\"_placeholder\":true,\"num\":0}]\x1ebAAH/";
        assert_eq!(http(host.address, &get, b"").await.text(), expected);
    }
}
