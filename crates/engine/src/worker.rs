//! One per event loop: writes what a turn has queued, and wakes connections when their deadlines come.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use sockeye_protocol::engine::Timing;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, Connection};
use crate::metrics::Traffic;

/// After this many writes the loop's other tasks get their turn.
const WRITES_PER_TURN: usize = 256;
/// Room for so many connections is kept between turns.
const MAX_SPARE: usize = 1024;

/// Tokio's clock, so that tests can pause it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The flusher and the heartbeat wheel of one event loop.
///
/// It has one task of its own, so that neither a write nor a heartbeat costs a connection a timer or a task.
pub(crate) struct Worker {
    writes: Writes,
    unflushed: Mutex<Vec<Connection>>,
    /// When the connections are to be looked at, in ticks since `start`.
    deadlines: Mutex<BTreeMap<u64, Vec<Weak<connection::Shared>>>>,
    start: Instant,
    /// Deadlines are rounded up to this, so that thousands of them share a wake-up.
    tick: Duration,
    waker: AtomicWaker,
    running: AtomicBool,
    pub(crate) traffic: Traffic,
}

/// Who writes what is queued between two reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    /// The worker's task, once at the end of a turn: right on an event loop of one thread.
    ByWorker,
    /// Each connection's task: right on a work-stealing runtime, where there is no turn and many threads can write.
    ByConnection,
}

thread_local! {
    /// The worker of the event loop that this thread runs.
    static CURRENT: RefCell<Option<Arc<Worker>>> = const { RefCell::new(None) };
}

impl Worker {
    /// A worker for sessions that live by these times.
    pub(crate) fn new(writes: Writes, timing: &Timing) -> Arc<Self> {
        let shortest = timing.ping_interval.min(timing.ping_timeout);
        Arc::new(Self {
            writes,
            unflushed: Mutex::default(),
            deadlines: Mutex::default(),
            start: now(),
            tick: (shortest / 200).clamp(Duration::from_millis(1), Duration::from_millis(20)),
            waker: AtomicWaker::new(),
            running: AtomicBool::new(false),
            traffic: Traffic::default(),
        })
    }

    /// The worker of this thread's event loop, if it has one.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Makes this the worker of all connections that are opened on this thread.
    pub(crate) fn install(self: &Arc<Self>) {
        CURRENT.set(Some(self.clone()));
    }

    /// Starts the worker's task on the present runtime, once.
    pub(crate) fn start(self: &Arc<Self>, tasks: &TaskTracker, stop: &CancellationToken) {
        if !self.running.swap(true, Ordering::Relaxed) {
            let (worker, stop) = (self.clone(), stop.clone());
            tasks.spawn(async move { stop.run_until_cancelled(worker.run()).await });
        }
    }

    /// Has the connection written at the end of the turn.
    pub(crate) fn schedule(&self, connection: &Connection) {
        if self.writes == Writes::ByConnection {
            return connection.driver().wake();
        }
        let mut unflushed = self.unflushed.lock();
        unflushed.push(connection.clone());
        let first = unflushed.len() == 1;
        drop(unflushed);
        if first {
            self.waker.wake();
        }
    }

    /// Has the connection looked at when this time has come.
    pub(crate) fn watch(&self, at: Instant, connection: Weak<connection::Shared>) {
        let tick = self.tick(at) + 1;
        let mut deadlines = self.deadlines.lock();
        let earliest = deadlines.first_key_value().is_none_or(|(&first, _)| tick < first);
        deadlines.entry(tick).or_default().push(connection);
        drop(deadlines);
        if earliest {
            self.waker.wake();
        }
    }

    /// Looks no more at a connection at this time: what is left of one that ends would stay in memory until then.
    pub(crate) fn unwatch(&self, at: Instant, connection: *const connection::Shared) {
        let mut deadlines = self.deadlines.lock();
        if let Entry::Occupied(mut entry) = deadlines.entry(self.tick(at) + 1) {
            let watched = entry.get_mut();
            if let Some(position) = watched.iter().position(|other| other.as_ptr() == connection) {
                watched.swap_remove(position);
            }
            if watched.is_empty() {
                entry.remove();
            }
        }
    }

    /// How many times something will be looked at.
    pub(crate) fn watches(&self) -> usize {
        self.deadlines.lock().values().map(Vec::len).sum()
    }

    fn tick(&self, at: Instant) -> u64 {
        let ticks = at.saturating_duration_since(self.start).as_nanos() / self.tick.as_nanos();
        u64::try_from(ticks).unwrap_or(u64::MAX - 1)
    }

    async fn run(self: Arc<Self>) {
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        let mut unflushed = Vec::new();
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            self.write_some(&mut unflushed, cx);
            self.look_at_due();
            self.sleep_until_next(sleep.as_mut(), cx)
        })
        .await;
    }

    /// Writes the connections that were queued; `batch` is kept between turns so that its memory is reused.
    fn write_some(&self, batch: &mut Vec<Connection>, cx: &Context<'_>) {
        if batch.is_empty() {
            std::mem::swap(batch, &mut self.unflushed.lock());
        }
        let rest = batch.len().saturating_sub(WRITES_PER_TURN);
        batch.drain(rest..).for_each(|connection| connection.flush());
        if batch.is_empty() {
            // A burst to everybody should not stay as memory; what is usual in a turn may.
            batch.shrink_to(MAX_SPARE);
        }
        if !batch.is_empty() || !self.unflushed.lock().is_empty() {
            cx.waker().wake_by_ref();
        }
    }

    fn look_at_due(&self) {
        let at = now();
        let present = self.tick(at);
        while let Some(due) = self.take_due(present) {
            for watched in due {
                if let Some(connection) = connection::Shared::handle(&watched) {
                    connection.on_deadline(at);
                }
            }
        }
    }

    fn take_due(&self, present: u64) -> Option<Vec<Weak<connection::Shared>>> {
        let mut deadlines = self.deadlines.lock();
        let entry = deadlines.first_entry().filter(|entry| *entry.key() <= present)?;
        Some(entry.remove())
    }

    fn sleep_until_next(&self, mut sleep: std::pin::Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(next) = self.deadlines.lock().first_key_value().map(|(&tick, _)| tick) else { return Poll::Pending };
        let at = self.start + Duration::from_nanos(nanos(self.tick).saturating_mul(next));
        if sleep.deadline().into_std() != at {
            sleep.as_mut().reset(at.into());
        }
        if sleep.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
