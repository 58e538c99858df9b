use smol_str::SmolStr;
use sockeye_protocol::socket::Value;

use super::{Broadcast, NodeId, RequestId, SocketDetails};
use crate::names::{Room, SocketId};
use crate::selection::Selection;

/// A message, who sent it, and the namespace it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The sender.
    pub from: NodeId,
    /// The namespace.
    pub namespace: SmolStr,
    /// What is told.
    pub message: Message,
}

/// What nodes tell each other about one namespace.
///
/// A selection means the sockets of whoever receives the message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// The sender has started; everybody answers with a heartbeat.
    Hello,
    /// The sender is alive.
    Heartbeat,
    /// The sender leaves the cluster.
    Farewell,
    /// An event for clients.
    Broadcast(Broadcast),
    /// Sockets join rooms.
    Join {
        /// Which sockets.
        to: Selection,
        /// Which rooms.
        rooms: Vec<Room>,
    },
    /// Sockets leave rooms.
    Leave {
        /// Which sockets.
        to: Selection,
        /// Which rooms.
        rooms: Vec<Room>,
    },
    /// Sockets are disconnected.
    Disconnect {
        /// Which sockets.
        to: Selection,
        /// Their connections are closed with them.
        close: bool,
    },
    /// Asks for sockets; each node answers with [`Sockets`](Self::Sockets).
    FetchSockets {
        /// Which sockets.
        to: Selection,
        /// What answers name.
        request: RequestId,
    },
    /// Answers [`FetchSockets`](Self::FetchSockets).
    Sockets {
        /// What was asked.
        request: RequestId,
        /// Those of the sender.
        sockets: Vec<SocketDetails>,
    },
    /// An event for servers.
    ServerSideEmit {
        /// The event's name, a text, and its arguments.
        event: Vec<Value>,
        /// Set if each node is asked for a [`ServerSideAnswer`](Self::ServerSideAnswer).
        request: Option<RequestId>,
    },
    /// Answers [`ServerSideEmit`](Self::ServerSideEmit).
    ServerSideAnswer {
        /// What was asked.
        request: RequestId,
        /// The one value it was answered with.
        answer: Value,
    },
    /// Answers a broadcast that asks for answers: so many clients of the sender have it.
    ClientCount {
        /// What was asked.
        request: RequestId,
        /// How many clients.
        count: u64,
    },
    /// The answer of one client to a broadcast.
    ClientAnswer {
        /// What was asked.
        request: RequestId,
        /// The first value it answered with.
        answer: Value,
    },
    /// Asks for all rooms; each node answers with [`Rooms`](Self::Rooms).
    AllRooms {
        /// What answers name.
        request: RequestId,
    },
    /// Answers [`AllRooms`](Self::AllRooms).
    Rooms {
        /// What was asked.
        request: RequestId,
        /// Those of the sender, the ones of socket ids among them.
        rooms: Vec<Room>,
    },
    /// Asks for ids of sockets, as nodes of earlier versions do; each node answers with [`Ids`](Self::Ids).
    SocketIds {
        /// Which sockets.
        to: Selection,
        /// What answers name.
        request: RequestId,
    },
    /// Answers [`SocketIds`](Self::SocketIds).
    Ids {
        /// What was asked.
        request: RequestId,
        /// Those of the sender.
        ids: Vec<SocketId>,
    },
    /// A join, leave or disconnect of one socket by its id, as nodes of earlier versions ask for it. The node that has the
    /// socket answers with [`Done`](Self::Done).
    Ordered {
        /// What the answer names.
        request: RequestId,
        /// What is to be done.
        order: Box<Self>,
    },
    /// Answers [`Ordered`](Self::Ordered).
    Done {
        /// What was asked.
        request: RequestId,
    },
}

impl Message {
    /// What the message is, in a few words, for logs and errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Heartbeat => "heartbeat",
            Self::Farewell => "farewell",
            Self::Broadcast(_) => "broadcast",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Disconnect { .. } => "disconnect",
            Self::FetchSockets { .. } => "request for sockets",
            Self::Sockets { .. } => "sockets",
            Self::ServerSideEmit { .. } => "server-side event",
            Self::ServerSideAnswer { .. } => "answer to a server-side event",
            Self::ClientCount { .. } => "count of clients",
            Self::ClientAnswer { .. } => "answer of a client",
            Self::AllRooms { .. } => "request for rooms",
            Self::Rooms { .. } => "rooms",
            Self::SocketIds { .. } => "request for socket ids",
            Self::Ids { .. } => "socket ids",
            Self::Ordered { .. } => "order for one socket",
            Self::Done { .. } => "order carried out",
        }
    }

    /// The request that this answers, if it is an answer: it goes to whoever asked, and to nobody else.
    pub fn answers(&self) -> Option<&RequestId> {
        match self {
            Self::Sockets { request, .. }
            | Self::ServerSideAnswer { request, .. }
            | Self::ClientCount { request, .. }
            | Self::ClientAnswer { request, .. }
            | Self::Rooms { request, .. }
            | Self::Ids { request, .. }
            | Self::Done { request } => Some(request),
            _ => None,
        }
    }
}
