//! The polling transport's way in: a request that brings packets.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt;
use sockeye_protocol::engine::{BodyKind, DecodeError, PayloadDecoder, Protocol, decode_payload, unwrap_jsonp};
use tokio::sync::oneshot;

use crate::answer::{Form, empty, posted};
use crate::body::Body;
use crate::close::{CloseCause, Closed};
use crate::connection::Connection;
use crate::driver;
use crate::inbox::Delivery;
use crate::polling::lost;
use crate::turn::Turn;

/// How much of a body that is too large is read only to be thrown away, and for how long.
const MOST_DISCARDED: usize = 16 << 20;
const DISCARD_WITHIN: Duration = Duration::from_secs(1);

/// A POST request while it is being received and delivered.
struct Posting {
    connection: Connection,
    done: bool,
}

impl Posting {
    fn refuse(mut self, refused: &NotReceived) -> Response<Body> {
        let status = match refused {
            NotReceived::Malformed(error) => {
                tracing::debug!(sid = %self.connection.log_id(), %error, "no payload in a form");
                self.connection.close(Closed::malformed());
                StatusCode::BAD_REQUEST
            }
            NotReceived::Refused(status) => *status,
        };
        // The session goes on after a 413, as in Node's server: the client decides what that means to it.
        // A body that was cut off ends it, by the guard.
        self.done = status == StatusCode::PAYLOAD_TOO_LARGE;
        if self.done {
            self.connection.counters().bounds.max_payload.add();
        }
        empty(status)
    }
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
///
/// `form` tells whether a page posts by JSONP.
pub(crate) async fn post<B>(connection: Connection, form: Form, headers: &HeaderMap, body: B) -> Response<Body>
where
    B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let kind = if content_type.starts_with(b"application/octet-stream") { BodyKind::Binary } else { BodyKind::Text };
    let refusal = {
        let mut link = connection.link().lock();
        if std::mem::replace(&mut link.posting, true) {
            Some(CloseCause::Overlap)
        } else if kind == BodyKind::Binary && (form == Form::Jsonp || connection.protocol() == Protocol::V4) {
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
    let posting = Posting { connection, done: false };
    let received = tokio::select! {
        biased;
        // A body that never ends would outlive its session.
        () = Ended(&posting.connection) => Err(NotReceived::Refused(StatusCode::BAD_REQUEST)),
        received = receive(body, form, posting.connection.config().max_payload) => received,
    };
    let body = match received {
        Ok(body) => body,
        Err(refused) => return posting.refuse(&refused),
    };
    // Without an end of its own it was aborted, with everything else.
    let Some((mut posting, taken)) = take(posting, kind, body).await else {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    match taken {
        Ok(()) => {
            // A client that gives up waiting for this has gone.
            Resumed(&posting.connection).await;
            posting.done = true;
        }
        Err(closed) => {
            posting.done = true;
            posting.connection.close(closed);
            if closed != Closed::by_peer() {
                return empty(StatusCode::BAD_REQUEST);
            }
        }
    }
    posted()
}

/// What else may stand in a form.
const FORM_OVERHEAD: usize = 1024;

/// Why there is no payload.
enum NotReceived {
    Refused(StatusCode),
    Malformed(DecodeError),
}

/// Receives a payload of at most `limit` bytes.
async fn receive<B>(body: B, form: Form, limit: usize) -> Result<Bytes, NotReceived>
where
    B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    if form == Form::Plain {
        return receive_body(body, limit).await.map_err(NotReceived::Refused);
    }
    // In a form each byte may be written as three, a line feed as four; the limit is that of what they mean.
    let body = receive_body(body, limit.saturating_mul(4).saturating_add(FORM_OVERHEAD))
        .await
        .map_err(NotReceived::Refused)?;
    let payload = unwrap_jsonp(&body).map_err(NotReceived::Malformed)?;
    if payload.len() > limit {
        tracing::debug!(limit, "payload of a form exceeds `max_payload`");
        return Err(NotReceived::Refused(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(payload.into())
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

/// Hands the packets of a body over, and lets others have their turn in between.
///
/// A client that goes behind its last byte has sent them nevertheless: what is left after the first turn becomes a task of
/// its own, which outlives the request. `None` if that was aborted.
async fn take(posting: Posting, kind: BodyKind, body: Bytes) -> Option<(Posting, Result<(), Closed>)> {
    let connection = posting.connection.clone();
    let mut taking = Box::pin(async move {
        let taken = take_all(&posting.connection, kind, &body).await;
        (posting, taken)
    });
    if let Poll::Ready(taken) = poll_fn(|cx| Poll::Ready(taking.as_mut().poll(cx))).await {
        return Some(taken);
    }
    let (end, ended) = oneshot::channel();
    connection.spawn(async move {
        // Whoever has posted may have gone: then the guard comes back, and ends the session.
        drop(end.send(taking.await));
    });
    ended.await.ok()
}

async fn take_all(connection: &Connection, kind: BodyKind, body: &Bytes) -> Result<(), Closed> {
    let mut packets = decode_payload(connection.protocol(), kind, body);
    while !take_some(connection, &mut packets)? {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Hands packets over as long as a turn lasts; says whether that was all.
fn take_some(connection: &Connection, packets: &mut PayloadDecoder<'_>) -> Result<bool, Closed> {
    let mut delivery = Delivery::begin(connection);
    let mut turn = Turn::begin();
    for packet in packets {
        driver::receive(connection, &mut delivery, packet.map_err(|_| Closed::malformed())?)?;
        if turn.is_over() {
            return Ok(false);
        }
    }
    Ok(true)
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
