//! What is counted where it happens.

use sockeye_engine::{Count, Counts};

/// What the server itself counts; connections are the engine's to count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Handlers and event middlewares that wait for something.
    pub(crate) suspended: Count,
    pub(crate) panics: Count,
    pub(crate) bounds: Bounds,
}

/// How often each bound of the server was reached. Their names are those of the settings.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) connect_timeout: Count,
    pub(crate) event_rate: Count,
    pub(crate) max_attachments: Count,
    pub(crate) max_namespaces: Count,
    pub(crate) max_pending_acks: Count,
    pub(crate) max_rooms: Count,
    pub(crate) max_suspended_handlers: Count,
    pub(crate) max_waiting_events: Count,
    pub(crate) namespace_name: Count,
}

impl Bounds {
    pub(crate) fn counts(&self) -> Counts {
        let Self { connect_timeout, event_rate, max_attachments, max_namespaces, max_pending_acks, max_rooms, .. } =
            self;
        let Self { max_suspended_handlers, max_waiting_events, namespace_name, .. } = self;
        [
            ("connect_timeout", connect_timeout),
            ("event_rate", event_rate),
            ("max_attachments", max_attachments),
            ("max_namespaces", max_namespaces),
            ("max_pending_acks", max_pending_acks),
            ("max_rooms", max_rooms),
            ("max_suspended_handlers", max_suspended_handlers),
            ("max_waiting_events", max_waiting_events),
            ("namespace_name", namespace_name),
        ]
        .into_iter()
        .map(|(setting, count)| (setting, count.get()))
        .collect()
    }
}
