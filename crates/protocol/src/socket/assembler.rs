use bytes::Bytes;
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::{Arguments, DecodeError, Event, Packet, PacketType, decode, packet::check_payload, split_event};
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
        self.pending = Some(Box::new(Pending { expected: packet.attachments, packet: Assembled::awaiting(&packet) }));
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
    /// Mostly there is one, which then needs no list of its own.
    attachments: SmallVec<[Bytes; 1]>,
}

impl Assembled {
    /// A packet that a [`Parser`](super::Parser) of one's own has read, with all its attachments.
    ///
    /// # Errors
    /// [`DecodeError::InvalidPayload`] if the payload is not of the kind that the type allows: it begins and ends as an
    /// array, an object or a string does. Whether it is JSON in between is found out when it is used.
    pub fn new(packet: &Packet<'_>, attachments: Vec<Bytes>) -> Result<Self, DecodeError> {
        let payload = check_payload(packet.kind, packet.payload)?;
        Ok(Self { attachments: attachments.into(), ..Self::awaiting(&Packet { attachments: 0, payload, ..*packet }) })
    }

    /// A packet whose attachments are still to come.
    fn awaiting(packet: &Packet<'_>) -> Self {
        Self {
            kind: packet.kind,
            namespace: packet.namespace.into(),
            id: packet.id,
            payload: packet.payload.into(),
            attachments: SmallVec::with_capacity(packet.attachments),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Value;

    const ONE: &str = r#"51-/a,7["f",{"_placeholder":true,"num":0}]"#;
    const TWO: &str = r#"62-1[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;

    fn limits() -> Limits {
        Limits::default()
    }

    #[test]
    fn an_idle_assembler_is_as_large_as_a_pointer() {
        assert_eq!(size_of::<Assembler>(), size_of::<usize>());
    }

    #[test]
    fn a_packet_without_attachments_is_complete_at_once() {
        let mut assembler = Assembler::default();
        for text in [r#"2["a"]"#, r#"50-["a"]"#, r#"5-["a"]"#, r#"2["b"]"#] {
            assert!(assembler.text(text, &limits()).unwrap().is_some(), "{text}");
        }
        assert_eq!(assembler.binary(vec![1]).unwrap_err(), DecodeError::UnexpectedBinary);
    }

    #[test]
    fn the_last_attachment_completes_its_packet() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.text(ONE, &limits()), Ok(None));
        let whole = assembler.binary(vec![1]).unwrap().unwrap();
        assert_eq!(Ok(whole.packet()), decode(ONE, &limits()));
        assert_eq!(whole.event().unwrap().name, "f");
        assert_eq!(assembler.text(TWO, &limits()), Ok(None));
        assert!(assembler.binary(vec![1]).unwrap().is_none());
        let whole = assembler.binary(Bytes::new()).unwrap().unwrap();
        let (second, first): (Value, Bytes) = whole.ack().unwrap().deserialize().unwrap();
        assert_eq!((second, first), (Value::Binary(Bytes::new()), Bytes::from_static(&[1])));
    }

    #[test]
    fn text_amid_attachments_is_refused() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.text(TWO, &limits()), Ok(None));
        let error = assembler.text(r#"2["a"]"#, &limits()).unwrap_err();
        assert_eq!(error, DecodeError::UnexpectedText { missing: 2 });
        assert!(error.to_string().starts_with("got plaintext data when reconstructing a packet"));
    }

    #[test]
    fn bytes_out_of_the_blue_are_refused() {
        let error = Assembler::default().binary(vec![]).unwrap_err();
        assert_eq!(error.to_string(), "got binary data when not reconstructing a packet");
    }

    #[test]
    fn a_reset_assembler_begins_anew() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.text(ONE, &limits()), Ok(None));
        assembler.reset();
        assert!(assembler.text(r#"2["a"]"#, &limits()).unwrap().is_some());
    }
}
