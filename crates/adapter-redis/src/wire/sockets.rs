use sockeye_adapter::{SocketId, cluster::SocketDetails};
use sockeye_protocol::socket::Value;

use super::{
    DecodeError,
    fields::{Fields, object},
    options::names,
};

/// `[{id, handshake, rooms, data}, …]`.
pub(super) fn write(sockets: &[SocketDetails]) -> Value {
    let one = |socket: &SocketDetails| {
        object([
            ("id", socket.id.as_str().into()),
            ("handshake", socket.handshake.clone()),
            ("rooms", names(&socket.rooms)),
            ("data", socket.data.clone()),
        ])
    };
    Value::Array(sockets.iter().map(one).collect())
}

/// Reads the list.
pub(super) fn read(sockets: Vec<Value>) -> Result<Vec<SocketDetails>, DecodeError> {
    let one = |socket| {
        let mut fields = Fields::of(socket, "sockets")?;
        Ok(SocketDetails {
            id: SocketId::new(fields.text("id")?),
            handshake: fields.take("handshake"),
            rooms: fields.rooms("rooms")?,
            data: fields.take("data"),
        })
    };
    sockets.into_iter().map(one).collect()
}
