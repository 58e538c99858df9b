use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::{
    frame::{self, Opcode},
    http,
    net::{Driver, Net},
};

/// How many connections may be on their way at once; the kernel's queue of a listener is no longer than this.
const CONNECTING: usize = 100;

/// What clients do once they have joined the default namespace.
pub(crate) trait Scene {
    fn joined(&mut self, net: &mut Net, link: usize) -> Result<()>;

    /// A message of the namespace, with the Engine.IO type `4` before it.
    fn text(&mut self, net: &mut Net, link: usize, text: &[u8]) -> Result<()>;

    fn binary(&mut self, _net: &mut Net, _link: usize, _data: &[u8]) -> Result<()> {
        bail!("unexpected binary frame")
    }
}

/// Clients with one WebSocket each, in the default namespace; pings are answered here.
#[derive(Debug)]
pub(crate) struct Sessions<S> {
    pub(crate) scene: S,
    pub(crate) opening: Opening,
}

/// The way of every link up to its namespace.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    phases: Vec<Phase>,
    joined: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Upgrade,
    Open,
    Connect,
    Joined,
}

impl Opening {
    /// Starts a session.
    pub(crate) fn start(&mut self, net: &mut Net) -> Result<usize> {
        let link = net.open()?;
        http::push_upgrade(net.out(link), None);
        self.phases.resize(self.phases.len().max(link + 1), Phase::Upgrade);
        self.phases[link] = Phase::Upgrade;
        Ok(link)
    }
}

impl<S: Scene> Sessions<S> {
    pub(crate) fn new(scene: S) -> Self {
        Self { scene, opening: Opening::default() }
    }

    /// Opens `count` sessions and waits until all have joined; their links are numbered from 0.
    pub(crate) fn join(&mut self, net: &mut Net, count: usize) -> Result<()> {
        let mut started = 0;
        net.run(self, Duration::from_secs(120), |sessions, net| {
            while started < count && started < sessions.opening.joined + CONNECTING {
                sessions.opening.start(net)?;
                started += 1;
            }
            Ok(sessions.opening.joined == count)
        })
    }

    fn text(&mut self, net: &mut Net, link: usize, text: &[u8]) -> Result<()> {
        let phase = &mut self.opening.phases[link];
        match (*phase, text) {
            (Phase::Open, [b'0', ..]) => {
                *phase = Phase::Connect;
                frame::push(net.out(link), Opcode::Text, &[b"40"]);
            }
            (Phase::Connect, [b'4', b'0', ..]) => {
                *phase = Phase::Joined;
                self.opening.joined += 1;
                self.scene.joined(net, link)?;
            }
            (_, b"2") => frame::push(net.out(link), Opcode::Text, &[b"3"]),
            (Phase::Joined, _) => self.scene.text(net, link, text)?,
            (phase, _) => bail!("unexpected in phase {phase:?}: {}", String::from_utf8_lossy(text)),
        }
        Ok(())
    }
}

impl<S: Scene> Driver for Sessions<S> {
    fn received(&mut self, net: &mut Net, link: usize, input: &[u8]) -> Result<usize> {
        let mut done = 0;
        if self.opening.phases[link] == Phase::Upgrade {
            let Some(len) = http::switched(input)? else { return Ok(0) };
            self.opening.phases[link] = Phase::Open;
            done = len;
        }
        while let Some((opcode, payload, len)) = frame::first(&input[done..])? {
            done += len;
            match opcode {
                Opcode::Text => self.text(net, link, payload)?,
                Opcode::Binary => {
                    ensure!(self.opening.phases[link] == Phase::Joined, "a binary frame before the namespace");
                    self.scene.binary(net, link, payload)?;
                }
                Opcode::Close => bail!("the server closed a WebSocket"),
            }
        }
        Ok(done)
    }

    fn closed(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        bail!("unexpected close")
    }
}
