//! A namespace: its sockets, their rooms, and the handlers they share.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use sockeye_adapter::{IntoRooms, Room, RoomEvent, Rooms, Selection};
use sockeye_protocol::socket::ToArguments;
use std::time::Duration;

use crate::ack::AckIds;
use crate::emit::{Broadcast, EmitError};
use crate::handler::{Connecting, Disconnected, Handler, Received, erase};
use crate::handlers::Handlers;
use crate::recovery::Keeper;
use crate::remote::RemoteSocket;
use crate::room_watch::RoomWatch;
use crate::server::{Server, ServerInner, Settings};
use crate::socket::{Socket, SocketInner};
use crate::wire::Wire;

/// A namespace: sockets that share handlers and rooms. Cheap to clone; all clones are the same namespace.
///
/// Handlers live here, shared by all sockets, so that they cost a connection nothing. They can be added and removed at
/// any time, and are called in the order in which they were added.
#[derive(Clone)]
pub struct Namespace(Arc<NamespaceInner>);

pub(crate) struct NamespaceInner {
    name: Box<str>,
    server: Weak<ServerInner>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) rooms: Mutex<Rooms<Arc<SocketInner>>>,
    watch: RoomWatch,
    pub(crate) handlers: Handlers,
    ack_ids: AckIds,
    /// What is kept for clients that come back, if that is wanted.
    keeper: Option<Arc<Keeper>>,
}

impl Namespace {
    pub(crate) fn new(name: &str, server: Weak<ServerInner>, settings: Arc<Settings>) -> Self {
        let recovery = settings.recovery.as_ref();
        Self(Arc::new(NamespaceInner {
            keeper: recovery.map(|(recovery, notice)| Keeper::new(recovery.clone(), *notice)),
            name: name.into(),
            server,
            rooms: Mutex::new(Rooms::new(settings.max_rooms)),
            settings,
            watch: RoomWatch::default(),
            handlers: Handlers::default(),
            ack_ids: AckIds::default(),
        }))
    }

    pub(crate) fn inner(&self) -> &NamespaceInner {
        &self.0
    }

    /// Its name, such as `/` or `/admin`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The server it belongs to; `None` if that has been dropped.
    pub fn server(&self) -> Option<Server> {
        self.0.server.upgrade().map(Server::from_inner)
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.0.settings.wire
    }

