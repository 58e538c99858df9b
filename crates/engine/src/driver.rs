//! The task of one WebSocket: bytes to packets, and the end of the connection.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use sockeye_protocol::engine::{CloseReason, Packet, ProbeStep, Reaction};
use sockeye_websocket::deflate::Deflate;
use sockeye_websocket::{Decoder, Input, Limits, Message, Opcode, ProtocolError, Role, close_frame, frame};
use tokio_util::future::FutureExt as _;

use crate::close::{CloseCause, Closed};
use crate::connection::Connection;
use crate::inbox::Delivery;
use crate::io::{Reader, Writer};
use crate::metrics::Bounds;
use crate::outbox::Outbox;
use crate::scratch;
use crate::turn::Turn;
use crate::upgrade::Socket;
use crate::worker::now;

/// After this many reads the loop's other tasks get their turn.
const READS_PER_TURN: usize = 8;

/// Reads one WebSocket, from its upgrade to its end.
///
/// A future written by hand: it is all that the task of an idle connection holds.
pub(crate) struct Driver {
    connection: Connection,
    /// Taken when the transport ends.
    reader: Option<Reader>,
    decoder: Decoder,
    /// What was read but is not handled yet, because others had to have their turn.
    rest: Box<[u8]>,
    phase: Phase,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.phase {
                Phase::Probing(_) | Phase::Active => {
                    let stop = ready!(self.poll_stop(cx));
                    self.stop(stop);
                }
                Phase::Ending(ending) => {
                    ready!(ending.as_mut().poll(cx));
                    self.phase = Phase::Ended;
                }
                Phase::Ended => return Poll::Ready(()),
            }
        }
    }
}

enum Phase {
    /// The session is still on polling; this transport wants to take it over.
    Probing(Box<Probe>),
    /// The session is on this transport.
    Active,
    /// The session is not on this transport any more, which is being closed.
    Ending(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// All is done.
    Ended,
}

/// What a transport that is probing has of its own.
struct Probe {
    writer: Writer,
    deflate: Option<Deflate>,
    outbox: Outbox,
    attempt: u32,
    /// The client has changed over, but its session had ended before.
    came_late: bool,
}

/// Why a driver stops.
enum Stop {
    /// The session has ended.
    Closed,
    /// The probe failed; the session goes on without this transport.
    NotUpgraded,
}

impl Driver {
    /// The transport of a session that was opened on it. `first` is what came with the upgrade request.
    pub(crate) fn active(connection: Connection, reader: Reader, decoder: Decoder, first: Bytes) -> Self {
        Self { connection, reader: Some(reader), decoder, rest: Box::default(), phase: Phase::Active }.begin(first)
    }

    /// A transport that wants to take over a session that is on polling.
    pub(crate) fn probing(connection: Connection, attempt: u32, socket: Socket, decoder: Decoder) -> Self {
        let Socket { io: (reader, writer), first, deflate, .. } = socket;
        let phase =
            Phase::Probing(Box::new(Probe { writer, deflate, outbox: Outbox::default(), attempt, came_late: false }));
        Self { connection, reader: Some(reader), decoder, rest: Box::default(), phase }.begin(first)
    }

    fn begin(mut self, first: Bytes) -> Self {
        if !first.is_empty()
            && let Err(stop) = self.process(&mut Vec::from(first))
        {
            self.stop(stop);
        }
        self
    }

    /// Goes over to ending the transport, as far as there is anything to end.
    fn stop(&mut self, stop: Stop) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Some(reader) = self.reader.take() else { return };
        let connection = self.connection.clone();
        let timeout = connection.config().close_timeout;
        // Boxed, so that the tasks of idle connections hold no room for it.
        self.phase = Phase::Ending(if let (Stop::NotUpgraded, Phase::Probing(probe)) = (stop, phase) {
            Box::pin(async move {
                let ending = end_probe(&connection, reader, *probe, timeout);
                let _ = ending.with_cancellation_token(connection.abort()).await;
            })
        } else {
            let Some((writer, outbox)) = self.last_words() else { return };
            Box::pin(async move {
                let ending = end(reader, writer, outbox, timeout, &connection.counters().bounds);
                let _ = ending.with_cancellation_token(connection.abort()).await;
            })
        });
    }

