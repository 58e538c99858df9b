//! The floor of the kernel: one thread, one epoll, one scratch buffer; a connection costs its socket and little else.
//!
//! What one read brought is answered in one write. What goes to many is kept once, and all of one turn of the loop leaves
//! in one write per socket.

use std::{
    io::{ErrorKind, Read as _, Result, Write as _},
    net::Ipv4Addr,
};

use exchange::{Deed, Exchange, Session};
use mio::{
    Events, Interest, Poll, Registry, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use socket2::SockRef;

const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    session: Session,
    /// A request or frame whose end has not come yet.
    partial: Vec<u8>,
    /// What the kernel would not take yet.
    rest: Vec<u8>,
}

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    pending: Vec<u8>,
}

struct Floor {
    poll: Poll,
    exchange: Exchange,
    connections: Slab<Connection>,
    /// What this turn has for everybody.
    pending: Vec<u8>,
    rooms: Vec<Room>,
    /// Rooms that this turn has something for.
    dirty: Vec<usize>,
    scratch: Vec<u8>,
    out: Vec<u8>,
}

fn main() -> Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("the first argument is the port");
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port).into())?;
    // What a listener has set, its connections have.
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("http://{}", listener.local_addr()?);

    let mut floor = Floor {
        poll,
        exchange: Exchange::default(),
        connections: Slab::new(),
        pending: Vec::new(),
        rooms: Vec::new(),
        dirty: Vec::new(),
        scratch: vec![0; 128 * 1024],
        out: Vec::new(),
    };
    let mut events = Events::with_capacity(1024);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener)?,
                Token(id) => {
                    if event.is_readable() {
                        floor.read(id)?;
                    }
                    if event.is_writable() {
                        floor.write_rest(id)?;
                    }
                }
            }
        }
        floor.flush()?;
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let entry = self.connections.vacant_entry();
            self.poll.registry().register(&mut stream, Token(entry.key()), Interest::READABLE)?;
            entry.insert(Connection { stream, session: Session::default(), partial: Vec::new(), rest: Vec::new() });
        }
    }

    fn read(&mut self, id: usize) -> Result<()> {
        let mut deeds = Vec::new();
        loop {
            let Some(connection) = self.connections.get_mut(id) else { return Ok(()) };
            let kept = connection.partial.len();
            self.scratch[..kept].copy_from_slice(&connection.partial);
            let len = match connection.stream.read(&mut self.scratch[kept..]) {
                Ok(0) => return self.close(id),
                Ok(len) => kept + len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return self.close(id),
                Err(error) => return Err(error),
            };
            let input = &mut self.scratch[..len];
            let done = self.exchange.take(id, &mut connection.session, input, &mut self.out, &mut deeds)?;
            connection.partial.clear();
            connection.partial.extend_from_slice(&self.scratch[done..len]);
            assert!(len - done < self.scratch.len(), "a frame is larger than the scratch buffer");
            if !self.out.is_empty() {
                // At once, while the peer has nothing else to do.
                connection.write(id, &self.out, self.poll.registry())?;
                self.out.clear();
            }
            for deed in deeds.drain(..) {
                self.act(id, deed)?;
            }
            // A short read has emptied the socket: epoll will tell of more.
            if len < self.scratch.len() {
                return Ok(());
            }
        }
    }

    fn act(&mut self, id: usize, deed: Deed) -> Result<()> {
        match deed {
            Deed::Close => return self.close(id),
            Deed::Broadcast(frames) => self.pending.extend(frames),
            Deed::Join(room) => {
                if self.rooms.len() <= room {
                    self.rooms.resize_with(room + 1, Room::default);
                }
                self.rooms[room].members.push(id);
            }
            Deed::Room(room, frame) => {
                self.rooms[room].pending.extend(frame);
                self.dirty.push(room);
            }
            Deed::Answer(id, response) => {
                if let Some(connection) = self.connections.get_mut(id) {
                    connection.write(id, &response, self.poll.registry())?;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            for (id, connection) in &mut self.connections {
                connection.write(id, &self.pending, self.poll.registry())?;
            }
            self.pending.clear();
        }
        while let Some(room) = self.dirty.pop() {
            let Room { members, pending } = &mut self.rooms[room];
            for id in members.iter().filter(|_| !pending.is_empty()) {
                self.connections[*id].write(*id, pending, self.poll.registry())?;
            }
            pending.clear();
        }
        Ok(())
    }

    fn write_rest(&mut self, id: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.rest.is_empty()) else {
            return Ok(());
        };
        let rest = std::mem::take(&mut connection.rest);
        connection.write(id, &rest, self.poll.registry())
    }

    /// The kernel forgets a closed socket by itself.
    fn close(&mut self, id: usize) -> Result<()> {
        drop(self.connections.try_remove(id));
        for room in &mut self.rooms {
            room.members.retain(|member| *member != id);
        }
        Ok(())
    }
}

impl Connection {
    fn write(&mut self, id: usize, bytes: &[u8], registry: &Registry) -> Result<()> {
        if !self.rest.is_empty() {
            self.rest.extend_from_slice(bytes);
            return Ok(());
        }
        let written = match self.stream.write(bytes) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            // The next read says so as well.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => return Ok(()),
            Err(error) => return Err(error),
        };
        if written < bytes.len() {
            self.rest.extend_from_slice(&bytes[written..]);
            registry.reregister(&mut self.stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        }
        Ok(())
    }
}
