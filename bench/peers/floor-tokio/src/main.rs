//! The floor of tokio: one current-thread runtime, one task per connection that reads, answers and writes.
//!
//! A broadcast is one shared frame that the emitter's task writes to every socket itself (`try_write`), without waking
//! the others' tasks.

#[path = "../../floor-epoll/src/exchange.rs"]
mod exchange;

use std::{
    cell::RefCell,
    io::{ErrorKind, Result},
    net::Ipv4Addr,
    rc::Rc,
};

use exchange::{Deed, Session};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    task::LocalSet,
};

type Everybody = Rc<RefCell<Vec<Rc<TcpStream>>>>;

fn main() -> Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("the first argument is the port");
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, serve(port))
}

async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://{}", listener.local_addr()?);
    let everybody = Everybody::default();
    let scratch = Rc::new(RefCell::new(vec![0; 65536]));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let stream = Rc::new(stream);
        everybody.borrow_mut().push(Rc::clone(&stream));
        let (everybody, scratch) = (Rc::clone(&everybody), Rc::clone(&scratch));
        tokio::task::spawn_local(async move {
            let result = drive(&stream, &everybody, &scratch).await;
            everybody.borrow_mut().retain(|other| !Rc::ptr_eq(other, &stream));
            match result.map_err(|error| (error.kind(), error)) {
                Ok(()) | Err((ErrorKind::BrokenPipe | ErrorKind::ConnectionReset, _)) => {}
                // A floor that answers only some is no measure.
                Err((_, error)) => panic!("{error}"),
            }
        });
    }
}

async fn drive(stream: &TcpStream, everybody: &Everybody, scratch: &RefCell<Vec<u8>>) -> Result<()> {
    let (mut session, mut partial, mut out, mut deeds) = (Session::default(), Vec::new(), Vec::new(), Vec::new());
    loop {
        stream.readable().await?;
        let scratch = &mut *scratch.borrow_mut();
        let kept = partial.len();
        scratch[..kept].copy_from_slice(&partial);
        let len = match stream.try_read(&mut scratch[kept..]) {
            Ok(0) => return Ok(()),
            Ok(len) => kept + len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        let done = session.take(&mut scratch[..len], &mut out, &mut deeds)?;
        partial.clear();
        partial.extend_from_slice(&scratch[done..len]);
        if !out.is_empty() {
            write(stream, &out)?;
            out.clear();
        }
        for deed in deeds.drain(..) {
            match deed {
                Deed::Close => return Ok(()),
                Deed::Broadcast(frame) => everybody.borrow().iter().try_for_each(|other| write(other, &frame))?,
            }
        }
    }
}

/// A floor keeps nothing back: its figures count only where the kernel takes all.
fn write(stream: &TcpStream, bytes: &[u8]) -> Result<()> {
    let len = stream.try_write(bytes)?;
    assert_eq!(len, bytes.len(), "the kernel took only a part");
    Ok(())
}
