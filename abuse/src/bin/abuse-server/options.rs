//! The command line.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Parser;
use sockeye::{PerMessageDeflate, Recovery, Server, ServerBuilder};

/// Bounds as short as a test wants to wait for them. All times are in milliseconds, all sizes in bytes.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    #[arg(long, default_value = "2")]
    threads: NonZeroUsize,
    #[arg(long, default_value_t = 1_000)]
    ping_interval: u64,
    /// Long, so that a busy machine ends nobody.
    #[arg(long, default_value_t = 20_000)]
    ping_timeout: u64,
    #[arg(long, default_value_t = 3_000)]
    connect_timeout: u64,
    #[arg(long, default_value_t = 3_000)]
    head_timeout: u64,
    #[arg(long, default_value_t = 500)]
    close_timeout: u64,
    #[arg(long, default_value_t = 60_000)]
    pause_timeout: u64,
    #[arg(long, default_value_t = 1_000)]
    upgrade_timeout: u64,
    #[arg(long, default_value_t = 1 << 20)]
    outbox_mark: usize,
    #[arg(long, default_value_t = 16 << 20)]
    outbox_limit: usize,
    #[arg(long, default_value_t = 1_000)]
    outbox_patience: u64,
    #[arg(long, default_value_t = 256)]
    max_suspended_handlers: usize,
    #[arg(long, default_value_t = 1 << 20)]
    max_waiting_events: usize,
    /// Compresses WebSocket messages.
    #[arg(long)]
    deflate: bool,
    /// How long clients may stay away and find their socket again.
    #[arg(long)]
    recovery: Option<u64>,
    /// Emits a number to everybody as often as this.
    #[arg(long)]
    tick: Option<u64>,
}

impl Options {
    pub(crate) fn builder(&self) -> ServerBuilder {
        let mut builder = Server::builder()
            .threads(self.threads)
            .ping_interval(ms(self.ping_interval))
            .ping_timeout(ms(self.ping_timeout))
            .connect_timeout(ms(self.connect_timeout))
            .head_timeout(ms(self.head_timeout))
            .close_timeout(ms(self.close_timeout))
            .pause_timeout(ms(self.pause_timeout))
            .upgrade_timeout(ms(self.upgrade_timeout))
            .outbox_mark(self.outbox_mark)
            .outbox_limit(self.outbox_limit)
            .outbox_patience(ms(self.outbox_patience))
            .max_suspended_handlers(self.max_suspended_handlers)
            .max_waiting_events(self.max_waiting_events);
        if self.deflate {
            builder = builder.per_message_deflate(PerMessageDeflate::default());
        }
        if let Some(away) = self.recovery {
            builder = builder.recovery(Recovery::default().max_disconnection(ms(away)));
        }
        builder
    }

    pub(crate) fn tick(&self) -> Option<Duration> {
        self.tick.map(ms)
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
