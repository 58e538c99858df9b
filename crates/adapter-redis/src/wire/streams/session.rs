use sockeye_adapter::{PrivateId, Room, SocketId};
use sockeye_protocol::socket::Value;

use super::entry::{from_base64, to_base64};
use crate::wire::{
    DecodeError, EncodeError,
    fields::{Fields, object},
    options::names,
};

/// What a client left behind that may come back: the value of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The socket's id.
    pub id: SocketId,
    /// The secret with which the client claims it.
    pub private_id: PrivateId,
    /// The rooms it was in, that of its own id among them.
    pub rooms: Vec<Room>,
    /// What the application kept for it.
    pub data: Value,
}

impl Session {
    /// The key of the session with this secret. `prefix` is `sio:session:`, unless Node's servers set another
    /// `sessionKeyPrefix`.
    pub fn key(prefix: &str, private_id: &PrivateId) -> String {
        [prefix, private_id.as_str()].concat()
    }

    /// The value, a text.
    ///
    /// # Errors
    /// [`EncodeError::Value`] for data that nests too deep.
    pub fn encode(&self) -> Result<String, EncodeError> {
        to_base64(&object([
            ("sid", self.id.as_str().into()),
            ("pid", self.private_id.as_str().into()),
            ("rooms", names(&self.rooms)),
            ("data", self.data.clone()),
        ]))
    }

    /// Reads the value.
    ///
    /// # Errors
    /// [`DecodeError`] for what is no session.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::of(from_base64(value, "session")?, "session")?;
        Ok(Self {
            id: SocketId::new(fields.text("sid")?),
            private_id: PrivateId::new(fields.text("pid")?),
            rooms: fields.rooms("rooms")?,
            data: fields.take("data"),
        })
    }
}
