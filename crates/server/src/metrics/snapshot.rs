//! All that is counted, at one moment.

use std::sync::atomic::Ordering;

use sockeye_engine::Counts;

use super::catalogue::{CATALOGUE, Sample};
use crate::server::{Server, ServerInner};

/// What a server is and has done, at one moment: [`Server::metrics`].
///
/// Its fields are for programs, [`iter`](Self::iter) for exporters. Counters begin with the server at zero and only grow.
/// What happens while the numbers are taken may show in some of them only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// Connections that are open, and those that wait for a last poll to be told their end.
    pub connections: u64,
    /// Those of them that are on a WebSocket; the others are polling.
    pub websockets: u64,
    /// Sockets that are connected to a namespace.
    pub sockets: u64,
    /// Namespaces.
    pub namespaces: u64,
    /// Rooms that somebody is in: those that were joined, and one for each user.
    pub rooms: u64,
    /// Times at which a connection will be looked at: for its heartbeat, its outbox or its upgrade.
    pub deadlines: u64,
    /// Handlers and event middlewares that wait for something.
    pub suspended_handlers: u64,
    /// Bytes of events that are kept for clients that may come back.
    pub kept_bytes: u64,
    /// Tasks and requests that [`Server::close`] would wait for.
    pub tasks: u64,
    /// Messages of clients that have come.
    pub received: u64,
    /// Messages that have been queued for clients, each recipient counted.
    pub sent: u64,
    /// Volatile events that have been dropped, each recipient counted.
    pub dropped: u64,
    /// Connections that have been opened.
    pub opened: u64,
    /// Connections that have gone from polling to a WebSocket.
    pub upgraded: u64,
    /// Connections that have ended, by [`CloseCause::name`](crate::CloseCause::name).
    pub closed: Counts,
    /// Requests that have been refused, by kind, as `forbidden` or `unknown_session`.
    pub refused: Counts,
    /// How often a bound was reached, by the name of its setting; some are fixed and have a name of their own.
    pub bounds: Counts,
    /// Clients that have come back and found their session.
    pub recovered: u64,
    /// Clients that have come back for a session in vain: too late, or something that they missed was lost.
    pub unrecovered: u64,
    /// Clients that have been refused by a namespace, for whatever reason.
    pub connect_errors: u64,
    /// Errors of handlers, and data that did not fit them: what [`Server::on_error`] is told.
    pub errors: u64,
    /// Handlers that have panicked.
    pub panics: u64,
}

impl Metrics {
    /// Every number with its description, so that an exporter is a loop.
    ///
    /// For Prometheus, as the answer of a route:
    ///
    /// ```
    /// use std::fmt::Write;
    ///
    /// fn prometheus(io: &sockeye::Server) -> String {
    ///     let mut text = String::new();
    ///     let mut described = "";
    ///     for sample in io.metrics().iter() {
    ///         if described != sample.name {
    ///             described = sample.name;
    ///             let _ = writeln!(text, "# HELP {} {}", sample.name, sample.help);
    ///             let _ = writeln!(text, "# TYPE {} {}", sample.name, sample.kind);
    ///         }
    ///         let _ = match sample.label {
    ///             Some((label, value)) => writeln!(text, "{}{{{label}=\"{value}\"}} {}", sample.name, sample.value),
    ///             None => writeln!(text, "{} {}", sample.name, sample.value),
    ///         };
    ///     }
    ///     text
    /// }
    ///
    /// let io = sockeye::Server::builder().build()?;
    /// assert!(prometheus(&io).contains("# TYPE sockeye_sockets gauge\nsockeye_sockets 0\n"));
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        CATALOGUE.iter().flat_map(|description| description.samples(self))
    }

    fn of(server: &ServerInner) -> Self {
        let (engine, counters) = (server.engine().metrics(), &server.settings.counters);
        let mut bounds = engine.bounds;
        bounds.extend(counters.bounds.counts().iter());
        let mut metrics = Self {
            connections: engine.connections,
            websockets: engine.websockets,
            sockets: 0,
            namespaces: 0,
            rooms: 0,
            deadlines: engine.deadlines,
            suspended_handlers: counters.suspended.get(),
            kept_bytes: as_count(server.settings.kept_bytes.load(Ordering::Relaxed)),
            tasks: engine.tasks,
            received: engine.received,
            sent: engine.sent,
            dropped: engine.dropped,
            opened: engine.opened,
            upgraded: engine.upgraded,
            closed: engine.closed,
            refused: engine.refused,
            bounds,
            recovered: counters.recovered.get(),
            unrecovered: counters.unrecovered.get(),
            connect_errors: counters.connect_errors.get(),
            errors: counters.errors.get(),
            panics: counters.panics.get(),
        };
        for namespace in server.namespaces.all() {
            let rooms = namespace.inner().rooms.lock();
            metrics.namespaces += 1;
            metrics.sockets += as_count(rooms.len());
            metrics.rooms += as_count(rooms.room_count());
        }
        metrics
    }
}

impl Server {
    /// Counts what there is and what has happened; it may be called from any thread, as often as a scraper likes.
    ///
    /// It takes a few locks, each for an expression: one for each namespace among them.
    ///
    /// ```
    /// # let io = sockeye::Server::builder().build()?;
    /// let metrics = io.metrics();
    /// println!("{} of {} connections poll", metrics.connections - metrics.websockets, metrics.connections);
    /// println!("{} were too slow", metrics.closed.of("slow_consumer"));
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        Metrics::of(self.inner())
    }
}

fn as_count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