    pub(crate) fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.0.keeper.as_ref()
    }

    pub(crate) fn ack_ids(&self) -> &AckIds {
        &self.0.ack_ids
    }

    /// Calls `handler` for every event of this name.
    ///
    /// Several handlers of one event are called in the order in which they were added. The events of one socket start
    /// in the order of arrival; a handler that waits for something lets later events start meanwhile.
    ///
    /// ```
    /// # use sockeye::{Data, Server, Socket};
    /// # let io = Server::builder().build()?;
    /// io.on("chat message", async |socket: Socket, Data(text): Data<String>| {
    ///     socket.broadcast().emit("chat message", &text)
    /// });
    /// io.on("add", async |Data((a, b)): Data<(i64, i64)>| a + b); // the answer to the acknowledgement
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn on<A>(&self, event: &str, handler: impl Handler<Received, A>) -> &Self {
        self.0.handlers.add(event, erase(handler));
        self
    }

    /// Removes all handlers of this event.
    pub fn off(&self, event: &str) -> &Self {
        self.0.handlers.remove(event);
        self
    }

    /// Calls `handler` for every event, before the handlers of its name.
    ///
    /// What it returns answers nothing: only the handlers of the name can answer.
    pub fn on_any<A>(&self, handler: impl Handler<Received, A>) -> &Self {
        let handler = erase(handler);
        self.0.handlers.change(|table| table.any.push(handler.clone()));
        self
    }

    /// Calls `handler` for every socket that has connected, after the client has been told so.
    pub fn on_connect<A>(&self, handler: impl Handler<Connecting, A>) -> &Self {
        let handler = erase(handler);
        self.0.handlers.change(|table| table.connect.push(handler.clone()));
        self
    }

    /// Calls `handler` for every socket that is about to leave; its rooms can still be read.
    pub fn on_disconnecting<A>(&self, handler: impl Handler<Disconnected, A>) -> &Self {
        let handler = erase(handler);
        self.0.handlers.change(|table| table.disconnecting.push(handler.clone()));
        self
    }

    /// Calls `handler` for every socket that has left; it is in no room any more.
    ///
    /// It does not wait for the socket's other handlers: those that are still waiting for something go on.
    pub fn on_disconnect<A>(&self, handler: impl Handler<Disconnected, A>) -> &Self {
        let handler = erase(handler);
        self.0.handlers.change(|table| table.disconnect.push(handler.clone()));
        self
    }

    /// Has every socket that wants to connect pass `handler` first, in the order in which they were added.
    ///
    /// `Err` refuses the socket: the client gets the error as `connect_error`, with its data if it is a
    /// [`ConnectError`](crate::ConnectError). Rooms that the socket has joined are left then.
    ///
    /// ```
    /// # use sockeye::{ConnectError, Data, Server};
    /// # #[derive(serde::Deserialize)]
    /// # struct Auth { token: String }
    /// # let io = Server::builder().build()?;
    /// io.of("/admin").middleware(async |Data(auth): Data<Auth>| {
    ///     if auth.token == "secret" { Ok(()) } else { Err(ConnectError::new("not authorized")) }
    /// });
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn middleware<A>(&self, handler: impl Handler<Connecting, A>) -> &Self {
        let handler = erase(handler);
        self.0.handlers.change(|table| table.middleware.push(handler.clone()));
        self
    }

    /// Chooses all sockets of the namespace, for an emit or another operation.
    pub fn broadcast(&self) -> Broadcast {
        Broadcast::new(self.clone())
    }

    /// Chooses the sockets in these rooms. See [`Broadcast::to`].
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to): JavaScript's `in`, which is a keyword here.
    pub fn within(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Chooses all sockets but those in these rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Chooses all sockets of this node. There are no others yet.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Chooses all sockets that can take an event right now.
    pub fn volatile(&self) -> Broadcast {
        self.broadcast().volatile()
    }

    /// Chooses all sockets, for an event that may be compressed or not. See [`Broadcast::compress`].
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.broadcast().compress(compress)
    }

    /// Chooses all sockets, for an [`emit_with_ack`](Broadcast::emit_with_ack) that waits this long.
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.broadcast().timeout(timeout)
    }

    /// Sends the event to all sockets of the namespace. See [`Broadcast::emit`].
    ///
    /// # Errors
    /// [`EmitError`] if the event can't be sent to anybody.
    pub fn emit(&self, event: &str, arguments: impl ToArguments) -> Result<(), EmitError> {
        self.broadcast().emit(event, arguments)
    }

    /// Sends the event `message` to all sockets of the namespace.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send(&self, arguments: impl ToArguments) -> Result<(), EmitError> {
        self.emit("message", arguments)
    }

    /// The connected socket of this id.
    pub fn socket(&self, id: impl AsRef<str>) -> Option<Socket> {
        self.0.rooms.lock().get(id.as_ref()).map(Socket::from_inner)
    }

    /// All connected sockets.
    pub fn sockets(&self) -> Vec<Socket> {
        self.targets(&Selection::all())
    }

    /// How many sockets are connected.
    pub fn socket_count(&self) -> usize {
        self.0.rooms.lock().len()
    }

    /// All sockets of all nodes, as they are now. There are no other nodes yet.
    ///
    /// ```
    /// # async fn f(io: sockeye::Server) {
    /// for socket in io.to("room1").fetch_sockets().await {
    ///     println!("{} is in {:?}, with {}", socket.id(), socket.rooms(), socket.data());
    ///     socket.join("room2");
    /// }
    /// # }
    /// ```
    pub async fn fetch_sockets(&self) -> Vec<RemoteSocket> {
        self.broadcast().fetch_sockets().await
    }

    /// Makes all sockets join rooms. See [`Broadcast::sockets_join`].
    pub fn sockets_join(&self, rooms: impl IntoRooms + Clone) {
        self.broadcast().sockets_join(rooms);
    }

    /// Makes all sockets leave rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms + Clone) {
        self.broadcast().sockets_leave(rooms);
    }

    /// Disconnects all sockets from this namespace. See [`Broadcast::disconnect_sockets`].
    pub fn disconnect_sockets(&self) {
        self.broadcast().disconnect_sockets();
    }

    /// Closes the connections of all sockets, with all namespaces on them.
    pub fn close_sockets(&self) {
        self.broadcast().close_sockets();
    }

    /// Chooses all devices of a user: the sockets that [`Socket::set_user`] has bound to it.
    ///
    /// ```
    /// # let io = sockeye::Server::builder().build()?;
    /// io.user("42").emit("notice", "a parcel has come")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn user(&self, user: impl AsRef<str>) -> Broadcast {
        self.to(Room::of_user(user.as_ref()))
    }

    /// Calls `watcher` for everything that happens to the rooms of this namespace, in order, on this node.
    ///
    /// The room of a socket's own id is created when the socket has connected. The watcher runs within the call that
    /// joins or leaves, and should not block.
    pub fn on_room(&self, watcher: impl Fn(&RoomEvent) + Send + Sync + 'static) -> &Self {
        self.0.watch.add(watcher);
        self.0.rooms.lock().keep_journal();
        self
    }

    /// Tells who watches the rooms what has happened to them.
    pub(crate) fn tell_of_rooms(&self) {
        self.0.watch.tell(&self.0.rooms);
    }

    /// The rooms that sockets have joined; those that are named by a socket's own id are not among them.
    pub fn rooms(&self) -> Vec<Room> {
        self.0.rooms.lock().names().cloned().collect()
    }

    pub(crate) fn targets(&self, selection: &Selection) -> Vec<Socket> {
        let targets = self.0.rooms.lock().targets(selection);
        targets.into_iter().map(Socket::from_inner).collect()
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name())
            .field("sockets", &self.socket_count())
            .finish_non_exhaustive()
    }
}
