//! From packets to messages and back: the one place where a server says how its packets travel.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use sockeye_engine::{Connection, Frames, Guarantee, Message, Protocol, SendOptions};
use sockeye_protocol::Limits;
use sockeye_protocol::socket::{
    Assembler, ConnectAnswer, ConnectError, DecodeError, Decoder, EncodeError, Encoded, Packet, PacketType, Parser,
    ToArguments, decode, encode_ack, encode_event, write_head,
};

use crate::metrics::Counters;

/// How the packets of a server travel.
///
/// All are written as the official text first, which costs nothing more where that is what is sent. Another parser
/// translates what has been written, and on the way in what is about to be read.
#[derive(Debug)]
pub(crate) struct Wire {
    limits: Limits,
    /// `None` for the official text.
    parser: Option<Arc<dyn Parser>>,
    counters: Arc<Counters>,
}

/// A packet that is being written. Each method writes a whole one.
pub(crate) struct Draft<'a> {
    text: &'a mut Vec<u8>,
    attachments: &'a mut Vec<Bytes>,
    namespace: &'a str,
    limits: &'a Limits,
}

/// A packet that has been written, and can be sent.
pub(crate) enum Written<'a> {
    /// As the official text.
    Text { text: &'a [u8], attachments: &'a [Bytes] },
    /// By another parser.
    Parsed(Encoded),
}

/// Reads the packets of one connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// As the official text.
    Text(Assembler),
    /// By another parser.
    Parsed(Box<dyn Decoder>),
}

/// A buffer beyond this size is given back after use.
const MAX_SCRATCH: usize = 64 * 1024;

thread_local! {
    /// Packets are written here. It is taken out while in use: what is serialised may itself emit.
    static SCRATCH: Cell<(Vec<u8>, Vec<Bytes>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

impl Wire {
    pub(crate) fn new(limits: Limits, parser: Option<Arc<dyn Parser>>, counters: Arc<Counters>) -> Self {
        Self { limits, parser, counters }
    }

    /// Makes what reads the packets of one connection.
    pub(crate) fn incoming(&self, protocol: Protocol) -> Incoming {
        match &self.parser {
            None => Incoming::Text(Assembler::default()),
            Some(parser) => Incoming::Parsed(parser.decoder(protocol)),
        }
    }

    /// Writes a packet of this namespace, and hands on what can be sent to one or to many.
    pub(crate) fn write<R>(
        &self,
        namespace: &str,
        write: impl FnOnce(&mut Draft<'_>) -> Result<(), EncodeError>,
        send: impl FnOnce(Written<'_>) -> R,
    ) -> Result<R, EncodeError> {
        let (mut text, mut attachments) = SCRATCH.take();
        text.clear();
        attachments.clear();
        let result = match &self.parser {
            None => {
                let (text, attachments) = (&mut text, &mut attachments);
                write(&mut Draft { text, attachments, namespace, limits: &self.limits })
                    .map(|()| send(Written::Text { text, attachments }))
            }
            Some(parser) => self.parse(&**parser, namespace, write, &mut text, &mut attachments).map(send),
        };
        attachments.clear();
        if text.capacity() <= MAX_SCRATCH {
            SCRATCH.set((text, attachments));
        }
        if let Err(EncodeError::TooManyAttachments { .. }) = result {
            self.counters.bounds.max_attachments.add();
        }
        result
    }

    /// Has another parser write the packet that `write` has written.
    fn parse(
        &self,
        parser: &dyn Parser,
        namespace: &str,
        write: impl FnOnce(&mut Draft<'_>) -> Result<(), EncodeError>,
        text: &mut Vec<u8>,
        attachments: &mut Vec<Bytes>,
    ) -> Result<Written<'static>, EncodeError> {
        // How many attachments there may be, and what a namespace may be called, are matters of the official text.
        let limits = self.limits.with_max_attachments(usize::MAX);
        write(&mut Draft { text, attachments, namespace: "/", limits: &limits })?;
        let text = str::from_utf8(text).map_err(EncodeError::unsupported)?;
        let packet = Packet { namespace, ..decode(text, &limits).map_err(EncodeError::unsupported)? };
        parser.encode(&packet, attachments).map(Written::Parsed)
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

    /// Adds one more argument, a text without anything to escape, to the event that has been written.
    pub(crate) fn add_text(&mut self, text: &str) {
        self.text.pop();
        self.text.extend_from_slice(b",\"");
        self.text.extend_from_slice(text.as_bytes());
        self.text.extend_from_slice(b"\"]");
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
        match self {
            Self::Text { text, attachments } => connection.send_text(text, attachments, options),
            Self::Parsed(_) => connection.send(&self.frames(), options),
        }
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        let (text, attachments) = match self {
            Self::Text { text, attachments } => (text.len(), *attachments),
            Self::Parsed(encoded) => (encoded.as_text().map_or(0, str::len), encoded.binaries()),
        };
        text + attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Frames it, once for all who get it.
    pub(crate) fn frames(&self) -> Frames {
        match self {
            Self::Text { text, attachments } => Frames::new(text, attachments.to_vec()),
            Self::Parsed(encoded) => match encoded.as_text() {
                Some(text) => Frames::new(text.as_bytes(), encoded.binaries().to_vec()),
                None => Frames::binary(encoded.binaries().to_vec()),
            },
        }
    }
}

impl Incoming {
    /// Takes a message, and gives the packet that it completes to `take`.
    pub(crate) fn receive<E: From<DecodeError>>(
        &mut self,
        message: Message<'_>,
        limits: &Limits,
        take: impl FnOnce(&Packet<'_>, &[Bytes]) -> Result<(), E>,
    ) -> Result<(), E> {
        let assembled = match self {
            Self::Text(assembler) => match message {
                Message::Text(text) => {
                    return assembler.text(&text, limits)?.map_or(Ok(()), |packet| take(&packet, &[]));
                }
                Message::Binary(bytes) => assembler.binary(Bytes::from(bytes.into_owned()))?,
            },
            Self::Parsed(decoder) => decoder.decode(message, limits)?,
        };
        assembled.map_or(Ok(()), |whole| take(&whole.packet(), whole.attachments()))
    }

    /// Forgets a packet whose attachments did not come.
    pub(crate) fn reset(&mut self) {
        if let Self::Text(assembler) = self {
            assembler.reset();
        }
    }
}
