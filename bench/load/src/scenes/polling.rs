use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    Common, http,
    meter::Meter,
    net::{Driver, Net},
    scenes::{figures, measure, split_id, text_argument},
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Events of each client that wait for their ack.
    #[arg(long, default_value_t = 1)]
    inflight: u32,
    /// Bytes of data in each event.
    #[arg(long, default_value_t = 64)]
    size: usize,
}

pub(crate) fn run(options: Options) -> Result<Map<String, Value>> {
    let Options { common, clients, inflight, size } = options;
    let argument = text_argument(size);
    let mut net = Net::new(common.url, 1)?;
    let mut polling = Polling {
        meter: common.meter(),
        event: [br#"["echo","#, &argument[..]].concat(),
        ack: [b"[", &argument[..]].concat(),
        inflight,
        clients: Vec::new(),
        joined: 0,
    };
    for client in 0..clients {
        let (get, post) = (net.open()?, net.open()?);
        ensure!((get, post) == (2 * client, 2 * client + 1), "links are numbered in turn");
        polling.clients.push(Client::default());
        http::push_get(net.out(get), None);
        // One after the other: the kernel's queue of a listener is short.
        net.run(&mut polling, Duration::from_secs(10), |polling, _| Ok(polling.joined > client))?;
    }
    measure(&mut net, &mut polling, common.warmup + common.seconds, |polling| &mut polling.meter)?;
    let asked = [("clients", json!(clients)), ("inflight", json!(inflight)), ("size", json!(size))];
    figures(asked, &polling.meter)
}

/// Client `n` polls on link `2n` and posts on link `2n + 1`.
struct Polling {
    meter: Meter,
    event: Vec<u8>,
    ack: Vec<u8>,
    inflight: u32,
    clients: Vec<Client>,
    joined: usize,
}

#[derive(Debug, Default)]
struct Client {
    sid: String,
    /// A POST that has not been answered: there must be no second one.
    posting: bool,
    /// The payload of the next POST.
    queue: Vec<u8>,
    next: u32,
    waiting: Vec<(u32, Instant)>,
}

impl Client {
    fn queue(&mut self, parts: &[&[u8]]) {
        if !self.queue.is_empty() {
            self.queue.push(http::SEPARATOR);
        }
        for part in parts {
            self.queue.extend_from_slice(part);
        }
    }
}

impl Polling {
    fn emit(&mut self, net: &Net, client: usize) {
        let client = &mut self.clients[client];
        let mut digits = itoa::Buffer::new();
        client.queue(&[b"42", digits.format(client.next).as_bytes(), &self.event]);
        client.waiting.push((client.next, net.now()));
        client.next += 1;
    }

    fn post(&mut self, net: &mut Net, number: usize) {
        let client = &mut self.clients[number];
        if !client.posting && !client.queue.is_empty() {
            http::push_post(net.out(2 * number + 1), &client.sid, &client.queue);
            client.queue.clear();
            client.posting = true;
        }
    }

    fn packet(&mut self, net: &Net, number: usize, packet: &[u8]) -> Result<()> {
        let client = &mut self.clients[number];
        match packet {
            [b'0', ..] if client.sid.is_empty() => {
                client.sid = http::sid(packet)?;
                client.queue(&[b"40"]);
            }
            [b'4', b'0', ..] => {
                self.joined += 1;
                for _ in 0..self.inflight {
                    self.emit(net, number);
                }
            }
            b"2" => client.queue(&[b"3"]),
            _ => {
                let answer = packet.strip_prefix(b"43").and_then(split_id);
                let Some((id, _)) = answer.filter(|(_, data)| *data == self.ack) else {
                    bail!("not the ack of an echo: {}", String::from_utf8_lossy(packet));
                };
                let Some(at) = client.waiting.iter().position(|(waiting, _)| *waiting == id) else {
                    bail!("ack {id} was not asked for");
                };
                let (_, sent) = client.waiting.swap_remove(at);
                self.meter.unit(sent, net.now());
                self.emit(net, number);
            }
        }
        Ok(())
    }
}

impl Driver for Polling {
    fn received(&mut self, net: &mut Net, link: usize, input: &[u8]) -> Result<usize> {
        let Some((body, len)) = http::first(input)? else { return Ok(0) };
        let number = link / 2;
        if link % 2 == 1 {
            ensure!(body == b"ok", "a POST was answered with {}", String::from_utf8_lossy(body));
            self.clients[number].posting = false;
        } else {
            for packet in body.split(|byte| *byte == http::SEPARATOR) {
                self.packet(net, number, packet)?;
            }
            http::push_get(net.out(link), Some(&self.clients[number].sid));
        }
        self.post(net, number);
        Ok(len)
    }

    fn closed(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        bail!("unexpected close")
    }
}
