use std::borrow::Cow;
use std::mem;

use crate::assembly::{Assembly, DataKind};
use crate::deflate::{Deflate, InflateError};
use crate::header::{Header, InvalidHeader, MAX_HEADER};
use crate::{CloseFrame, Input, InvalidClose, Limits, Message, Opcode, mask};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Receives masked frames and sends plain ones.
    Server,
    /// Receives plain frames and sends masked ones.
    Client,
}

/// Turns what was read into messages.
///
/// Between frames and messages it holds no heap memory. While one is unfinished it holds what has arrived of it, and
/// gives that away with the message. After a close frame or an error nothing more is decoded.
///
/// ```text
///            header cut              payload cut
/// (nothing) ────────▶ (head) ──────────────────────▶ (frame)
///     ▲ ▲               │ payload whole                 │
///     │ └───────────────┘                               │
///     └──── message handed out, or waits as ────────────┘
///           an assembly for further fragments
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    role: Role,
    compression: Compression,
    phase: Phase,
    /// Boxed, for most connections have nothing open most of the time.
    open: Option<Box<Open>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Off,
    Agreed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// After a close frame or an error: the rest of the stream means nothing.
    Ended,
}

/// What has begun and not ended.
#[derive(Debug, Default)]
struct Open {
    head: Head,
    frame: Option<OpenFrame>,
    /// What came of an unfinished control frame.
    control: Vec<u8>,
    message: Option<Assembly>,
}

/// The first bytes of a header that has not arrived whole.
#[derive(Debug, Default)]
struct Head {
    bytes: [u8; MAX_HEADER],
    len: usize,
}

/// A frame whose header has been accepted.
#[derive(Clone, Copy, Debug)]
struct OpenFrame {
    header: Header,
    arrived: u64,
}

impl Decoder {
    /// A decoder for one connection, without compression.
    pub fn new(role: Role, limits: Limits) -> Self {
        Self { limits, role, compression: Compression::Off, phase: Phase::Running, open: None }
    }

    /// Accepts compressed messages if the handshake has agreed on them.
    #[must_use]
    pub fn with_deflate(mut self, agreed: Option<Deflate>) -> Self {
        self.compression = if agreed.is_some() { Compression::Agreed } else { Compression::Off };
        self
    }

