use std::{collections::VecDeque, time::Instant};

use anyhow::{Result, ensure};
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
    /// Broadcasts that have not reached everybody yet.
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
        rounds: VecDeque::new(),
        finished: 0,
    });
    sessions.join(&mut net, clients)?;
    for _ in 0..inflight {
        sessions.scene.emit(&mut net);
    }
    measure(&mut net, &mut sessions, common.warmup + common.seconds, |sessions| &mut sessions.scene.meter)?;
    let asked = [("clients", json!(clients)), ("inflight", json!(inflight)), ("size", json!(size))];
    figures(asked, &sessions.scene.meter)
}

/// A unit is one delivery; its latency counts from the emit.
struct Broadcast {
    meter: Meter,
    event: Vec<u8>,
    /// By client, how many broadcasts have come: the next one is the round of that number.
    received: Vec<usize>,
    /// Of each round under way, when it began and how many have not got it.
    rounds: VecDeque<(Instant, usize)>,
    finished: usize,
}

impl Broadcast {
    fn emit(&mut self, net: &mut Net) {
        self.rounds.push_back((net.now(), self.received.len()));
        frame::push(net.out(0), Opcode::Text, &[&self.event]);
    }
}

impl Scene for Broadcast {
    fn joined(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        Ok(())
    }

    fn text(&mut self, net: &mut Net, link: usize, text: &[u8]) -> Result<()> {
        ensure!(text == self.event, "not what was broadcast: {}", String::from_utf8_lossy(text));
        let round = self.received[link] - self.finished;
        self.received[link] += 1;
        let (began, left) = self.rounds.get_mut(round).ok_or_else(|| anyhow::anyhow!("a broadcast came twice"))?;
        *left -= 1;
        self.meter.unit(*began, net.now());
        while self.rounds.front().is_some_and(|(_, left)| *left == 0) {
            self.rounds.pop_front();
            self.finished += 1;
            self.emit(net);
        }
        Ok(())
    }
}
