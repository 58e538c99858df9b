//! The server under test: made of the public API only, its bounds set by options, its own state told on demand.
//!
//! It answers each line `status` on its standard input with one line of JSON, and ends with its standard input.

mod events; // What clients may ask for.
mod options; // The command line.
mod tally; // What has happened how often.

use std::alloc::System;
use std::io;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use abuse::Status;
use clap::Parser;
use sockeye::metrics::Kind;
use sockeye::{Listener, Server};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::signal::unix::{SignalKind, signal};

use crate::options::Options;
use crate::tally::Tally;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // Handlers panic here on purpose; what a panic ends is told by the tally.
    std::panic::set_hook(Box::new(|_| {}));
    let tally = Arc::new(Tally::default());
    let io = options.builder().state(tally.clone()).build()?;
    events::register(&io);
    events::register(&io.of("/other"));
    events::register(&io.of_pattern("^/made-")?);

    let mut terminated = signal(SignalKind::terminate())?;
    let listener = Listener::bind("127.0.0.1:0").await?;
    say(&format!("listening on http://{}", listener.local_addr()?));
    answer_on_standard_input(io.clone(), tally);
    let ticks = AtomicU64::new(0);
    tokio::select! {
        served = io.serve(listener) => served?,
        () = tick(&io, options.tick(), &ticks) => {}
        _ = terminated.recv() => {
            say(&format!("ticks {}", ticks.load(Ordering::Relaxed)));
            io.close().await;
        }
    }
    Ok(())
}

/// Emits numbers to everybody, one more each time, and for ever.
async fn tick(io: &Server, every: Option<Duration>, ticks: &AtomicU64) {
    let Some(every) = every else { return std::future::pending().await };
    let mut interval = tokio::time::interval(every);
    loop {
        interval.tick().await;
        let number = ticks.fetch_add(1, Ordering::Relaxed) + 1;
        if io.emit("tick", number).is_err() {
            return;
        }
    }
}

fn answer_on_standard_input(io: Server, tally: Arc<Tally>) {
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if line == "status" {
                say(&serde_json::to_string(&status(&io, &tally)).unwrap_or_default());
            }
        }
        // Whoever started us is gone.
        std::process::exit(1);
    });
}

fn status(io: &Server, tally: &Tally) -> Status {
    // Before anything is allocated to tell of it.
    let heap = ALLOCATOR.stats();
    let live = heap.bytes_allocated.saturating_sub(heap.bytes_deallocated);
    let mut status = Status { live, tally: tally.counts(), ..Status::default() };
    for sample in io.metrics().iter() {
        let name = sample.name.trim_start_matches("sockeye_").trim_end_matches("_total");
        match (sample.kind, sample.label) {
            (Kind::Gauge, _) => *status.gauges.entry(name.to_owned()).or_default() += sample.value,
            (Kind::Counter, None) => drop(status.counters.insert(name.to_owned(), sample.value)),
            (Kind::Counter, Some((_, label))) => drop(status.counters.insert(format!("{name}/{label}"), sample.value)),
        }
    }
    status
}

fn say(line: &str) {
    // Without a reader the process is about to end.
    let _ = writeln!(io::stdout(), "{line}");
}
