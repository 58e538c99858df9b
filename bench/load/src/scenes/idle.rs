use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    Common,
    frame::{self, Opcode},
    meter::{float, now, round, seconds},
    net::Net,
    process::{Process, kernel_memory},
    scenes::{GRACE, text_argument},
    session::{Scene, Sessions},
};

/// Open files that are no connections: of the load program, and of a server that keeps some for itself.
const OTHER_FILES: u64 = 100;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// `--seconds` is how long the connections are held after `--warmup` seconds of settling.
    #[command(flatten)]
    common: Common,
    /// A number, or `max`: as many as the open-files limit lets one side have.
    #[arg(long, default_value = "10000")]
    clients: Clients,
    /// Source addresses, from 127.0.0.1 on.
    #[arg(long, default_value_t = 4)]
    sources: u8,
    /// Bytes of a broadcast to all, after which the server is weighed again; 0 is none.
    #[arg(long, default_value_t = 0)]
    broadcast: usize,
    /// Seconds from the broadcast's last delivery to that weighing.
    #[arg(long, default_value = "5", value_parser = seconds)]
    settle: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Clients {
    Number(usize),
    Max,
}

impl FromStr for Clients {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) if text == "max" => Ok(Self::Max),
            Err(error) => Err(format!("{error}: expected a number, or max")),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<Map<String, Value>> {
    let Options { common, sources, .. } = options;
    let clients = match options.clients {
        Clients::Number(clients) => clients,
        Clients::Max => usize::try_from(rlimit::getrlimit(rlimit::Resource::NOFILE)?.0 - OTHER_FILES)?,
    };
    let server = Process::new(common.pid.context("idle weighs the server: --pid is needed")?);
    // What the kernel still owes to those who were here before is freed by then.
    std::thread::sleep(common.warmup);
    let (empty, empty_kernel) = (server.resident()?, kernel_memory());
    let mut net = Net::new(common.url, *sources)?;
    let mut sessions = Sessions::new(Idle { awaited: Vec::new(), received: 0 });
    let began = now();
    sessions.join(&mut net, clients)?;
    let took = now().duration_since(began);

    hold(&mut net, &mut sessions, common.warmup)?;
    let settled = server.resident()?;
    let (since, cpu) = (now(), server.cpu()?);
    hold(&mut net, &mut sessions, common.seconds)?;
    let (held, kernel) = (server.resident()?, kernel_memory());
    let busy = server.cpu()?.since(&cpu).ran.as_secs_f64() / since.elapsed().as_secs_f64();

    let per_client = |now: u64, then: u64| round(float(now.saturating_sub(then)) / float(clients as u64));
    let mut figures = Map::from_iter(
        [
            ("clients", json!(clients)),
            ("connect_seconds", json!(round(took.as_secs_f64()))),
            ("empty_rss", json!(empty)),
            ("rss", json!(held)),
            ("bytes_per_connection", json!(per_client(settled, empty))),
            ("bytes_per_connection_held", json!(per_client(held, empty))),
            ("kernel_bytes_per_connection", json!(kernel.zip(empty_kernel).map(|(now, then)| per_client(now, then)))),
            ("seconds_held", json!(round(common.seconds.as_secs_f64()))),
            ("server_busy", json!(round(busy))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if options.broadcast > 0 {
        broadcast(&mut net, &mut sessions, clients, options.broadcast)?;
        let peak = server.resident()?;
        hold(&mut net, &mut sessions, options.settle)?;
        let after = server.resident()?;
        figures.insert("bytes_per_connection_at_broadcast".to_owned(), json!(per_client(peak, empty)));
        figures.insert("bytes_per_connection_after".to_owned(), json!(per_client(after, empty)));
    }
    Ok(figures)
}

/// Lets time pass; the sessions answer pings meanwhile.
fn hold(net: &mut Net, sessions: &mut Sessions<Idle>, time: Duration) -> Result<()> {
    let until: Instant = now() + time;
    net.run(sessions, time + GRACE, |_, net| Ok(net.now() >= until))
}

/// One emits, all get it.
fn broadcast(net: &mut Net, sessions: &mut Sessions<Idle>, clients: usize, size: usize) -> Result<()> {
    sessions.scene.awaited = [br#"42["broadcast","#, &text_argument(size)[..]].concat();
    frame::push(net.out(0), Opcode::Text, &[&sessions.scene.awaited]);
    net.run(sessions, GRACE, |sessions, _| Ok(sessions.scene.received >= clients))?;
    ensure!(sessions.scene.received == clients, "a broadcast came twice");
    Ok(())
}

struct Idle {
    /// The event under way.
    awaited: Vec<u8>,
    received: usize,
}

impl Scene for Idle {
    fn joined(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        Ok(())
    }

    fn text(&mut self, _net: &mut Net, _link: usize, text: &[u8]) -> Result<()> {
        if text != self.awaited {
            bail!("unexpected on an idle connection: {}", String::from_utf8_lossy(text));
        }
        self.received += 1;
        Ok(())
    }
}
