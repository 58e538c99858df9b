//! The way out: what is published waits here, and goes in one go with all that has come meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::broker::{Broker, BrokerError, Outgoing};
use super::counters::Counters;
use super::weight::weight;

/// The messages that wait to be published, in their order.
///
/// Nobody who publishes waits. Beyond its bound a message is lost, and counted as such.
#[derive(Debug)]
pub(super) struct Publisher {
    queue: Mutex<Queue>,
    filled: Notify,
    emptied: Notify,
    limit: usize,
    counters: Arc<Counters>,
    /// The broker took nothing the last time; told once, not for each message.
    away: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Outgoing>,
    bytes: usize,
    /// Messages that have been taken out, but are not with the broker yet.
    publishing: usize,
}

impl Publisher {
    pub(super) fn new(limit: usize, counters: Arc<Counters>) -> Self {
        let (queue, filled, emptied) = (Mutex::default(), Notify::new(), Notify::new());
        Self { queue, filled, emptied, limit, counters, away: AtomicBool::new(false) }
    }

    /// Has a message published. Says whether there was room for it.
    pub(super) fn push(&self, message: Outgoing) -> bool {
        let size = weight(&message.envelope.message);
        let mut queue = self.queue.lock();
        // One that is larger than the bound may wait alone.
        if queue.bytes + size > self.limit && !queue.waiting.is_empty() {
            drop(queue);
            self.counters.lost(1);
            tracing::debug!(bound = "queue_limit", "too much waits for the broker: a message is lost to other nodes");
            return false;
        }
        queue.bytes += size;
        queue.waiting.push_back(message);
        drop(queue);
        self.filled.notify_one();
        true
    }

    /// Publishes what waits, for ever.
    pub(super) async fn run(&self, broker: &dyn Broker) -> ! {
        loop {
            let batch = self.next().await;
            let results = broker.publish(&batch).await;
            self.published(&results, batch.len());
        }
    }

    /// All that waits, once there is anything.
    async fn next(&self) -> Vec<Outgoing> {
        loop {
            let filled = self.filled.notified();
            if let Some(batch) = self.take() {
                return batch;
            }
            filled.await;
        }
    }

    fn take(&self) -> Option<Vec<Outgoing>> {
        let mut queue = self.queue.lock();
        let batch: Vec<_> = std::mem::take(&mut queue.waiting).into();
        queue.bytes = 0;
        queue.publishing = batch.len();
        (!batch.is_empty()).then_some(batch)
    }

    fn published(&self, results: &[Result<(), BrokerError>], asked: usize) {
        let lost = asked - results.iter().filter(|result| result.is_ok()).count();
        self.counters.published(asked - lost);
        if lost > 0 {
            self.counters.lost(lost);
        }
        match results.iter().find_map(|result| result.as_ref().err()) {
            Some(BrokerError::Encode { reason }) => tracing::error!(reason, "a message can't be published"),
            Some(error) if !self.away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, lost, "messages are lost to other nodes; local delivery goes on");
            }
            None if self.away.swap(false, Ordering::Relaxed) => tracing::info!("the broker takes messages again"),
            Some(_) | None => {}
        }
        self.queue.lock().publishing = 0;
        self.emptied.notify_waiters();
    }

    /// Waits until all that was pushed before is with the broker, or lost.
    pub(super) async fn flushed(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn is_empty(&self) -> bool {
        let queue = self.queue.lock();
        queue.waiting.is_empty() && queue.publishing == 0
    }
}
