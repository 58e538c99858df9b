//! Names of rooms and sockets.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use smol_str::SmolStr;

/// A text that names something. Copies are cheap: up to 23 bytes are held inline, longer names are shared.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// The name made of these characters.
            pub fn new(name: impl AsRef<str>) -> Self {
                Self(SmolStr::new(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        // Equal and hashed as the text is, so maps keyed by names are asked with `&str`.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }
    };
}

pub(crate) use name;

name! {
    /// The name of a room. Copies are cheap: up to 23 bytes are held inline, longer names are shared.
    Room
}
name! {
    /// The public id of a socket, unique within its namespace. It is also the name of a room that holds that socket only.
    ///
    /// It is not the Engine.IO session id, which is a secret.
    SocketId
}

/// What the names of users' rooms begin with. Nobody can join such a room by its name.
const USER: &str = "\0user\0";

impl Room {
    /// The room of a user's sockets, which only [`Rooms::bind`](crate::Rooms::bind) puts a socket into.
    pub fn of_user(user: &str) -> Self {
        Self::from([USER, user].concat())
    }

    pub(crate) fn is_user(&self) -> bool {
        self.0.starts_with(USER)
    }
}

impl From<SocketId> for Room {
    fn from(id: SocketId) -> Self {
        Self(id.0)
    }
}

/// What can be named where rooms are expected: one name, or several as an array, slice or `Vec`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name rooms",
    note = "a room is named by `&str`, `String`, `Room` or `SocketId`; several by an array, slice or `Vec` of these"
)]
pub trait IntoRooms {
    /// Adds the rooms to `list`.
    fn add_to(self, list: &mut RoomList);
}

/// A few rooms, without heap for up to two.
pub(crate) type RoomList = SmallVec<[Room; 2]>;

macro_rules! one_room {
    ($($name:ty),*) => {$(
        impl IntoRooms for $name {
            fn add_to(self, list: &mut RoomList) {
                list.push(Room::new(self));
            }
        }
    )*};
}
one_room!(&str, String, &String, &Room, SocketId, &SocketId);

impl IntoRooms for Room {
    fn add_to(self, list: &mut RoomList) {
        list.push(self);
    }
}

impl<R: IntoRooms, const N: usize> IntoRooms for [R; N] {
    fn add_to(self, list: &mut RoomList) {
        for room in self {
            room.add_to(list);
        }
    }
}

impl<R: IntoRooms> IntoRooms for Vec<R> {
    fn add_to(self, list: &mut RoomList) {
        for room in self {
            room.add_to(list);
        }
    }
}

impl<'a, R> IntoRooms for &'a [R]
where
    &'a R: IntoRooms,
{
    fn add_to(self, list: &mut RoomList) {
        for room in self {
            room.add_to(list);
        }
    }
}

impl<'a, R> IntoRooms for &'a Vec<R>
where
    &'a R: IntoRooms,
{
    fn add_to(self, list: &mut RoomList) {
        self.as_slice().add_to(list);
    }
}

impl IntoRooms for &&str {
    fn add_to(self, list: &mut RoomList) {
        list.push(Room::new(self));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(rooms: impl IntoRooms) -> Vec<String> {
        let mut list = RoomList::new();
        rooms.add_to(&mut list);
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rooms_are_named_one_by_one_or_several_at_once() {
        assert_eq!(named("a"), ["a"]);
        assert_eq!(named(["a", "b"]), ["a", "b"]);
        assert_eq!(named(vec!["a".to_owned()]), ["a"]);
        let several = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(named(&several), ["a", "b"]);
        assert_eq!(named(several), ["a", "b"]);
        assert_eq!(named(&["a", "b"][..]), ["a", "b"]);
        let id = SocketId::new("id");
        assert_eq!(named(&id), ["id"]);
        assert_eq!(named(id), ["id"]);
        assert_eq!(named(Vec::<Room>::new()), Vec::<String>::new());
    }
}
