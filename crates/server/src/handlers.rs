//! The handlers of a namespace, or of one socket.

use arc_swap::{ArcSwap, Guard};
use hashbrown::HashMap;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::sync::Arc;

use crate::handler::{Connecting, Disconnected, Erased, Received};
use crate::outgoing::Listener;

/// Handlers that can be read without waiting and changed at any time. A change is seen from the next event on.
#[derive(Default)]
pub(crate) struct Handlers(ArcSwap<Table>);

/// One state of the handlers.
#[derive(Clone, Default)]
pub(crate) struct Table {
    events: HashMap<SmolStr, SmallVec<[Registered; 1]>, foldhash::fast::RandomState>,
    pub(crate) any: Vec<Erased<Received>>,
    pub(crate) event_middleware: Vec<Erased<Received>>,
    /// For events that have no handler.
    pub(crate) fallback: Option<Erased<Received>>,
    pub(crate) outgoing: Vec<Listener>,
    pub(crate) middleware: Vec<Erased<Connecting>>,
    pub(crate) connect: Vec<Erased<Connecting>>,
    pub(crate) disconnecting: Vec<Erased<Disconnected>>,
    pub(crate) disconnect: Vec<Erased<Disconnected>>,
}

/// A handler of one event.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) call: Erased<Received>,
    /// Set for a handler that is called once; taken by the call.
    pub(crate) once: Option<Arc<std::sync::atomic::AtomicBool>>,
}

impl Registered {
    /// Whether the handler is to be called: one that is called once is so only the first time.
    pub(crate) fn is_due(&self) -> bool {
        self.once.as_ref().is_none_or(|called| !called.swap(true, std::sync::atomic::Ordering::Relaxed))
    }
}

impl Table {
    /// The handlers of an event, in the order in which they were added.
    pub(crate) fn of(&self, event: &str) -> &[Registered] {
        self.events.get(event).map_or(&[], |handlers| handlers)
    }
}

impl Handlers {
    pub(crate) fn load(&self) -> Guard<Arc<Table>> {
        self.0.load()
    }

    pub(crate) fn load_full(&self) -> Arc<Table> {
        self.0.load_full()
    }

    /// Takes over all that there is in others now.
    pub(crate) fn copy(&self, others: &Self) {
        self.0.store(others.load_full());
    }

    pub(crate) fn add(&self, event: &str, call: Erased<Received>) {
        self.change(|table| {
            table.events.entry(event.into()).or_default().push(Registered { call: call.clone(), once: None });
        });
    }

    pub(crate) fn add_once(&self, event: &str, call: Erased<Received>) {
        let once = Some(Arc::default());
        let handler = Registered { call, once };
        self.change(|table| table.events.entry(event.into()).or_default().push(handler.clone()));
    }

    /// Removes all handlers of an event.
    pub(crate) fn remove(&self, event: &str) {
        self.change(|table| drop(table.events.remove(event)));
    }

    /// Forgets handlers that were to be called once and have been.
    pub(crate) fn sweep(&self, event: &str) {
        self.change(|table| {
            if let Some(handlers) = table.events.get_mut(event) {
                handlers.retain(|handler| {
                    handler.once.as_ref().is_none_or(|called| !called.load(std::sync::atomic::Ordering::Relaxed))
                });
            }
        });
    }

    /// Makes the next state from the present one. The change may be made more than once if others change too.
    pub(crate) fn change(&self, change: impl Fn(&mut Table)) {
        self.0.rcu(|table| {
            let mut next = Table::clone(table);
            change(&mut next);
            next
        });
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handlers")
            .field("events", &self.load().events.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
