use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    Common,
    frame::{self, Opcode},
    meter::Meter,
    net::Net,
    scenes::{figures, measure, text_argument},
    session::{Scene, Sessions},
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Broadcasts that are emitted in one go, and the next as many once everybody has them.
    #[arg(long, default_value_t = 1)]
    inflight: usize,
    /// Bytes of data in each event.
    #[arg(long, default_value_t = 64)]
    size: usize,
}

pub(crate) fn run(options: Options) -> Result<Map<String, Value>> {
    let Options { common, clients, inflight, size } = options;
    let mut net = Net::new(common.url, 1)?;
    let mut sessions = Sessions::new(Broadcast {
        meter: common.meter(),
        event: [br#"42["broadcast","#, &text_argument(size)[..]].concat(),
        received: vec![0; clients],
        inflight,
        burst: Burst::default(),
    });
    sessions.join(&mut net, clients)?;
    sessions.scene.emit(&mut net);
    measure(&mut net, &mut sessions, common.warmup + common.seconds, |sessions| &mut sessions.scene.meter)?;
    let asked = [("clients", json!(clients)), ("inflight", json!(inflight)), ("size", json!(size))];
    figures(asked, &sessions.scene.meter)
}

/// A unit is one delivery; its latency counts from the emit.
struct Broadcast {
    meter: Meter,
    event: Vec<u8>,
    inflight: usize,
    /// By client, how many broadcasts have come.
    received: Vec<usize>,
    burst: Burst,
}

/// The broadcasts that are under way.
#[derive(Default)]
struct Burst {
    began: Option<Instant>,
    /// How many of them each client will have got in all when it is over.
    total: usize,
    missing: usize,
}

impl Broadcast {
    fn emit(&mut self, net: &mut Net) {
        let Self { event, inflight, received, burst, .. } = self;
        *burst = Burst { began: Some(net.now()), total: burst.total + *inflight, missing: *inflight * received.len() };
        for _ in 0..*inflight {
            frame::push(net.out(0), Opcode::Text, &[event]);
        }
    }
}

impl Scene for Broadcast {
    fn joined(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        Ok(())
    }

    fn text(&mut self, net: &mut Net, link: usize, text: &[u8]) -> Result<()> {
        ensure!(text == self.event, "not what was broadcast: {}", String::from_utf8_lossy(text));
        self.received[link] += 1;
        let began = self.burst.began.filter(|_| self.received[link] <= self.burst.total);
        self.meter.unit(began.context("a broadcast came twice")?, net.now());
        self.burst.missing -= 1;
        if self.burst.missing == 0 {
            self.emit(net);
        }
        Ok(())
    }
}
