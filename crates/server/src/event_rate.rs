//! How many events one socket may send in a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sockeye_engine::{CloseCause, Closed, ConfigError};

use crate::ack::Ack;
use crate::disconnect::DisconnectReason;
use crate::dispatch;
use crate::handler::AckTicket;
use crate::socket::Socket;

/// How many events one socket may send in a time, and what becomes of those beyond: a token bucket.
///
/// Acknowledgements are no events and always pass. See [`ServerBuilder::event_rate`](crate::ServerBuilder::event_rate).
///
/// ```
/// use sockeye::{EventRate, Overrun, Server};
///
/// let io = Server::builder().event_rate(EventRate::per_second(100).burst(200).then(Overrun::Closed)).build()?;
/// # Ok::<(), sockeye::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "give it to `Server::builder().event_rate(…)`"]
pub struct EventRate {
    per_second: u32,
    burst: u32,
    overrun: Overrun,
}

/// What becomes of an event that comes too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrun {
    /// It reaches no handler and gets no ack; the [error hook](crate::Server::on_error) is told, and may answer.
    Refused,
    /// Its connection is closed with `forced server close`, cause [`CloseCause::Flood`](crate::CloseCause::Flood).
    Closed,
}

/// An event came that exceeds the [`EventRate`]. The [error hook](crate::Server::on_error) finds it in its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {per_second} events a second, or {burst} at once, the most that `event_rate` allows")]
#[non_exhaustive]
pub struct TooManyEvents {
    /// How many may come each second.
    pub per_second: u32,
    /// How many may come at once.
    pub burst: u32,
}

impl EventRate {
    /// So many events a second, as many of them at once, the others refused.
    pub const fn per_second(events: u32) -> Self {
        Self { per_second: events, burst: events, overrun: Overrun::Refused }
    }

    /// How many may come at once, after a while without any. Default: those of one second.
    pub const fn burst(mut self, events: u32) -> Self {
        self.burst = events;
        self
    }

    /// What becomes of those beyond. Default: [`Overrun::Refused`].
    pub const fn then(mut self, overrun: Overrun) -> Self {
        self.overrun = overrun;
        self
    }

    pub(crate) fn check(self) -> Result<(), ConfigError> {
        for (setting, count) in [("event_rate.per_second", self.per_second), ("event_rate.burst", self.burst)] {
            if count == 0 {
                return Err(ConfigError::Zero { setting });
            }
        }
        Ok(())
    }

    fn exceeded(self) -> TooManyEvents {
        TooManyEvents { per_second: self.per_second, burst: self.burst }
    }
}

/// Measures the events of all sockets.
#[derive(Debug)]
pub(crate) struct Meter {
    rate: EventRate,
    start: Instant,
}

/// What is known of one socket's events: when all that have come would have come at the allowed rate, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU64);

impl Meter {
    pub(crate) fn new(rate: EventRate) -> Self {
        Self { rate, start: now() }
    }

    /// Counts an event that comes at this moment, if it may come. The events of one socket come one after the other.
    fn admits(&self, pace: &Pace, at: Instant) -> bool {
        let each = nanos(Duration::from_secs(1)) / u64::from(self.rate.per_second);
        let at = nanos(at.saturating_duration_since(self.start));
        let due = pace.0.load(Ordering::Relaxed).max(at);
        let may_come = due - at <= each * u64::from(self.rate.burst - 1);
        if may_come {
            pace.0.store(due + each, Ordering::Relaxed);
        }
        may_come
    }
}

/// Whether an event may come now; if not, its end is seen to.
pub(crate) fn admits(socket: &Socket, event: &str, id: Option<u64>) -> bool {
    let settings = socket.settings();
    let Some(meter) = &settings.event_rate else { return true };
    if meter.admits(&socket.inner().pace, now()) {
        return true;
    }
    settings.counters.bounds.event_rate.add();
    match meter.rate.overrun {
        Overrun::Refused => {
            let ack = id.map(|id| Ack::new(socket.clone(), AckTicket { id, used: None }));
            dispatch::failed(socket, event, meter.rate.exceeded().into(), ack);
        }
        Overrun::Closed => {
            tracing::debug!(error = %meter.rate.exceeded(), "closing the connection of a client that sends too many events");
            socket.client().end(DisconnectReason::ForcedServerClose, Closed::forced(CloseCause::Flood));
        }
    }
    false
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the events that come at these milliseconds may.
    #[track_caller]
    fn check(rate: EventRate, at: impl IntoIterator<Item = u64>, expected: usize) {
        let (meter, pace) = (Meter::new(rate), Pace::default());
        let come = at.into_iter().filter(|&at| meter.admits(&pace, meter.start + Duration::from_millis(at)));
        assert_eq!(come.count(), expected);
    }

    #[test]
    fn as_many_may_come_at_once_as_the_burst_and_then_at_the_rate() {
        let rate = EventRate::per_second(10).burst(3);
        check(rate, [0; 10], 3);
        check(rate, [0, 0, 0, 99], 3);
        check(rate, [0, 0, 0, 100, 100], 4);
        check(rate, (0..1000).step_by(10), 3 + 9);
        check(rate, (0..100).map(|number| number * 100), 100);
        check(rate, [0, 0, 0].into_iter().chain([60_000; 10]), 6);
    }

    #[test]
    fn a_burst_of_one_lets_none_come_early() {
        check(EventRate::per_second(10).burst(1), [0, 99, 100, 199, 200], 3);
    }

    #[test]
    fn rates_beyond_the_clock_s_let_all_pass() {
        check(EventRate::per_second(u32::MAX).burst(u32::MAX), [0; 1000], 1000);
    }
}
