//! The polling transport: one request that waits for packets, one that brings some.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt;
use sockeye_protocol::engine::{BodyKind, EncodedPayload, Packet, Protocol, Transport, decode_payload, encode_payload};
use sockeye_websocket::Opcode;

use crate::body::Body;
use crate::close::{CloseCause, Closed};
use crate::connection::Connection;
use crate::driver;
use crate::inbox::Delivery;
use crate::link::PendingPoll;
use crate::outbox::Taken;
use crate::sending::Compression;

/// A GET request: it ends when there is something to send, or the session ends.
pub(crate) struct PollRequest {
    connection: Connection,
    answered: bool,
}

impl PollRequest {
    /// Registers the request as the session's pending poll.
    ///
    /// # Errors
    /// The answer to a second poll; the session ends.
    pub(crate) fn begin(connection: Connection) -> Result<Self, Response<Body>> {
        let mut link = connection.link().lock();
        if !matches!(link.poll, PendingPoll::None) {
            drop(link);
            connection.close(Closed::error(CloseCause::Overlap));
            return Err(empty(StatusCode::BAD_REQUEST));
        }
        link.poll = PendingPoll::Waiting(None);
        drop(link);
        Ok(Self { connection, answered: false })
    }

    /// The answer with what waited.
    fn answer(&mut self, taken: &Taken) -> Poll<Response<Body>> {
        self.answered = true;
        let protocol = self.connection.protocol();
        let queued = taken.frames().filter_map(|(opcode, payload)| packet(protocol, opcode, payload));
        Poll::Ready(packets(encode(&self.connection, queued), taken.compression()))
    }

    /// The answer with a packet of the engine's own.
    fn answer_with(&mut self, packet: Packet<'_>) -> Poll<Response<Body>> {
        self.answered = true;
        Poll::Ready(packets(encode(&self.connection, std::iter::once(packet)), Compression::Never))
    }
}

impl Future for PollRequest {
    type Output = Response<Body>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        let connection = self.connection.clone();
        let mut link = connection.link().lock();
        if let Some(closed) = link.closed {
            let by_peer = closed == Closed::by_peer();
            let waiting = closed.is_orderly() && !by_peer && !link.outbox.is_empty();
            link.poll = PendingPoll::None;
            let taken = link.outbox.take();
            drop(link);
            if waiting {
                // JavaScript clients act on the close before the events of the same answer: it comes with the next poll.
                return self.answer(&taken);
            }
            connection.forget();
            return self.answer_with(if by_peer { Packet::Noop } else { Packet::Close });
        }
        let upgraded = link.session.transport() != Transport::Polling;
        if !link.outbox.is_empty() && !upgraded {
            link.poll = PendingPoll::None;
            let taken = link.outbox.take();
            link.note_progress(true, &connection.config().outbox);
            drop(link);
            return self.answer(&taken);
        }
        if upgraded || matches!(link.poll, PendingPoll::Release(_)) {
            link.poll = PendingPoll::None;
            drop(link);
            return self.answer_with(Packet::Noop);
        }
        link.poll = PendingPoll::Waiting(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for PollRequest {
    /// The client gave up, or the connection broke: what we would send next might be lost, so the session ends.
    fn drop(&mut self) {
        if !self.answered {
            self.connection.link().lock().poll = PendingPoll::None;
            lost(&self.connection);
        }
    }
}

/// A request was cut off: that ends the session, unless it has left polling meanwhile.
fn lost(connection: &Connection) {
    if connection.transport() == Transport::Polling {
        connection.close(Closed::lost());
    }
}

/// The first answer of a session, which carries its open packet.
pub(crate) fn first(connection: &Connection, open: Packet<'_>) -> Response<Body> {
    packets(encode(connection, std::iter::once(open)), Compression::Allowed)
}

/// How much of a body that is too large is read only to be thrown away, and for how long.
const MOST_DISCARDED: usize = 16 << 20;
const DISCARD_WITHIN: Duration = Duration::from_secs(1);

/// A POST request while it is being received and delivered.
struct Posting {
    connection: Connection,
    done: bool,
}

impl Drop for Posting {
    fn drop(&mut self) {
        self.connection.link().lock().posting = false;
        if !self.done {
            lost(&self.connection);
        }
    }
}

/// Takes the packets of a POST request. It is answered once reading from this client is allowed again.
pub(crate) async fn post<B>(connection: Connection, headers: &HeaderMap, body: B) -> Response<Body>
where
    B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let kind = if content_type.starts_with(b"application/octet-stream") { BodyKind::Binary } else { BodyKind::Text };
    let refusal = {
        let mut link = connection.link().lock();
        if std::mem::replace(&mut link.posting, true) {
            Some(CloseCause::Overlap)
        } else if kind == BodyKind::Binary && connection.protocol() == Protocol::V4 {
            link.posting = false;
            Some(CloseCause::ContentType)
        } else {
            None
        }
    };
    if let Some(cause) = refusal {
        connection.close(Closed::error(cause));
        return empty(StatusCode::BAD_REQUEST);
    }
    let mut posting = Posting { connection, done: false };
    let received = tokio::select! {
        biased;
        // A body that never ends would outlive its session.
        () = Ended(&posting.connection) => Err(StatusCode::BAD_REQUEST),
        received = receive_body(body, posting.connection.config().max_payload) => received,
    };
    let body = match received {
        Ok(body) => body,
        Err(status) => {
            // The session goes on after a 413, as in Node's server: the client decides what that means to it.
            // A body that was cut off ends it, by the guard.
            posting.done = status == StatusCode::PAYLOAD_TOO_LARGE;
            return empty(status);
        }
    };
    let taken = take(&posting.connection, kind, &body);
    posting.done = true;
    match taken {
        Ok(()) => Resumed(&posting.connection).await,
        Err(closed) => {
            posting.connection.close(closed);
            if closed != Closed::by_peer() {
                return empty(StatusCode::BAD_REQUEST);
            }
        }
    }
    ok()
}

/// Receives a body of at most `limit` bytes.
async fn receive_body<B>(body: B, limit: usize) -> Result<Bytes, StatusCode>
where
    B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let mut body = pin!(body);
    let mut received = Vec::new();
    let mut fits = announced(&*body) <= limit;
    while fits && let Some(mut data) = next_data(body.as_mut()).await? {
        fits = received.len() + data.remaining() <= limit;
        if fits {
            received.put(&mut data);
        }
    }
    if fits {
        return Ok(received.into());
    }
    drop(received);
    tracing::debug!(limit, "request body exceeds `max_payload`");
    // A client that is still sending when the connection closes does not get to see the answer.
    let _ = tokio::time::timeout(DISCARD_WITHIN, discard(body)).await;
    Err(StatusCode::PAYLOAD_TOO_LARGE)
}

