//! One client in one namespace.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use sockeye_adapter::{IntoRooms, JoinError, MemberKey, Room, Rooms, Selection, SocketId};
use sockeye_engine::{Closed, Connection, Protocol, Transport};
use sockeye_protocol::socket::ToArguments;

use crate::ack::{AckFuture, PendingAcks};
use crate::client::Client;
use crate::data::SocketData;
use crate::disconnect::{Departure, DisconnectReason};
use crate::dispatch::{self, EventQueue};
use crate::emit::{Broadcast, Emit, EmitError};
use crate::extensions::Extensions;
use crate::handlers::Handlers;
use crate::handshake::Handshake;
use crate::namespace::Namespace;
use crate::recovery::{Keeper, Recoverable, Restored};
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
    /// Its place in the namespace's rooms.
    key: OnceLock<MemberKey>,
    /// The client's `auth` as JSON; `None` stands for `{}`.
    auth: Option<Box<str>>,
    state: AtomicU8,
    pub(crate) acks: PendingAcks,
    pub(crate) events: EventQueue,
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

/// What the socket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Connecting,
    Connected,
    /// Its handlers are being told; it is still in its rooms.
    Disconnecting,
    Disconnected,
}

impl Socket {
    /// A socket that is not connected yet, registered with its namespace, which is [held](crate::holds) for it.
    pub(crate) fn register(
        id: SocketId,
        namespace: Namespace,
        client: Arc<Client>,
        auth: Option<Box<str>>,
        recoverable: Option<Recoverable>,
    ) -> Self {
        let restored = recoverable.as_ref().and_then(Recoverable::restored);
        let inner = Arc::new(SocketInner {
            id: id.clone(),
            namespace,
            client,
            key: OnceLock::new(),
            auth,
            state: AtomicU8::new(State::Connecting as u8),
            acks: PendingAcks::default(),
            events: EventQueue::default(),
            recoverable: recoverable.map(Box::new),
            own: OnceLock::new(),
        });
        let key = inner.namespace.inner().rooms.lock().insert(id, inner.clone());
        // Set here and nowhere else.
        let _ = inner.key.set(key);
        let socket = Self(inner);
        if let Some(restored) = restored {
            socket.restore(restored);
        }
        if let Some((keeper, recoverable)) = socket.recovery() {
            keeper.expect(&socket, recoverable);
        }
        socket
    }

    /// Gives the socket what its client left behind.
    fn restore(&self, restored: Restored) {
        let Restored { rooms, user, data } = restored;
        if !data.is_empty() {
            let _ = self.0.own.set(Box::new(Own { data: SocketData::new(data), ..Own::default() }));
        }
        if let Some(user) = user {
            self.set_user(user);
        }
        // They were allowed before.
        let _ = self.join(rooms);
    }

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
        self.0.client.connection()
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

    /// Whether the client is connected to this namespace: not yet in a middleware, no more after it has left.
    pub fn is_connected(&self) -> bool {
        self.state() == State::Connected
    }

    pub(crate) fn may_send(&self) -> bool {
        self.state() != State::Disconnected
    }

