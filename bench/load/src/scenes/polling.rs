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
    /// Events that each client posts in one body, and the next as many once it has all their acks.
    #[arg(long, default_value_t = 8)]
    inflight: u32,
    /// Keep a poll pending on a second connection at all times, as browsers do, instead of polling after the POST.
    #[arg(long)]
    pending: bool,
    /// Bytes of data in each event.
    #[arg(long, default_value_t = 64)]
    size: usize,
}

pub(crate) fn run(options: Options) -> Result<Map<String, Value>> {
    let Options { common, clients, inflight, pending, size } = options;
    let argument = text_argument(size);
    let mut net = Net::new(common.url, 1)?;
    let mut polling = Polling {
        meter: common.meter(),
        event: [br#"["echo","#, &argument[..]].concat(),
        ack: [b"[", &argument[..]].concat(),
        inflight,
        pending,
        clients: Vec::new(),
        joined: 0,
    };
    for client in 0..clients {
        let get = net.open()?;
        let post = if pending { net.open()? } else { get };
        ensure!((polling.get(client), polling.post(client)) == (get, post), "links are numbered in turn");
        polling.clients.push(Client { polling: true, ..Client::default() });
        http::push_get(net.out(get), None);
        // One after the other: the kernel's queue of a listener is short.
        net.run(&mut polling, Duration::from_secs(10), |polling, _| Ok(polling.joined > client))?;
    }
    measure(&mut net, &mut polling, common.warmup + common.seconds, |polling| &mut polling.meter)?;
    let asked = [
        ("clients", json!(clients)),
        ("inflight", json!(inflight)),
        ("pending", json!(pending)),
        ("size", json!(size)),
    ];
    figures(asked, &polling.meter)
}

/// Client `n` polls and posts on link `n`, or polls on link `2n` and posts on link `2n + 1`.
struct Polling {
    meter: Meter,
    event: Vec<u8>,
    ack: Vec<u8>,
    inflight: u32,
    pending: bool,
    clients: Vec<Client>,
    joined: usize,
}

#[derive(Debug, Default)]
struct Client {
    sid: String,
    /// A POST that has not been answered: there must be no second one.
    posting: bool,
    /// The same of polls.
    polling: bool,
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
    fn get(&self, client: usize) -> usize {
        if self.pending { 2 * client } else { client }
    }

    fn post(&self, client: usize) -> usize {
        if self.pending { 2 * client + 1 } else { client }
    }

    fn emit(&mut self, net: &Net, client: usize) {
        let client = &mut self.clients[client];
        for _ in 0..self.inflight {
            let mut digits = itoa::Buffer::new();
            client.queue(&[b"42", digits.format(client.next).as_bytes(), &self.event]);
            client.waiting.push((client.next, net.now()));
            client.next += 1;
        }
    }

    /// Sends the requests that may follow what has come: a POST if there is something to say and none under way, a poll
    /// if none is.
    fn request(&mut self, net: &mut Net, number: usize) {
        let (get, post) = (self.get(number), self.post(number));
        let client = &mut self.clients[number];
        if !client.posting && !client.queue.is_empty() && (self.pending || !client.polling) {
            http::push_post(net.out(post), &client.sid, &client.queue);
            client.queue.clear();
            client.posting = true;
        }
        if !client.polling && (self.pending || !client.posting) {
            http::push_get(net.out(get), Some(&client.sid));
            client.polling = true;
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
                self.emit(net, number);
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
                if client.waiting.is_empty() {
                    self.emit(net, number);
                }
            }
        }
        Ok(())
    }
}

impl Driver for Polling {
    fn received(&mut self, net: &mut Net, link: usize, input: &[u8]) -> Result<usize> {
        let Some((body, len)) = http::first(input)? else { return Ok(0) };
        let number = if self.pending { link / 2 } else { link };
        if link == self.post(number) && self.clients[number].posting {
            ensure!(body == b"ok", "a POST was answered with {}", String::from_utf8_lossy(body));
            self.clients[number].posting = false;
        } else {
            for packet in body.split(|byte| *byte == http::SEPARATOR) {
                self.packet(net, number, packet)?;
            }
            self.clients[number].polling = false;
        }
        self.request(net, number);
        Ok(len)
    }

    fn closed(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        bail!("unexpected close")
    }
}