    /// What is still to be sent to a client whose session has ended; nothing if the connection broke.
    fn last_words(&self) -> Option<(Writer, Outbox)> {
        let mut link = self.connection.link().lock();
        let writer = link.writer.take()?;
        let mut outbox = std::mem::take(&mut link.outbox);
        let closed = link.closed.filter(|closed| closed.cause != CloseCause::Lost)?;
        if !closed.is_orderly() {
            outbox.keep_partial();
        }
        outbox.push_owned(link.close_code.map_or_else(|| frame(Opcode::Close, &[]), |code| close_frame(code, "")));
        Some((writer, outbox))
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if let Err(stop) = self.write(cx) {
            return Poll::Ready(stop);
        }
        for _ in 0..READS_PER_TURN {
            if matches!(self.phase, Phase::Active) && self.connection.link().lock().pauses > 0 {
                return Poll::Pending;
            }
            let read = ready!(self.read(cx)).map_err(|closed| self.lost(closed));
            match read.and_then(|count| self.write(cx).map(|()| count)) {
                Err(stop) => return Poll::Ready(stop),
                // Who sends more than one read takes, or than is handled in a moment, waits for the others' turn.
                Ok(scratch::SIZE..) => break,
                Ok(_) if !self.rest.is_empty() => break,
                Ok(_) => {}
            }
        }
        // As a task that yields: a plain wake would bring it back before the loop has looked for what others sent.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
        Poll::Pending
    }

