//! What all who touch a connection agree on, and who writes what is queued.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use sockeye_protocol::engine::{Session, Transport};
use sockeye_websocket::deflate::Deflate;

use crate::close::{CloseCause, Closed};
use crate::config::OutboxLimits;
use crate::io::Writer;
use crate::outbox::Outbox;
use crate::places::Place;
use crate::sending::Guarantee;
use crate::worker::now;

/// What all who touch the connection agree on, behind one short lock.
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) outbox: Outbox,
    /// The sending half of the WebSocket, once the session is on one.
    pub(crate) writer: Option<Writer>,
    /// How messages are compressed on it, if that has been agreed on.
    pub(crate) deflate: Option<Deflate>,
    pub(crate) poll: PendingPoll,
    pub(crate) posting: bool,
    /// Wakes the request that posts, which waits for its body, for reading to go on, or for the end.
    pub(crate) poster: Option<Waker>,
    /// How many want nothing to be read.
    pub(crate) pauses: u32,
    /// Which attempt to upgrade is the present one.
    pub(crate) attempt: u32,
    flush: Flush,
    /// How many messages have been queued that are not counted yet.
    uncounted: u32,
    /// Since when the peer has taken nothing although more than the soft mark waits.
    stuck_since: Option<Instant>,
    /// The earliest time at which the worker looks at this connection anyway. Once it is closed: how long it stays known
    /// all the same, to tell the client at its next poll.
    pub(crate) watched: Option<Instant>,
    pub(crate) closed: Option<Closed>,
    /// It is about to be closed, and takes nothing more.
    doomed: bool,
    /// The code of our WebSocket close frame, if one is due.
    pub(crate) close_code: Option<u16>,
    /// The session's place, if their number is limited: given back when it is forgotten, whoever still has a handle to it.
    pub(crate) place: Option<Box<Place>>,
}

/// The GET request of a polling client, as far as it waits for something to answer with.
#[derive(Debug, Default)]
pub(crate) enum PendingPoll {
    #[default]
    None,
    /// It waits; the waker is set once its future has been polled.
    Waiting(Option<Waker>),
    /// Answer it with a `noop`, whether or not there is data.
    Release(Option<Waker>),
}

/// Who writes what was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    /// Nobody yet: whoever queues next sees to it.
    Idle,
    /// The task that is handling a read writes when it is done with it.
    Corked,
    /// The worker has been asked to.
    Scheduled,
    /// The kernel took no more; the task of the connection waits until it does.
    Blocked,
}

/// What is to be done once the lock has been released.
pub(crate) enum Next {
    Nothing,
    Schedule,
    Wake(Waker),
    WakeDriver,
    Close(Closed),
    /// Closed by a task: who emits must not find himself in the handlers of somebody's end.
    CloseSoon(Closed),
}

