use bytes::Bytes;
use smol_str::SmolStr;

use super::{Arguments, DecodeError, Event, Packet, PacketType, decode, split_event};
use crate::Limits;

/// Joins packets with their attachments, which follow as binary messages of the same connection.
///
/// One per connection; as large as a pointer while nothing is pending. What a peer can make it hold is bounded by
/// [`Limits`]: one text and `max_attachments` messages.
///
/// ```
/// use sockeye_protocol::{Limits, socket::Assembler};
///
/// let mut assembler = Assembler::default();
/// let text = r#"51-["save",{"_placeholder":true,"num":0}]"#;
/// assert!(assembler.text(text, &Limits::default())?.is_none());
/// let assembled = assembler.binary(vec![1, 2, 3])?.expect("one attachment was announced");
/// let bytes: bytes::Bytes = assembled.event()?.arguments.deserialize()?;
/// assert_eq!(bytes, [1, 2, 3].as_slice());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Assembler {
    /// The packet whose attachments are still missing.
    pending: Option<Box<Pending>>,
}

#[derive(Debug)]
struct Pending {
    packet: Assembled,
    /// Attachments announced in the head.
    expected: usize,
}

impl Assembler {
    /// Takes a text message: a packet, which is handed out at once if it has no attachments.
    ///
    /// # Errors
    /// [`DecodeError`] if it is no packet, or if an attachment had to come.
    pub fn text<'a>(&mut self, text: &'a str, limits: &Limits) -> Result<Option<Packet<'a>>, DecodeError> {
        if let Some(pending) = &self.pending {
            return Err(DecodeError::UnexpectedText { missing: pending.missing() });
        }
        let packet = decode(text, limits)?;
        if packet.attachments == 0 {
            return Ok(Some(packet));
        }
        self.pending = Some(Box::new(Pending { expected: packet.attachments, packet: Assembled::new(&packet) }));
        Ok(None)
    }

    /// Takes a binary message: an attachment. The last one completes its packet.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedBinary`] if no attachment was announced.
    pub fn binary(&mut self, bytes: impl Into<Bytes>) -> Result<Option<Assembled>, DecodeError> {
        let Some(mut pending) = self.pending.take() else { return Err(DecodeError::UnexpectedBinary) };
        pending.packet.attachments.push(bytes.into());
        if pending.missing() == 0 {
            return Ok(Some(pending.packet));
        }
        self.pending = Some(pending);
        Ok(None)
    }

    /// Forgets a packet whose attachments did not come.
    pub fn reset(&mut self) {
        self.pending = None;
    }
}

impl Pending {
    fn missing(&self) -> usize {
        self.expected.saturating_sub(self.packet.attachments.len())
    }
}

/// A packet with all its attachments.
#[derive(Clone, Debug)]
pub struct Assembled {
    kind: PacketType,
    namespace: SmolStr,
    id: Option<u64>,
    payload: Box<str>,
    attachments: Vec<Bytes>,
}

impl Assembled {
    fn new(packet: &Packet<'_>) -> Self {
        Self {
            kind: packet.kind,
            namespace: packet.namespace.into(),
            id: packet.id,
            payload: packet.payload.into(),
            attachments: Vec::with_capacity(packet.attachments),
        }
    }

    /// The packet, as its text told.
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            kind: self.kind,
            namespace: &self.namespace,
            id: self.id,
            attachments: self.attachments.len(),
            payload: &self.payload,
        }
    }

    /// The attachments, in their order.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// The event in it, attachments included.
    ///
    /// # Errors
    /// As [`split_event`].
    pub fn event(&self) -> Result<Event<'_>, DecodeError> {
        let Event { name, arguments } = split_event(&self.payload)?;
        Ok(Event { name, arguments: arguments.with_attachments(&self.attachments) })
    }

    /// The arguments of the answer in it, attachments included.
    ///
    /// # Errors
    /// As [`Arguments::from_ack`].
    pub fn ack(&self) -> Result<Arguments<'_>, DecodeError> {
        Arguments::from_ack(&self.payload, &self.attachments)
    }
}
