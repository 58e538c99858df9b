//! Packets as JSON: `{"type":2,"nsp":"/","data":["event",1],"id":7}`, one text message each.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sockeye::parser::{
    Assembled, DecodeError, Decoder, EncodeError, Encoded, Limits, Message, Packet, PacketType, Parser, Protocol,
};

/// Writes and reads packets as JSON. Events with bytes can't be sent.
pub(crate) struct JsonParser;

#[derive(Deserialize, Serialize)]
struct JsonPacket<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(borrow)]
    nsp: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
}

impl Parser for JsonParser {
    fn encode(&self, packet: &Packet<'_>, attachments: &[Bytes]) -> Result<Encoded, EncodeError> {
        if !attachments.is_empty() {
            return Err(EncodeError::unsupported("JSON has no bytes"));
        }
        let data = match packet.payload {
            "" => None,
            json => Some(serde_json::from_str(json)?),
        };
        let packet = JsonPacket { kind: packet.kind.into(), nsp: packet.namespace.into(), data, id: packet.id };
        Ok(Encoded::text(serde_json::to_string(&packet)?))
    }

    fn decoder(&self, _: Protocol) -> Box<dyn Decoder> {
        Box::new(Self)
    }
}

impl Decoder for JsonParser {
    fn decode(&mut self, message: Message<'_>, _: &Limits) -> Result<Option<Assembled>, DecodeError> {
        let Message::Text(text) = message else {
            return Err(DecodeError::malformed("expected text"));
        };
        let packet: JsonPacket<'_> = serde_json::from_str(&text).map_err(DecodeError::malformed)?;
        let kind = PacketType::try_from(packet.kind).ok().filter(|kind| !kind.is_binary());
        let packet = Packet {
            kind: kind.ok_or(DecodeError::InvalidType)?,
            namespace: &packet.nsp,
            id: packet.id,
            attachments: 0,
            payload: packet.data.map_or("", RawValue::get),
        };
        Assembled::new(&packet, vec![]).map(Some)
    }
}
