//! The two halves of a connection's byte stream.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::outbox::Outbox;

/// Any byte stream that is not plain TCP: TLS, or something only hyper knows.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The receiving half.
pub(crate) enum Reader {
    Tcp(OwnedReadHalf),
    Stream(ReadHalf<Box<dyn Stream>>),
}

/// The sending half.
pub(crate) enum Writer {
    /// Plain TCP is written by whoever has something to write.
    Tcp(OwnedWriteHalf),
    /// Anything else is written by the connection's task only: it has the waker that the stream wants.
    Stream(WriteHalf<Box<dyn Stream>>),
}

/// Takes plain TCP apart.
pub(crate) fn split_tcp(stream: TcpStream) -> (Reader, Writer) {
    let (reader, writer) = stream.into_split();
    (Reader::Tcp(reader), Writer::Tcp(writer))
}

/// Takes any other stream apart.
pub(crate) fn split_stream(stream: Box<dyn Stream>) -> (Reader, Writer) {
    let (reader, writer) = tokio::io::split(stream);
    (Reader::Stream(reader), Writer::Stream(writer))
}

impl Reader {
    /// Reads into `buffer`; zero bytes mean the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = ready!(match self {
            Self::Tcp(reader) => Pin::new(reader).poll_read(cx, &mut buffer),
            Self::Stream(reader) => Pin::new(reader).poll_read(cx, &mut buffer),
        });
        match read {
            // Many leave TLS without taking leave of it. What was cut off is seen by the frames.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            read => read?,
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl Writer {
    /// Writes what the kernel takes at once and returns how much that was; `None` if only the task can write.
    pub(crate) fn try_write(&mut self, outbox: &mut Outbox) -> Option<io::Result<usize>> {
        match self {
            Self::Tcp(writer) => Some(outbox.write_to(|pieces| try_write(writer, pieces))),
            Self::Stream(_) => None,
        }
    }

    /// Writes until the outbox is empty, or has the task woken when more can be written.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(writer) => loop {
                outbox.write_to(|pieces| try_write(writer, pieces))?;
                if outbox.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                ready!(writer.as_ref().poll_write_ready(cx))?;
            },
            Self::Stream(writer) => {
                let mut stream = pin!(writer);
                outbox.write_to(|pieces| match stream.as_mut().poll_write_vectored(cx, pieces) {
                    Poll::Ready(written) => written,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                })?;
                if !outbox.is_empty() {
                    return Poll::Pending;
                }
                stream.poll_flush(cx)
            }
        }
    }

    /// Whether the kernel is to throw away what it still has to send when the stream is dropped.
    pub(crate) fn reset_when_dropped(&mut self, reset: bool) {
        if let Self::Tcp(writer) = self {
            #[allow(deprecated, reason = "it is so because of times that block; there is no other way to take it back")]
            let set = writer.as_ref().set_linger(reset.then_some(Duration::ZERO));
            // It fails on a stream that is broken anyway.
            let _ = set;
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(writer) => Pin::new(writer).poll_shutdown(cx),
            Self::Stream(writer) => Pin::new(writer).poll_shutdown(cx),
        }
    }
}

/// One piece needs no vector: the plain call is cheaper.
fn try_write(writer: &OwnedWriteHalf, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    match pieces {
        [piece] => writer.try_write(piece),
        pieces => writer.try_write_vectored(pieces),
    }
}
