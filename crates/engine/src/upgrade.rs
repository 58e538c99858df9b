//! From an HTTP request to a WebSocket.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sockeye_websocket::deflate::Deflate;
use sockeye_websocket::handshake;
use tokio::net::TcpStream;

use crate::body::Body;
use crate::io::{Reader, Stream, Writer, split_stream, split_tcp};
use crate::outbox::Outbox;
use crate::patience::Patient;

/// A byte stream that HTTP was spoken on.
pub(crate) struct Socket {
    pub(crate) io: (Reader, Writer),
    /// The head of the answer, if it has to be sent still.
    pub(crate) answer: Vec<u8>,
    /// What the client sent right behind its request.
    pub(crate) first: Bytes,
    pub(crate) address: Option<SocketAddr>,
    /// How messages are compressed on it, if that has been agreed on.
    pub(crate) deflate: Option<Deflate>,
}

impl Socket {
    pub(crate) fn new(io: (Reader, Writer), first: Bytes) -> Self {
        Self { io, answer: Vec::new(), first, address: None, deflate: None }
    }

    /// Sends the answer, where nothing can be sent along with it.
    pub(crate) async fn send_answer(&mut self) -> io::Result<()> {
        let mut outbox = Outbox::default();
        outbox.push_owned(std::mem::take(&mut self.answer).into());
        poll_fn(|cx| self.io.1.poll_write(cx, &mut outbox)).await
    }
}

/// The answer that turns the connection into a WebSocket.
///
/// # Errors
/// The answer to a request that is no WebSocket handshake.
pub(crate) fn answer(headers: &HeaderMap) -> Result<Response<Body>, Response<Body>> {
    match handshake::answer(headers) {
        Ok(mut answer) => {
            if let Some(named) = handshake::first_subprotocol(headers) {
                answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, named);
            }
            Ok(answer.map(|()| Body::default()))
        }
        Err(error) => {
            let mut response = refused(&error.to_string());
            *response.status_mut() = error.status();
            if error.status() == StatusCode::UPGRADE_REQUIRED {
                response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Err(response)
        }
    }
}

/// The answer to an upgrade request that is refused: its body is the bare message, and the connection ends.
pub(crate) fn refused(message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(message.as_bytes().to_vec()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// Takes hyper's upgraded connection apart, so that nothing of the HTTP server stays in memory.
///
/// What is no plain TCP under one of hyper's own wrappers stays wrapped, at some 19 KB a connection.
pub(crate) fn take_apart(upgraded: Upgraded) -> Socket {
    let upgraded = match upgraded.downcast::<TokioIo<Patient<TcpStream>>>() {
        Ok(parts) => {
            let (stream, behind) = parts.io.into_inner().into_parts();
            return Socket::new(split_tcp(stream), join(parts.read_buf, behind));
        }
        Err(upgraded) => upgraded,
    };
    let upgraded = match upgraded.downcast::<TokioIo<Patient<Box<dyn Stream>>>>() {
        Ok(parts) => {
            let (stream, behind) = parts.io.into_inner().into_parts();
            return Socket::new(split_stream(stream), join(parts.read_buf, behind));
        }
        Err(upgraded) => upgraded,
    };
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return plain(parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => upgraded,
    };
    match hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => plain(parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => Socket::new(split_stream(Box::new(TokioIo::new(upgraded))), Bytes::new()),
    }
}

/// What was read of a connection, and what was still to be read again.
pub(crate) fn join(read: Bytes, behind: Bytes) -> Bytes {
    if behind.is_empty() { read } else { [read, behind].concat().into() }
}

/// Accepted by somebody else, who may have left it as it was, and may not have told us the address.
fn plain(stream: TcpStream, first: Bytes) -> Socket {
    // Frames are whole messages; waiting for more of them would only delay them.
    let _ = stream.set_nodelay(true);
    let address = stream.peer_addr().ok();
    Socket { address, ..Socket::new(split_tcp(stream), first) }
}
