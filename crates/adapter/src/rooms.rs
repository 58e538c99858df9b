//! Who is where, and who is selected.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
use slab::Slab;
use smallvec::SmallVec;

use crate::names::{Room, SocketId};
use crate::room_event::{RoomEvent, RoomKind};
use crate::selection::Selection;

type Map<K, V> = HashMap<K, V, RandomState>;

/// The sockets of one namespace and the rooms they are in.
///
/// `M` is what the caller wants back for a selected socket, and should be cheap to clone.
/// A socket is registered *inactive*: it may join rooms, but is not selected before [`activate`](Self::activate).
#[derive(Debug)]
pub struct Rooms<M> {
    members: Slab<Member<M>>,
    /// The newest member of each id, which is not kept beside it: each has its own.
    by_id: HashTable<MemberKey>,
    hasher: RandomState,
    entries: Slab<RoomEntry>,
    by_name: Map<Room, RoomKey>,
    /// Raised with every selection; a member that carries the present value has been seen by it.
    mark: u64,
    /// The most rooms that one socket may be in.
    limit: usize,
    active: usize,
    /// What happened to rooms, if somebody wants to know.
    journal: Option<VecDeque<(RoomEvent, RoomKind)>>,
}

/// A registered socket. Valid until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberKey(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RoomKey(u32);

#[derive(Debug)]
struct Member<M> {
    id: SocketId,
    value: M,
    active: bool,
    /// One of the rooms is that of a user.
    bound: bool,
    mark: u64,
    rooms: SmallVec<[Membership; 2]>,
}

/// One room of a member, and the member's place in that room's list, so that leaving needs no search.
#[derive(Clone, Copy, Debug)]
struct Membership {
    room: RoomKey,
    place: u32,
}

#[derive(Debug)]
struct RoomEntry {
    name: Room,
    members: Vec<MemberKey>,
}

/// Why a socket could not join a room.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The socket is in as many rooms as one socket may be in.
    #[error("socket is in {limit} rooms already, the most that `max_rooms` allows; can't join {room:?}")]
    TooManyRooms {
        /// The room it wanted to join.
        room: Room,
        /// The setting.
        limit: usize,
    },
    /// The room is that of a user, whose devices are bound to it and nobody else.
    #[error("room {room:?} belongs to a user: expected a name that does not begin with a NUL character")]
    Reserved {
        /// The room it wanted to join.
        room: Room,
    },
}

impl MemberKey {
    fn index(self) -> usize {
        self.0 as usize
    }
}

impl RoomKey {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// The kind of a room that has a name of its own.
fn kind(room: &Room) -> RoomKind {
    if room.is_user() { RoomKind::User } else { RoomKind::Joined }
}

fn key(index: usize) -> u32 {
    u32::try_from(index).expect("four thousand million sockets fit no machine")
}

impl<M: Clone> Rooms<M> {
    /// No sockets and no rooms; `max_rooms` bounds the rooms of one socket, its own id's not counted.
    pub fn new(max_rooms: usize) -> Self {
        Self {
            members: Slab::new(),
            by_id: HashTable::new(),
            hasher: RandomState::default(),
            entries: Slab::new(),
            by_name: Map::default(),
            mark: 0,
            limit: max_rooms,
            active: 0,
            journal: None,
        }
    }

    /// Registers a socket, inactive and in no room but that of its own id.
    pub fn insert(&mut self, id: SocketId, value: M) -> MemberKey {
        let key = MemberKey(key(self.members.insert(Member {
            id,
            value,
            active: false,
            bound: false,
            mark: 0,
            rooms: SmallVec::new(),
        })));
        let (members, hasher) = (&self.members, &self.hasher);
        let id = |known: &MemberKey| members[known.index()].id.as_str();
        let hash = |known: &MemberKey| hasher.hash_one(id(known));
        match self.by_id.entry(hash(&key), |known| id(known) == id(&key), hash) {
            Entry::Occupied(mut older) => *older.get_mut() = key,
            Entry::Vacant(vacant) => _ = vacant.insert(key),
        }
        key
    }

