use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::{
    Common,
    meter::{Extent, Meter},
    net::Net,
    scenes::{figures, upgrade::Upgrades},
    session::{Scene, Sessions},
};

/// Each closed connection keeps its port for a minute, and an address has 28,000 of them.
const SOURCES: u8 = 40;

/// No server needs as long for its sessions.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// `--seconds` and `--warmup` mean nothing here: what is measured is a number of sessions.
    #[command(flatten)]
    common: Common,
    /// Sessions that are measured.
    #[arg(long, default_value_t = 5000)]
    sessions: u64,
    /// Sessions that are opened before them.
    #[arg(long, default_value_t = 1000)]
    before: u64,
    /// Sessions that are being opened at any time.
    #[arg(long, default_value_t = 50)]
    concurrency: usize,
    #[arg(long, default_value = "websocket")]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// WebSocket from the start, until the namespace is joined.
    Websocket,
    /// As browsers do: joined over polling, upgraded to a WebSocket, until an echo has come back over it.
    Upgrade,
}

pub(crate) fn run(options: &Options) -> Result<Map<String, Value>> {
    let &Options { ref common, sessions, before, concurrency, mode } = options;
    let mut net = Net::new(common.url, SOURCES)?;
    let meter = common.meter_of(Extent::Units(before), Extent::Units(sessions));
    let (mode, meter) = match mode {
        Mode::Websocket => {
            let mut sessions = Sessions::new(Connect { meter, began: Vec::new(), joined: 0 });
            net.run(&mut sessions, LIMIT, |Sessions { scene, opening }, net| {
                while scene.began.len() < scene.joined + concurrency {
                    scene.began.push(net.now());
                    opening.start(net)?;
                }
                scene.meter.is_done(net.now())
            })?;
            ("websocket", sessions.scene.meter)
        }
        Mode::Upgrade => {
            let mut upgrades = Upgrades::new(meter);
            net.run(&mut upgrades, LIMIT, |upgrades, net| {
                while upgrades.under_way() < concurrency {
                    upgrades.start(net)?;
                }
                upgrades.meter.is_done(net.now())
            })?;
            ("upgrade", upgrades.meter)
        }
    };
    figures([("mode", json!(mode)), ("concurrency", json!(concurrency))], &meter)
}

/// A unit is one session, from its first byte to the joined namespace. All stay open, for their ends would count as well.
struct Connect {
    meter: Meter,
    /// By link.
    began: Vec<Instant>,
    joined: usize,
}

impl Scene for Connect {
    fn joined(&mut self, net: &mut Net, link: usize) -> Result<()> {
        self.joined += 1;
        self.meter.unit(self.began[link], net.now());
        Ok(())
    }

    fn text(&mut self, _net: &mut Net, _link: usize, text: &[u8]) -> Result<()> {
        bail!("unexpected: {}", String::from_utf8_lossy(text))
    }
}
