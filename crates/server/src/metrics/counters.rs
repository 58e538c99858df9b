//! What is counted where it happens.

use sockeye_engine::{Count, Counts};

/// What the server itself counts; connections are the engine's to count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Handlers and event middlewares that wait for something.
    pub(crate) suspended: Count,
    pub(crate) recovered: Count,
    pub(crate) unrecovered: Count,
    pub(crate) connect_errors: Count,
    pub(crate) errors: Count,
    pub(crate) panics: Count,
    pub(crate) bounds: Bounds,
}

/// How often each bound of the server was reached. Their names are those of the settings.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) ack_timeout: Count,
    pub(crate) connect_timeout: Count,
    pub(crate) event_rate: Count,
    pub(crate) log_limit: Count,
    pub(crate) max_attachments: Count,
    pub(crate) max_namespaces: Count,
    pub(crate) max_pending_acks: Count,
    pub(crate) max_rooms: Count,
    pub(crate) max_suspended_handlers: Count,
    pub(crate) max_waiting_events: Count,
    pub(crate) namespace_name: Count,
    pub(crate) nesting: Count,
    pub(crate) outbox_limit: Count,
    pub(crate) session_limit: Count,
    pub(crate) total_limit: Count,
}

impl Bounds {
    pub(crate) fn counts(&self) -> Counts {
        [
            ("ack_timeout", &self.ack_timeout),
            ("connect_timeout", &self.connect_timeout),
            ("event_rate", &self.event_rate),
            ("log_limit", &self.log_limit),
            ("max_attachments", &self.max_attachments),
            ("max_namespaces", &self.max_namespaces),
            ("max_pending_acks", &self.max_pending_acks),
            ("max_rooms", &self.max_rooms),
            ("max_suspended_handlers", &self.max_suspended_handlers),
            ("max_waiting_events", &self.max_waiting_events),
            ("namespace_name", &self.namespace_name),
            ("nesting", &self.nesting),
            ("outbox_limit", &self.outbox_limit),
            ("session_limit", &self.session_limit),
            ("total_limit", &self.total_limit),
        ]
        .into_iter()
        .map(|(setting, count)| (setting, count.get()))
        .collect()
    }
}
