//! One client in one namespace.

mod life; // From its CONNECT to its end.
mod membership; // The rooms it is in, and its user.

use std::fmt;
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use sockeye_adapter::{IntoRooms, MemberKey, SocketId};
use sockeye_engine::{Connection, Protocol, Transport};
use sockeye_protocol::socket::ToArguments;

use crate::ack::{AckFuture, PendingAcks};
use crate::client::Client;
use crate::data::SocketData;
use crate::dispatch::EventQueue;
use crate::emit::{Broadcast, Emit, EmitError};
use crate::event_rate::Pace;
use crate::extensions::Extensions;
use crate::handlers::Handlers;
use crate::handshake::Handshake;
use crate::namespace::Namespace;
use crate::recovery::Recoverable;
use crate::server::Settings;
use crate::wire::Wire;

/// A client in a namespace. Cheap to clone; all clones are the same socket.
///
/// A handle may be kept: after the client has gone it does nothing, but it holds what the socket held.
#[derive(Clone)]
pub struct Socket(Arc<SocketInner>);

pub(crate) struct SocketInner {
    id: SocketId,
    namespace: Namespace,
    client: Arc<Client>,
    /// The client's, here too: a broadcast to thousands need not look for it in thousands of other places.
    connection: Connection,
    /// Its place in the namespace's rooms.
    key: OnceLock<MemberKey>,
    /// The client's `auth` as JSON; `None` stands for `{}`.
    auth: Option<Box<str>>,
    state: AtomicU8,
    pub(crate) acks: PendingAcks,
    pub(crate) events: EventQueue,
    /// Of use only if the rate of events is bounded.
    pub(crate) pace: Pace,
    /// What is kept for its client if it may come back.
    recoverable: Option<Box<Recoverable>>,
    /// Handlers of this socket alone, values that belong to it, and its user: many sockets have none of them.
    own: OnceLock<Box<Own>>,
}

#[derive(Default)]
struct Own {
    handlers: Handlers,
    extensions: Extensions,
    data: SocketData,
    user: Mutex<Option<SmolStr>>,
}

impl Socket {
    pub(crate) fn from_inner(inner: Arc<SocketInner>) -> Self {
        Self(inner)
    }

    pub(crate) fn inner(&self) -> &SocketInner {
        &self.0
    }

    /// Its id: public, unique, and new for every connection. It is also the name of a room that holds this socket alone.
    pub fn id(&self) -> &SocketId {
        &self.0.id
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> Namespace {
        self.0.namespace.clone()
    }

    pub(crate) fn namespace_ref(&self) -> &Namespace {
        &self.0.namespace
    }

    pub(crate) fn namespace_name(&self) -> &str {
        self.0.namespace.name()
    }

    /// The server it is connected to; `None` if that has been dropped.
    pub fn server(&self) -> Option<crate::Server> {
        self.0.namespace.server()
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.0.client
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.namespace.inner().settings
    }

    pub(crate) fn wire(&self) -> &Wire {
        self.0.namespace.wire()
    }

    pub(crate) fn acks(&self) -> &PendingAcks {
        &self.0.acks
    }

    pub(crate) fn server_state(&self) -> &Extensions {
        &self.settings().state
    }

    pub(crate) fn auth_json(&self) -> &str {
        self.0.auth.as_deref().unwrap_or("{}")
    }

    /// What the client told when it connected.
    pub fn handshake(&self) -> Handshake {
        Handshake(self.clone())
    }

    /// The transport that carries the connection now.
    pub fn transport(&self) -> Transport {
        self.connection().transport()
    }

    /// The revision of Engine.IO that the client speaks: 3 for clients before 3.0, 4 since.
    pub fn protocol(&self) -> Protocol {
        self.connection().protocol()
    }

    /// Sends an event to this client. A tuple is several arguments, `()` none, everything else one.
    ///
    /// Never blocks. Delivered at most once and in order; to a socket that is gone nothing is sent, which is no error.
    ///
    /// # Errors
    /// [`EmitError`] if the event can't be sent; then nothing has been.
    pub fn emit(&self, event: &str, arguments: impl ToArguments) -> Result<(), EmitError> {
        Emit::new(self.clone()).emit(event, arguments)
    }

    /// Sends the event `message`.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send(&self, arguments: impl ToArguments) -> Result<(), EmitError> {
        self.emit("message", arguments)
    }

    /// Sends an event and waits for the client's answer, at most 30 s. See [`Emit::emit_with_ack`].
    ///
    /// ```no_run
    /// # async fn f(socket: sockeye::Socket) -> Result<(), sockeye::AckError> {
    /// let name: String = socket.emit_with_ack("who are you?", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The future ends with [`AckError`](crate::AckError); a disconnect ends it at once.
    pub fn emit_with_ack<T: DeserializeOwned>(&self, event: &str, arguments: impl ToArguments) -> AckFuture<T> {
        Emit::new(self.clone()).emit_with_ack(event, arguments)
    }

    /// Sets how long the next [`emit_with_ack`](Emit::emit_with_ack) waits.
    pub fn timeout(&self, timeout: Duration) -> Emit {
        Emit::new(self.clone()).timeout(timeout)
    }

    /// Lets the next [`emit_with_ack`](Emit::emit_with_ack) wait until the client has answered or gone.
    pub fn no_timeout(&self) -> Emit {
        Emit::new(self.clone()).no_timeout()
    }

    /// Lets the next event be dropped if the transport can't take it right now.
    pub fn volatile(&self) -> Emit {
        Emit::new(self.clone()).volatile()
    }

    /// Sets whether the next event may be compressed. See [`Broadcast::compress`].
    ///
    /// ```no_run
    /// # fn f(socket: sockeye::Socket, archive: String) -> Result<(), sockeye::EmitError> {
    /// socket.compress(false).emit("archive", archive)
    /// # }
    /// ```
    pub fn compress(&self, compress: bool) -> Emit {
        Emit::new(self.clone()).compress(compress)
    }

    /// Chooses all other sockets of the namespace.
    pub fn broadcast(&self) -> Broadcast {
        self.0.namespace.broadcast().except(&self.0.id)
    }

    /// Chooses the other sockets in these rooms. See [`Broadcast::to`].
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to): JavaScript's `in`, which is a keyword here.
    pub fn within(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Chooses all other sockets but those in these rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Chooses all other sockets of this node.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Its own handlers, for one to be added.
    pub(crate) fn handlers(&self) -> &Handlers {
        &self.own().handlers
    }

    /// Its own handlers, if it ever had any.
    pub(crate) fn own_handlers(&self) -> Option<&Handlers> {
        self.0.own.get().map(|own| &own.handlers)
    }

    /// Values that belong to this socket, one of each type. The extractor [`Extension`](crate::Extension) takes them.
    pub fn extensions(&self) -> &Extensions {
        &self.own().extensions
    }

    pub(crate) fn extension<T: Clone + 'static>(&self) -> Option<T> {
        self.0.own.get()?.extensions.get()
    }

    /// Values by name that belong to this socket: Node's `socket.data`.
    pub fn data(&self) -> &SocketData {
        &self.own().data
    }

    pub(crate) fn data_values(&self) -> serde_json::Map<String, serde_json::Value> {
        self.0.own.get().map(|own| own.data.values()).unwrap_or_default()
    }

    fn own(&self) -> &Own {
        self.0.own.get_or_init(Box::default)
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", self.id())
            .field("namespace", &self.namespace_name())
            .finish_non_exhaustive()
    }
}
