use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use slab::Slab;
use socket2::{Domain, Socket, Type};

use crate::meter::now;

/// Enough for what a read brings here; what is larger comes in pieces.
const SCRATCH: usize = 128 * 1024;

/// TCP connections to one server and the loop that serves them.
#[derive(Debug)]
pub(crate) struct Net {
    poll: Poll,
    links: Slab<Link>,
    /// Links that have something to write, or to be closed, since the last flush.
    dirty: Vec<usize>,
    scratch: Vec<u8>,
    server: SocketAddr,
    /// How many addresses of 127.0.0.0/8 the connections come from, in turns: each has its own ports.
    sources: u8,
    opened: usize,
    now: Instant,
}

#[derive(Debug)]
struct Link {
    stream: TcpStream,
    /// Input whose end has not come yet.
    partial: Vec<u8>,
    out: Vec<u8>,
    closing: bool,
}

/// What is said over the connections.
pub(crate) trait Driver {
    /// Handles whole messages of `input` and tells how many bytes they were; the rest comes again, with more.
    fn received(&mut self, net: &mut Net, link: usize, input: &[u8]) -> Result<usize>;

    /// The link is gone, as [`Net::close`] asked for; its number will be used again.
    fn closed(&mut self, net: &mut Net, link: usize) -> Result<()>;
}

impl Net {
    pub(crate) fn new(server: SocketAddr, sources: u8) -> Result<Self> {
        let (poll, scratch) = (Poll::new()?, vec![0; SCRATCH]);
        let (links, dirty) = (Slab::new(), Vec::new());
        Ok(Self { poll, links, dirty, scratch, server, sources, opened: 0, now: now() })
    }

    /// The time at which the loop last looked: before each read.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Starts a connection and returns its number, the lowest that is free; what is sent waits until it stands.
    pub(crate) fn open(&mut self) -> Result<usize> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if self.sources > 1 {
            let turn = u8::try_from(self.opened % usize::from(self.sources))?;
            socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, 1 + turn), 0)).into()).context("no free port")?;
        }
        self.opened += 1;
        match socket.connect(&self.server.into()) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => {
                return Err(error).with_context(|| format!("can't connect to {}", self.server));
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let entry = self.links.vacant_entry();
        let id = entry.key();
        self.poll.registry().register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Link { stream, partial: Vec::new(), out: Vec::new(), closing: false });
        Ok(id)
    }

    /// Gives the out buffer of the link, which is written once the input at hand has been handled.
    pub(crate) fn out(&mut self, link: usize) -> &mut Vec<u8> {
        self.dirty.push(link);
        &mut self.links[link].out
    }

    /// Closes the link once its out buffer is written.
    pub(crate) fn close(&mut self, link: usize) {
        self.dirty.push(link);
        self.links[link].closing = true;
    }

    /// Runs turns until `until` says so, or fails after `limit`.
    pub(crate) fn run<D: Driver>(
        &mut self,
        driver: &mut D,
        limit: Duration,
        mut until: impl FnMut(&mut D, &mut Self) -> Result<bool>,
    ) -> Result<()> {
        let start = now();
        let mut events = Events::with_capacity(1024);
        self.now = start;
        while !until(driver, self)? {
            if self.now.duration_since(start) > limit {
                bail!("not done after {limit:?}: the server has stopped answering");
            }
            self.flush(driver)?;
            match self.poll.poll(&mut events, Some(Duration::from_millis(10))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => self.now = now(),
            }
            for event in &events {
                let Token(id) = event.token();
                if event.is_writable() && self.links.get(id).is_some_and(|link| !link.out.is_empty()) {
                    self.dirty.push(id);
                }
                if event.is_readable() || event.is_error() {
                    self.read(driver, id)?;
                }
                self.flush(driver)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, driver: &mut impl Driver, id: usize) -> Result<()> {
        loop {
            let Some(link) = self.links.get_mut(id).filter(|link| !link.closing) else { return Ok(()) };
            let mut scratch = std::mem::take(&mut self.scratch);
            let kept = link.partial.len();
            if scratch.len() < kept + SCRATCH {
                scratch.resize(kept + SCRATCH, 0);
            }
            scratch[..kept].copy_from_slice(&link.partial);
            let read = link.stream.read(&mut scratch[kept..]);
            self.now = now();
            let len = match read {
                Ok(0) => bail!("the server closed a connection"),
                Ok(len) => kept + len,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    self.scratch = scratch;
                    return Ok(());
                }
                Err(error) => return Err(error).context("a connection broke"),
            };
            let done = driver.received(self, id, &scratch[..len])?;
            self.links[id].partial.clear();
            self.links[id].partial.extend_from_slice(&scratch[done..len]);
            let drained = len < scratch.len();
            self.scratch = scratch;
            // A short read has emptied the socket: epoll will tell of more.
            if drained {
                return Ok(());
            }
        }
    }

    fn flush(&mut self, driver: &mut impl Driver) -> Result<()> {
        while let Some(id) = self.dirty.pop() {
            let Some(link) = self.links.get_mut(id) else { continue };
            if !link.out.is_empty() {
                match link.stream.write(&link.out) {
                    Ok(len) => drop(link.out.drain(..len)),
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {}
                    Err(error) => return Err(error).context("a connection broke"),
                }
            }
            if link.closing && link.out.is_empty() {
                drop(self.links.remove(id));
                driver.closed(self, id)?;
            }
        }
        Ok(())
    }
}

/// `EINPROGRESS` of Linux: the connection is on its way.
const IN_PROGRESS: i32 = 115;