    /// Reads once and handles what came; says how many bytes it was.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Closed>> {
        if !self.rest.is_empty() {
            let mut rest = std::mem::take(&mut self.rest);
            let _ = self.process(&mut rest);
            return Poll::Ready(Ok(rest.len()));
        }
        scratch::with(|buffer| {
            let read = match &mut self.reader {
                Some(reader) => reader.poll_read(cx, buffer),
                None => Poll::Ready(Ok(0)),
            };
            read.map(|read| match read {
                Ok(0) => Err(Closed::by_peer()),
                Err(_) => Err(Closed::lost()),
                Ok(count) => {
                    // A session that ends here is noticed by the write that follows every read.
                    let _ = self.process(&mut buffer[..count]);
                    Ok(count)
                }
            })
        })
    }

    /// What the loss of this transport means: the end of its session only if the session is on it.
    fn lost(&self, closed: Closed) -> Stop {
        match &self.phase {
            Phase::Active | Phase::Ending(_) | Phase::Ended => {
                self.connection.close(closed);
                Stop::Closed
            }
            Phase::Probing(probe) => {
                let mut link = self.connection.link().lock();
                if link.attempt == probe.attempt {
                    link.session.upgrade_failed();
                }
                Stop::NotUpgraded
            }
        }
    }

    /// Writes what waits, and finds out whether to stop.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        match &mut self.phase {
            Phase::Active | Phase::Ending(_) | Phase::Ended => {
                // Here, because a transport becomes active in the middle of a poll.
                self.connection.driver().register(cx.waker());
                // A blocked write does not keep us from reading.
                let _ = self.connection.poll_flush(cx);
                if self.connection.link().lock().closed.is_some() { Err(Stop::Closed) } else { Ok(()) }
            }
            Phase::Probing(probe) => {
                let written = probe.writer.poll_write(cx, &mut probe.outbox);
                let link = self.connection.link().lock();
                if link.attempt != probe.attempt || !link.session.is_upgrading() {
                    return Err(Stop::NotUpgraded);
                }
                // Under the lock, or an older attempt could register behind the present one.
                self.connection.driver().register(cx.waker());
                drop(link);
                if let Poll::Ready(Err(_)) = written { Err(self.lost(Closed::lost())) } else { Ok(()) }
            }
        }
    }

    /// Handles all messages of one read, then lets what they caused leave in one write.
    fn process(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        let mut input = Input::new(bytes);
        while let Phase::Probing(_) = self.phase {
            match self.decoder.decode(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(message)) => self.probe(&message)?,
                Err(_) => return Err(self.lost(Closed::malformed())),
            }
        }
        self.connection.cork();
        let mut delivery = Delivery::begin(&self.connection);
        let mut turn = Turn::begin();
        loop {
            let taken = match self.decoder.decode(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(message)) => take(&self.connection, &mut delivery, message),
                Err(error) => Err(refuse(&self.connection, &error)),
            };
            if let Err(closed) = taken {
                self.connection.close(closed);
                return Err(Stop::Closed);
            }
            if turn.is_over() {
                self.rest = input.peek().into();
                return Ok(());
            }
        }
    }

    /// One message on a transport that is probing.
    fn probe(&mut self, message: &Message<'_>) -> Result<(), Stop> {
        let Phase::Probing(probe) = &mut self.phase else { return Ok(()) };
        let packet = match message {
            Message::Text(text) => Packet::decode_text(self.connection.protocol(), Cow::Borrowed(text)),
            Message::Ping(payload) => {
                probe.outbox.push_control(&frame(Opcode::Pong, payload));
                return Ok(());
            }
            Message::Pong(_) => return Ok(()),
            Message::Binary(_) | Message::Close(_) => return Err(self.lost(Closed::by_peer())),
        };
        let Ok(packet) = packet else { return Err(self.lost(Closed::malformed())) };
        let mut link = self.connection.link().lock();
        if link.attempt != probe.attempt {
            return Err(Stop::NotUpgraded);
        }
        let step = link.session.probe(&packet, now());
        if let ProbeStep::Complete = step {
            self.connection.counters().websockets.add();
        }
        drop(link);
        match step {
            ProbeStep::Answer => {
                probe.outbox.push_control(&frame(Opcode::Text, b"3probe"));
                // Releases the pending poll now; the worker would do it at its next tick.
                self.connection.do_what_is_due(now());
                Ok(())
            }
            ProbeStep::Complete => {
                self.take_over();
                Ok(())
            }
            ProbeStep::Fail => {
                probe.came_late = matches!(packet, Packet::Upgrade);
                Err(Stop::NotUpgraded)
            }
        }
    }

    /// The session is on this transport now: what waited for a poll leaves here.
    fn take_over(&mut self) {
        let Phase::Probing(mut probe) = std::mem::replace(&mut self.phase, Phase::Active) else { return };
        let mut link = self.connection.link().lock();
        link.writer = Some(probe.writer);
        link.deflate = probe.deflate;
        // A well-behaved client has none; others get their answer.
        let poll = link.poll.release();
        // If the last pong has not left yet, it leaves with the rest.
        let control = probe.outbox.take();
        control.frames().for_each(|(opcode, payload)| _ = link.outbox.push_control(&frame(opcode, payload)));
        drop(link);
        if let Some(waker) = poll {
            waker.wake();
        }
        self.connection.counters().upgraded.add();
        tracing::debug!(sid = %self.connection.log_id(), "upgraded");
    }
}

/// Hands one message of the session's transport over.
fn take(connection: &Connection, delivery: &mut Delivery<'_>, message: Message<'_>) -> Result<(), Closed> {
    let packet = match message {
        Message::Text(text) => Packet::decode_text(connection.protocol(), text),
        Message::Binary(bytes) => Packet::decode_binary(connection.protocol(), bytes),
        Message::Ping(payload) => {
            connection.queue_control(&frame(Opcode::Pong, &payload));
            return Ok(());
        }
        Message::Pong(_) => return Ok(()),
        Message::Close(_) => return Err(Closed::by_peer()),
    };
    receive(connection, delivery, packet.map_err(|_| Closed::malformed())?)
}

