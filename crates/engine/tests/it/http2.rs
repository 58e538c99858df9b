//! Polling over HTTP/2, where all requests share one connection and none can become a WebSocket.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye_engine::{Acceptor, Closed, Connection, Drain, Engine, EngineConfig, Guarantee, Message, Receiver};
use tokio::task::JoinSet;

struct Echoes;

struct Echo(Connection);

impl Acceptor for Echoes {
    fn accept(&self, connection: Connection) -> Box<dyn Receiver> {
        Box::new(Echo(connection))
    }
}

impl Receiver for Echo {
    fn receive(&mut self, message: Message<'_>) {
        match message {
            Message::Text(text) => self.0.send_text(text.as_bytes(), &[], Guarantee::Reliable),
            Message::Binary(bytes) => self.0.send_binary(&bytes, Guarantee::Reliable),
        }
    }

    fn closed(&mut self, _: Closed) {}
}

/// Both ends of an HTTP/2 connection, in memory.
async fn connect(engine: &Engine, tasks: &mut JoinSet<()>) -> SendRequest<Full<Bytes>> {
    let (client, server) = tokio::io::duplex(16 * 1024);
    let engine = engine.clone();
    tasks.spawn(async move {
        let service = service_fn(move |request: Request<Incoming>| {
            assert_eq!(request.version(), Version::HTTP_2);
            let engine = engine.clone();
            async move { Ok::<_, Infallible>(engine.handle(request).await) }
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(server), service)
            .await;
    });
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    tasks.spawn(async move { connection.await.unwrap_or_default() });
    sender
}

async fn send(sender: &SendRequest<Full<Bytes>>, method: Method, query: &str, body: &str) -> (Response<()>, String) {
    let uri = format!("http://server/engine.io/?transport=polling&{query}");
    let request = Request::builder().method(method).uri(uri).header("accept-encoding", "gzip");
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let (head, body) = sender.clone().send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(head, ()), String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn many_sessions_poll_over_one_connection() {
    let engine = Engine::new(EngineConfig::default(), Arc::new(Echoes)).unwrap();
    let mut tasks = JoinSet::new();
    let sender = connect(&engine, &mut tasks).await;
    let sessions = (0..20).map(|number| {
        let sender = sender.clone();
        async move {
            let (head, open) = send(&sender, Method::GET, "EIO=4", "").await;
            assert_eq!(head.status(), StatusCode::OK);
            let (_, sid) = open.split_once(r#""sid":""#).unwrap();
            let query = format!("EIO=4&sid={}", &sid[..20]);
            for round in 0..5 {
                let message = format!("4{number}.{round}");
                let post = async {
                    let (head, body) = send(&sender, Method::POST, &query, &message).await;
                    assert_eq!((head.status(), &*body), (StatusCode::OK, "ok"));
                };
                // The poll waits on the same connection meanwhile.
                let (poll, ()) = tokio::join!(send(&sender, Method::GET, &query, ""), post);
                assert_eq!(poll.1, message);
            }
            query
        }
    });
    let mut running = JoinSet::new();
    sessions.for_each(|session| drop(running.spawn(session)));
    let queries = running.join_all().await;
    assert_eq!(engine.connections(), 20);

    let (head, body) = send(&sender, Method::GET, "EIO=4&sid=unknown", "").await;
    assert_eq!((head.status(), &*body), (StatusCode::BAD_REQUEST, r#"{"code":1,"message":"Session ID unknown"}"#));
    let (head, _) = send(&sender, Method::POST, &queries[0], &"x".repeat(1_000_001)).await;
    assert_eq!(head.status(), StatusCode::PAYLOAD_TOO_LARGE);
    send(&sender, Method::POST, &queries[1], &format!("4{}", "x".repeat(5000))).await;
    let (head, _) = send(&sender, Method::GET, &queries[1], "").await;
    assert_eq!(head.headers()["content-encoding"], "gzip");
    send(&sender, Method::POST, &queries[0], "4unharmed").await;
    assert_eq!(send(&sender, Method::GET, &queries[0], "").await.1, "4unharmed");

    engine.close(Drain { spread: std::time::Duration::ZERO, grace: std::time::Duration::from_millis(200) }).await;
    drop(sender);
    tasks.shutdown().await;
}

#[tokio::test]
async fn a_poll_that_is_given_up_ends_its_session_alone() {
    let engine = Engine::new(EngineConfig::default(), Arc::new(Echoes)).unwrap();
    let mut tasks = JoinSet::new();
    let sender = connect(&engine, &mut tasks).await;
    let open = async || {
        let (_, open) = send(&sender, Method::GET, "EIO=4", "").await;
        let (_, sid) = open.split_once(r#""sid":""#).unwrap();
        format!("EIO=4&sid={}", &sid[..20])
    };
    let (given_up, kept) = (open().await, open().await);
    let poll = send(&sender, Method::GET, &given_up, "");
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), poll).await.is_err());
    let deadline = tokio::time::Instant::now() + crate::support::DEADLINE;
    while engine.connections() > 1 {
        assert!(tokio::time::Instant::now() < deadline, "the reset stream ends its session");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    send(&sender, Method::POST, &kept, "4unharmed").await;
    assert_eq!(send(&sender, Method::GET, &kept, "").await.1, "4unharmed");
    tasks.shutdown().await;
}