    fn find(&self, id: &str) -> Option<&MemberKey> {
        self.by_id.find(self.hasher.hash_one(id), |known| self.members[known.index()].id.as_str() == id)
    }

    /// Lets the socket be selected from now on.
    pub fn activate(&mut self, key: MemberKey) {
        if let Some(member) = self.members.get_mut(key.index())
            && !member.active
        {
            member.active = true;
            self.active += 1;
            let id = member.id.clone();
            self.note(RoomKind::SocketId, || RoomEvent::Created { room: id.clone().into() });
            self.note(RoomKind::SocketId, || RoomEvent::Joined { room: id.clone().into(), socket: id });
        }
    }

    /// Removes a socket from all rooms and from the register.
    pub fn remove(&mut self, key: MemberKey) -> Option<M> {
        let member = self.members.get_mut(key.index())?;
        let hash = self.hasher.hash_one(member.id.as_str());
        let memberships = std::mem::take(&mut member.rooms);
        memberships.into_iter().for_each(|membership| self.vacate(key, membership));
        // A newer socket may have taken the id over.
        if let Ok(own) = self.by_id.find_entry(hash, |known| *known == key) {
            own.remove();
        }
        let member = self.members.try_remove(key.index())?;
        if member.active {
            self.active -= 1;
            let id = member.id;
            self.note(RoomKind::SocketId, || RoomEvent::Left { room: id.clone().into(), socket: id.clone() });
            self.note(RoomKind::SocketId, || RoomEvent::Deleted { room: id.into() });
        }
        Some(member.value)
    }

    /// Adds the socket to a room; nothing changes if it is there already.
    ///
    /// # Errors
    /// [`JoinError::TooManyRooms`] at the bound, [`JoinError::Reserved`] for a user's room; then nothing has changed.
    pub fn join(&mut self, key: MemberKey, room: Room) -> Result<(), JoinError> {
        let Some(member) = self.members.get(key.index()) else { return Ok(()) };
        if room.is_user() {
            return Err(JoinError::Reserved { room });
        }
        if member.id.as_str() == room.as_str() {
            return Ok(());
        }
        if let Some(&existing) = self.by_name.get(&room)
            && member.rooms.iter().any(|membership| membership.room == existing)
        {
            return Ok(());
        }
        if member.rooms.len() >= self.limit + usize::from(member.bound) {
            return Err(JoinError::TooManyRooms { room, limit: self.limit });
        }
        self.occupy(key, room);
        Ok(())
    }

    /// Binds the socket to a user: it is in that user's room, [`Room::of_user`], and in no other user's.
    pub fn bind(&mut self, key: MemberKey, user: &str) {
        let Some(member) = self.members.get_mut(key.index()) else { return };
        let bound = std::mem::replace(&mut member.bound, true);
        if bound
            && let Some(at) = member.rooms.iter().position(|joined| self.entries[joined.room.index()].name.is_user())
        {
            let membership = member.rooms.remove(at);
            self.vacate(key, membership);
        }
        self.occupy(key, Room::of_user(user));
    }

    fn occupy(&mut self, key: MemberKey, room: Room) {
        let room = self.room_key(room);
        let entry = &mut self.entries[room.index()];
        let place = self::key(entry.members.len());
        entry.members.push(key);
        let member = &mut self.members[key.index()];
        member.rooms.push(Membership { room, place });
        if self.journal.is_some() {
            let (name, socket) = (entry.name.clone(), member.id.clone());
            let kind = kind(&name);
            if place == 0 {
                self.note(kind, || RoomEvent::Created { room: name.clone() });
            }
            self.note(kind, || RoomEvent::Joined { room: name, socket });
        }
    }

