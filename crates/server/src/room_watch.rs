//! Who wants to know what happens to rooms.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sockeye_adapter::cluster::Interest;
use sockeye_adapter::{RoomEvent, RoomKind, Rooms};

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
    pub(crate) fn tell<M: Clone>(&self, rooms: &Mutex<Rooms<M>>, cluster: Option<(&str, &dyn Interest)>) {
        if (self.is_empty() && cluster.is_none()) || self.telling.swap(true, Ordering::Acquire) {
            return;
        }
        while let Some((event, kind)) = self.next(rooms) {
            if let Some((namespace, interest)) = cluster {
                tell_cluster(namespace, interest, &event, kind);
            }
            // The rooms of users are no concern of those who watch rooms.
            if kind != RoomKind::User {
                self.tell_watchers(&event);
            }
        }
    }

    fn tell_watchers(&self, event: &RoomEvent) {
        for watcher in self.watchers.load().iter() {
            if catch_unwind(AssertUnwindSafe(|| watcher(event))).is_err() {
                tracing::error!(?event, "a watcher of rooms panicked");
            }
        }
    }

    /// The end of the telling is decided under the lock under which events come, so that none is left lying.
    fn next<M: Clone>(&self, rooms: &Mutex<Rooms<M>>) -> Option<(RoomEvent, RoomKind)> {
        let mut rooms = rooms.lock();
        let event = rooms.next_event();
        if event.is_none() {
            self.telling.store(false, Ordering::Release);
        }
        event
    }
}

fn tell_cluster(namespace: &str, interest: &dyn Interest, event: &RoomEvent, kind: RoomKind) {
    match event {
        RoomEvent::Created { room } => interest.room_created(namespace, room, kind),
        RoomEvent::Deleted { room } => interest.room_deleted(namespace, room, kind),
        _ => {}
    }
}
