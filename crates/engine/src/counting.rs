//! What is counted of a connection.

use sockeye_protocol::engine::Transport;

use crate::close::CloseCause;
use crate::config::EngineConfig;
use crate::connection::Connection;
use crate::link::Link;

impl Connection {
    /// Counts what has been queued, once for all messages that leave together.
    pub(crate) fn count_sent(&self, link: &mut Link) {
        let sent = link.take_uncounted();
        if sent > 0 {
            self.traffic().sent.add_many(sent);
        }
    }

    /// Counts messages that came together.
    pub(crate) fn count_received(&self, received: u64) {
        self.traffic().received.add_many(received);
    }

    /// Counts a volatile message that was not even given to [`send`](Self::send), for it would have been dropped.
    pub fn count_dropped(&self) {
        self.traffic().dropped.add();
    }

    /// Counts an end. If it is that of a bound, says which one.
    pub(crate) fn count_close(&self, link: &Link, cause: CloseCause) -> Option<String> {
        let (counters, EngineConfig { timing, outbox, max_payload, .. }) = (self.counters(), self.config());
        if link.session.transport() == Transport::WebSocket {
            counters.websockets.remove();
        }
        counters.closed(cause);
        let bounds = &counters.bounds;
        let (count, bound) = match cause {
            CloseCause::Silence => (&bounds.ping_timeout, format!("ping_timeout ({:?})", timing.ping_timeout)),
            CloseCause::Stalled => (&bounds.pause_timeout, format!("pause_timeout ({:?})", timing.pause_timeout)),
            CloseCause::TooLarge => (&bounds.max_payload, format!("max_payload ({max_payload} bytes)")),
            CloseCause::SlowConsumer if link.is_overfull(outbox) => {
                (&bounds.outbox_limit, format!("outbox_limit ({} bytes)", outbox.hard))
            }
            CloseCause::SlowConsumer => (&bounds.outbox_patience, format!("outbox_patience ({:?})", outbox.patience)),
            _ => return None,
        };
        count.add();
        Some(bound)
    }
}
