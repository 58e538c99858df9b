//! The end of the server.

use std::time::Duration;

use sockeye::{DisconnectReason, Drain, Listener, Socket, State};

use crate::support::{Host, Notes, builder, http, notes, within};

const QUICK: Drain = Drain { spread: Duration::ZERO, grace: Duration::from_secs(20) };

#[tokio::test]
async fn clients_see_a_lost_connection_and_no_disconnect_packet() {
    for with_axum in [false, true] {
        let (log, mut seen) = notes();
        let settings = builder().state(log);
        let host = if with_axum { Host::axum(settings).await } else { Host::plain(settings).await };
        host.io.on_disconnecting(async |State(log): State<Notes>, socket: Socket, reason: DisconnectReason| {
            log.note(format!("{reason} {}", socket.rooms().len()));
        });
        host.io.on_disconnect(async |State(log): State<Notes>, reason: DisconnectReason| log.note(reason));
        let mut client = host.join().await;
        host.io.emit("last words", 1).unwrap();
        let ended = async {
            let rest = client.rest().await;
            drop(client);
            rest
        };
        let ((), rest) = within("closing", async { tokio::join!(host.io.close_with(QUICK), ended) }).await;
        assert_eq!(rest, [r#"42["last words",1]"#]);
        assert_eq!(seen.so_far(), ["server shutting down 1", "server shutting down"]);
        assert_eq!((host.io.connection_count(), host.io.socket_count()), (0, 0));
        // Closed twice is closed.
        within("closing again", host.io.close_with(QUICK)).await;
    }
}

#[tokio::test]
async fn the_port_can_be_used_again_and_emits_to_a_closed_server_are_harmless() {
    let host = Host::plain(builder()).await;
    let address = host.address;
    let mut client = host.join().await;
    let socket = host.io.sockets().pop().unwrap();
    within("closing", async { tokio::join!(host.io.close_with(QUICK), client.expect_closed()) }).await;
    socket.emit("e", 1).unwrap();
    host.io.emit("e", 1).unwrap();
    let io = host.io.clone();
    drop(host);
    let listener = within("the same port", async {
        loop {
            match Listener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    })
    .await;
    assert_eq!(listener.local_addr().unwrap(), address);
    assert_eq!(io.connection_count(), 0);
}

#[tokio::test]
async fn a_closing_server_takes_no_new_sessions() {
    let host = Host::axum(builder()).await;
    within("closing", host.io.close_with(QUICK)).await;
    let answer = http(host.address, "GET /socket.io/?EIO=4&transport=polling", b"").await;
    assert!(answer.status >= 400, "{answer:?}");
    // What is not ours goes on.
    assert_eq!(http(host.address, "GET /", b"").await.text(), "the page");
}

#[tokio::test]
async fn closing_does_not_wait_for_a_client_that_does_not_hang_up() {
    let settings = builder().close_timeout(Duration::from_millis(100));
    let host = Host::plain(settings).await;
    let client = host.join().await;
    // It neither reads nor closes.
    within("closing", host.io.close_with(QUICK)).await;
    drop(client);
}

#[tokio::test]
async fn a_volatile_emit_is_lost_behind_a_reliable_one_and_arrives_by_itself() {
    let host = Host::plain(builder()).await;
    host.io.on("lost", async |socket: Socket| {
        socket.emit("first", ())?;
        socket.volatile().emit("second", ())?;
        socket.volatile().emit("third", ())
    });
    host.io.on("kept", async |socket: Socket| {
        socket.volatile().emit("first", ())?;
        socket.volatile().emit("second", ())?;
        socket.emit("third", ())
    });
    let mut client = host.join().await;
    client.send(r#"42["lost"]"#).await;
    client.expect(r#"42["first"]"#).await;
    client.expect_nothing().await;
    client.send(r#"42["kept"]"#).await;
    client.expect(r#"42["first"]"#).await;
    client.expect(r#"42["third"]"#).await;
    client.expect_nothing().await;
    host.io.volatile().emit("broadcast", 1).unwrap();
    client.expect(r#"42["broadcast",1]"#).await;
}