    /// Takes the next message from `input`.
    ///
    /// `Ok(None)` means that all of `input` has been taken; what is unfinished is kept inside. So call it until then,
    /// or the messages that are left in the input are lost with it.
    ///
    /// # Errors
    /// [`ProtocolError`] when the peer breaks the protocol or a limit; the connection is to be closed with its
    /// [`close_code`](ProtocolError::close_code).
    pub fn decode<'i>(&mut self, input: &mut Input<'i>) -> Result<Option<Message<'i>>, ProtocolError> {
        let decoded = match self.phase {
            Phase::Running => self.next_message(input),
            Phase::Ended => Ok(None),
        };
        if matches!(decoded, Err(_) | Ok(Some(Message::Close(_)))) {
            self.phase = Phase::Ended;
            self.open = None;
        }
        if self.phase == Phase::Ended {
            input.clear();
        }
        decoded
    }

    /// Whether nothing is unfinished; then the decoder holds no heap memory.
    pub fn is_idle(&self) -> bool {
        self.open.is_none()
    }

    fn next_message<'i>(&mut self, input: &mut Input<'i>) -> Result<Option<Message<'i>>, ProtocolError> {
        while !input.is_empty() {
            let frame = match self.open.as_mut().and_then(|open| open.frame.take()) {
                Some(frame) => frame,
                None => match self.read_header(input)? {
                    Some(header) => OpenFrame { header, arrived: 0 },
                    None => return Ok(None),
                },
            };
            let message = self.read_payload(frame, input)?;
            self.release();
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }

    fn read_header(&mut self, input: &mut Input<'_>) -> Result<Option<Header>, ProtocolError> {
        let cut_head = self.open.as_mut().map(|open| &mut open.head).filter(|head| head.len > 0);
        let header = if let Some(head) = cut_head {
            head.complete(input)?
        } else if let Some((header, len)) = Header::parse(input.peek())? {
            input.take(len);
            Some(header)
        } else {
            self.open().head.keep(input);
            None
        };
        if let Some(header) = header {
            self.admit(header)?;
        }
        Ok(header)
    }

    /// Judges a header by what is agreed and what is open, before anything of its payload is kept.
    fn admit(&mut self, header: Header) -> Result<(), ProtocolError> {
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(ProtocolError::UnmaskedFrame),
            (Role::Client, Some(_)) => return Err(ProtocolError::MaskedFrame),
            (Role::Server, Some(_)) | (Role::Client, None) => {}
        }
        if header.is_compressed && self.compression == Compression::Off {
            return Err(ProtocolError::CompressionNotAgreed);
        }
        if header.opcode.is_control() {
            return Ok(());
        }
        let limits = self.limits;
        let begun = self.open.as_mut().and_then(|open| open.message.as_mut());
        match (DataKind::of(header.opcode), begun) {
            (None, Some(message)) => message.admit(header.payload_len, limits),
            (None, None) => Err(ProtocolError::NothingToContinue),
            (Some(_), Some(_)) => Err(ProtocolError::MessageNotFinished { found: header.opcode }),
            (Some(kind), None) => begin(kind, header).admit(header.payload_len, limits),
        }
    }

    fn read_payload<'i>(
        &mut self,
        mut frame: OpenFrame,
        input: &mut Input<'i>,
    ) -> Result<Option<Message<'i>>, ProtocolError> {
        let missing = frame.header.payload_len - frame.arrived;
        let piece = input.take(usize::try_from(missing).unwrap_or(usize::MAX));
        if let Some(key) = frame.header.mask {
            mask::apply(piece, key, frame.arrived);
        }
        let piece: &'i [u8] = piece;
        let lies_whole = frame.arrived == 0 && piece.len() as u64 == frame.header.payload_len;
        frame.arrived += piece.len() as u64;

        match DataKind::of(frame.header.opcode) {
            Some(kind) if lies_whole && frame.header.is_final => {
                let compressed = frame.header.is_compressed;
                let message = if compressed { kind.inflated(piece, self.limits) } else { kind.message(piece) };
                message.map(Some)
            }
            None if lies_whole && frame.header.opcode.is_control() => {
                control_message(frame.header.opcode, Cow::Borrowed(piece))
            }
            _ => self.keep_piece(frame, piece),
        }
    }

    /// Keeps a piece of a frame that is cut, or belongs to a fragmented message; the last piece completes the message.
    fn keep_piece(&mut self, frame: OpenFrame, piece: &[u8]) -> Result<Option<Message<'static>>, ProtocolError> {
        let limits = self.limits;
        let OpenFrame { header, arrived } = frame;
        let frame_ended = arrived == header.payload_len;
        let open = self.open();
        if !frame_ended {
            open.frame = Some(frame);
        }
        if header.opcode.is_control() {
            open.control.extend_from_slice(piece);
            if !frame_ended {
                return Ok(None);
            }
            return control_message(header.opcode, Cow::Owned(mem::take(&mut open.control)));
        }
        let mut message = match (open.message.take(), DataKind::of(header.opcode)) {
            (Some(message), _) => message,
            (None, Some(kind)) => {
                let mut message = begin(kind, header);
                message.admit(header.payload_len, limits)?;
                message
            }
            (None, None) => return Err(ProtocolError::NothingToContinue),
        };
        message.push(piece)?;
        if frame_ended && header.is_final {
            return message.finish(limits).map(Some);
        }
        open.message = Some(message);
        Ok(None)
    }

    fn open(&mut self) -> &mut Open {
        self.open.get_or_insert_default()
    }

    /// Gives the memory back once nothing is open.
    fn release(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.frame.is_none() && open.message.is_none()) {
            self.open = None;
        }
    }
}

