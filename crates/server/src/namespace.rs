//! A namespace: its sockets, their rooms, and the handlers they share.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};
use smol_str::SmolStr;
use sockeye_adapter::cluster::{self, Answers};
use sockeye_adapter::{IntoRooms, Room, RoomEvent, Rooms, Selection};
use sockeye_protocol::socket::ToArguments;
use std::time::Duration;

use crate::ack::AckIds;
use crate::emit::{Broadcast, EmitError};
use crate::handlers::Handlers;
use crate::holds::Holds;
use crate::namespaces::EmptyNamespaces;
use crate::recovery::Keeper;
use crate::remote::RemoteSocket;
use crate::room_watch::RoomWatch;
use crate::server::{Server, ServerInner, Settings};
use crate::server_side;
use crate::socket::Socket;
use crate::wire::Wire;

/// A namespace: sockets that share handlers and rooms. Cheap to clone; all clones are the same namespace.
///
/// Handlers live here, shared by all sockets, so that they cost a connection nothing. They can be added and removed at
/// any time, and are called in the order in which they were added.
///
/// A [parent](crate::Server::of_pattern) is one too: it stands for all its children. A child that was made for a client is
/// gone when its last socket is, by [default](crate::ServerBuilder::empty_namespaces); a handle kept then reaches nobody.
#[derive(Clone)]
pub struct Namespace(Arc<NamespaceInner>);

pub(crate) struct NamespaceInner {
    name: Box<str>,
    kind: Kind,
    server: Weak<ServerInner>,
    holds: Holds,
    /// Whether the hooks for new namespaces have let it be, once they have been told.
    announced: OnceLock<bool>,
    /// Whether one of its sockets has listeners of its own to what is emitted.
    pub(crate) sockets_listen: AtomicBool,
    pub(crate) settings: Arc<Settings>,
    pub(crate) rooms: Mutex<Rooms<Socket>>,
    watch: RoomWatch,
    pub(crate) handlers: Handlers,
    /// What is called when another server sends an event, by its name.
    pub(crate) server_side: ArcSwap<Vec<(SmolStr, server_side::Handler)>>,
    ack_ids: AckIds,
    /// What is kept for clients that come back, if that is wanted.
    keeper: Option<Arc<Keeper>>,
}

/// How a namespace came to be.
pub(crate) enum Kind {
    /// Somebody asked for it by name.
    Named,
    /// It is the pattern of others, and has no sockets of its own.
    Parent,
    /// It was made by this parent.
    Child(Namespace),
}

