//! The load program: an Engine.IO 4 and Socket.IO 5 client in thousands, made to cost less than what it measures.
//!
//! One thread, one epoll loop, bytes made by hand (frames are masked with the key 0): so a server on another core is the
//! bottleneck, and the `load_busy` of each result says whether it was. It knows nothing of Sockeye's crates: a mistake
//! of ours can't hide behind the same mistake here. Every answer is compared with what was sent.

mod frame;
mod http;
mod meter;
mod net;
mod process;
mod scenes;
#[cfg(test)]
mod script;
mod session;

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value};

use crate::{
    meter::{Extent, Meter, seconds},
    process::Process,
    scenes::{broadcast, connect, echo, idle, polling, rooms},
};

/// Measures one scene against one server and prints one line of JSON.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    scene: Scene,
}

#[derive(Debug, Subcommand)]
enum Scene {
    /// Every client keeps events in flight, each answered by an ack with the same data (WebSocket).
    Echo(echo::Options),
    /// One client emits to all, and again once everybody has all of it.
    Broadcast(broadcast::Options),
    /// In every room one member emits to the room, and again once every member has it.
    Rooms(rooms::Options),
    /// `echo` over long polling.
    Polling(polling::Options),
    /// Opens sessions as fast as they are accepted, and holds them: their ends are not measured.
    Connect(connect::Options),
    /// Holds connections that do nothing but answer pings, and weighs the server and the kernel.
    Idle(idle::Options),
}

/// What all scenes have in common.
#[derive(Debug, Args)]
struct Common {
    /// Where the server listens, as `http://127.0.0.1:4100`.
    #[arg(long, value_parser = server)]
    url: SocketAddr,
    /// The server's process; without it there are no figures of CPU and memory.
    #[arg(long)]
    pid: Option<u32>,
    /// Seconds that are measured.
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Seconds of the same load before them.
    #[arg(long, default_value = "1", value_parser = seconds)]
    warmup: Duration,
}

impl Common {
    fn meter(&self) -> Meter {
        self.meter_of(Extent::Time(self.warmup), Extent::Time(self.seconds))
    }

    fn meter_of(&self, warmup: Extent, window: Extent) -> Meter {
        Meter::new(warmup, window, self.pid.map(Process::new))
    }
}

fn server(url: &str) -> Result<SocketAddr, String> {
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    address.parse().map_err(|error| format!("{error}: expected an address as http://127.0.0.1:4100"))
}

fn main() -> Result<()> {
    // Half of the ten thousand sockets are on this side.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let (name, figures) = match Cli::parse().scene {
        Scene::Echo(options) => ("echo", echo::run(options)?),
        Scene::Broadcast(options) => ("broadcast", broadcast::run(options)?),
        Scene::Rooms(options) => ("rooms", rooms::run(options)?),
        Scene::Polling(options) => ("polling", polling::run(options)?),
        Scene::Connect(options) => ("connect", connect::run(&options)?),
        Scene::Idle(options) => ("idle", idle::run(&options)?),
    };
    print(name, figures);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result is what the program is for")]
fn print(scene: &str, figures: Map<String, Value>) {
    let mut line = Map::from_iter([("scene".to_owned(), scene.into())]);
    line.extend(figures);
    println!("{}", Value::Object(line));
}
