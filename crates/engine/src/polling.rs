//! The polling transport's way out: a request that waits for packets.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Response, StatusCode};
use sockeye_protocol::engine::{Packet, Protocol, Transport};
use sockeye_websocket::Opcode;

use crate::answer::{Answer, Form, empty};
use crate::body::Body;
use crate::close::{CloseCause, Closed};
use crate::connection::Connection;
use crate::link::PendingPoll;
use crate::outbox::Taken;
use crate::sending::Compression;

/// A GET request: it ends when there is something to send, or the session ends.
pub(crate) struct PollRequest {
    connection: Connection,
    form: Form,
    answered: bool,
}

impl PollRequest {
    /// Registers the request as the session's pending poll.
    ///
    /// # Errors
    /// The answer to a second poll; the session ends.
    pub(crate) fn begin(connection: Connection, form: Form) -> Result<Self, Response<Body>> {
        let mut link = connection.link().lock();
        if !matches!(link.poll, PendingPoll::None) {
            drop(link);
            connection.close(Closed::error(CloseCause::Overlap));
            return Err(empty(StatusCode::BAD_REQUEST));
        }
        link.poll = PendingPoll::Waiting(None);
        drop(link);
        Ok(Self { connection, form, answered: false })
    }

    /// The answer with what waited.
    fn answer(&mut self, taken: &Taken) -> Poll<Answer> {
        self.answered = true;
        let protocol = self.connection.protocol();
        let queued = taken.frames().filter_map(|(opcode, payload)| packet(protocol, opcode, payload));
        Poll::Ready(Answer::new(&self.connection, self.form, queued, taken.compression()))
    }

    /// The answer with a packet of the engine's own.
    fn answer_with(&mut self, packet: Packet<'_>) -> Poll<Answer> {
        self.answered = true;
        let packet = std::iter::once(packet);
        Poll::Ready(Answer::new(&self.connection, self.form, packet, Compression::Never))
    }
}

impl Future for PollRequest {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let connection = self.connection.clone();
        let mut link = connection.link().lock();
        if link.session.transport() != Transport::Polling {
            // What waits is the WebSocket's, whose frames may be compressed.
            link.poll = PendingPoll::None;
            drop(link);
            return self.answer_with(Packet::Noop);
        }
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
        if !link.outbox.is_empty() {
            link.poll = PendingPoll::None;
            let taken = link.outbox.take();
            connection.count_sent(&mut link);
            link.note_progress(true, &connection.config().outbox);
            drop(link);
            return self.answer(&taken);
        }
        if matches!(link.poll, PendingPoll::Release(_)) {
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
pub(crate) fn lost(connection: &Connection) {
    if connection.transport() == Transport::Polling {
        connection.close(Closed::lost());
    }
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
