use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use memchr::memmem;
use serde_json::{Map, Value, json};

use crate::{
    Common,
    frame::{self, Opcode},
    meter::Meter,
    net::Net,
    scenes::{figures, measure, split_id, text_argument},
    session::{Scene, Sessions},
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Events of each client that wait for their ack.
    #[arg(long, default_value_t = 8)]
    inflight: usize,
    /// Bytes of data in each event.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Send the data as an attachment.
    #[arg(long)]
    binary: bool,
}

pub(crate) fn run(options: Options) -> Result<Map<String, Value>> {
    let Options { common, clients, inflight, size, binary } = options;
    let mut net = Net::new(common.url, 1)?;
    let mut sessions = Sessions::new(Echo {
        meter: common.meter(),
        clients: (0..clients).map(|_| Client::default()).collect(),
        data: Data::new(size, binary),
    });
    sessions.join(&mut net, clients)?;
    for link in 0..clients {
        for _ in 0..inflight {
            sessions.scene.emit(&mut net, link);
        }
    }
    measure(&mut net, &mut sessions, common.warmup + common.seconds, |sessions| &mut sessions.scene.meter)?;
    let asked =
        [("clients", json!(clients)), ("inflight", json!(inflight)), ("size", json!(size)), ("binary", json!(binary))];
    figures(asked, &sessions.scene.meter)
}

struct Echo {
    meter: Meter,
    clients: Vec<Client>,
    data: Data,
}

#[derive(Debug, Default)]
struct Client {
    next: u32,
    /// Ids without an ack yet: as few as are in flight, so a scan finds one at once.
    waiting: Vec<(u32, Instant)>,
    /// The ack whose attachment comes next.
    half: Option<u32>,
}

enum Data {
    /// The event's bytes after the id, and the ack's after the id.
    Text {
        event: Vec<u8>,
        ack: Vec<u8>,
    },
    Binary(Vec<u8>),
}

impl Data {
    fn new(size: usize, binary: bool) -> Self {
        if binary {
            return Self::Binary(vec![7; size]);
        }
        let argument = text_argument(size);
        Self::Text { event: [br#"["echo","#, &argument[..]].concat(), ack: [b"[", &argument[..]].concat() }
    }
}

impl Echo {
    fn emit(&mut self, net: &mut Net, link: usize) {
        let client = &mut self.clients[link];
        let mut digits = itoa::Buffer::new();
        let id = digits.format(client.next).as_bytes();
        client.waiting.push((client.next, net.now()));
        client.next += 1;
        match &self.data {
            Data::Text { event, .. } => frame::push(net.out(link), Opcode::Text, &[b"42", id, event]),
            Data::Binary(bytes) => {
                let placeholder = br#"["echo",{"_placeholder":true,"num":0}]"#;
                frame::push(net.out(link), Opcode::Text, &[b"451-", id, placeholder]);
                frame::push(net.out(link), Opcode::Binary, &[bytes]);
            }
        }
    }

    fn answered(&mut self, net: &mut Net, link: usize, id: u32) -> Result<()> {
        let waiting = &mut self.clients[link].waiting;
        let Some(at) = waiting.iter().position(|(waiting, _)| *waiting == id) else {
            bail!("ack {id} was not asked for")
        };
        let (_, sent) = waiting.swap_remove(at);
        self.meter.unit(sent, net.now());
        self.emit(net, link);
        Ok(())
    }
}

impl Scene for Echo {
    fn joined(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        Ok(())
    }

    fn text(&mut self, net: &mut Net, link: usize, text: &[u8]) -> Result<()> {
        let unexpected = || anyhow::anyhow!("not the ack of an echo: {}", String::from_utf8_lossy(text));
        match &self.data {
            Data::Text { ack, .. } => {
                let (id, data) = text.strip_prefix(b"43").and_then(split_id).ok_or_else(unexpected)?;
                if data != ack {
                    return Err(unexpected());
                }
                self.answered(net, link, id)
            }
            Data::Binary(_) => {
                let (id, data) = text.strip_prefix(b"461-").and_then(split_id).ok_or_else(unexpected)?;
                if memmem::find(data, br#""_placeholder":true"#).is_none() || self.clients[link].half.is_some() {
                    return Err(unexpected());
                }
                self.clients[link].half = Some(id);
                Ok(())
            }
        }
    }

    fn binary(&mut self, net: &mut Net, link: usize, data: &[u8]) -> Result<()> {
        match (&self.data, self.clients[link].half.take()) {
            (Data::Binary(sent), Some(id)) if data == sent => self.answered(net, link, id),
            _ => bail!("not the attachment that was sent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script;

    fn options(answer: fn(&str) -> Option<String>) -> Options {
        Options { common: script::serve(answer), clients: 3, inflight: 4, size: 64, binary: false }
    }

    #[test]
    fn every_ack_is_one_unit() {
        let figures = run(options(|event| {
            let (id, data) = event.strip_prefix("42")?.split_once(r#"["echo","#)?;
            Some(format!("43{id}[{data}"))
        }))
        .unwrap();
        assert!(figures["units"].as_u64() > Some(100), "{figures:?}");
    }

    #[test]
    fn an_answer_with_other_data_ends_the_measurement() {
        let error = run(options(|_| Some(r#"430["y"]"#.to_owned()))).unwrap_err();
        assert!(error.to_string().contains("not the ack of an echo"), "{error}");
    }

    #[test]
    fn an_ack_that_comes_twice_ends_the_measurement() {
        let error = run(options(|event| {
            let data = event.split_once(r#"["echo","#)?.1;
            Some(format!("430[{data}"))
        }))
        .unwrap_err();
        assert!(error.to_string().contains("was not asked for"), "{error}");
    }
}