    fn room_key(&mut self, name: Room) -> RoomKey {
        *self.by_name.entry(name).or_insert_with_key(|name| {
            RoomKey(key(self.entries.insert(RoomEntry { name: name.clone(), members: Vec::new() })))
        })
    }

    /// Takes the socket out of a room; says whether it was there. The rooms of its own id and of its user can't be left.
    pub fn leave(&mut self, key: MemberKey, room: &str) -> bool {
        let Some((name, &room)) = self.by_name.get_key_value(room) else { return false };
        if name.is_user() {
            return false;
        }
        let Some(member) = self.members.get_mut(key.index()) else { return false };
        let Some(at) = member.rooms.iter().position(|membership| membership.room == room) else { return false };
        let membership = member.rooms.remove(at);
        self.vacate(key, membership);
        true
    }

    /// Takes the socket out of all rooms but those of its own id and of its user.
    pub fn leave_all(&mut self, key: MemberKey) {
        let Some(member) = self.members.get_mut(key.index()) else { return };
        let (kept, left): (SmallVec<_>, SmallVec<[_; 2]>) = std::mem::take(&mut member.rooms)
            .into_iter()
            .partition(|joined: &Membership| self.entries[joined.room.index()].name.is_user());
        member.rooms = kept;
        left.into_iter().for_each(|membership| self.vacate(key, membership));
    }

    /// Frees a member's place in a room; the room's last member moves there. An empty room is deleted.
    fn vacate(&mut self, member: MemberKey, left: Membership) {
        if self.journal.is_some() {
            let (room, socket) =
                (self.entries[left.room.index()].name.clone(), self.members[member.index()].id.clone());
            self.note(kind(&room), || RoomEvent::Left { room, socket });
        }
        let members = &mut self.entries[left.room.index()].members;
        members.swap_remove(left.place as usize);
        if let Some(moved) = members.get(left.place as usize) {
            let memberships = &mut self.members[moved.index()].rooms;
            if let Some(membership) = memberships.iter_mut().find(|membership| membership.room == left.room) {
                membership.place = left.place;
            }
        } else if members.is_empty() {
            let entry = self.entries.remove(left.room.index());
            self.by_name.remove(&entry.name);
            self.note(kind(&entry.name), || RoomEvent::Deleted { room: entry.name });
        } else if members.capacity() > 64 && members.len() < members.capacity() / 4 {
            members.shrink_to(members.len() * 2);
        }
    }

    /// The rooms of a socket, that of its own id first; that of its user is not among them.
    pub fn rooms_of(&self, key: MemberKey) -> Vec<Room> {
        let Some(member) = self.members.get(key.index()) else { return Vec::new() };
        let joined = member.rooms.iter().map(|membership| &self.entries[membership.room.index()].name);
        let named = joined.filter(|room| !room.is_user()).cloned();
        std::iter::once(member.id.clone().into()).chain(named).collect()
    }

    /// From here on it is noted what happens to rooms, to be asked for by [`next_event`](Self::next_event).
    pub fn keep_journal(&mut self) {
        self.journal.get_or_insert_default();
    }

    /// The oldest thing that happened to a room and has not been told yet.
    pub fn next_event(&mut self) -> Option<(RoomEvent, RoomKind)> {
        self.journal.as_mut()?.pop_front()
    }

    fn note(&mut self, kind: RoomKind, event: impl FnOnce() -> RoomEvent) {
        if let Some(journal) = &mut self.journal {
            journal.push_back((event(), kind));
        }
    }

    /// Whether somebody is in this room, or it is the id of a socket.
    pub fn has(&self, room: &str) -> bool {
        self.by_name.contains_key(room) || self.find(room).is_some()
    }

    /// The active socket of this id.
    pub fn get(&self, id: &str) -> Option<M> {
        let key = self.find(id)?;
        self.members.get(key.index()).filter(|member| member.active).map(|member| member.value.clone())
    }

    /// How many sockets are active.
    pub fn len(&self) -> usize {
        self.active
    }

