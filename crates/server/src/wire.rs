//! From packets to messages: the one place where a server says how its packets are written.

use std::cell::Cell;

use bytes::Bytes;
use sockeye_engine::{Connection, Frames, Guarantee, SendOptions};
use sockeye_protocol::Limits;
use sockeye_protocol::socket::EncodeError;

/// How the packets of a server are written.
#[derive(Debug)]
pub(crate) struct Wire {
    limits: Limits,
}

/// A packet that has been written, and can be sent.
pub(crate) struct Written<'a> {
    text: &'a [u8],
    attachments: &'a [Bytes],
}

/// A buffer beyond this size is given back after use.
const MAX_SCRATCH: usize = 64 * 1024;

thread_local! {
    /// Packets are encoded here. It is taken out while in use: what is serialised may itself emit.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Wire {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Writes a packet, and hands on what can be sent to many as well as to one.
    pub(crate) fn write<R>(
        &self,
        encode: impl FnOnce(&mut Vec<u8>, &mut Vec<Bytes>, &Limits) -> Result<(), EncodeError>,
        send: impl FnOnce(Written<'_>) -> R,
    ) -> Result<R, EncodeError> {
        let mut text = SCRATCH.take();
        text.clear();
        let mut attachments = Vec::new();
        let result = encode(&mut text, &mut attachments, &self.limits)
            .map(|()| send(Written { text: &text, attachments: &attachments }));
        if text.capacity() <= MAX_SCRATCH {
            SCRATCH.set(text);
        }
        result
    }

    /// Sends a packet of the library's own: the answer to a CONNECT, or a DISCONNECT.
    pub(crate) fn send_own(&self, connection: &Connection, encode: impl FnOnce(&mut Vec<u8>)) {
        let encode = |out: &mut Vec<u8>, _: &mut Vec<Bytes>, _: &Limits| {
            encode(out);
            Ok(())
        };
        if let Err(error) = self.write(encode, |packet| packet.send(connection, Guarantee::Reliable)) {
            tracing::error!(%error, "a packet of the library's own can't be written");
        }
    }
}

impl Written<'_> {
    /// Sends it to one connection.
    pub(crate) fn send(&self, connection: &Connection, options: impl Into<SendOptions>) {
        connection.send_text(self.text, self.attachments, options);
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Frames it, once for all who get it.
    pub(crate) fn frames(&self) -> Frames {
        Frames::new(self.text, self.attachments.to_vec())
    }
}
