//! The handlers of a namespace, or of one socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use hashbrown::HashMap;
use smallvec::SmallVec;
use smol_str::SmolStr;

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
    pub(crate) once: Option<Arc<AtomicBool>>,
}

/// One handler that was added by [`add_handler`](crate::Namespace::add_handler), to be removed by itself.
#[derive(Clone)]
#[must_use = "to add a handler for good, use `on`"]
pub struct Registration {
    event: SmolStr,
    call: Erased<Received>,
}

impl Registered {
    /// Whether the handler is to be called: one that is called once is so only the first time.
    pub(crate) fn is_due(&self) -> bool {
        self.once.as_ref().is_none_or(|called| !called.swap(true, Ordering::Relaxed))
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

    pub(crate) fn add(&self, event: &str, call: Erased<Received>) -> Registration {
        let registration = Registration { event: event.into(), call: call.clone() };
        self.register(event, Registered { call, once: None });
        registration
    }

    pub(crate) fn add_once(&self, event: &str, call: Erased<Received>) {
        self.register(event, Registered { call, once: Some(Arc::default()) });
    }

    fn register(&self, event: &str, handler: Registered) {
        self.change(|table| table.events.entry(event.into()).or_default().push(handler.clone()));
    }

    /// Removes one handler.
    pub(crate) fn remove_one(&self, registration: &Registration) {
        self.retain(&registration.event, |handler| !Arc::ptr_eq(&handler.call, &registration.call));
    }

    /// Removes all handlers of an event.
    pub(crate) fn remove(&self, event: &str) {
        self.change(|table| drop(table.events.remove(event)));
    }

    /// Forgets handlers that were to be called once and have been.
    pub(crate) fn sweep(&self, event: &str) {
        self.retain(event, |handler| handler.once.as_ref().is_none_or(|called| !called.load(Ordering::Relaxed)));
    }

    fn retain(&self, event: &str, keep: impl Fn(&Registered) -> bool) {
        self.change(|table| {
            let handlers = table.events.get_mut(event);
            let left = handlers.map(|handlers| {
                handlers.retain(|handler| keep(handler));
                handlers.len()
            });
            if left == Some(0) {
                table.events.remove(event);
            }
        });
    }

    /// Removes all that there is.
    pub(crate) fn clear(&self) {
        self.0.store(Arc::default());
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

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("event", &self.event).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handlers")
            .field("events", &self.load().events.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
