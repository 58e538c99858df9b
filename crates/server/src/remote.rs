//! A socket as it was when it was asked for, wherever it is.

use serde::de::DeserializeOwned;
use serde_json::Value;
use sockeye_adapter::cluster::SocketDetails;
use sockeye_adapter::{IntoRooms, Room, SocketId};
use sockeye_protocol::socket::{self, ToArguments};

use crate::ack::AckError;
use crate::emit::{Broadcast, EmitError};
use crate::namespace::Namespace;
use crate::socket::Socket;

/// A socket as [`fetch_sockets`](Namespace::fetch_sockets) found it. What it tells does not change any more; what is
/// done through it reaches the socket, if that is still there.
#[derive(Clone, Debug)]
pub struct RemoteSocket {
    id: SocketId,
    namespace: Namespace,
    rooms: Vec<Room>,
    data: Value,
    handshake: Value,
}

impl RemoteSocket {
    pub(crate) fn of(socket: &Socket) -> Self {
        Self {
            id: socket.id().clone(),
            namespace: socket.namespace(),
            rooms: socket.rooms(),
            data: Value::Object(socket.data_values()),
            handshake: socket.handshake().to_json(),
        }
    }

    /// A socket of another node.
    pub(crate) fn elsewhere(namespace: &Namespace, details: SocketDetails) -> Self {
        let SocketDetails { id, handshake, rooms, data } = details;
        Self { id, namespace: namespace.clone(), rooms, data: json(data), handshake: json(handshake) }
    }

    /// What other nodes are told of it.
    pub(crate) fn into_details(self) -> SocketDetails {
        SocketDetails { id: self.id, handshake: self.handshake.into(), rooms: self.rooms, data: self.data.into() }
    }

    /// Its id.
    pub fn id(&self) -> &SocketId {
        &self.id
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The rooms it was in, that of its own id first.
    pub fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    /// Its [data](Socket::data), a JSON object.
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// What its client told when it connected, in the shape of [`Handshake::to_json`](crate::Handshake::to_json).
    pub fn handshake(&self) -> &Value {
        &self.handshake
    }

    /// The socket as a choice for an emit with settings of its own.
    pub fn broadcast(&self) -> Broadcast {
        self.namespace.to(&self.id)
    }

    /// Sends an event to it.
    ///
    /// # Errors
    /// [`EmitError`] if the event can't be sent to anybody; that the socket has gone is no error.
    pub fn emit(&self, event: &str, arguments: impl ToArguments) -> Result<(), EmitError> {
        self.broadcast().emit(event, arguments)
    }

    /// Sends an event to it and waits for its answer, at most 30 s.
    ///
    /// # Errors
    /// [`AckError`]; [`AckError::Disconnected`] if the socket has gone.
    pub async fn emit_with_ack<T: DeserializeOwned + Send + 'static>(
        &self,
        event: &str,
        arguments: impl ToArguments,
    ) -> Result<T, AckError> {
        let mut replies = self.broadcast().emit_with_ack(event, arguments).await?;
        match (replies.answers.pop(), replies.missing.pop()) {
            (Some((_, answer)), _) => Ok(answer),
            (None, Some((_, error))) => Err(error),
            (None, None) => Err(AckError::Disconnected),
        }
    }

    /// Makes it join rooms.
    pub fn join(&self, rooms: impl IntoRooms) {
        self.broadcast().sockets_join(rooms);
    }

    /// Makes it leave rooms.
    pub fn leave(&self, rooms: impl IntoRooms) {
        self.broadcast().sockets_leave(rooms);
    }

    /// Disconnects it from its namespace.
    pub fn disconnect(&self) {
        self.broadcast().disconnect_sockets();
    }

    /// Closes its connection, with all namespaces on it.
    pub fn close(&self) {
        self.broadcast().close_sockets();
    }
}

/// What another node told, as JSON. Bytes are a list of numbers there.
fn json(value: socket::Value) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
