//! The floor of the kernel: one thread, one epoll, one scratch buffer; a connection costs its out buffer and nothing else.
//!
//! What one read brought is answered in one write; all broadcasts of one turn of the loop leave in one write per socket.

mod exchange;

use std::{
    io::{ErrorKind, Read as _, Result, Write as _},
    net::Ipv4Addr,
};

use exchange::{Deed, Session};
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;

const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    session: Session,
    /// A request or frame whose end has not come yet.
    partial: Vec<u8>,
    out: Vec<u8>,
}

struct Floor {
    poll: Poll,
    connections: Slab<Connection>,
    /// Connections that this turn has broadcasts for.
    dirty: Vec<usize>,
    scratch: Vec<u8>,
    deeds: Vec<Deed>,
}

fn main() -> Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("the first argument is the port");
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port).into())?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("http://{}", listener.local_addr()?);

    let mut floor =
        Floor { poll, connections: Slab::new(), dirty: Vec::new(), scratch: vec![0; 65536], deeds: Vec::new() };
    let mut events = Events::with_capacity(1024);
    loop {
        floor.poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener)?,
                Token(id) if event.is_readable() => floor.read(id)?,
                _ => {}
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
            stream.set_nodelay(true)?;
            let entry = self.connections.vacant_entry();
            self.poll.registry().register(&mut stream, Token(entry.key()), Interest::READABLE)?;
            entry.insert(Connection { stream, session: Session::default(), partial: Vec::new(), out: Vec::new() });
        }
    }

    fn read(&mut self, id: usize) -> Result<()> {
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
            let done = connection.session.take(&mut self.scratch[..len], &mut connection.out, &mut self.deeds)?;
            connection.partial.clear();
            connection.partial.extend_from_slice(&self.scratch[done..len]);
            assert!(len - done < self.scratch.len(), "a frame is larger than the scratch buffer");
            // At once, while the peer has nothing else to do.
            self.write(id)?;
            self.act(id)?;
            // A short read has emptied the socket: epoll will tell of more.
            if len < self.scratch.len() {
                return Ok(());
            }
        }
    }

    fn act(&mut self, id: usize) -> Result<()> {
        for deed in std::mem::take(&mut self.deeds) {
            match deed {
                Deed::Close => self.close(id)?,
                Deed::Broadcast(frame) => {
                    for (id, connection) in &mut self.connections {
                        connection.out.extend_from_slice(&frame);
                        self.dirty.push(id);
                    }
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        while let Some(id) = self.dirty.pop() {
            self.write(id)?;
        }
        Ok(())
    }

    fn write(&mut self, id: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(id).filter(|connection| !connection.out.is_empty()) else {
            return Ok(());
        };
        match connection.stream.write(&connection.out) {
            // A floor keeps nothing back: its figures count only where the kernel takes all.
            Ok(len) => assert_eq!(len, connection.out.len(), "the kernel took only a part"),
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                return self.close(id);
            }
            Err(error) => return Err(error),
        }
        connection.out.clear();
        Ok(())
    }

    fn close(&mut self, id: usize) -> Result<()> {
        match self.connections.try_remove(id) {
            Some(mut connection) => self.poll.registry().deregister(&mut connection.stream),
            None => Ok(()),
        }
    }
}
