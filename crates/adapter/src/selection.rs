//! Which rooms a broadcast goes to.

use crate::names::{IntoRooms, Room, RoomList};

/// Who a broadcast goes to: the union of some rooms, or everybody, without those in the excepted rooms.
///
/// A socket in several of the rooms is selected once. The id of a socket is a room too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    rooms: RoomList,
    except: RoomList,
    /// Rooms were asked for, even if the list of them was empty.
    narrowed: bool,
}

impl Selection {
    /// Everybody.
    pub fn all() -> Self {
        Self::default()
    }

    /// Adds rooms: from the first call on, only sockets in one of the rooms are selected.
    ///
    /// An empty list selects nobody, where JavaScript's server would select everybody.
    #[must_use]
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.narrowed = true;
        rooms.add_to(&mut self.rooms);
        self
    }

    /// Leaves out who is in one of these rooms.
    #[must_use]
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        rooms.add_to(&mut self.except);
        self
    }

    /// The rooms asked for; `None` stands for everybody.
    pub fn rooms(&self) -> Option<&[Room]> {
        self.narrowed.then_some(&self.rooms)
    }

    /// The rooms left out.
    pub fn excepted(&self) -> &[Room] {
        &self.except
    }

    /// Whether somebody in these rooms, the one of its own id among them, is selected.
    pub fn selects(&self, rooms: &[Room]) -> bool {
        let in_any = |list: &[Room]| list.iter().any(|room| rooms.contains(room));
        (!self.narrowed || in_any(&self.rooms)) && !in_any(&self.except)
    }
}
