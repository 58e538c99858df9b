//! What is counted where it happens.

use sockeye_engine::Count;

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

sockeye_engine::named_counts! {
    /// How often each bound of the server was reached. Their names are those of the settings.
    pub(crate) struct Bounds {
        ack_timeout,
        connect_timeout,
        event_rate,
        log_limit,
        max_attachments,
        max_namespaces,
        max_pending_acks,
        max_rooms,
        max_suspended_handlers,
        max_waiting_events,
        namespace_name,
        nesting,
        outbox_limit,
        session_limit,
        total_limit,
    }
}