impl Namespace {
    pub(crate) fn new(name: &str, kind: Kind, server: &Arc<ServerInner>) -> Self {
        let settings = server.settings.clone();
        let mut rooms = Rooms::new(settings.max_rooms);
        let (holds, handlers, watch) = (Holds::default(), Handlers::default(), RoomWatch::default());
        if let Kind::Child(parent) = &kind {
            handlers.copy(&parent.0.handlers);
            watch.copy(&parent.0.watch);
        }
        if !watch.is_empty() || settings.cluster.as_ref().is_some_and(|cluster| cluster.interest().is_some()) {
            rooms.keep_journal();
        }
        if !matches!(kind, Kind::Child(_)) || settings.empty_namespaces == EmptyNamespaces::Kept {
            holds.keep();
        }
        let recovery = settings.recovery.as_ref();
        Self(Arc::new(NamespaceInner {
            keeper: recovery.map(|(recovery, notice)| {
                let (total, counters) = (settings.kept_bytes.clone(), settings.counters.clone());
                Keeper::new(recovery.clone(), *notice, total, counters)
            }),
            name: name.into(),
            kind,
            server: Arc::downgrade(server),
            holds,
            announced: OnceLock::new(),
            sockets_listen: AtomicBool::new(false),
            rooms: Mutex::new(rooms),
            settings,
            watch,
            handlers,
            server_side: ArcSwap::default(),
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

    pub(crate) fn holds(&self) -> &Holds {
        &self.0.holds
    }

    pub(crate) fn announced(&self) -> &OnceLock<bool> {
        &self.0.announced
    }

    /// A socket has left, or was not let in. The last one takes a namespace with it that was made for clients.
    pub(crate) fn release(&self) {
        if self.0.holds.release()
            && let Some(server) = self.0.server.upgrade()
        {
            server.namespaces.remove(self);
        }
    }

    /// Has the namespace stay for clients that are away, unless too many stay for nobody else already.
    pub(crate) fn hold_for_absent(&self) -> bool {
        let Some(server) = self.0.server.upgrade() else { return false };
        let most = self.0.settings.recovery.as_ref().map_or(0, |(recovery, _)| recovery.session_limit);
        let may = self.parent().is_none() || server.namespaces.hold_one(most);
        if may {
            self.0.holds.take();
        }
        may
    }

    /// What [`hold_for_absent`](Self::hold_for_absent) began is over.
    pub(crate) fn release_for_absent(&self) {
        if self.parent().is_some()
            && let Some(server) = self.0.server.upgrade()
        {
            server.namespaces.release_one();
        }
        self.release();
    }

    pub(crate) fn parent(&self) -> Option<&Self> {
        match &self.0.kind {
            Kind::Named | Kind::Parent => None,
            Kind::Child(parent) => Some(parent),
        }
    }

    pub(crate) fn downgrade(&self) -> Weak<NamespaceInner> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn from_inner(inner: Arc<NamespaceInner>) -> Self {
        Self(inner)
    }

    /// The namespaces it stands for: itself, or the children of a parent.
    pub(crate) fn family(&self) -> SmallVec<[Self; 1]> {
        match (&self.0.kind, self.0.server.upgrade()) {
            (Kind::Named | Kind::Child(_), _) => smallvec![self.clone()],
            (Kind::Parent, Some(server)) => server.namespaces.children(self),
            (Kind::Parent, None) => SmallVec::new(),
        }
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

    /// Chooses all sockets of this node.
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
        let find = |namespace: &Self| namespace.0.rooms.lock().get(id.as_ref());
        self.family().iter().find_map(find)
    }

    /// All connected sockets.
    pub fn sockets(&self) -> Vec<Socket> {
        self.targets(&Selection::all())
    }

    /// How many sockets are connected.
    pub fn socket_count(&self) -> usize {
        self.family().iter().map(|namespace| namespace.0.rooms.lock().len()).sum()
    }

    /// All sockets of all nodes, as they are now. See [`Broadcast::fetch_sockets`].
    ///
    /// ```
    /// # async fn f(io: sockeye::Server) {
    /// for socket in io.to("room1").fetch_sockets().await.answers {
    ///     println!("{} is in {:?}, with {}", socket.id(), socket.rooms(), socket.data());
    ///     socket.join("room2");
    /// }
    /// # }
    /// ```
    pub async fn fetch_sockets(&self) -> Answers<RemoteSocket> {
        self.broadcast().fetch_sockets().await
    }

    /// Makes all sockets join rooms. See [`Broadcast::sockets_join`].
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        self.broadcast().sockets_join(rooms);
    }

    /// Makes all sockets leave rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
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
        let interest = self.cluster().and_then(cluster::Cluster::interest);
        self.0.watch.tell(&self.0.rooms, interest.map(|interest| (self.name(), interest)));
    }

    /// The rooms that sockets have joined; those that are named by a socket's own id are not among them.
    pub fn rooms(&self) -> Vec<Room> {
        let rooms = |namespace: &Self| namespace.0.rooms.lock().names().cloned().collect::<Vec<_>>();
        self.family().iter().flat_map(rooms).collect()
    }

    pub(crate) fn targets(&self, selection: &Selection) -> Vec<Socket> {
        let family = self.family();
        let mut targets = family.iter().map(|namespace| namespace.0.rooms.lock().targets(selection));
        // Mostly there is one list, and it is taken as it is.
        let first = targets.next().unwrap_or_default();
        targets.fold(first, |mut all, more| {
            all.extend(more);
            all
        })
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Namespace {}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name())
            .field("sockets", &self.socket_count())
            .finish_non_exhaustive()
    }
}