impl Link {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            outbox: Outbox::default(),
            writer: None,
            deflate: None,
            poll: PendingPoll::None,
            posting: false,
            poster: None,
            pauses: 0,
            attempt: 0,
            flush: Flush::Idle,
            uncounted: 0,
            stuck_since: None,
            watched: None,
            closed: None,
            doomed: false,
            close_code: None,
            place: None,
        }
    }

    /// What is to be done after a message was queued. Nothing of it runs code of the layer above.
    pub(crate) fn after_message(&mut self, limits: &OutboxLimits) -> Next {
        self.uncounted += 1;
        match self.after_push(limits) {
            Next::Close(closed) => {
                self.doomed = true;
                Next::CloseSoon(closed)
            }
            next => next,
        }
    }

    /// Whether a message is sent at all.
    pub(crate) fn takes(&self, guarantee: Guarantee) -> bool {
        self.session.is_open() && !self.doomed && (guarantee == Guarantee::Reliable || self.is_writable())
    }

    /// Whether a volatile message would leave at once.
    fn is_writable(&self) -> bool {
        self.outbox.is_empty()
            && match self.session.transport() {
                Transport::Polling => matches!(self.poll, PendingPoll::Waiting(_)),
                Transport::WebSocket => self.flush != Flush::Blocked,
            }
    }

    pub(crate) fn after_push(&mut self, limits: &OutboxLimits) -> Next {
        if self.outbox.len() >= limits.hard {
            return Next::Close(Closed::forced(CloseCause::SlowConsumer));
        }
        let beyond_mark = self.outbox.len() > limits.soft;
        self.note_progress(false, limits);
        match (self.session.transport(), self.flush) {
            (Transport::Polling, _) => self.poll.take_waker().map_or(Next::Nothing, Next::Wake),
            (Transport::WebSocket, Flush::Idle) => {
                self.flush = Flush::Scheduled;
                Next::Schedule
            }
            (Transport::WebSocket, Flush::Corked | Flush::Scheduled) if beyond_mark => self.write_now(limits),
            (Transport::WebSocket, _) => Next::Nothing,
        }
    }

    /// How many messages have been queued since this was asked last.
    pub(crate) fn take_uncounted(&mut self) -> u64 {
        std::mem::take(&mut self.uncounted).into()
    }

    /// From here on, what is queued is written when the present read has been handled.
    pub(crate) fn cork(&mut self) {
        if self.flush == Flush::Idle {
            self.flush = Flush::Corked;
        }
    }

    /// Writes at the end of a turn, unless the kernel takes no more anyway.
    pub(crate) fn flush(&mut self, limits: &OutboxLimits) -> Next {
        if self.flush == Flush::Blocked {
            return Next::Nothing;
        }
        self.flush = Flush::Idle;
        self.write_now(limits)
    }

    /// Writes without waiting. A stream that can only be written by its task is left to it.
    fn write_now(&mut self, limits: &OutboxLimits) -> Next {
        let Some(writer) = &mut self.writer else { return Next::Nothing };
        let was_corked = self.flush == Flush::Corked;
        let Some(result) = writer.try_write(&mut self.outbox) else { return Next::WakeDriver };
        match result {
            Err(_) => Next::Close(Closed::lost()),
            Ok(written) => {
                self.note_progress(written > 0, limits);
                if self.outbox.is_empty() || was_corked {
                    return Next::Nothing;
                }
                self.flush = Flush::Blocked;
                Next::WakeDriver
            }
        }
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, limits: &OutboxLimits) -> Poll<io::Result<()>> {
        self.flush = Flush::Idle;
        let Some(writer) = &mut self.writer else { return Poll::Ready(Ok(())) };
        let waiting = self.outbox.len();
        let result = writer.poll_write(cx, &mut self.outbox);
        self.note_progress(self.outbox.len() < waiting, limits);
        if result.is_pending() {
            self.flush = Flush::Blocked;
        }
        result
    }

    /// Keeps the clock of a peer that is behind: it starts at the mark, and again with every byte taken.
    pub(crate) fn note_progress(&mut self, progress: bool, limits: &OutboxLimits) {
        if self.outbox.len() <= limits.soft {
            self.stuck_since = None;
        } else if progress || self.stuck_since.is_none() {
            self.stuck_since = Some(now());
        }
    }

    /// Whether more waits, or has waited when this was found out, than the peer may be sent.
    pub(crate) fn is_overfull(&self, limits: &OutboxLimits) -> bool {
        self.doomed || self.outbox.len() >= limits.hard
    }

    /// Whether the clock of a peer that is behind runs.
    pub(crate) fn has_fallen_behind(&self) -> bool {
        self.stuck_since.is_some()
    }

    pub(crate) fn is_stuck(&self, at: Instant, limits: &OutboxLimits) -> bool {
        self.stuck_since.is_some_and(|since| since + limits.patience <= at)
    }

    /// The time at which the worker has to look at the connection, if it would not do so early enough by itself, and the
    /// later one that this replaces.
    pub(crate) fn watch_from(&mut self, limits: &OutboxLimits) -> Option<(Instant, Option<Instant>)> {
        let stuck = self.stuck_since.map(|since| since + limits.patience);
        let deadline = [self.session.deadline(), stuck].into_iter().flatten().min()?;
        if self.watched.is_some_and(|watched| watched <= deadline) {
            return None;
        }
        Some((deadline, self.watched.replace(deadline)))
    }
}

impl PendingPoll {
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        match self {
            Self::None => None,
            Self::Waiting(waker) | Self::Release(waker) => waker.take(),
        }
    }

    /// Has a waiting poll answered with a `noop`.
    pub(crate) fn release(&mut self) -> Option<Waker> {
        if matches!(self, Self::None) {
            return None;
        }
        let waker = self.take_waker();
        *self = Self::Release(None);
        waker
    }
}