    fn state(&self) -> State {
        match self.0.state.load(Ordering::Acquire) {
            0 => State::Connecting,
            1 => State::Connected,
            2 => State::Disconnecting,
            _ => State::Disconnected,
        }
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

    /// Chooses all other sockets of this node. There are no others yet.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Joins rooms; those it is in already stay as they are. Nothing happens once it has been disconnected.
    ///
    /// # Errors
    /// [`JoinError::TooManyRooms`] at the bound `max_rooms`, [`JoinError::Reserved`] for a user's room; the rooms before that
    /// one have been joined.
    pub fn join(&self, rooms: impl IntoRooms) -> Result<(), JoinError> {
        let wanted = Selection::all().to(rooms);
        self.change_rooms(|rooms, key| {
            wanted.rooms().unwrap_or_default().iter().try_for_each(|room| rooms.join(key, room.clone()))
        })
        .unwrap_or(Ok(()))
    }

    /// Leaves rooms. The room of its own id can't be left.
    pub fn leave(&self, rooms: impl IntoRooms) {
        let unwanted = Selection::all().to(rooms);
        self.change_rooms(|rooms, key| {
            for room in unwanted.rooms().unwrap_or_default() {
                rooms.leave(key, room.as_str());
            }
        });
    }

    /// Leaves all rooms but that of its own id.
    pub fn leave_all(&self) {
        self.change_rooms(Rooms::leave_all);
    }

    /// The rooms it is in, that of its own id first; none after it has been disconnected.
    pub fn rooms(&self) -> Vec<Room> {
        self.in_rooms(|rooms, key| rooms.rooms_of(key)).unwrap_or_default()
    }

    /// Changes its rooms, and tells who watches them.
    fn change_rooms<R>(&self, change: impl FnOnce(&mut Rooms<Arc<SocketInner>>, MemberKey) -> R) -> Option<R> {
        let changed = self.in_rooms(change);
        self.0.namespace.tell_of_rooms();
        changed
    }

    /// Does something with the rooms of a socket that is still in them: once it has left, its place may be another's.
    fn in_rooms<R>(&self, change: impl FnOnce(&mut Rooms<Arc<SocketInner>>, MemberKey) -> R) -> Option<R> {
        let mut rooms = self.0.namespace.inner().rooms.lock();
        let key = *self.0.key.get().filter(|_| self.may_send())?;
        Some(change(&mut rooms, key))
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

    /// Binds the socket to a user, as one of its devices; [`Namespace::user`] reaches them all.
    ///
    /// It belongs into a [middleware](Namespace::middleware), which knows who the client is. A socket has one user: the
    /// last one counts. Nothing happens once the socket has been disconnected.
    ///
    /// ```
    /// # use sockeye::{ConnectError, Data, Server, Socket};
    /// # fn user_of(token: &str) -> Result<String, ConnectError> { Ok(token.to_owned()) }
    /// # let io = Server::builder().build()?;
    /// io.middleware(async |socket: Socket, Data(token): Data<String>| {
    ///     socket.set_user(user_of(&token)?);
    ///     Ok::<(), ConnectError>(())
    /// });
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn set_user(&self, user: impl AsRef<str>) {
        let user = user.as_ref();
        self.change_rooms(|rooms, key| {
            rooms.bind(key, user);
            *self.own().user.lock() = Some(user.into());
        });
    }

    /// The user that the socket is bound to.
    pub fn user(&self) -> Option<SmolStr> {
        self.0.own.get()?.user.lock().clone()
    }

    fn own(&self) -> &Own {
        self.0.own.get_or_init(Box::default)
    }

    /// Disconnects the client from this namespace; its connection and other namespaces stay.
    ///
    /// The client sees `io server disconnect` and does not come back by itself.
    pub fn disconnect(&self) {
        match self.state() {
            State::Connecting | State::Connected => {}
            State::Disconnecting | State::Disconnected => return,
        }
        self.client().dismiss(self.namespace_name());
        self.client().leave(self);
        self.end(Departure::by_server());
    }

    /// Closes the client's connection, with all namespaces on it: Node's `disconnect(true)`.
    pub fn close(&self) {
        self.client().disconnect_all(Departure::by_server());
        self.connection().close(Closed::forced(sockeye_engine::CloseCause::Application));
    }

    /// The middlewares are passed. Says whether the socket still was connecting.
    pub(crate) fn connect(&self) -> bool {
        self.advance(State::Connecting, State::Connected)
    }

    /// Tells the client that it is in, and lets the socket be selected from then on.
    pub(crate) fn enter(&self) {
        if let Some((keeper, recoverable)) = self.recovery() {
            keeper.admit(self, recoverable);
        } else {
            self.client().welcome(self, None);
            self.activate();
        }
        self.0.namespace.tell_of_rooms();
    }

    /// Lets the socket be selected from now on. Nobody who watches rooms is told yet.
    pub(crate) fn activate(&self) {
        self.in_rooms(Rooms::activate);
    }

    /// Takes the socket out of its namespace and ends all waiting for its answers.
    ///
    /// Without a reason its client has been refused, and has nothing to come back for.
    pub(crate) fn abandon(&self, reason: Option<DisconnectReason>) {
        let vacated = match self.recovery() {
            Some((keeper, recoverable)) => {
                let vacated = keeper.part(self, recoverable, reason);
                keeper.sweep(&self.0.namespace);
                vacated
            }
            None => self.vacate(),
        };
        self.0.namespace.tell_of_rooms();
        self.0.acks.close();
        if vacated {
            // They may hold this very socket.
            if let Some(handlers) = self.own_handlers() {
                handlers.clear();
            }
            self.0.namespace.release();
        }
    }

    /// Gives its place in the namespace up. Says whether it had one; nobody who watches rooms is told yet.
    pub(crate) fn vacate(&self) -> bool {
        let mut rooms = self.0.namespace.inner().rooms.lock();
        // Only once: its place may be another socket's by now.
        if self.0.state.swap(State::Disconnected as u8, Ordering::AcqRel) == State::Disconnected as u8 {
            return false;
        }
        let removed = self.0.key.get().and_then(|&key| rooms.remove(key));
        drop(rooms);
        drop(removed);
        true
    }

    /// Ends the socket: handlers are told, rooms left, waiting for answers ended. Only the first call does anything.
    pub(crate) fn end(&self, departure: Departure) {
        if let Some(recoverable) = self.recoverable() {
            recoverable.parts_for(departure.reason);
        }
        if !self.advance(State::Connected, State::Disconnecting) {
            // A socket that is still passing middlewares never was there for anybody.
            if self.state() == State::Connecting {
                self.abandon(Some(departure.reason));
            }
            return;
        }
        let table = self.0.namespace.inner().handlers.load();
        dispatch::disconnected(self, &table.disconnecting, departure);
        self.abandon(Some(departure.reason));
        // Other namespaces of the connection go on.
        self.0.events.clear(self.connection());
        dispatch::disconnected(self, &table.disconnect, departure);
    }

    fn recovery(&self) -> Option<(&Arc<Keeper>, &Recoverable)> {
        self.0.namespace.keeper().zip(self.recoverable())
    }

    pub(crate) fn recoverable(&self) -> Option<&Recoverable> {
        self.0.recoverable.as_deref()
    }

    /// Whether its client has come back and found it as it was, with its id, rooms, user and data. See
    /// [`Recovery`](crate::Recovery).
    pub fn is_recovered(&self) -> bool {
        self.recoverable().is_some_and(Recoverable::is_recovered)
    }

    pub(crate) fn downgrade(&self) -> Weak<SocketInner> {
        Arc::downgrade(&self.0)
    }

    fn advance(&self, from: State, to: State) -> bool {
        self.0.state.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
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
