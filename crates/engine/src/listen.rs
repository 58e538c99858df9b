//! Plain listening: one event loop of one thread per core, each with its own connections.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, ToSocketAddrs};
use tokio::sync::oneshot;
use tokio_util::future::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::body::RequestBody;
use crate::engine::Engine;
use crate::io::{Reader, Writer, split_tcp};
use crate::metrics::Bounds;

/// After so many polls of tasks that are ready, the loop looks for what else has become ready.
///
/// Tokio's own 61 would let a few clients that never stop sending keep all others waiting.
const EVENT_INTERVAL: u32 = 16;
/// How long accepting rests when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many clients may wait to be accepted, unless the system allows fewer.
///
/// When thousands come back at once, those who find no place try again only after a second, then three, then seven.
const BACKLOG: u32 = 4096;

/// A bound address whose connections are not accepted yet; clients that connect wait.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Binds an address; port 0 takes any free one.
    ///
    /// # Errors
    /// What the system says, if the address can't be bound: in use, not allowed, not ours.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut failed = None;
        for address in tokio::net::lookup_host(address).await? {
            match listen_at(address) {
                Ok(listener) => return Ok(Self(listener)),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name leads to no address")))
    }

    /// The address, with the port that was taken.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As Tokio and std do: a server that is started again finds its port. On Windows it would let others take it over.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Frames are whole messages; waiting for more of them would only delay them. Linux hands it on to each connection.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

impl Engine {
    /// Accepts connections on `threads` event loops of one thread each, and answers their requests.
    ///
    /// `others` answers those for paths that are not the engine's [own](Self::owns).
    /// Each connection stays on the thread that accepted it. What `others` waits for should not block its thread.
    /// Ends when the engine is [closed](Self::close); if the future is dropped, accepting ends, open connections live on.
    ///
    /// # Errors
    /// What the system says, if a thread or an event loop can't be started.
    pub async fn listen<A, F, B>(&self, listener: Listener, threads: NonZeroUsize, others: A) -> io::Result<()>
    where
        A: Fn(Request<RequestBody>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        self.listen_at(listener, threads, Plain, others).await
    }

    pub(crate) async fn listen_at<E, A, F, B>(
        &self,
        listener: Listener,
        threads: NonZeroUsize,
        entrance: E,
        others: A,
    ) -> io::Result<()>
    where
        E: Entrance,
        A: Fn(Request<RequestBody>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let stop = self.stop_listening().child_token();
        let _stop_when_dropped = stop.clone().drop_guard();
        let mut running: Vec<oneshot::Receiver<io::Result<()>>> = Vec::new();
        for number in 0..threads.get() {
            let listener = listener.0.try_clone()?;
            let (engine, stop) = (self.clone(), stop.clone());
            let event_loop = EventLoop { engine, stop, entrance: entrance.clone(), others: others.clone() };
            let (end, ended) = oneshot::channel();
            let thread = thread::Builder::new().name(format!("sockeye-{number}"));
            // Told by a channel, not joined: a program that ends without closing the engine does not wait for its threads.
            thread.spawn(move || end.send(event_loop.run(listener)))?;
            running.push(ended);
        }
        // The last handle of the socket has to go with the threads, so that the port is free afterwards.
        drop(listener);
        for ended in running {
            ended.await.unwrap_or_else(|_| Err(io::Error::other("an event loop panicked")))?;
        }
        Ok(())
    }
}

/// What a connection passes before HTTP begins on it.
pub(crate) trait Entrance: Clone + Send + Sync + 'static {
    /// What HTTP is spoken over; [`take_apart`](crate::upgrade::take_apart) has to know it.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// Held by a connection that is entering.
    type Pass: Send;

    /// Waits until another connection may enter.
    fn pass(&self, bounds: &Bounds) -> impl Future<Output = Self::Pass>;

    /// Lets a connection in. It needs a defined end whatever the peer does.
    fn enter(&self, stream: TcpStream, pass: Self::Pass) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Takes the stream apart, once it is a WebSocket.
    fn split(stream: Self::Stream) -> (Reader, Writer);

    /// Adds to a request what is known of its connection.
    fn mark(request: &mut Extensions);
}

/// HTTP begins at once.
#[derive(Clone)]
struct Plain;

impl Entrance for Plain {
    type Stream = TcpStream;
    type Pass = ();

    async fn pass(&self, _: &Bounds) {}

    async fn enter(&self, stream: TcpStream, (): ()) -> io::Result<TcpStream> {
        Ok(stream)
    }

    fn split(stream: TcpStream) -> (Reader, Writer) {
        split_tcp(stream)
    }

    fn mark(_: &mut Extensions) {}
}

#[derive(Clone)]
pub(crate) struct EventLoop<E, A> {
    pub(crate) engine: Engine,
    pub(crate) stop: CancellationToken,
    entrance: E,
    pub(crate) others: A,
}

impl<E, A, F, B> EventLoop<E, A>
where
    E: Entrance,
    A: Fn(Request<RequestBody>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    fn run(self, listener: TcpListener) -> io::Result<()> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build()?;
        runtime.block_on(async {
            // Closing waits for this too, so that the port is free when it is done.
            let listening = self.engine.hold_open();
            let listener = tokio::net::TcpListener::from_std(listener)?;
            self.engine.install_worker();
            self.stop.run_until_cancelled(self.accept(&listener)).await;
            drop(listener);
            drop(listening);
            self.engine.ended().await;
            Ok(())
        })
    }

    async fn accept(&self, listener: &tokio::net::TcpListener) {
        loop {
            let pass = self.entrance.pass(&self.engine.counters().bounds).await;
            match listener.accept().await {
                Ok((stream, peer)) => self.engine.spawn(self.clone().receive(stream, peer, pass)),
                Err(error) => {
                    tracing::warn!(%error, "can't accept connections at the moment");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn receive(self, stream: TcpStream, peer: SocketAddr, pass: E::Pass) {
        #[cfg(not(target_os = "linux"))]
        let _ = stream.set_nodelay(true);
        let entered = self.entrance.enter(stream, pass).with_cancellation_token(&self.stop).await;
        match entered {
            Some(Ok(stream)) => self.talk(stream, peer).await,
            Some(Err(error)) => {
                let is_late = error.kind() == io::ErrorKind::TimedOut;
                if is_late {
                    self.engine.counters().bounds.tls_handshake_timeout.add();
                }
                tracing::debug!(%peer, %error, bound = is_late.then_some("tls_handshake_timeout"), "connection refused");
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn connections_send_at_once() {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = tokio::net::TcpListener::from_std(listener.0).unwrap().accept().await.unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
