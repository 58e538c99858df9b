//! Rooms, the choice of who receives a broadcast, and what is kept for those who come back.
//!
//! This crate knows socket ids and rooms, not connections: a member is whatever the caller registers for a socket.
//!
//! ```
//! use sockeye_adapter::{Rooms, Selection, SocketId};
//!
//! let mut rooms = Rooms::new(1024);
//! let alice = rooms.insert(SocketId::new("alice"), "alice's socket");
//! rooms.activate(alice);
//! rooms.join(alice, "lobby".into())?;
//!
//! let lobby = Selection::all().to("lobby");
//! assert_eq!(rooms.targets(&lobby), ["alice's socket"]);
//! # Ok::<(), sockeye_adapter::JoinError>(())
//! ```

pub mod cluster; // What nodes tell each other.

mod absentees; // Sessions of clients that may come back.
mod log; // What was sent lately.
mod names; // `Room` and `SocketId`, and what can be named as rooms.
mod room_event; // What happens to rooms.
mod rooms; // Who is where, and who is selected.
mod selection; // Which rooms a broadcast goes to.

pub use absentees::{Absentees, PrivateId};
pub use log::{Log, Offset, Told};
pub use names::{IntoRooms, Room, SocketId};
pub use room_event::{RoomEvent, RoomKind};
pub use rooms::{JoinError, MemberKey, Rooms};
pub use selection::Selection;