impl Head {
    fn keep(&mut self, input: &mut Input<'_>) {
        let bytes = input.take(MAX_HEADER);
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.len = bytes.len();
    }

    /// Goes on byte by byte: only the header knows how long it is.
    fn complete(&mut self, input: &mut Input<'_>) -> Result<Option<Header>, InvalidHeader> {
        while let (Some(place), [byte]) = (self.bytes.get_mut(self.len), input.take(1)) {
            *place = *byte;
            self.len += 1;
            if let Some((header, _)) = Header::parse(&self.bytes[..self.len])? {
                self.len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

fn begin(kind: DataKind, header: Header) -> Assembly {
    if header.is_compressed { Assembly::compressed(kind) } else { Assembly::new(kind) }
}

fn control_message(opcode: Opcode, payload: Cow<'_, [u8]>) -> Result<Option<Message<'_>>, ProtocolError> {
    Ok(match opcode {
        Opcode::Ping => Some(Message::Ping(payload)),
        Opcode::Pong => Some(Message::Pong(payload)),
        Opcode::Close => Some(Message::Close(CloseFrame::parse(&payload)?)),
        Opcode::Continuation | Opcode::Text | Opcode::Binary => None,
    })
}

/// Why the stream of a peer can't be decoded any further. Always the peer's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A header that begins no frame.
    #[error(transparent)]
    Header(#[from] InvalidHeader),
    /// A close frame whose payload can't be read.
    #[error(transparent)]
    Close(#[from] InvalidClose),
    /// A plain frame from a client.
    #[error("unmasked frame from a client: expected a mask")]
    UnmaskedFrame,
    /// A masked frame from a server.
    #[error("masked frame from a server: expected no mask")]
    MaskedFrame,
    /// A compressed message on a connection without compression.
    #[error("compressed message (RSV1): the handshake has agreed on no compression")]
    CompressionNotAgreed,
    /// A continuation where no message has begun.
    #[error("continuation frame: expected the first frame of a message")]
    NothingToContinue,
    /// A new message inside an unfinished one.
    #[error("{found:?} frame inside an unfinished message: expected a continuation")]
    MessageNotFinished {
        /// The kind of message that began.
        found: Opcode,
    },
    /// A text message that is no text.
    #[error("text message is not UTF-8")]
    TextNotUtf8,
    /// A compressed message that can't be inflated.
    #[error("compressed message is not a deflate stream")]
    NotDeflate,
    /// A message longer than the limit, found by its headers or while inflating.
    #[error("message of at least {len} bytes exceeds `max_message` ({limit} bytes)")]
    MessageTooLarge {
        /// Bytes announced or inflated so far.
        len: u64,
        /// The limit in force.
        limit: usize,
    },
    /// A message in more frames than the limit.
    #[error("message of more frames than `max_fragments` ({limit})")]
    TooManyFragments {
        /// The limit in force.
        limit: u32,
    },
}

impl ProtocolError {
    /// The code of the close frame that tells the peer.
    ///
    /// See [RFC 6455, section 7.4.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1).
    pub fn close_code(&self) -> u16 {
        match self {
            Self::TextNotUtf8 | Self::NotDeflate | Self::Close(InvalidClose::ReasonNotUtf8) => 1007,
            Self::TooManyFragments { .. } => 1008,
            Self::MessageTooLarge { .. } => 1009,
            Self::Header(_)
            | Self::Close(_)
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::CompressionNotAgreed
            | Self::NothingToContinue
            | Self::MessageNotFinished { .. } => 1002,
        }
    }
}

impl From<InflateError> for ProtocolError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::NotDeflate => Self::NotDeflate,
            InflateError::TooLarge { len, limit } => Self::MessageTooLarge { len: len as u64, limit },
        }
    }
}
