//! The floor of tokio: one current-thread runtime, one task per connection that reads, answers and writes.
//!
//! What goes to many is one shared frame that the emitter's task writes to every socket itself (`try_write`), without
//! waking the others' tasks.

use std::{
    cell::RefCell,
    io::{ErrorKind, Result},
    net::Ipv4Addr,
    rc::Rc,
};

use exchange::{Deed, Exchange, Session};
use slab::Slab;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    task::{LocalSet, spawn_local},
};

struct Peer {
    stream: TcpStream,
    /// What the kernel would not take yet: a task of its own waits for that.
    rest: RefCell<Vec<u8>>,
}

/// What all tasks share.
struct Floor {
    exchange: Exchange,
    peers: Slab<Rc<Peer>>,
    rooms: Vec<Vec<usize>>,
    scratch: Vec<u8>,
    out: Vec<u8>,
    deeds: Vec<Deed>,
}

fn main() -> Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("the first argument is the port");
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, serve(port))
}

async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    // What a listener has set, its connections have.
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    println!("http://{}", listener.local_addr()?);
    let floor = Rc::new(RefCell::new(Floor {
        exchange: Exchange::default(),
        peers: Slab::new(),
        rooms: Vec::new(),
        scratch: vec![0; 128 * 1024],
        out: Vec::new(),
        deeds: Vec::new(),
    }));
    loop {
        let (stream, _) = listener.accept().await?;
        let peer = Rc::new(Peer { stream, rest: RefCell::default() });
        let id = floor.borrow_mut().peers.insert(Rc::clone(&peer));
        spawn_local(live(Rc::clone(&floor), peer, id));
    }
}

async fn live(floor: Rc<RefCell<Floor>>, peer: Rc<Peer>, id: usize) {
    let (mut session, mut partial) = (Session::default(), Vec::new());
    let result = loop {
        if let Err(error) = peer.stream.readable().await {
            break Err(error);
        }
        match floor.borrow_mut().read(id, &peer, &mut session, &mut partial) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let floor = &mut *floor.borrow_mut();
    floor.peers.remove(id);
    floor.rooms.iter_mut().for_each(|members| members.retain(|member| *member != id));
    match result.map_err(|error| (error.kind(), error)) {
        Ok(()) | Err((ErrorKind::BrokenPipe | ErrorKind::ConnectionReset, _)) => {}
        // A floor that answers only some is no measure.
        Err((_, error)) => panic!("{error}"),
    }
}

impl Floor {
    /// Tells whether the connection lives on.
    fn read(&mut self, id: usize, peer: &Rc<Peer>, session: &mut Session, partial: &mut Vec<u8>) -> Result<bool> {
        let kept = partial.len();
        self.scratch[..kept].copy_from_slice(partial);
        let len = match peer.stream.try_read(&mut self.scratch[kept..]) {
            Ok(0) => return Ok(false),
            Ok(len) => kept + len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let done = self.exchange.take(id, session, &mut self.scratch[..len], &mut self.out, &mut self.deeds)?;
        partial.clear();
        partial.extend_from_slice(&self.scratch[done..len]);
        if !self.out.is_empty() {
            write(peer, &self.out)?;
            self.out.clear();
        }
        for deed in self.deeds.drain(..) {
            match deed {
                Deed::Close => return Ok(false),
                Deed::Broadcast(frames) => self.peers.iter().try_for_each(|(_, other)| write(other, &frames))?,
                Deed::Join(room) => {
                    if self.rooms.len() <= room {
                        self.rooms.resize(room + 1, Vec::new());
                    }
                    self.rooms[room].push(id);
                }
                Deed::Room(room, frame) => {
                    self.rooms[room].iter().try_for_each(|member| write(&self.peers[*member], &frame))?;
                }
                Deed::Answer(other, response) => self.peers.get(other).map_or(Ok(()), |peer| write(peer, &response))?,
            }
        }
        Ok(true)
    }
}

fn write(peer: &Rc<Peer>, bytes: &[u8]) -> Result<()> {
    let mut rest = peer.rest.borrow_mut();
    if !rest.is_empty() {
        rest.extend_from_slice(bytes);
        return Ok(());
    }
    let written = taken(peer.stream.try_write(bytes))?;
    if written < bytes.len() {
        rest.extend_from_slice(&bytes[written..]);
        spawn_local(write_rest(Rc::clone(peer)));
    }
    Ok(())
}

async fn write_rest(peer: Rc<Peer>) {
    while !peer.rest.borrow().is_empty() {
        let rest = &mut *match peer.stream.writable().await {
            Ok(()) => peer.rest.borrow_mut(),
            Err(_) => return,
        };
        match taken(peer.stream.try_write(rest)) {
            Ok(written) if written == rest.len() => *rest = Vec::new(),
            Ok(written) => drop(rest.drain(..written)),
            // The connection's own task hears of it as well.
            Err(_) => return,
        }
    }
}

fn taken(written: Result<usize>) -> Result<usize> {
    match written {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
