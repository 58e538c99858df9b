//! Every metric, with its name, unit, label and help.

use std::fmt;

use smallvec::SmallVec;
use sockeye_engine::Counts;

use super::Metrics;

/// Whether a number goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from zero at the server's start.
    Counter,
    /// It is how many there are at the moment.
    Gauge,
}

/// One number of [`Metrics`], with its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// The metric's name, as `sockeye_connections`; counters end with `_total`.
    pub name: &'static str,
    /// Whether it goes up and down.
    pub kind: Kind,
    /// What is counted, in the plural.
    pub unit: &'static str,
    /// One sentence about it.
    pub help: &'static str,
    /// Name and value of its label, if the metric is counted by kinds.
    pub label: Option<(&'static str, &'static str)>,
    /// The number.
    pub value: u64,
}

/// One metric.
pub(super) struct Description {
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    help: &'static str,
    reading: Reading,
}

/// Where its numbers are.
enum Reading {
    One(fn(&Metrics) -> u64),
    /// By the values of this label.
    Each(&'static str, fn(&Metrics) -> Counts),
}

use Kind::{Counter, Gauge};
use Reading::{Each, One};

/// Every metric there is.
pub(super) const CATALOGUE: &[Description] = &[
    Description {
        name: "sockeye_connections",
        kind: Gauge,
        unit: "connections",
        help: "Open connections by transport, and polling ones that wait to be told their end.",
        reading: Each("transport", |metrics| {
            let polling = metrics.connections.saturating_sub(metrics.websockets);
            [("polling", polling), ("websocket", metrics.websockets)].into_iter().collect()
        }),
    },
    Description {
        name: "sockeye_sockets",
        kind: Gauge,
        unit: "sockets",
        help: "Sockets that are connected to a namespace.",
        reading: One(|metrics| metrics.sockets),
    },
    Description {
        name: "sockeye_namespaces",
        kind: Gauge,
        unit: "namespaces",
        help: "Namespaces.",
        reading: One(|metrics| metrics.namespaces),
    },
    Description {
        name: "sockeye_rooms",
        kind: Gauge,
        unit: "rooms",
        help: "Rooms that somebody is in: those that were joined, and one for each user.",
        reading: One(|metrics| metrics.rooms),
    },
    Description {
        name: "sockeye_deadlines",
        kind: Gauge,
        unit: "deadlines",
        help: "Times at which a connection will be looked at.",
        reading: One(|metrics| metrics.deadlines),
    },
    Description {
        name: "sockeye_suspended_handlers",
        kind: Gauge,
        unit: "handlers",
        help: "Handlers and event middlewares that wait for something.",
        reading: One(|metrics| metrics.suspended_handlers),
    },
    Description {
        name: "sockeye_recovery_bytes",
        kind: Gauge,
        unit: "bytes",
        help: "Bytes of events that are kept for clients that may come back.",
        reading: One(|metrics| metrics.kept_bytes),
    },
    Description {
        name: "sockeye_tasks",
        kind: Gauge,
        unit: "tasks",
        help: "Tasks and requests that closing the server would wait for.",
        reading: One(|metrics| metrics.tasks),
    },
    Description {
        name: "sockeye_messages_received_total",
        kind: Counter,
        unit: "messages",
        help: "Messages of clients that have come.",
        reading: One(|metrics| metrics.received),
    },
    Description {
        name: "sockeye_messages_sent_total",
        kind: Counter,
        unit: "messages",
        help: "Messages that have been queued for clients, each recipient counted.",
        reading: One(|metrics| metrics.sent),
    },
    Description {
        name: "sockeye_volatile_dropped_total",
        kind: Counter,
        unit: "messages",
        help: "Volatile events that have been dropped, each recipient counted.",
        reading: One(|metrics| metrics.dropped),
    },
    Description {
        name: "sockeye_connections_opened_total",
        kind: Counter,
        unit: "connections",
        help: "Connections that have been opened.",
        reading: One(|metrics| metrics.opened),
    },
    Description {
        name: "sockeye_connections_upgraded_total",
        kind: Counter,
        unit: "connections",
        help: "Connections that have gone from polling to a WebSocket.",
        reading: One(|metrics| metrics.upgraded),
    },
    Description {
        name: "sockeye_connections_closed_total",
        kind: Counter,
        unit: "connections",
        help: "Connections that have ended, by cause.",
        reading: Each("cause", |metrics| metrics.closed.clone()),
    },
    Description {
        name: "sockeye_requests_refused_total",
        kind: Counter,
        unit: "requests",
        help: "Requests that have been refused.",
        reading: Each("kind", |metrics| metrics.refused.clone()),
    },
    Description {
        name: "sockeye_bounds_reached_total",
        kind: Counter,
        unit: "times",
        help: "How often a bound was reached, by the name of its setting.",
        reading: Each("bound", |metrics| metrics.bounds.clone()),
    },
    Description {
        name: "sockeye_recoveries_total",
        kind: Counter,
        unit: "sockets",
        help: "Clients that have come back for their session, and whether they have found it.",
        reading: Each("outcome", |metrics| {
            [("recovered", metrics.recovered), ("lost", metrics.unrecovered)].into_iter().collect()
        }),
    },
    Description {
        name: "sockeye_connect_errors_total",
        kind: Counter,
        unit: "sockets",
        help: "Clients that have been refused by a namespace.",
        reading: One(|metrics| metrics.connect_errors),
    },
    Description {
        name: "sockeye_handler_errors_total",
        kind: Counter,
        unit: "errors",
        help: "Errors of handlers, and data that did not fit them.",
        reading: One(|metrics| metrics.errors),
    },
    Description {
        name: "sockeye_handler_panics_total",
        kind: Counter,
        unit: "panics",
        help: "Handlers that have panicked.",
        reading: One(|metrics| metrics.panics),
    },
];

impl Description {
    pub(super) fn samples(&self, metrics: &Metrics) -> SmallVec<[Sample; 1]> {
        let Self { name, kind, unit, help, ref reading } = *self;
        let sample = |label, value| Sample { name, kind, unit, help, label, value };
        match reading {
            One(read) => [sample(None, read(metrics))].into_iter().collect(),
            Each(label, read) => read(metrics).iter().map(|(of, value)| sample(Some((label, of)), value)).collect(),
        }
    }
}

impl fmt::Display for Kind {
    /// As Prometheus writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        })
    }
}
