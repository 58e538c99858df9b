use sockeye_protocol::socket::Value;

use crate::names::{Room, SocketId};

/// A socket of another node.
#[derive(Clone, Debug, PartialEq)]
pub struct SocketDetails {
    /// Its id.
    pub id: SocketId,
    /// Its handshake, in the form that Node's servers have.
    pub handshake: Value,
    /// The rooms it is in, that of its own id among them.
    pub rooms: Vec<Room>,
    /// What the application keeps for it.
    pub data: Value,
}
