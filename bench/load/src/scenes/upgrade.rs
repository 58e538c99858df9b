use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::{
    frame::{self, Opcode},
    http,
    meter::Meter,
    net::{Driver, Net},
};

/// Sessions that start on polling and end on a WebSocket, as a browser's do. A unit is one of them, from the first
/// request to the echo that came back after the upgrade. All stay open.
#[derive(Debug)]
pub(crate) struct Upgrades {
    pub(crate) meter: Meter,
    slots: Vec<Slot>,
    /// By link, its slot and what it is for.
    links: Vec<(usize, Role)>,
    finished: usize,
}

#[derive(Debug)]
struct Slot {
    began: Instant,
    sid: String,
    http: usize,
    websocket: usize,
    step: Step,
    /// `3probe` has come.
    probed: bool,
    /// The pending poll has ended.
    released: bool,
    /// A pong is owed.
    pinged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Handshake,
    Post,
    /// Polls until the probe is answered: there is always one pending.
    Poll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Http,
    Switching,
    WebSocket,
}

impl Upgrades {
    pub(crate) fn new(meter: Meter) -> Self {
        Self { meter, slots: Vec::new(), links: Vec::new(), finished: 0 }
    }

    /// Sessions that have begun and are not upgraded.
    pub(crate) fn under_way(&self) -> usize {
        self.slots.len() - self.finished
    }

    pub(crate) fn start(&mut self, net: &mut Net) -> Result<()> {
        let http = self.open(net, self.slots.len(), Role::Http)?;
        http::push_get(net.out(http), None);
        self.slots.push(Slot {
            began: net.now(),
            sid: String::new(),
            http,
            websocket: http,
            step: Step::Handshake,
            probed: false,
            released: false,
            pinged: false,
        });
        Ok(())
    }

    fn open(&mut self, net: &mut Net, number: usize, role: Role) -> Result<usize> {
        let link = net.open()?;
        self.links.resize(self.links.len().max(link + 1), (0, role));
        self.links[link] = (number, role);
        Ok(link)
    }

    fn response(&mut self, net: &mut Net, number: usize, body: &[u8]) -> Result<()> {
        let slot = &mut self.slots[number];
        match slot.step {
            Step::Handshake => {
                slot.sid = http::sid(body)?;
                http::push_post(net.out(slot.http), &slot.sid, b"40");
                slot.step = Step::Post;
            }
            Step::Post => {
                ensure!(body == b"ok", "a POST was answered with {}", String::from_utf8_lossy(body));
                http::push_get(net.out(slot.http), Some(&slot.sid));
                slot.step = Step::Poll;
            }
            Step::Poll => {
                for packet in body.split(|byte| *byte == http::SEPARATOR) {
                    self.packet(net, number, packet)?;
                }
                self.polled(net, number);
            }
        }
        Ok(())
    }

    fn packet(&mut self, net: &mut Net, number: usize, packet: &[u8]) -> Result<()> {
        match packet {
            // Some servers ping at once; the pong goes out over the WebSocket, well before the timeout.
            b"2" => self.slots[number].pinged = true,
            b"6" => self.slots[number].released = true,
            [b'4', b'0', ..] => {
                let websocket = self.open(net, number, Role::Switching)?;
                let slot = &mut self.slots[number];
                slot.websocket = websocket;
                http::push_upgrade(net.out(websocket), Some(&slot.sid));
            }
            _ => bail!("unexpected in a poll: {}", String::from_utf8_lossy(packet)),
        }
        Ok(())
    }

    /// A poll has ended: the next one follows, unless the probe has been answered.
    fn polled(&mut self, net: &mut Net, number: usize) {
        let slot = &mut self.slots[number];
        slot.released |= slot.probed;
        if slot.released {
            net.close(slot.http);
            self.finish(net, number);
        } else {
            http::push_get(net.out(slot.http), Some(&slot.sid));
        }
    }

    /// The client upgrades when the probe has been answered and the last poll has ended.
    fn finish(&self, net: &mut Net, number: usize) {
        let slot = &self.slots[number];
        if slot.probed && slot.released {
            frame::push(net.out(slot.websocket), Opcode::Text, &[b"5"]);
            if slot.pinged {
                frame::push(net.out(slot.websocket), Opcode::Text, &[b"3"]);
            }
            frame::push(net.out(slot.websocket), Opcode::Text, &[br#"420["echo","x"]"#]);
        }
    }

    fn message(&mut self, net: &mut Net, number: usize, websocket: usize, text: &[u8]) -> Result<()> {
        match text {
            b"2" => frame::push(net.out(websocket), Opcode::Text, &[b"3"]),
            b"3probe" => {
                self.slots[number].probed = true;
                self.finish(net, number);
            }
            br#"430["x"]"# => {
                self.meter.unit(self.slots[number].began, net.now());
                self.finished += 1;
            }
            _ => bail!("unexpected after the upgrade: {}", String::from_utf8_lossy(text)),
        }
        Ok(())
    }
}

impl Driver for Upgrades {
    fn received(&mut self, net: &mut Net, link: usize, input: &[u8]) -> Result<usize> {
        let (number, role) = self.links[link];
        if role == Role::Http {
            let Some((body, len)) = http::first(input)? else { return Ok(0) };
            self.response(net, number, body)?;
            return Ok(len);
        }
        let mut done = 0;
        if role == Role::Switching {
            let Some(len) = http::switched(input)? else { return Ok(0) };
            self.links[link].1 = Role::WebSocket;
            frame::push(net.out(link), Opcode::Text, &[b"2probe"]);
            done = len;
        }
        while let Some((_, text, len)) = frame::first(&input[done..])? {
            done += len;
            self.message(net, number, link, text)?;
        }
        Ok(done)
    }

    /// The connection that polled, as asked for.
    fn closed(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        Ok(())
    }
}
