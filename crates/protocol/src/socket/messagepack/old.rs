use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::socket::{Assembled, DecodeError, Packet, PacketType};

/// What version 2 of the npm package sends as text: packets that open and close a namespace.
#[derive(Deserialize)]
struct TextPacket<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(borrow)]
    nsp: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Reads a text of version 2 of the npm package.
pub(super) fn read_text(text: &str) -> Result<Assembled, DecodeError> {
    let packet: TextPacket<'_> = serde_json::from_str(text).map_err(DecodeError::malformed)?;
    let kind @ (PacketType::Connect | PacketType::Disconnect) = PacketType::try_from(packet.kind)? else {
        return Err(DecodeError::InvalidType);
    };
    let payload = packet.data.map_or("", RawValue::get);
    Assembled::new(&Packet { kind, namespace: &packet.nsp, id: None, attachments: 0, payload }, Vec::new())
}
