//! What an engine counts, and its sum at one moment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_protocol::engine::Refusal;

use crate::close::CloseCause;
use crate::engine::Engine;

/// How often something has happened, or how many there are; counted without a lock.
///
/// It is shared by all event loops: what happens with every message is counted elsewhere, once for each loop.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn add(&self) {
        self.add_many(1);
    }

    /// So many more.
    pub fn add_many(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// One less.
    pub fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts of one thing by its kinds, each under its name, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// The count of one kind; 0 for a name that is none.
    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    /// All kinds together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Every kind with its count, also those that have not been seen yet.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(&kind, &count)| (kind, count))
    }
}

impl FromIterator<(&'static str, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (&'static str, u64)>>(counts: I) -> Self {
        let mut sums = Self::default();
        sums.extend(counts);
        sums
    }
}

impl Extend<(&'static str, u64)> for Counts {
    /// Kinds of the same name are added up.
    fn extend<I: IntoIterator<Item = (&'static str, u64)>>(&mut self, counts: I) {
        for (kind, count) in counts {
            *self.0.entry(kind).or_default() += count;
        }
    }
}

/// What the connections of one event loop carry. Each loop has its own, or the loops would wait for each other.
#[derive(Default)]
pub(crate) struct Traffic {
    /// Messages that came; added once for a read.
    pub(crate) received: Count,
    /// Messages that were queued; added once for a write.
    pub(crate) sent: Count,
    /// Volatile messages that could not leave at once.
    pub(crate) dropped: Count,
}

/// What an engine counts: all of it rare, once for a connection or a bound.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) opened: Count,
    pub(crate) upgraded: Count,
    /// How many of the open sessions are on a WebSocket.
    pub(crate) websockets: Count,
    pub(crate) bounds: Bounds,
    closed: [Count; CloseCause::ALL.len()],
    refused: [Count; Refusal::KINDS.len()],
}

impl Counters {
    pub(crate) fn closed(&self, cause: CloseCause) {
        if let Some(count) = CloseCause::ALL.iter().position(|&other| other == cause).and_then(|at| self.closed.get(at))
        {
            count.add();
        }
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        if let Some(count) = self.refused.get(usize::from(refusal.code())) {
            count.add();
        }
    }
}

crate::named_counts! {
    /// How often each bound of the engine was reached. Their names are those of the settings.
    pub(crate) struct Bounds {
        close_timeout,
        connect_timeout,
        control_frames,
        head_timeout,
        max_connections,
        max_connections_per_address,
        max_fragments,
        max_head,
        max_payload,
        outbox_limit,
        outbox_patience,
        pause_timeout,
        ping_timeout,
        tls_handshake_timeout,
        tls_handshakes,
        upgrade_timeout,
    }
}

impl Bounds {
    /// A WebSocket whose peer takes too long to close it.
    pub(crate) fn cut_off(&self) {
        self.close_timeout.add();
        tracing::debug!(bound = "close_timeout", "WebSocket cut off");
    }
}

/// A struct of [`Count`]s that can tell them by their names.
#[doc(hidden)]
#[macro_export]
macro_rules! named_counts {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident { $($name:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        $vis struct $Name {
            $($vis $name: $crate::Count,)*
        }

        impl $Name {
            $vis fn counts(&self) -> $crate::Counts {
                [$((stringify!($name), self.$name.get())),*].into_iter().collect()
            }
        }
    };
}

/// What an engine is and has done, at one moment. What happens while it is taken may show in some numbers only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineMetrics {
    /// Sessions known by their id: those that are open, and those that wait for a last poll to be told their end.
    pub connections: u64,
    /// Those of them that are on a WebSocket.
    pub websockets: u64,
    /// Times at which some connection will be looked at.
    pub deadlines: u64,
    /// Tasks and requests that [`Engine::close`] would wait for.
    pub tasks: u64,
    /// Messages that have come.
    pub received: u64,
    /// Messages that have been queued for clients, and have left if their connection lived on.
    pub sent: u64,
    /// Volatile messages that have been dropped.
    pub dropped: u64,
    /// Sessions that have been opened.
    pub opened: u64,
    /// Sessions that have gone from polling to a WebSocket.
    pub upgraded: u64,
    /// Sessions that have ended, by [`CloseCause::name`].
    pub closed: Counts,
    /// Requests that have been refused, by `Refusal::kind`.
    pub refused: Counts,
    /// How often a bound was reached, by the name of its setting; of its own for what is fixed.
    pub bounds: Counts,
}

impl Engine {
    /// Counts everything, from any thread. It takes some of the engine's locks for a moment each.
    pub fn metrics(&self) -> EngineMetrics {
        let (counters, workers) = (self.counters(), self.workers());
        let sum = |count: fn(&Traffic) -> &Count| workers.iter().map(|worker| count(&worker.traffic).get()).sum();
        let closed = CloseCause::ALL.iter().zip(&counters.closed);
        let refused = Refusal::KINDS.iter().zip(&counters.refused);
        EngineMetrics {
            connections: as_count(self.connections()),
            websockets: counters.websockets.get(),
            deadlines: as_count(workers.iter().map(|worker| worker.watches()).sum()),
            tasks: as_count(self.tasks()),
            received: sum(|traffic| &traffic.received),
            sent: sum(|traffic| &traffic.sent),
            dropped: sum(|traffic| &traffic.dropped),
            opened: counters.opened.get(),
            upgraded: counters.upgraded.get(),
            closed: closed.map(|(cause, count)| (cause.name(), count.get())).collect(),
            refused: refused.map(|(&kind, count)| (kind, count.get())).collect(),
            bounds: counters.bounds.counts(),
        }
    }
}

fn as_count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