/// Hands one packet over, from either transport.
pub(crate) fn receive(connection: &Connection, delivery: &mut Delivery<'_>, packet: Packet<'_>) -> Result<(), Closed> {
    // Messages need nothing from the session; the layer above ignores what comes after the end.
    if let Packet::Message(message) = packet {
        delivery.deliver(message);
        return Ok(());
    }
    let heartbeat = matches!(packet, Packet::Ping(_) | Packet::Pong(_));
    let mut link = connection.link().lock();
    let reaction = link.session.receive(packet, now(), &connection.config().timing);
    drop(link);
    match reaction {
        Reaction::Deliver(message) => delivery.deliver(message),
        Reaction::Pong => connection.queue_control(&frame(Opcode::Text, b"3")),
        Reaction::Ignore => {}
        Reaction::Close(CloseReason::TransportError) if heartbeat => {
            return Err(Closed::error(CloseCause::HeartbeatDirection));
        }
        Reaction::Close(reason) => return Err(Closed { reason, cause: CloseCause::Peer }),
    }
    Ok(())
}

/// What ends a connection that broke the WebSocket protocol.
fn refuse(connection: &Connection, error: &ProtocolError) -> Closed {
    let code = error.close_code();
    connection.link().lock().close_code = Some(code);
    tracing::debug!(sid = %connection.log_id(), %error, "WebSocket protocol broken");
    if let ProtocolError::TooManyFragments { .. } = error {
        connection.counters().bounds.max_fragments.add();
    }
    Closed::error(if code == 1009 { CloseCause::TooLarge } else { CloseCause::Malformed })
}

/// The end of a transport that was probing.
///
/// A client that has paused polling for it does not fetch there what its session had to say last: it gets that here.
async fn end_probe(connection: &Connection, mut reader: Reader, probe: Probe, timeout: Duration) {
    let Probe { mut writer, mut outbox, came_late, .. } = probe;
    let ending = async {
        poll_fn(|cx| writer.poll_write(cx, &mut outbox)).await?;
        if connection.has_last_words() && (came_late || changes_over(&mut reader).await?) {
            outbox = connection.take_last_words();
        }
        io::Result::Ok(())
    };
    if !matches!(tokio::time::timeout(timeout, ending).await, Ok(Err(_))) {
        outbox.push_owned(frame(Opcode::Close, &[]));
        end(reader, writer, outbox, timeout, &connection.counters().bounds).await;
    }
}

/// Whether the client's next message says that it has changed over.
async fn changes_over(reader: &mut Reader) -> io::Result<bool> {
    let mut decoder = Decoder::new(Role::Server, Limits::default().max_message(scratch::SIZE));
    let mut buffer = [0; 512];
    loop {
        let count = poll_fn(|cx| reader.poll_read(cx, &mut buffer)).await?;
        match decoder.decode(&mut Input::new(&mut buffer[..count])) {
            Ok(None) if count > 0 => {}
            Ok(Some(Message::Text(text))) => return Ok(text == "5"),
            _ => return Ok(false),
        }
    }
}

/// The orderly end of a WebSocket: everything out, then wait until the peer has closed too.
///
/// Closing at once would make the kernel reset the connection if there is unread input, and the peer lose our last words.
/// A peer that does not take them in time is reset: the kernel would keep megabytes for it, for minutes.
pub(crate) async fn end(mut reader: Reader, mut writer: Writer, outbox: Outbox, timeout: Duration, bounds: &Bounds) {
    if tokio::time::timeout(timeout, close(&mut reader, &mut writer, outbox)).await.is_err() {
        // The kernel may have taken all of them; that does not mean that the peer has.
        writer.reset_when_dropped(true);
        bounds.cut_off();
    }
}

async fn close(reader: &mut Reader, writer: &mut Writer, mut outbox: Outbox) -> io::Result<()> {
    let mut blocked = false;
    poll_fn(|cx| {
        let written = writer.poll_write(cx, &mut outbox);
        if written.is_pending() != blocked {
            blocked = !blocked;
            // In case that nobody waits for the time: when everything is aborted.
            writer.reset_when_dropped(blocked);
        }
        written
    })
    .await?;
    poll_fn(|cx| writer.poll_shutdown(cx)).await?;
    let mut unwanted = [0; 512];
    while poll_fn(|cx| reader.poll_read(cx, &mut unwanted)).await? > 0 {}
    Ok(())
}
