use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    Common,
    meter::{float, now, round},
    net::Net,
    process::Process,
    scenes::GRACE,
    session::{Scene, Sessions},
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// `--seconds` is how long the connections are held after `--warmup` seconds of settling.
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Source addresses, from 127.0.0.1 on.
    #[arg(long, default_value_t = 4)]
    sources: u8,
}

pub(crate) fn run(options: &Options) -> Result<Map<String, Value>> {
    let Options { common, clients, sources } = options;
    let server = Process::new(common.pid.context("idle weighs the server: --pid is needed")?);
    let empty = server.resident()?;
    let mut net = Net::new(common.url, *sources)?;
    let mut sessions = Sessions::new(Idle);
    let began = now();
    sessions.join(&mut net, *clients)?;
    let took = now().duration_since(began);

    hold(&mut net, &mut sessions, common.warmup)?;
    let settled = server.resident()?;
    let (since, cpu) = (now(), server.cpu()?);
    hold(&mut net, &mut sessions, common.seconds)?;
    let (held, busy) =
        (server.resident()?, server.cpu()?.since(cpu)?.ran.as_secs_f64() / since.elapsed().as_secs_f64());

    let per_client = |bytes: u64| round(float(bytes.saturating_sub(empty)) / float(*clients as u64));
    Ok(Map::from_iter(
        [
            ("clients", json!(clients)),
            ("connect_seconds", json!(round(took.as_secs_f64()))),
            ("empty_rss", json!(empty)),
            ("bytes_per_connection", json!(per_client(settled))),
            ("bytes_per_connection_held", json!(per_client(held))),
            ("seconds_held", json!(round(common.seconds.as_secs_f64()))),
            ("server_busy", json!(round(busy))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    ))
}

/// Lets time pass; the sessions answer pings meanwhile.
fn hold(net: &mut Net, sessions: &mut Sessions<Idle>, time: Duration) -> Result<()> {
    let until: Instant = now() + time;
    net.run(sessions, time + GRACE, |_, net| Ok(net.now() >= until))
}

struct Idle;

impl Scene for Idle {
    fn joined(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        Ok(())
    }

    fn text(&mut self, _net: &mut Net, _link: usize, text: &[u8]) -> Result<()> {
        bail!("unexpected on an idle connection: {}", String::from_utf8_lossy(text))
    }
}
