//! What happens to rooms.

use crate::names::{Room, SocketId};

/// How a room came by its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// Sockets have joined it.
    Joined,
    /// It is that of a socket's own id.
    SocketId,
    /// It is that of a user, in which the devices are.
    User,
}

/// What happened to a room. The first to join creates it; when the last has left it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// A room came into being; its first socket joins it next.
    Created {
        /// The room.
        room: Room,
    },
    /// A socket joined.
    Joined {
        /// The room.
        room: Room,
        /// Who joined.
        socket: SocketId,
    },
    /// A socket left.
    Left {
        /// The room.
        room: Room,
        /// Who left.
        socket: SocketId,
    },
    /// Nobody is in the room any more.
    Deleted {
        /// The room.
        room: Room,
    },
}

impl RoomEvent {
    /// The room that it happened to.
    pub fn room(&self) -> &Room {
        match self {
            Self::Created { room } | Self::Joined { room, .. } | Self::Left { room, .. } | Self::Deleted { room } => {
                room
            }
        }
    }
}