    /// Whether no socket is active.
    pub fn is_empty(&self) -> bool {
        self.active == 0
    }

    /// How many rooms somebody is in; those of users count, the rooms of own ids do not.
    pub fn room_count(&self) -> usize {
        self.by_name.len()
    }

    /// The names of all rooms that somebody joined; the rooms of own ids and of users are not among them.
    pub fn names(&self) -> impl Iterator<Item = &Room> {
        self.by_name.keys().filter(|room| !room.is_user())
    }

    /// The active sockets that the selection asks for, each once.
    pub fn targets(&mut self, selection: &Selection) -> Vec<M> {
        let plain = selection.excepted().is_empty();
        match selection.rooms() {
            None if plain => self.everybody_active(),
            // One room holds each of its members once, so nothing needs a mark.
            Some([room]) if plain && self.find(room.as_str()).is_none() => self.room(room),
            rooms => self.marked(rooms, selection.excepted()),
        }
    }

    fn everybody_active(&self) -> Vec<M> {
        let mut targets = Vec::with_capacity(self.active);
        targets.extend(self.members.iter().filter(|(_, member)| member.active).map(|(_, member)| member.value.clone()));
        targets
    }

    fn room(&self, room: &Room) -> Vec<M> {
        let Some(room) = self.by_name.get(room) else { return Vec::new() };
        let members = &self.entries[room.index()].members;
        let mut targets = Vec::with_capacity(members.len());
        let active = members.iter().map(|key| &self.members[key.index()]).filter(|member| member.active);
        targets.extend(active.map(|member| member.value.clone()));
        targets
    }

    /// De-duplicates by a mark on each member instead of a set: who is excepted is marked first, who is taken next.
    fn marked(&mut self, rooms: Option<&[Room]>, excepted: &[Room]) -> Vec<M> {
        self.mark += 1;
        for room in excepted {
            for key in self.in_room(room) {
                self.members[key.index()].mark = self.mark;
            }
        }
        let Some(rooms) = rooms else {
            let unmarked = self.members.iter().filter(|(_, member)| member.active && member.mark != self.mark);
            return unmarked.map(|(_, member)| member.value.clone()).collect();
        };
        let mut targets = Vec::new();
        for room in rooms {
            for key in self.in_room(room) {
                let member = &mut self.members[key.index()];
                if member.active && member.mark != self.mark {
                    member.mark = self.mark;
                    targets.push(member.value.clone());
                }
            }
        }
        targets
    }

