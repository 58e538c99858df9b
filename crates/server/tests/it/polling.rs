//! The same without WebSocket: by GET and POST.

use std::time::Duration;

use sockeye::{Data, DisconnectReason, Socket, State, Transport};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Host, Notes, builder, http, notes, until};

/// A client that speaks raw payloads.
struct Poller<'h> {
    host: &'h Host,
    target: String,
}

impl<'h> Poller<'h> {
    async fn open(host: &'h Host) -> Self {
        let open = http(host.address, "GET /socket.io/?EIO=4&transport=polling", b"").await;
        let sid = open.text().split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap();
        Self { host, target: format!("/socket.io/?EIO=4&transport=polling&sid={sid}") }
    }

    async fn join(host: &'h Host) -> Self {
        let client = Self::open(host).await;
        client.post("40").await;
        assert!(client.get().await.starts_with(r#"40{"sid":""#));
        client
    }

    async fn get(&self) -> String {
        http(self.host.address, &format!("GET {}", self.target), b"").await.text().to_owned()
    }

    async fn post(&self, payload: &str) {
        let head = format!("POST {}\nContent-Type: text/plain;charset=UTF-8", self.target);
        assert_eq!(http(self.host.address, &head, payload.as_bytes()).await.text(), "ok");
    }
}

#[tokio::test]
async fn all_that_came_in_a_post_is_handled_though_its_client_has_gone() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on("work", async |State(log): State<Notes>, Data(number): Data<usize>| {
        std::thread::sleep(Duration::from_millis(1));
        log.note(number);
    });
    let client = Poller::join(&host).await;
    let events: Vec<String> = (0..50).map(|number| format!("42[\"work\",{number}]")).collect();
    let body = events.join("\x1e");
    let request = format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", client.target, body.len());
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    drop(stream);
    for number in 0..50 {
        seen.expect(&number.to_string()).await;
    }
}

#[tokio::test]
async fn others_have_their_turn_while_all_that_came_in_a_post_is_handled() {
    for host in Host::each(builder).await {
        let (log, mut seen) = notes();
        let busy = log.clone();
        host.io.on("work", move |Data(number): Data<usize>| {
            std::thread::sleep(Duration::from_millis(1));
            busy.note(number);
            std::future::ready(())
        });
        host.io.on("quick", move || {
            log.note("quick");
            std::future::ready(())
        });
        let (client, mut other) = (Poller::join(&host).await, host.join().await);
        let events: Vec<String> = (0..500).map(|number| format!("42[\"work\",{number}]")).collect();
        let body = events.join("\x1e");
        let asking = async {
            seen.expect("0").await;
            other.send("42[\"quick\"]").await;
        };
        tokio::join!(client.post(&body), asking);
        let mut order = Vec::new();
        for _ in 0..500 {
            order.push(seen.next().await);
        }
        let quick = order.iter().position(|note| note == "quick").unwrap();
        assert!(quick < 400, "after {quick} of the others");
        order.remove(quick);
        assert!(order.iter().enumerate().all(|(place, note)| *note == (place + 1).to_string()), "{order:?}");
    }
}

#[tokio::test]
async fn events_and_answers_go_both_ways() {
    for host in Host::each(builder).await {
        host.io.on("add", async |Data((a, b)): Data<(i32, i32)>| a + b);
        host.io.on("transport", async |socket: Socket| socket.emit("is", (socket.transport() == Transport::Polling,)));
        let client = Poller::join(&host).await;
        client.post("421[\"add\",1,2]\x1e42[\"transport\"]\x1e422[\"add\",3,4]").await;
        assert_eq!(client.get().await, "431[3]\x1e42[\"is\",true]\x1e432[7]");
        // A poll that waits is answered by what is emitted.
        let emit = async {
            host.io.emit("news", "now").unwrap();
        };
        assert_eq!(tokio::join!(client.get(), emit).0, r#"42["news","now"]"#);
    }
}

#[tokio::test]
async fn a_connection_that_joins_no_namespace_is_told_to_close() {
    let host = Host::plain(builder().connect_timeout(Duration::from_millis(100))).await;
    let client = Poller::open(&host).await;
    assert_eq!(client.get().await, "1");
    until("the session has gone", || host.io.connection_count() == 0).await;
}

#[tokio::test]
async fn a_client_that_is_disconnected_is_told_with_what_was_emitted_before() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on_disconnect(async |State(log): State<Notes>, reason: DisconnectReason| log.note(reason));
    let client = Poller::join(&host).await;
    host.io.emit("last", 1).unwrap();
    host.io.broadcast().close_sockets();
    seen.expect("server namespace disconnect").await;
    assert_eq!(client.get().await, "42[\"last\",1]\x1e41");
    assert_eq!(client.get().await, "1");

    let client = Poller::join(&host).await;
    host.io.broadcast().disconnect_sockets();
    assert_eq!(client.get().await, "41");
    seen.expect("server namespace disconnect").await;
    // Its session lives on.
    client.post("40").await;
    assert!(client.get().await.starts_with(r#"40{"sid":""#));
    client.post("1").await;
    seen.expect("transport close").await;
}

#[tokio::test]
async fn an_offence_ends_the_session() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().state(log)).await;
    host.io.on("e", async |State(log): State<Notes>| log.note("called"));
    host.io.on_disconnect(async |State(log): State<Notes>, reason: DisconnectReason| log.note(reason));
    for (packet, reason) in [("42{}", "forced close"), ("42/x,[\"e\"]", "forced server close"), ("4x", "forced close")]
    {
        let client = Poller::join(&host).await;
        let head = format!("POST {}\nContent-Type: text/plain;charset=UTF-8", client.target);
        let payload = format!("42[\"e\"]\x1e{packet}\x1e42[\"e\"]");
        http(host.address, &head, payload.as_bytes()).await;
        seen.expect("called").await;
        assert_eq!(seen.next().await, reason, "{packet}");
        assert_eq!(seen.so_far(), Vec::<String>::new(), "{packet}");
        until("the socket has gone", || host.io.socket_count() == 0).await;
    }
}
