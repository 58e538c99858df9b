//! Who wants to know what happens to rooms.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sockeye_adapter::{RoomEvent, Rooms};

type Watcher = Arc<dyn Fn(&RoomEvent) + Send + Sync>;

/// Who wants to know what happens to the rooms of a namespace.
#[derive(Default)]
pub(crate) struct RoomWatch {
    watchers: ArcSwap<Vec<Watcher>>,
    /// Somebody is telling; what happens meanwhile he tells too, so that all is told in order.
    telling: AtomicBool,
}

impl RoomWatch {
    pub(crate) fn add(&self, watcher: impl Fn(&RoomEvent) + Send + Sync + 'static) {
        let watcher: Watcher = Arc::new(watcher);
        self.watchers.rcu(|watchers| {
            let mut watchers = Vec::clone(watchers);
            watchers.push(watcher.clone());
            watchers
        });
    }

    /// Takes over all those who watch others now.
    pub(crate) fn copy(&self, others: &Self) {
        self.watchers.store(others.watchers.load_full());
    }

    /// Whether nobody wants to know.
    pub(crate) fn is_empty(&self) -> bool {
        self.watchers.load().is_empty()
    }

    /// Tells what has happened, in order. No lock may be held: watchers are users' code.
    pub(crate) fn tell<M: Clone>(&self, rooms: &Mutex<Rooms<M>>) {
        if self.is_empty() || self.telling.swap(true, Ordering::Acquire) {
            return;
        }
        while let Some(event) = self.next(rooms) {
            for watcher in self.watchers.load().iter() {
                if catch_unwind(AssertUnwindSafe(|| watcher(&event))).is_err() {
                    tracing::error!(?event, "a watcher of rooms panicked");
                }
            }
        }
    }

    /// The end of the telling is decided under the lock under which events come, so that none is left lying.
    fn next<M: Clone>(&self, rooms: &Mutex<Rooms<M>>) -> Option<RoomEvent> {
        let mut rooms = rooms.lock();
        let event = rooms.next_event();
        if event.is_none() {
            self.telling.store(false, Ordering::Release);
        }
        event
    }
}
