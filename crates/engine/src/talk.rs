//! HTTP on one connection: the usual requests of our clients are answered here, all others by the HTTP server.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_util::future::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::body::{Body, RequestBody};
use crate::engine::Engine;
use crate::handshake::PeerAddress;
use crate::listen::{Entrance, EventLoop};
use crate::metrics::Bounds;
use crate::patience::Patient;
use crate::request::{Heard, Whole, poll_more};
use crate::response;
use crate::service::Answered;
use crate::upgrade::{Socket, join};

/// The most bytes that a request's head may have, and that are read ahead while one is answered.
const MAX_HEAD: usize = 64 * 1024;

/// One connection as long as HTTP is spoken on it.
struct Talk<E: Entrance> {
    engine: Engine,
    /// Ends waiting for the first request. Browsers connect ahead of need.
    stop: CancellationToken,
    has_asked: bool,
    stream: Patient<E::Stream>,
    peer: SocketAddr,
}

impl<E: Entrance> Talk<E> {
    /// Waits for the next request, as long as that may take.
    async fn hear(&mut self) -> Option<Heard> {
        let Self { engine, stop, has_asked, stream, peer } = self;
        let mut cut = Vec::new();
        let reading = poll_fn(|cx| Heard::poll_read(stream, cx, &mut cut, |path| engine.owns(path)));
        let reading = timeout(engine.config().head_timeout, reading);
        // Who is between two polls fetches here what is left for it: nobody accepts it anywhere else.
        let stop = if *has_asked { engine.told() } else { stop };
        match reading.with_cancellation_token(stop).await? {
            Ok(Ok(heard)) => {
                *has_asked = true;
                return Some(heard);
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "HTTP connection ended"),
            // Connections that are kept and not used again are the rule, not a bound that was reached.
            Err(_) if *has_asked && cut.is_empty() => tracing::debug!(%peer, "idle HTTP connection ended"),
            Err(_) => {
                engine.counters().bounds.head_timeout.add();
                tracing::debug!(%peer, bound = "head_timeout", "HTTP connection ended");
            }
        }
        None
    }

    /// Has the engine answer; gives also what came meanwhile. `None` if the client goes before that.
    async fn answer(&mut self, whole: Whole) -> Option<(Answered, Bytes)> {
        let Self { engine, stream, peer, .. } = self;
        let Whole { mut head, body, rest } = whole;
        head.extensions.insert(PeerAddress(*peer));
        E::mark(&mut head.extensions);
        let mut rest = BytesMut::from(rest);
        // Boxed, so that what a connection is made of stays small.
        let mut answering = Box::pin(engine.handle_whole(head, body.into()));
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answered) = answering.as_mut().poll(cx) {
                return Poll::Ready(Some(answered));
            }
            while rest.len() < MAX_HEAD {
                match ready!(poll_more(stream, cx)) {
                    Ok(bytes) => rest.extend_from_slice(&bytes),
                    Err(_) => return Poll::Ready(None),
                }
            }
            Poll::Pending
        });
        let answered = answered.await?;
        Some((answered, rest.freeze()))
    }

    /// Sends an answer, and says whether another request may follow.
    async fn send(&mut self, mut response: Response<Body>) -> io::Result<bool> {
        let Self { engine, stream, .. } = self;
        if engine.told().is_cancelled() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let is_last = response::is_last(response.headers());
        let (beginning, body) = response::write(response);
        stream.write_all(&beginning).await?;
        stream.write_all(&body).await?;
        stream.flush().await?;
        if is_last {
            stream.shutdown().await?;
        }
        Ok(!is_last)
    }
}

impl<E, A, F, B> EventLoop<E, A>
where
    E: Entrance,
    A: Fn(Request<RequestBody>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    /// Answers requests until the connection ends, becomes a WebSocket, or is left to the HTTP server.
    pub(crate) async fn talk(self, stream: E::Stream, peer: SocketAddr) {
        let engine = self.engine.clone();
        let stream = Patient::new(stream, engine.config().outbox.patience);
        let mut talk = Talk::<E> { engine, stop: self.stop.clone(), has_asked: false, stream, peer };
        loop {
            let whole = match talk.hear().await {
                Some(Heard::Whole(whole)) => *whole,
                Some(Heard::Other(bytes)) => {
                    talk.stream.put_back(bytes);
                    // Boxed, or every connection would hold room for it.
                    return Box::pin(self.serve(talk.stream, peer)).await;
                }
                None => return,
            };
            let Some((Answered { response, takeover }, rest)) = talk.answer(whole).await else { return };
            if let Some(takeover) = takeover {
                let (stream, behind) = talk.stream.into_parts();
                let first = join(rest, behind);
                let socket = Socket { answer: response::write(response).0, ..Socket::new(E::split(stream), first) };
                return Box::pin(takeover.begin(&talk.engine, socket)).await;
            }
            match talk.send(response).await {
                Ok(true) if rest.is_empty() => {}
                // Who sends requests ahead is no client of ours.
                Ok(true) => {
                    talk.stream.put_back(rest);
                    return Box::pin(self.serve(talk.stream, peer)).await;
                }
                Ok(false) => return,
                Err(error) => {
                    let bound = (error.kind() == io::ErrorKind::TimedOut).then(|| {
                        talk.engine.counters().bounds.outbox_patience.add();
                        "outbox_patience"
                    });
                    return tracing::debug!(%peer, %error, bound, "HTTP connection ended");
                }
            }
        }
    }

    /// Leaves the connection to the HTTP server.
    async fn serve(self, stream: Patient<E::Stream>, peer: SocketAddr) {
        let Self { engine, stop, others, .. } = self;
        let has_asked = Arc::new(AtomicBool::new(false));
        let (asks, answering) = (has_asked.clone(), engine.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            asks.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(PeerAddress(peer));
            E::mark(request.extensions_mut());
            let request = request.map(RequestBody::new);
            let asked = if answering.owns(request.uri().path()) {
                Either::Left((answering.clone(), request))
            } else {
                Either::Right(others(request))
            };
            async move {
                Ok::<_, Infallible>(match asked {
                    Either::Left((engine, request)) => engine.handle(request).await.map(Either::Left),
                    Either::Right(response) => response.await.map(Either::Right),
                })
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(engine.config().head_timeout)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = stop.cancelled() => {
                if !has_asked.load(Ordering::Relaxed) {
                    // Half a request: hyper would wait for the rest.
                    return;
                }
                // A client between two polls fetches here what is left for it: nobody accepts it anywhere else.
                tokio::select! {
                    served = connection.as_mut() => served,
                    () = engine.told().cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
        };
        if let Err(error) = served {
            let bound = count(&engine.counters().bounds, &error);
            tracing::debug!(%peer, %error, bound, "HTTP connection ended");
        }
    }
}

/// Counts the end of a connection if it was that of a bound, and says which one.
fn count(bounds: &Bounds, error: &hyper::Error) -> Option<&'static str> {
    use std::error::Error as _;

    let broken = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let (count, bound) = if broken.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        (&bounds.outbox_patience, "outbox_patience")
    } else if error.is_timeout() {
        (&bounds.head_timeout, "head_timeout")
    } else if error.is_parse_too_large() {
        (&bounds.max_head, "max_head")
    } else {
        return None;
    };
    count.add();
    Some(bound)
}
