//! From packets to messages: the one place where a server says how its packets are written.

use std::cell::Cell;

use bytes::Bytes;
use sockeye_engine::{Connection, Frames, Guarantee, SendOptions};
use sockeye_protocol::Limits;
use sockeye_protocol::socket::{
    ConnectAnswer, ConnectError, EncodeError, PacketType, ToArguments, encode_ack, encode_event, write_head,
};

/// How the packets of a server are written.
#[derive(Debug)]
pub(crate) struct Wire {
    limits: Limits,
}

/// A packet that is being written. Each method writes a whole one.
pub(crate) struct Draft<'a> {
    text: &'a mut Vec<u8>,
    attachments: &'a mut Vec<Bytes>,
    namespace: &'a str,
    limits: &'a Limits,
}

/// A packet that has been written, and can be sent.
pub(crate) struct Written<'a> {
    text: &'a [u8],
    attachments: &'a [Bytes],
}

/// A buffer beyond this size is given back after use.
const MAX_SCRATCH: usize = 64 * 1024;

thread_local! {
    /// Packets are written here. It is taken out while in use: what is serialised may itself emit.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Wire {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Writes a packet of this namespace, and hands on what can be sent to one or to many.
    pub(crate) fn write<R>(
        &self,
        namespace: &str,
        write: impl FnOnce(&mut Draft<'_>) -> Result<(), EncodeError>,
        send: impl FnOnce(Written<'_>) -> R,
    ) -> Result<R, EncodeError> {
        let (mut text, mut attachments) = (SCRATCH.take(), Vec::new());
        text.clear();
        let mut draft = Draft { text: &mut text, attachments: &mut attachments, namespace, limits: &self.limits };
        let result = write(&mut draft).map(|()| send(Written { text: &text, attachments: &attachments }));
        if text.capacity() <= MAX_SCRATCH {
            SCRATCH.set(text);
        }
        result
    }

    /// Sends a packet of the library's own, to which no user has contributed what might not be writable.
    pub(crate) fn send_own(&self, connection: &Connection, namespace: &str, write: impl FnOnce(&mut Draft<'_>)) {
        let write = |draft: &mut Draft<'_>| {
            write(draft);
            Ok(())
        };
        if let Err(error) = self.write(namespace, write, |packet| packet.send(connection, Guarantee::Reliable)) {
            tracing::error!(%error, "a packet of the library's own can't be written");
        }
    }
}

impl Draft<'_> {
    /// An event.
    pub(crate) fn event(
        &mut self,
        id: Option<u64>,
        name: &str,
        arguments: &(impl ToArguments + ?Sized),
    ) -> Result<(), EncodeError> {
        encode_event(self.text, self.namespace, id, name, arguments, self.attachments, self.limits)
    }

    /// The answer to an event.
    pub(crate) fn ack(&mut self, id: u64, arguments: &(impl ToArguments + ?Sized)) -> Result<(), EncodeError> {
        encode_ack(self.text, self.namespace, id, arguments, self.attachments, self.limits)
    }

    /// The namespace was joined; old clients are told nothing but that.
    pub(crate) fn welcome(&mut self, answer: Option<&ConnectAnswer>) {
        match answer {
            Some(answer) => answer.write(self.text, self.namespace),
            None => ConnectAnswer::write_v3(self.text, self.namespace),
        }
    }

    /// The namespace was not joined.
    pub(crate) fn refusal(&mut self, error: &ConnectError) {
        error.write(self.text, self.namespace);
    }

    /// The namespace was not joined, in the form for old clients.
    pub(crate) fn refusal_v3(&mut self, error: &ConnectError) {
        error.write_v3(self.text, self.namespace);
    }

    /// The namespace was left.
    pub(crate) fn disconnect(&mut self) {
        write_head(self.text, PacketType::Disconnect, 0, self.namespace, None);
    }
}

impl Written<'_> {
    /// Sends it to one connection.
    pub(crate) fn send(&self, connection: &Connection, options: impl Into<SendOptions>) {
        connection.send_text(self.text, self.attachments, options);
    }

    /// Frames it, once for all who get it.
    pub(crate) fn frames(&self) -> Frames {
        Frames::new(self.text, self.attachments.to_vec())
    }
}