/// Reads a body to its end and throws it away, unless it is too large for that too.
async fn discard<B: http_body::Body<Data: Buf>>(mut body: Pin<&mut B>) {
    let mut most = MOST_DISCARDED;
    if announced(&*body) > most {
        return;
    }
    while let Ok(Some(data)) = next_data(body.as_mut()).await {
        let Some(rest) = most.checked_sub(data.remaining()) else { return };
        most = rest;
    }
}

fn announced(body: &impl http_body::Body) -> usize {
    usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX)
}

async fn next_data<B: http_body::Body<Data: Buf>>(mut body: Pin<&mut B>) -> Result<Option<B::Data>, StatusCode> {
    while let Some(frame) = body.frame().await {
        // What is no data is trailers, of which there are no more than one.
        if let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn take(connection: &Connection, kind: BodyKind, body: &Bytes) -> Result<(), Closed> {
    let mut delivery = Delivery::begin(connection);
    for packet in decode_payload(connection.protocol(), kind, body) {
        driver::receive(connection, &mut delivery, packet.map_err(|_| Closed::malformed())?)?;
    }
    Ok(())
}

/// Waits while reading from the client is paused.
struct Resumed<'c>(&'c Connection);

impl Future for Resumed<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut link = self.0.link().lock();
        if link.pauses == 0 || link.closed.is_some() {
            return Poll::Ready(());
        }
        link.poster = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Waits for the end of the session.
struct Ended<'c>(&'c Connection);

impl Future for Ended<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut link = self.0.link().lock();
        if link.closed.is_some() {
            return Poll::Ready(());
        }
        link.poster = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn encode<'p>(connection: &Connection, packets: impl Iterator<Item = Packet<'p>> + Clone) -> EncodedPayload {
    encode_payload(connection.protocol(), connection.peer_encoding(), packets)
}

/// Unwraps one of our own frames.
fn packet(protocol: Protocol, opcode: Opcode, payload: &[u8]) -> Option<Packet<'_>> {
    match opcode {
        Opcode::Text => Packet::decode_text(protocol, std::str::from_utf8(payload).ok()?.into()).ok(),
        Opcode::Binary => Packet::decode_binary(protocol, payload.into()).ok(),
        // Of no use to a polling client.
        Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => None,
    }
}

/// An answer with packets, which tells whoever compresses answers whether this one may be.
fn packets(payload: EncodedPayload, compression: Compression) -> Response<Body> {
    let content_type = match payload.kind {
        BodyKind::Text => "text/plain; charset=UTF-8",
        BodyKind::Binary => "application/octet-stream",
    };
    let mut response = Response::new(Body::from(payload.body));
    response.extensions_mut().insert(compression);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

fn ok() -> Response<Body> {
    let mut response = Response::new(Body::from("ok"));
    // Not text/plain, so that no browser offers the answer as a download.
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html"));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}
