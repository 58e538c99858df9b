//! What a cluster counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often what has happened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    published: AtomicU64,
    received: AtomicU64,
    lost: AtomicU64,
    ignored: AtomicU64,
    late: AtomicU64,
}

/// What a cluster has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterCounts {
    /// Messages that the broker has taken.
    pub published: u64,
    /// Messages that came from other nodes.
    pub received: u64,
    /// Messages of which nobody knows that they reached the broker: it was away or did not answer, or too many waited for it.
    pub lost: u64,
    /// What came and was no message of the format.
    pub ignored: u64,
    /// Requests that not all nodes answered in time.
    pub late: u64,
}

impl Counters {
    pub(super) fn published(&self, count: usize) {
        self.published.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost(&self, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn ignored(&self) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> ClusterCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ClusterCounts {
            published: read(&self.published),
            received: read(&self.received),
            lost: read(&self.lost),
            ignored: read(&self.ignored),
            late: read(&self.late),
        }
    }
}
