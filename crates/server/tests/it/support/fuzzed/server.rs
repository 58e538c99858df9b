//! Conversations with a whole server, without a socket: by its service, and polling.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use sockeye::http::{NotFound, Service};
use sockeye::{CloseCause, Data, Drain, Recovery, Server, Socket, Value};
use sockeye_protocol::Limits;
use sockeye_protocol::engine::{BodyKind, Message, Packet, Protocol, decode_payload};
use sockeye_protocol::socket::Assembler;
use tower_service::Service as _;

/// Posts lines as bodies to a server, as one client. The first byte chooses: 1 is a client of the old protocol, 2 says
/// that bodies are binary, 4 lets the client go without a word, 8 keeps what it missed.
///
/// # Panics
/// If the server says what cannot be read, if a handler's connection is closed for a panic, if another client feels
/// anything of it, or if anything is left of the client when it has gone.
pub fn run(input: &[u8]) {
    let Some((&choice, bodies)) = input.split_first() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(converse(choice, bodies));
}

async fn converse(choice: u8, bodies: &[u8]) {
    let panicked = Arc::new(AtomicBool::new(false));
    let io = serve(choice & 8 != 0, &panicked);
    let bystander = Client::open(&io, Protocol::V4).await;
    bystander.post(BodyKind::Text, b"40").await;
    assert_eq!(bystander.read().await.len(), 1, "the bystander is welcome");

    let protocol = if choice & 1 == 0 { Protocol::V4 } else { Protocol::V3 };
    let kind = if choice & 2 == 0 { BodyKind::Text } else { BodyKind::Binary };
    let client = Client::open(&io, protocol).await;
    for body in bodies.split(|byte| *byte == b'\n') {
        if client.post(kind, body).await != StatusCode::OK {
            break;
        }
    }
    // Suspended handlers end, and unanswered questions are given up.
    tokio::time::sleep(Duration::from_secs(1)).await;
    if protocol == Protocol::V3 {
        client.post(BodyKind::Text, b"1:2").await; // Its pong ends the poll, if nothing else waits.
    }
    let said = client.read().await;
    check(&said);
    if choice & 4 == 0 {
        client.post(BodyKind::Text, if protocol == Protocol::V4 { b"1" } else { b"1:1" }).await;
    }
    // Nobody reads: the poll is dropped, and the client gone with it.
    let _nothing_more = tokio::time::timeout(Duration::from_secs(1), client.read()).await;

    bystander.post(BodyKind::Text, br#"427["echo",["still",1]]"#).await;
    let said = bystander.read().await;
    check(&said);
    assert!(said.contains(&Packet::text(r#"37[["still",1]]"#)), "the bystander heard {said:?}");
    assert!(!panicked.load(Ordering::Relaxed), "a connection was closed for a panic");
    assert_eq!((io.connection_count(), io.of("/").sockets().len(), io.of("/admin").sockets().len()), (1, 1, 0));
    io.close_with(Drain { spread: Duration::ZERO, grace: Duration::ZERO }).await;
}

/// A server with a handler for each way to answer.
fn serve(keeps: bool, panicked: &Arc<AtomicBool>) -> Server {
    let settings = Server::builder().max_suspended_handlers(4);
    let settings = if keeps { settings.recovery(Recovery::default()) } else { settings };
    let io = settings.build().expect("valid settings");
    let made = io.of_dynamic(async |name: String, _: serde_json::Value| name.starts_with("/made-"));
    for namespace in [io.of("/"), io.of("/admin"), made] {
        namespace.on("echo", async |Data(value): Data<Value>| Data(value));
        namespace.on("sum", async |Data((_, numbers)): Data<(String, Vec<f64>)>| numbers.iter().sum::<f64>());
        namespace.on("later", async |Data(bytes): Data<Bytes>| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Data(bytes)
        });
        namespace.on("tell", async |socket: Socket, Data(value): Data<Value>| socket.broadcast().emit("told", value));
        namespace.on("join", async |socket: Socket, Data(room): Data<String>| socket.join(room));
        namespace.on("room", async |socket: Socket, Data(room): Data<String>| socket.within(room).emit("room", 1));
        namespace.on("ask", async |socket: Socket| {
            let asked =
                socket.timeout(Duration::from_millis(500)).emit_with_ack::<Value>("asked", Bytes::from_static(b"?"));
            asked.await.map(Data)
        });
        namespace.on("leave", async |socket: Socket| socket.disconnect());
        namespace.fallback(async |socket: Socket, Data(value): Data<Value>| socket.emit("unknown", value));
        let panicked = panicked.clone();
        namespace.on_disconnect(move |cause: CloseCause| {
            panicked.fetch_or(cause == CloseCause::Panic, Ordering::Relaxed);
            std::future::ready(())
        });
    }
    io
}

struct Client {
    service: Service<NotFound>,
    protocol: Protocol,
    target: String,
}

impl Client {
    async fn open(io: &Server, protocol: Protocol) -> Self {
        let revision = if protocol == Protocol::V4 { 4 } else { 3 };
        let target = format!("/socket.io/?EIO={revision}&transport=polling");
        let mut client = Self { service: io.service(), protocol, target };
        let open = client.read().await;
        let [Packet::Open(open), ..] = open.as_slice() else { panic!("{open:?}") };
        let sid = open.split(r#""sid":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
        client.target = format!("{}&sid={sid}", client.target);
        client
    }

    async fn post(&self, kind: BodyKind, body: &[u8]) -> StatusCode {
        let content_type = if kind == BodyKind::Text { "text/plain;charset=UTF-8" } else { "application/octet-stream" };
        let request = Request::post(&self.target).header("content-type", content_type);
        self.answer(request, body).await.status()
    }

    /// What one poll brings: all that waits, or else the next ping. Nothing if there is no session any more.
    async fn read(&self) -> Vec<Packet<'static>> {
        let answer = self.answer(Request::get(&self.target), b"").await;
        if answer.status() != StatusCode::OK {
            return Vec::new();
        }
        let is_binary = answer.headers()["content-type"] == "application/octet-stream";
        let kind = if is_binary { BodyKind::Binary } else { BodyKind::Text };
        let body = answer.into_body();
        decode_payload(self.protocol, kind, &body).map(|packet| owned(packet.expect("a packet"))).collect()
    }

    async fn answer(&self, request: http::request::Builder, body: &[u8]) -> Response<Bytes> {
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("a valid request");
        let Ok(answer) = self.service.clone().call(request).await;
        let (head, body) = answer.into_parts();
        Response::from_parts(head, body.collect().await.expect("a whole body").to_bytes())
    }
}

fn owned(packet: Packet<'_>) -> Packet<'static> {
    match packet {
        Packet::Open(data) => Packet::Open(data.into_owned().into()),
        Packet::Close => Packet::Close,
        Packet::Ping(data) => Packet::Ping(data.into_owned().into()),
        Packet::Pong(data) => Packet::Pong(data.into_owned().into()),
        Packet::Message(message) => Packet::Message(message.into_owned()),
        Packet::Upgrade => Packet::Upgrade,
        Packet::Noop => Packet::Noop,
    }
}

/// Reads the messages of a session as clients do.
fn check(packets: &[Packet<'_>]) {
    let mut assembler = Assembler::default();
    for packet in packets {
        match packet {
            Packet::Message(Message::Text(text)) => {
                let packet = assembler.text(text, &Limits::default()).expect("a packet of Socket.IO");
                assert_eq!(packet.map_or(Ok(()), |packet| packet.validate()), Ok(()), "{text}");
            }
            Packet::Message(Message::Binary(bytes)) => {
                let whole = assembler.binary(bytes.to_vec()).expect("an announced attachment");
                assert_eq!(whole.map_or(Ok(()), |whole| whole.packet().validate()), Ok(()));
            }
            _ => {}
        }
    }
}
