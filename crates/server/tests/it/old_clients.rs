//! Clients of Socket.IO 2 and before.

use bytes::Bytes;
use sockeye::{Clients, ConnectError, Data, Handshake, Socket, State};

use crate::support::{Client, Host, Notes, builder, http, notes, until};

#[tokio::test]
async fn an_old_client_is_in_the_main_namespace_without_asking_and_can_compute_its_ids() {
    for host in Host::each(builder).await {
        host.io.of("/chat");
        let mut client = host.join_old().await;
        assert!(host.io.socket(&client.session).is_some());
        client.send("40/chat,").await;
        client.expect("40/chat,").await;
        let id = format!("/chat#{}", client.session);
        assert_eq!(host.io.of("/chat").socket(&id).unwrap().id().as_str(), id);
        host.io.to(client.session.as_str()).emit("for you", 1).unwrap();
        client.expect(r#"42["for you",1]"#).await;
    }
}

#[tokio::test]
async fn the_query_of_a_namespace_is_its_auth() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io
        .of("/chat")
        .on_connect(async |State(log): State<Notes>, handshake: Handshake| log.note(handshake.auth_json()));
    let mut client = host.join_old().await;
    client.send("40/chat?token=a%20b&x=1,").await;
    client.expect("40/chat,").await;
    seen.expect(r#"{"token":"a b","x":"1"}"#).await;
    host.io.of("/chat").on("echo", async |Data(text): Data<String>| text);
    client.send(r#"42/chat,7["echo","hi"]"#).await;
    client.expect(r#"43/chat,7["hi"]"#).await;
}

#[tokio::test]
async fn an_old_client_may_ask_for_the_main_namespace_all_the_same() {
    let host = Host::plain(builder()).await;
    let mut client = host.join_old().await;
    client.send("40/?token=x,").await;
    client.expect_nothing().await;
    assert_eq!(host.io.socket_count(), 1);
}

#[tokio::test]
async fn an_error_is_its_data_or_its_message() {
    let host = Host::plain(builder()).await;
    host.io.of("/plain").middleware(async || Err::<(), _>(ConnectError::new("no")));
    host.io
        .of("/data")
        .middleware(async || Err::<(), _>(ConnectError::new("no").data(serde_json::json!({ "code": 1 }))));
    let mut client = host.join_old().await;
    client.send("40/plain,").await;
    client.expect(r#"44/plain,"no""#).await;
    client.send("40/data,").await;
    client.expect(r#"44/data,{"code":1}"#).await;
    client.send("40/nowhere,").await;
    client.expect(r#"44/nowhere,"Invalid namespace""#).await;
}

#[tokio::test]
async fn binary_data_goes_both_ways() {
    let host = Host::plain(builder()).await;
    host.io.on("bytes", async |socket: Socket, Data(bytes): Data<Bytes>| {
        socket.emit("back", &bytes)?;
        Ok::<_, sockeye::EmitError>(bytes)
    });
    let mut client = host.join_old().await;
    client.send(r#"451-7["bytes",{"_placeholder":true,"num":0}]"#).await;
    client.send_binary(b"\x00\xff").await;
    client.expect(r#"451-["back",{"_placeholder":true,"num":0}]"#).await;
    client.expect_binary(b"\x00\xff").await;
    client.expect(r#"461-7[{"_placeholder":true,"num":0}]"#).await;
    client.expect_binary(b"\x00\xff").await;
}

#[tokio::test]
async fn the_client_pings() {
    let host = Host::plain(builder()).await;
    let mut client = host.join_old().await;
    client.send("2").await;
    client.expect("3").await;
}

#[tokio::test]
async fn one_broadcast_reaches_clients_of_both_protocols() {
    let host = Host::plain(builder()).await;
    let (mut old, mut new) = (host.join_old().await, host.join().await);
    host.io.emit("bytes", (1, Bytes::from_static(b"ab"))).unwrap();
    for client in [&mut old, &mut new] {
        client.expect(r#"451-["bytes",1,{"_placeholder":true,"num":0}]"#).await;
        client.expect_binary(b"ab").await;
    }
}

#[tokio::test]
async fn a_disconnected_old_client_is_told_so() {
    let host = Host::plain(builder()).await;
    host.io.of("/chat");
    let mut client = host.join_old().await;
    client.send("40/chat,").await;
    client.expect("40/chat,").await;
    host.io.of("/chat").broadcast().disconnect_sockets();
    client.expect("41/chat,").await;
    host.io.broadcast().disconnect_sockets();
    client.expect("41").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_server_for_new_clients_alone_refuses_old_ones() {
    let host = Host::plain(builder().clients(Clients::Protocol4)).await;
    let answer = http(host.address, "GET /socket.io/?EIO=3&transport=polling", b"").await;
    assert_eq!((answer.status, answer.text()), (400, r#"{"code":5,"message":"Unsupported protocol version"}"#));
    Client::open(host.address, 4).await.join("/").await;
}

#[tokio::test]
async fn a_panic_while_an_old_client_is_let_in_leaves_nothing_behind() {
    for host in Host::each(builder).await {
        host.io.on_connect(async || assert!(std::hint::black_box(false), "on purpose"));
        let mut client = Client::open(host.address, 3).await;
        client.expect("40").await;
        client.expect_closed().await;
        until("the socket's end", || host.io.socket_count() == 0 && host.io.connection_count() == 0).await;
    }
}
