//! The server under test: an echo that tells what happens to its connections.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Events, Sender, channel};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sockeye_engine::{
    Acceptor, Body, CloseCause, Closed, Connection, Drain, Engine, EngineConfig, Guarantee, Listener, Message,
    Receiver, SessionId,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};

use super::{DEADLINE, WebSocket};

/// The ways by which connections reach the engine; each writes in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// The engine listens, one event loop of one thread: its worker writes.
    Listen,
    /// The user's hyper on a work-stealing runtime: the connections' tasks write.
    Hyper,
    /// The same over a stream that the engine can't take apart, as TLS would be.
    Opaque,
}

impl Flavour {
    pub(crate) const ALL: [Self; 3] = [Self::Listen, Self::Hyper, Self::Opaque];
}

/// What happened to a connection.
enum Event {
    Opened(Connection),
    Received(SessionId, Vec<u8>),
    Closed(SessionId, Closed),
}

pub(crate) struct Server {
    pub(crate) flavour: Flavour,
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    /// Always there, until it is dropped.
    runtime: Option<Runtime>,
    listening: Option<tokio::task::JoinHandle<io::Result<()>>>,
    events: Events<Event>,
    /// Events that a wait has passed over.
    seen: RefCell<VecDeque<Event>>,
}

impl Server {
    pub(crate) fn start(flavour: Flavour, config: EngineConfig) -> Self {
        Self::greeting(flavour, config, |_| ())
    }

