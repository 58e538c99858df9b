use bytes::Bytes;

use super::{
    json::{BytesForm, Json, read_json},
    reader::{MAX_DEPTH, Reader, Token},
    writer::Writer,
};
use crate::socket::{Assembled, DecodeError, EncodeError, Packet, PacketType, Value};

/// Which packet types there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Types {
    /// 0 to 4.
    Plain,
    /// 5 and 6 as well.
    WithBinary,
}

/// Reads a message: one packet, as a map.
pub(super) fn read(bytes: &[u8], types: Types) -> Result<Assembled, DecodeError> {
    let fields = Fields::read(bytes)?;
    let kind = fields.kind.and_then(Token::as_integer).and_then(|kind| u8::try_from(kind).ok());
    let kind = match PacketType::try_from(kind.ok_or(DecodeError::InvalidType)?)? {
        kind if kind.is_binary() && types == Types::Plain => return Err(DecodeError::InvalidType),
        PacketType::BinaryEvent => PacketType::Event,
        PacketType::BinaryAck => PacketType::Ack,
        kind => kind,
    };
    let Some(Token::Text(namespace)) = fields.namespace else { return Err(DecodeError::InvalidNamespace) };
    let Json { text, attachments } = fields.payload(kind)?;
    let id = match fields.id {
        None => None,
        Some(id) => Some(id.as_integer().and_then(|id| u64::try_from(id).ok()).ok_or(DecodeError::InvalidId)?),
    };
    let kind = match kind {
        PacketType::Event if !attachments.is_empty() => PacketType::BinaryEvent,
        PacketType::Ack if !attachments.is_empty() => PacketType::BinaryAck,
        kind => kind,
    };
    Assembled::new(&Packet { kind, namespace, id, attachments: attachments.len(), payload: &text }, attachments)
}

/// Writes a packet, its fields in the order in which Node's server has them.
pub(super) fn write(packet: &Packet<'_>, attachments: &[Bytes]) -> Result<Vec<u8>, EncodeError> {
    let kind = match packet.kind {
        PacketType::BinaryEvent => PacketType::Event,
        PacketType::BinaryAck => PacketType::Ack,
        kind => kind,
    };
    let data: Option<Value> = match packet.payload {
        "" => None,
        payload => Some(serde_json::from_str(payload)?),
    };
    let mut writer = Writer::new(attachments);
    writer.map(2 + usize::from(data.is_some()) + usize::from(packet.id.is_some()))?;
    writer.text("type")?;
    writer.unsigned(u8::from(kind).into());
    if let Some(data) = &data {
        writer.text("data")?;
        writer.value(data)?;
    }
    if let Some(id) = packet.id {
        writer.text("id")?;
        writer.unsigned(id);
    }
    writer.text("nsp")?;
    writer.text(packet.namespace)?;
    writer.finish()
}

/// The fields of a packet as they came. What was `undefined` is not there.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Token<'a>>,
    namespace: Option<Token<'a>>,
    id: Option<Token<'a>>,
    data: Option<Data<'a>>,
}

/// A value that has been passed over.
#[derive(Clone, Copy)]
struct Data<'a> {
    first: Token<'a>,
    /// Where it begins.
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let Token::Map(len) = reader.token()? else { return Err(DecodeError::InvalidType) };
        let mut fields = Self::default();
        for _ in 0..len {
            let key = reader.skip(MAX_DEPTH)?;
            let start = reader;
            let value = reader.skip(MAX_DEPTH)?;
            let present = Some(value).filter(|value| *value != Token::Absent);
            match key {
                Token::Text("type") => fields.kind = present,
                Token::Text("nsp") => fields.namespace = present,
                Token::Text("id") => fields.id = present,
                Token::Text("data") => fields.data = present.map(|first| Data { first, reader: start }),
                // Clients add `options`.
                _ => {}
            }
        }
        match reader.remaining() {
            0 => Ok(fields),
            trailing => Err(DecodeError::malformed(format_args!("{trailing} trailing bytes"))),
        }
    }

    /// The data as JSON, if the type may have it.
    fn payload(&self, kind: PacketType) -> Result<Json, DecodeError> {
        let first = self.data.map(|data| data.first);
        let (valid, expected) = match kind {
            PacketType::Connect => (matches!(first, None | Some(Token::Map(_))), "an object or nothing"),
            PacketType::Disconnect => (first.is_none(), "nothing"),
            PacketType::ConnectError => (matches!(first, Some(Token::Map(_) | Token::Text(_))), "an object or a text"),
            _ => (matches!(first, Some(Token::Array(_))), "a list"),
        };
        if !valid {
            return Err(DecodeError::InvalidPayload { expected });
        }
        let bytes = match kind {
            PacketType::Connect | PacketType::Disconnect | PacketType::ConnectError => BytesForm::Object,
            _ => BytesForm::Attachment,
        };
        match self.data {
            Some(data) => read_json(data.reader, bytes),
            None => Ok(Json { text: String::new(), attachments: Vec::new() }),
        }
    }
}