    /// Who is in the room by joining it, and whose id it is.
    fn in_room(&self, room: &Room) -> SmallVec<[MemberKey; 8]> {
        let joined = self.by_name.get(room).map_or(&[][..], |key| &self.entries[key.index()].members);
        joined.iter().chain(self.find(room.as_str())).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn with(sockets: &[(&str, &[&str])]) -> (Rooms<String>, Vec<MemberKey>) {
        let mut rooms = Rooms::new(8);
        let keys = sockets.iter().map(|(id, joined)| {
            let key = rooms.insert(SocketId::new(id), (*id).to_owned());
            rooms.activate(key);
            joined.iter().for_each(|room| rooms.join(key, Room::new(room)).unwrap());
            key
        });
        let keys = keys.collect();
        (rooms, keys)
    }

    #[track_caller]
    fn check(rooms: &mut Rooms<String>, selection: &Selection, expected: &[&str]) {
        let mut targets = rooms.targets(selection);
        targets.sort();
        assert_eq!(targets, expected);
    }

    #[test]
    fn no_room_selects_everybody_and_several_rooms_their_union_without_duplicates() {
        let (mut rooms, _) = with(&[("a", &["x", "y"]), ("b", &["x"]), ("c", &[])]);
        check(&mut rooms, &Selection::all(), &["a", "b", "c"]);
        check(&mut rooms, &Selection::all().to("x"), &["a", "b"]);
        check(&mut rooms, &Selection::all().to(["x", "y"]), &["a", "b"]);
        check(&mut rooms, &Selection::all().to("x").to("c"), &["a", "b", "c"]);
        check(&mut rooms, &Selection::all().to("nowhere"), &[]);
        check(&mut rooms, &Selection::all().to(Vec::<Room>::new()), &[]);
    }

    #[test]
    fn excepted_rooms_are_left_out_and_a_socket_id_is_a_room() {
        let (mut rooms, _) = with(&[("a", &["x", "y"]), ("b", &["x"]), ("c", &[])]);
        check(&mut rooms, &Selection::all().except("y"), &["b", "c"]);
        check(&mut rooms, &Selection::all().to("x").except("b"), &["a"]);
        check(&mut rooms, &Selection::all().to("c"), &["c"]);
        check(&mut rooms, &Selection::all().except(["x", "c"]), &[]);
    }

    #[test]
    fn a_room_named_like_a_socket_holds_that_socket_and_who_joined_it() {
        let (mut rooms, keys) = with(&[("a", &[]), ("b", &["a"])]);
        check(&mut rooms, &Selection::all().to("a"), &["a", "b"]);
        rooms.leave(keys[1], "a");
        check(&mut rooms, &Selection::all().to("a"), &["a"]);
    }

    #[test]
    fn a_socket_is_selected_only_once_it_is_active() {
        let (mut rooms, _) = with(&[("a", &["x"])]);
        let key = rooms.insert(SocketId::new("late"), "late".to_owned());
        rooms.join(key, "x".into()).unwrap();
        check(&mut rooms, &Selection::all(), &["a"]);
        check(&mut rooms, &Selection::all().to("x"), &["a"]);
        assert_eq!((rooms.get("late"), rooms.len()), (None, 1));
        rooms.activate(key);
        check(&mut rooms, &Selection::all().to(["x", "late"]), &["a", "late"]);
    }

    #[test]
    fn rooms_begin_with_the_own_id_and_empty_rooms_vanish() {
        let (mut rooms, keys) = with(&[("a", &["x"])]);
        assert_eq!(rooms.rooms_of(keys[0]), [Room::new("a"), Room::new("x")]);
        assert_eq!(rooms.names().count(), 1);
        assert!(rooms.leave(keys[0], "x") && !rooms.leave(keys[0], "x"));
        assert_eq!(rooms.names().count(), 0);
        assert_eq!(rooms.remove(keys[0]), Some("a".to_owned()));
        assert_eq!(rooms.remove(keys[0]), None);
        assert!(rooms.is_empty() && rooms.members.is_empty());
    }

    #[test]
    fn a_socket_at_the_bound_can_not_join_another_room() {
        let mut rooms = Rooms::new(1);
        let key = rooms.insert(SocketId::new("a"), ());
        rooms.join(key, "x".into()).unwrap();
        rooms.join(key, "x".into()).unwrap();
        assert_eq!(rooms.join(key, "y".into()), Err(JoinError::TooManyRooms { room: "y".into(), limit: 1 }));
        assert_eq!(rooms.rooms_of(key).len(), 2);
    }

    #[test]
    fn the_devices_of_a_user_are_in_a_room_that_nobody_else_can_join() {
        let (mut rooms, keys) = with(&[("a", &["x"]), ("b", &[]), ("c", &[])]);
        rooms.bind(keys[0], "ann");
        rooms.bind(keys[1], "ann");
        rooms.bind(keys[2], "bob");
        let ann = Selection::all().to(Room::of_user("ann"));
        check(&mut rooms, &ann, &["a", "b"]);
        rooms.leave_all(keys[0]);
        assert!(!rooms.leave(keys[0], Room::of_user("ann").as_str()));
        check(&mut rooms, &ann, &["a", "b"]);
        let refused = rooms.join(keys[2], Room::of_user("ann"));
        assert_eq!(refused, Err(JoinError::Reserved { room: Room::of_user("ann") }));
        assert_eq!((rooms.rooms_of(keys[0]), rooms.names().count()), (vec![Room::new("a")], 0));
        rooms.bind(keys[1], "bob");
        check(&mut rooms, &ann, &["a"]);
        rooms.remove(keys[0]);
        check(&mut rooms, &ann, &[]);
    }

    #[test]
    fn a_user_s_room_does_not_count() {
        let mut rooms = Rooms::new(1);
        let key = rooms.insert(SocketId::new("a"), ());
        rooms.bind(key, "ann");
        assert_eq!(rooms.join(key, "x".into()), Ok(()));
        assert!(rooms.join(key, "y".into()).is_err());
    }

    #[test]
    fn the_journal_tells_what_happened_in_order() {
        let mut rooms = Rooms::new(8);
        rooms.keep_journal();
        let a = rooms.insert(SocketId::new("a"), ());
        rooms.activate(a);
        rooms.bind(a, "ann");
        rooms.join(a, "x".into()).unwrap();
        rooms.leave(a, "x");
        rooms.remove(a);
        let room = |name: &str| Room::new(name);
        let socket = SocketId::new("a");
        let user = Room::of_user("ann");
        let events: Vec<_> = std::iter::from_fn(|| rooms.next_event()).collect();
        assert_eq!(
            events,
            [
                (RoomEvent::Created { room: room("a") }, RoomKind::SocketId),
                (RoomEvent::Joined { room: room("a"), socket: socket.clone() }, RoomKind::SocketId),
                (RoomEvent::Created { room: user.clone() }, RoomKind::User),
                (RoomEvent::Joined { room: user.clone(), socket: socket.clone() }, RoomKind::User),
                (RoomEvent::Created { room: room("x") }, RoomKind::Joined),
                (RoomEvent::Joined { room: room("x"), socket: socket.clone() }, RoomKind::Joined),
                (RoomEvent::Left { room: room("x"), socket: socket.clone() }, RoomKind::Joined),
                (RoomEvent::Deleted { room: room("x") }, RoomKind::Joined),
                (RoomEvent::Left { room: user.clone(), socket: socket.clone() }, RoomKind::User),
                (RoomEvent::Deleted { room: user }, RoomKind::User),
                (RoomEvent::Left { room: room("a"), socket }, RoomKind::SocketId),
                (RoomEvent::Deleted { room: room("a") }, RoomKind::SocketId),
            ]
        );
    }

    proptest! {
        #[test]
        fn selection_agrees_with_a_naive_model(
            steps in prop::collection::vec((0..6_usize, 0..5_usize, any::<bool>()), 0..60),
            to in prop::collection::vec(0..5_usize, 0..3),
            except in prop::collection::vec(0..5_usize, 0..3),
        ) {
            let ids: Vec<String> = (0..6).map(|n| format!("s{n}")).collect();
            let (mut rooms, keys) = with(&ids.iter().map(|id| (id.as_str(), &[][..])).collect::<Vec<_>>());
            let mut model: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for (socket, room, join) in steps {
                if join {
                    rooms.join(keys[socket], Room::new(room.to_string())).unwrap();
                    model.entry(socket).or_default().insert(room);
                } else {
                    let was = model.entry(socket).or_default().remove(&room);
                    prop_assert_eq!(rooms.leave(keys[socket], &room.to_string()), was);
                }
            }
            let names = |list: &[usize]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
            let mut selection = Selection::all().except(names(&except));
            if !to.is_empty() {
                selection = selection.to(names(&to));
            }
            let is_in = |socket: &usize, list: &[usize]| {
                list.iter().any(|room| model.get(socket).is_some_and(|rooms| rooms.contains(room)))
            };
            let expected: Vec<&str> = (0..6)
                .filter(|socket| (to.is_empty() || is_in(socket, &to)) && !is_in(socket, &except))
                .map(|socket| ids[socket].as_str())
                .collect();
            check(&mut rooms, &selection, &expected);
        }
    }
}