    /// A server that does something with each connection while it accepts it.
    pub(crate) fn greeting(
        flavour: Flavour,
        config: EngineConfig,
        greet: impl Fn(&Connection) + Send + Sync + 'static,
    ) -> Self {
        let (sender, events) = channel();
        let engine = Engine::new(config, Arc::new(Echoes { events: sender, greet: Box::new(greet) })).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(Listener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let listening = match flavour {
            Flavour::Listen => {
                let (engine, answering) = (engine.clone(), engine.clone());
                let answer = move |request| answer(answering.clone(), request);
                runtime.spawn(async move { engine.listen(listener, NonZeroUsize::MIN, answer).await })
            }
            Flavour::Hyper | Flavour::Opaque => {
                drop(listener);
                let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
                runtime.spawn(accept(flavour, engine.clone(), listener))
            }
        };
        let (runtime, listening) = (Some(runtime), Some(listening));
        Self { flavour, address, engine, runtime, listening, events, seen: RefCell::default() }
    }

    /// A server whose engine listens with TLS, with one event loop.
    #[cfg(feature = "tls")]
    pub(crate) fn start_tls(config: EngineConfig, tls: Arc<rustls::ServerConfig>) -> Self {
        let (sender, events) = channel();
        let engine = Engine::new(config, Arc::new(Echoes { events: sender, greet: Box::new(|_| ()) })).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(Listener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (listening, answering) = (engine.clone(), engine.clone());
        let answer = move |request| answer(answering.clone(), request);
        let listening =
            runtime.spawn(async move { listening.listen_tls(listener, NonZeroUsize::MIN, tls, answer).await });
        let (flavour, runtime, listening) = (Flavour::Listen, Some(runtime), Some(listening));
        Self { flavour, address, engine, runtime, listening, events, seen: RefCell::default() }
    }

    /// Runs a test against a fresh server of each flavour, beside a connection that must not notice anything.
    pub(crate) fn each(config: &EngineConfig, test: impl Fn(&Self) + Sync) {
        Self::each_alone(config, |server| {
            let mut bystander = WebSocket::open(server);
            server.opened();
            test(server);
            bystander.echo("still here");
        });
    }

    /// Runs a test against a fresh server of each flavour that has no other connection.
    pub(crate) fn each_alone(config: &EngineConfig, test: impl Fn(&Self) + Sync) {
        std::thread::scope(|scope| {
            for flavour in Flavour::ALL {
                let test = &test;
                let run = move || {
                    let server = Self::start(flavour, config.clone());
                    test(&server);
                    server.end();
                };
                // The name tells in a failure's message which one it was.
                let name = format!("{flavour:?} of {}", std::thread::current().name().unwrap_or_default());
                std::thread::Builder::new().name(name).spawn_scoped(scope, run).unwrap();
            }
        });
    }

    /// Closes the engine, which must come to its end.
    pub(crate) fn end(mut self) {
        self.close(Drain { spread: Duration::ZERO, grace: Duration::from_millis(200) });
        let listening = self.listening.take().filter(|_| self.flavour == Flavour::Listen);
        if let Some(listening) = listening {
            self.runtime().block_on(listening).unwrap().unwrap();
        }
    }

    /// A bound must have been reached so often, or soon be: the end of an HTTP connection is counted behind what clients see.
    #[track_caller]
    pub(crate) fn check_reached(&self, setting: &str, times: u64) {
        let reached = || self.engine.metrics().bounds.of(setting);
        super::eventually(&format!("`{setting}` to be reached {times} times"), || reached() >= times);
        assert_eq!(reached(), times, "{setting}");
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    pub(crate) fn close(&self, drain: Drain) {
        let closed = self.runtime().block_on(async { tokio::time::timeout(DEADLINE, self.engine.close(drain)).await });
        closed.expect("the engine to come to its end");
    }

    /// Waits for the next connection.
    #[track_caller]
    pub(crate) fn opened(&self) -> Connection {
        self.wait("a connection to be opened", |event| match event {
            Event::Opened(connection) => Ok(connection),
            other => Err(other),
        })
    }

    /// Waits for the end of a connection.
    #[track_caller]
    pub(crate) fn closed(&self, sid: SessionId) -> Closed {
        self.wait("a connection to be closed", |event| match event {
            Event::Closed(closed_sid, closed) if closed_sid == sid => Ok(closed),
            other => Err(other),
        })
    }

    /// Waits for the next message of a connection.
    #[track_caller]
    pub(crate) fn received(&self, sid: SessionId) -> Vec<u8> {
        self.wait("a message to be received", |event| match event {
            Event::Received(from, message) if from == sid => Ok(message),
            other => Err(other),
        })
    }

    /// Whether a connection has been told its end.
    pub(crate) fn has_closed(&self, sid: SessionId) -> bool {
        self.seen.borrow_mut().extend(self.events.try_iter());
        self.seen.borrow().iter().any(|event| matches!(event, Event::Closed(closed, _) if *closed == sid))
    }

    /// Whether another message of a connection has been received.
    pub(crate) fn has_received(&self, sid: SessionId) -> bool {
        self.seen.borrow_mut().extend(self.events.try_iter());
        self.seen.borrow().iter().any(|event| matches!(event, Event::Received(from, _) if *from == sid))
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        self.runtime().spawn(future)
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, wanted: impl Fn(Event) -> Result<T, Event>) -> T {
        let mut found = None;
        let seen = std::mem::take(&mut *self.seen.borrow_mut());
        for event in seen {
            match if found.is_none() { wanted(event) } else { Err(event) } {
                Ok(result) => found = Some(result),
                Err(other) => self.seen.borrow_mut().push_back(other),
            }
        }
        if let Some(found) = found {
            return found;
        }
        loop {
            let event = self.events.recv_timeout(DEADLINE);
            match wanted(event.unwrap_or_else(|_| panic!("expected {what} ({:?})", self.flavour))) {
                Ok(result) => return result,
                Err(other) => self.seen.borrow_mut().push_back(other),
            }
        }
    }
}

impl Drop for Server {
    /// A failed test must not wait for what it left behind.
    fn drop(&mut self) {
        self.engine.stop_listening().cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer<B>(engine: Engine, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = bytes::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    if engine.owns(request.uri().path()) {
        return engine.handle(request).await;
    }
    let mut response = Response::new(Body::from("not the engine's"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

async fn accept(flavour: Flavour, engine: Engine, listener: tokio::net::TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        if flavour == Flavour::Hyper {
            Handle::current().spawn(serve(engine.clone(), stream));
        } else {
            Handle::current().spawn(serve(engine.clone(), Opaque(stream)));
        }
    }
}

/// Serves one connection with hyper.
pub(crate) async fn serve(engine: Engine, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let service = service_fn(move |request| {
        let response = answer(engine.clone(), request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    // How it ends is told by the other side of the test.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// Sends back what it gets; `panic` and `close` make it do so, `burst` is answered by 5 MB more.
struct Echo {
    connection: Connection,
    events: Sender<Event>,
}

struct Echoes {
    events: Sender<Event>,
    greet: Box<dyn Fn(&Connection) + Send + Sync>,
}

impl Acceptor for Echoes {
    fn accept(&self, connection: Connection) -> Box<dyn Receiver> {
        // Nobody listens once the test is over.
        let _ = self.events.send(Event::Opened(connection.clone()));
        (self.greet)(&connection);
        Box::new(Echo { connection, events: self.events.clone() })
    }
}

impl Receiver for Echo {
    fn receive(&mut self, message: Message<'_>) {
        match &message {
            Message::Text(text) if text == "panic" => panic!("as the client asked for"),
            Message::Text(text) if text == "close" => self.connection.close(Closed::forced(CloseCause::Application)),
            Message::Text(text) if text == "burst" => {
                (0..500).for_each(|_| self.connection.send_text(&[b'x'; 10_000], &[], Guarantee::Reliable));
                self.connection.send_text(b"burst", &[], Guarantee::Reliable);
            }
            Message::Text(text) => self.connection.send_text(text.as_bytes(), &[], Guarantee::Reliable),
            Message::Binary(bytes) => self.connection.send_binary(bytes, Guarantee::Reliable),
        }
        let received = match message {
            Message::Text(text) => text.into_owned().into_bytes(),
            Message::Binary(bytes) => bytes.into_owned(),
        };
        let _ = self.events.send(Event::Received(self.connection.id(), received));
    }

    fn closed(&mut self, closed: Closed) {
        let _ = self.events.send(Event::Closed(self.connection.id(), closed));
    }
}

/// TCP that hides what it is.
struct Opaque(TcpStream);

impl AsyncRead for Opaque {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Opaque {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
