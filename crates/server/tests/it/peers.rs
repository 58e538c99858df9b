//! What other servers get wrong, as far as no other test shows it.

use std::time::Duration;

use bytes::Bytes;
use sockeye::{AckError, Socket};
use sockeye_websocket::{Opcode, masked_frame};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Host, builder, http, within};

#[tokio::test]
async fn who_knows_the_id_of_a_socket_can_neither_poll_nor_post_on_its_session() {
    let host = Host::plain(builder()).await;
    let mut client = host.open().await;
    let id = client.join("/").await;
    for request in [
        format!("GET /socket.io/?EIO=4&transport=polling&sid={id}"),
        format!("POST /socket.io/?EIO=4&transport=polling&sid={id}\nContent-Type: text/plain;charset=UTF-8"),
    ] {
        let answer = http(host.address, &request, b"41").await;
        assert_eq!((answer.status, answer.text()), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
    }
    client.expect_nothing().await;
    assert_eq!(host.io.socket_count(), 1);
}

#[tokio::test]
async fn an_answer_that_timed_out_is_not_owed_any_more() {
    let host = Host::plain(builder().max_pending_acks(2)).await;
    let mut client = host.open().await;
    let id = client.join("/").await;
    let socket = host.io.socket(&id).unwrap();
    for _ in 0..5 {
        let short = Duration::from_millis(5);
        let alone = socket.timeout(short).emit_with_ack::<i32>("ask", ());
        let among = host.io.timeout(short).emit_with_ack::<i32>("ask", ());
        let (alone, among) = within("the time", async { tokio::join!(alone, among) }).await;
        assert!(matches!(alone, Err(AckError::Timeout)), "{alone:?}");
        assert!(matches!(among.unwrap().missing[..], [(_, AckError::Timeout)]));
    }
    for _ in 0..10 {
        client.asked().await;
    }
    let asked = socket.emit_with_ack::<i32>("ask", ());
    let (_, ack) = client.asked().await;
    client.send(&format!("43{ack}[1]")).await;
    assert_eq!(within("an answer", asked).await.unwrap(), 1);
}

#[tokio::test]
async fn a_burst_of_emits_that_nobody_waits_for_reaches_a_healthy_reader() {
    for host in Host::each(builder).await {
        host.io.on("burst", async |socket: Socket| {
            let filling = "x".repeat(2_000);
            (0..1_000).try_for_each(|number| socket.emit("n", (number, &filling)))
        });
        host.io.on("broadcast", async |socket: Socket| {
            (0..1_000).try_for_each(|number| socket.namespace().emit("n", (number, Bytes::from_static(b"b"))))
        });
        let mut client = host.join().await;
        client.send(r#"42["burst"]"#).await;
        for number in 0..1_000 {
            assert!(client.text().await.starts_with(&format!(r#"42["n",{number},"xxx"#)));
        }
        client.send(r#"42["broadcast"]"#).await;
        for number in 0..1_000 {
            client.expect(&format!(r#"451-["n",{number},{{"_placeholder":true,"num":0}}]"#)).await;
            client.expect_binary(b"b").await;
        }
        client.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_volatile_event_never_replaces_another_whatever_its_namespace() {
    for host in Host::each(builder).await {
        host.io.of("/x");
        host.io.on("flood", async |socket: Socket| {
            let other = socket.server().map(|server| server.of("/x")).ok_or("no server")?;
            socket.volatile().emit("first", 1).map_err(|error| error.to_string())?;
            other.volatile().emit("second", 2).map_err(|error| error.to_string())?;
            socket.volatile().emit("third", 3).map_err(|error| error.to_string())
        });
        let mut client = host.join().await;
        client.join("/x").await;
        client.send(r#"42["flood"]"#).await;
        client.expect(r#"42["first",1]"#).await;
        client.expect_nothing().await;
    }
}

#[tokio::test]
async fn of_two_volatile_events_with_attachments_one_arrives_whole_and_what_follows_too() {
    for broadcast in [false, true] {
        let host = Host::plain(builder()).await;
        host.io.on("flood", move |socket: Socket| async move {
            let bytes = Bytes::from_static(b"bytes");
            for number in 0..2 {
                if broadcast {
                    socket.namespace().volatile().emit("v", (number, &bytes))?;
                } else {
                    socket.volatile().emit("v", (number, &bytes))?;
                }
            }
            socket.emit("regular", &bytes)
        });
        let mut client = host.join().await;
        client.send(r#"42["flood"]"#).await;
        client.expect(r#"451-["v",0,{"_placeholder":true,"num":0}]"#).await;
        client.expect_binary(b"bytes").await;
        client.expect(r#"451-["regular",{"_placeholder":true,"num":0}]"#).await;
        client.expect_binary(b"bytes").await;
        client.expect_nothing().await;
    }
}

#[tokio::test]
async fn two_pongs_in_a_row_are_no_offence() {
    let host = Host::plain(builder()).await;
    let mut client = host.join().await;
    client.send_all(["3", "3", "3"]).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_reset_at_any_moment_of_an_upgrade_harms_nobody() {
    for host in Host::each(builder).await {
        host.io.on("echo", async |sockeye::Data(number): sockeye::Data<u32>| number);
        let open = http(host.address, "GET /socket.io/?EIO=4&transport=polling", b"").await;
        let sid = open.text().split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let post = format!("POST {target}\nContent-Type: text/plain;charset=UTF-8");
        http(host.address, &post, b"40").await;
        http(host.address, &format!("GET {target}"), b"").await;
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            target.replace("polling", "websocket")
        );
        let probe = masked_frame(Opcode::Text, b"2probe", [1, 2, 3, 4]);
        let sent = [head.as_bytes(), &probe].concat();
        let moments = [1, head.len() - 1, head.len(), head.len() + 1, sent.len() - 1, sent.len()];
        for (number, moment) in (0_u32..).zip(moments) {
            let mut stream = TcpStream::connect(host.address).await.unwrap();
            stream.write_all(&sent[..moment]).await.unwrap();
            if number % 2 == 0 {
                // Long enough for some of it to be read, at most places.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            stream.set_zero_linger().unwrap();
            drop(stream);
            http(host.address, &post, format!(r#"42{number}["echo",{number}]"#).as_bytes()).await;
            let answer = async {
                loop {
                    let answer = http(host.address, &format!("GET {target}"), b"").await;
                    assert_eq!(answer.status, 200, "after {moment} bytes");
                    // A poll that comes while a probe has not been given up yet may be ended with nothing to say.
                    if answer.text() != "6" {
                        return answer;
                    }
                }
            };
            assert_eq!(within("the answer", answer).await.text(), format!("43{number}[{number}]"));
        }
        assert_eq!(host.io.socket_count(), 1);
    }
}
