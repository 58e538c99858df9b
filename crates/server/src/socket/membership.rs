//! The rooms that a socket is in, and the user that it belongs to.
use smol_str::SmolStr;
use sockeye_adapter::{IntoRooms, JoinError, MemberKey, Room, Rooms, Selection};

use super::Socket;

impl Socket {
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
        .inspect_err(|error| {
            if let JoinError::TooManyRooms { .. } = error {
                self.settings().counters.bounds.max_rooms.add();
            }
        })
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
    fn change_rooms<R>(&self, change: impl FnOnce(&mut Rooms<Self>, MemberKey) -> R) -> Option<R> {
        let changed = self.in_rooms(change);
        self.0.namespace.tell_of_rooms();
        changed
    }

    /// Does something with the rooms of a socket that is still in them: once it has left, its place may be another's.
    pub(super) fn in_rooms<R>(&self, change: impl FnOnce(&mut Rooms<Self>, MemberKey) -> R) -> Option<R> {
        let mut rooms = self.0.namespace.inner().rooms.lock();
        let key = *self.0.key.get().filter(|_| self.may_send())?;
        Some(change(&mut rooms, key))
    }

    /// Binds the socket to a user, as one of its devices; [`Namespace::user`](crate::Namespace::user) reaches them all.
    ///
    /// It belongs into a [middleware](crate::Namespace::middleware), which knows who the client is. A socket has one user: the
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
}
