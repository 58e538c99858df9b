use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::{
    Common,
    frame::{self, Opcode},
    meter::Meter,
    net::Net,
    scenes::{figures, measure, upgrade::Upgrades},
    session::{Opening, Scene, Sessions},
};

/// Each closed connection keeps its port for a minute, and an address has 28,000 of them.
const SOURCES: u8 = 40;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
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
    let common = &options.common;
    let mut net = Net::new(common.url, SOURCES)?;
    let limit = common.warmup + common.seconds;
    let (mode, meter) = match options.mode {
        Mode::Websocket => {
            let mut sessions = Sessions::new(Connect { meter: common.meter(), began: Vec::new() });
            for _ in 0..options.concurrency {
                sessions.scene.start(&mut net, &mut sessions.opening)?;
            }
            measure(&mut net, &mut sessions, limit, |sessions| &mut sessions.scene.meter)?;
            ("websocket", sessions.scene.meter)
        }
        Mode::Upgrade => {
            let mut upgrades = Upgrades::new(common.meter());
            for _ in 0..options.concurrency {
                upgrades.start(&mut net)?;
            }
            measure(&mut net, &mut upgrades, limit, |upgrades| &mut upgrades.meter)?;
            ("upgrade", upgrades.meter)
        }
    };
    figures([("mode", json!(mode)), ("concurrency", json!(options.concurrency))], &meter)
}

/// A unit is one session, from its first byte to the joined namespace; the server's end of it counts as well.
struct Connect {
    meter: Meter,
    began: Vec<Instant>,
}

impl Connect {
    fn start(&mut self, net: &mut Net, opening: &mut Opening) -> Result<()> {
        let link = opening.start(net)?;
        self.began.resize(self.began.len().max(link + 1), net.now());
        self.began[link] = net.now();
        Ok(())
    }
}

impl Scene for Connect {
    fn joined(&mut self, net: &mut Net, link: usize) -> Result<()> {
        self.meter.unit(self.began[link], net.now());
        frame::push(net.out(link), Opcode::Close, &[&1000_u16.to_be_bytes()]);
        net.close(link);
        Ok(())
    }

    fn text(&mut self, _net: &mut Net, _link: usize, text: &[u8]) -> Result<()> {
        anyhow::bail!("unexpected: {}", String::from_utf8_lossy(text))
    }

    fn closed(&mut self, net: &mut Net, opening: &mut Opening) -> Result<()> {
        self.start(net, opening)
    }
}
