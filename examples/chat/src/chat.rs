//! Who is here and what was said: the whole state of the chat, in memory and bounded.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stage::Secret;
use stage::message::Fault;
use stage::names::tidy;

/// The room everybody is in; being in it means being online.
pub(crate) const LOBBY: &str = "lobby";

const NAME_CHARS: usize = 24;
const KEY_CHARS: usize = 64;
const ROOM_CHARS: usize = 32;
const TEXT_CHARS: usize = 2000;
const ROOMS_PER_USER: usize = 20;
const ROOMS: usize = 500;
/// How long somebody whose connection is lost keeps the name, and gets what is written to it.
pub(crate) const AWAY: Duration = Duration::from_secs(120);
/// Beyond this many, who has been away longest is forgotten earlier.
const MOST_AWAY: usize = 1000;
const MESSAGES_PER_ROOM: usize = 100;

/// The people, their rooms and the last messages of each room.
#[derive(Debug, Default)]
pub(crate) struct Chat(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    users: HashMap<String, User>,
    rooms: BTreeMap<String, Room>,
}

/// Somebody with at least one device connected, or who may be back in a moment.
#[derive(Debug)]
struct User {
    /// What all devices of this user share; who has it may use the name.
    key: Secret,
    devices: usize,
    /// Until when the name is kept without a device.
    until: u64,
    rooms: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Room {
    people: BTreeSet<String>,
    history: VecDeque<Message>,
}

/// What a page says about itself when it connects.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hello {
    pub(crate) name: String,
    pub(crate) key: String,
    /// The rooms it was in, so that they survive a restart of the server.
    #[serde(default)]
    pub(crate) rooms: Vec<String>,
}

/// Where a message goes: `{"room": "lobby"}` or `{"user": "Ada"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum To {
    Room(String),
    User(String),
}

pub(crate) type Draft = stage::message::Draft<To>;
pub(crate) type Message = stage::message::Message<To>;

/// A message that was accepted.
#[derive(Debug, PartialEq)]
pub(crate) enum Posted {
    New(Message),
    /// It came a second time: answer it, but do not deliver it again.
    Again(Message),
}

/// How a device went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Departure {
    OnPurpose,
    /// It lost its connection, and may be back in a moment.
    Lost,
}

/// Somebody came into a room or left it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    pub(crate) room: String,
    pub(crate) name: String,
    /// How many are in the room now; with nobody in it, a room is gone.
    pub(crate) people: usize,
}

/// A room as one sees it from inside.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct OpenRoom {
    pub(crate) name: String,
    pub(crate) history: Vec<Message>,
}

/// All that a page needs to know at its start.
#[derive(Debug, Serialize)]
pub(crate) struct Welcome {
    pub(crate) name: String,
    pub(crate) people: BTreeSet<String>,
    /// Every room and how many are in it.
    pub(crate) directory: BTreeMap<String, usize>,
    pub(crate) rooms: Vec<OpenRoom>,
}

/// Why something was refused, in words for the user.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("a nickname has 1 to {NAME_CHARS} characters")]
    Name,
    #[error("a room's name has 1 to {ROOM_CHARS} characters")]
    RoomName,
    #[error(transparent)]
    Message(#[from] Fault),
    #[error("“{0}” is taken by somebody else")]
    Taken(String),
    #[error("{0} is not online")]
    Offline(String),
    #[error("you are not in “{0}”")]
    Outside(String),
    #[error("everybody stays in the lobby")]
    Lobby,
    #[error("you are in {ROOMS_PER_USER} rooms: leave one first")]
    TooManyRooms,
    #[error("there are {ROOMS} rooms already: join one of them")]
    NoMoreRooms,
}

impl Chat {
    /// Checks what a page says about itself, and returns it with its names tidied up and no more rooms than one may have.
    pub(crate) fn check(&self, hello: Hello) -> Result<Hello, Refusal> {
        let name = tidy(&hello.name, NAME_CHARS).ok_or(Refusal::Name)?;
        let key = tidy(&hello.key, KEY_CHARS).ok_or(Refusal::Message(Fault::Malformed))?;
        let mut state = self.state();
        state.forget_absent();
        match state.users.get(&name) {
            Some(user) if !user.key.is(&key) => Err(Refusal::Taken(name)),
            _ => Ok(Hello { name, key, rooms: hello.rooms.into_iter().take(ROOMS_PER_USER).collect() }),
        }
    }

    /// Counts a device in, and returns the rooms in which its user is new.
    pub(crate) fn enter(&self, hello: &Hello) -> Result<Vec<Change>, Refusal> {
        let mut state = self.state();
        let user = state.users.entry(hello.name.clone()).or_insert_with(|| User {
            key: Secret::new(hello.key.clone()),
            devices: 0,
            until: 0,
            rooms: BTreeSet::new(),
        });
        if !user.key.is(&hello.key) {
            return Err(Refusal::Taken(hello.name.clone()));
        }
        user.devices += 1;
        let mut changes = state.join(&hello.name, LOBBY).map_or_else(|_| Vec::new(), Vec::from_iter);
        for room in &hello.rooms {
            // A remembered room that can't be had any more is simply not among those of the welcome.
            changes.extend(state.join(&hello.name, room).ok().flatten());
        }
        Ok(changes)
    }

    /// Counts a device out, and returns the rooms that its user left with the last one.
    pub(crate) fn exit(&self, name: &str, departure: Departure) -> Vec<Change> {
        let mut state = self.state();
        let Some(user) = state.users.get_mut(name) else { return Vec::new() };
        user.devices -= 1;
        if user.devices > 0 {
            return Vec::new();
        }
        user.until = match departure {
            Departure::OnPurpose => 0,
            Departure::Lost => stage::now() + u64::try_from(AWAY.as_millis()).unwrap_or(u64::MAX),
        };
        let rooms = std::mem::take(&mut user.rooms);
        state.forget_absent();
        rooms.iter().map(|room| state.part(name, room)).collect()
    }

    /// What a page needs to know when it connects.
    pub(crate) fn welcome(&self, name: &str) -> Welcome {
        let state = self.state();
        Welcome {
            name: name.to_owned(),
            people: state.users.iter().filter(|(_, user)| user.devices > 0).map(|(name, _)| name.clone()).collect(),
            directory: state.rooms.iter().map(|(name, room)| (name.clone(), room.people.len())).collect(),
            rooms: state.users.get(name).iter().flat_map(|user| &user.rooms).map(|room| state.open(room)).collect(),
        }
    }

    /// Puts a user into a room, which is made if there is none; the change is `None` for who was in it before.
    pub(crate) fn join(&self, name: &str, room: &str) -> Result<(OpenRoom, Option<Change>), Refusal> {
        let room = tidy(room, ROOM_CHARS).ok_or(Refusal::RoomName)?;
        let mut state = self.state();
        let change = state.join(name, &room)?;
        Ok((state.open(&room), change))
    }

    /// Takes a user out of a room; the change is `None` for who was not in it.
    pub(crate) fn leave(&self, name: &str, room: &str) -> Result<Option<Change>, Refusal> {
        if room == LOBBY {
            return Err(Refusal::Lobby);
        }
        let mut state = self.state();
        let was_in = state.users.get_mut(name).is_some_and(|user| user.rooms.remove(room));
        Ok(was_in.then(|| state.part(name, room)))
    }

    /// Accepts a message, and keeps it if it is for a room.
    pub(crate) fn post(&self, from: &str, draft: Draft) -> Result<Posted, Refusal> {
        let message = draft.sign(from, TEXT_CHARS)?;
        self.reaches(from, &message.to)?;
        let To::Room(room) = &message.to else { return Ok(Posted::New(message)) };
        let mut state = self.state();
        let Some(room) = state.rooms.get_mut(room) else { return Err(Refusal::Outside(room.clone())) };
        if let Some(earlier) = room.history.iter().find(|earlier| earlier.id == message.id && earlier.from == from) {
            return Ok(Posted::Again(earlier.clone()));
        }
        if room.history.len() == MESSAGES_PER_ROOM {
            room.history.pop_front();
        }
        room.history.push_back(message.clone());
        Ok(Posted::New(message))
    }

    /// Whether this user may write there: to people who are online or may be back in a moment, and to rooms one is in.
    pub(crate) fn reaches(&self, from: &str, to: &To) -> Result<(), Refusal> {
        let state = self.state();
        match to {
            To::User(name) if state.users.get(name).is_some_and(User::is_expected) => Ok(()),
            To::User(name) => Err(Refusal::Offline(name.chars().take(NAME_CHARS).collect())),
            To::Room(room) if state.users.get(from).is_some_and(|user| user.rooms.contains(room)) => Ok(()),
            To::Room(room) => Err(Refusal::Outside(room.chars().take(ROOM_CHARS).collect())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in one handler must not end the chat for all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl User {
    fn is_expected(&self) -> bool {
        self.devices > 0 || self.until > stage::now()
    }
}

impl State {
    /// Gives the names of those free who have not come back, and of those who went first if there are too many.
    fn forget_absent(&mut self) {
        self.users.retain(|_, user| user.is_expected());
        let absent = self.users.iter().filter(|(_, user)| user.devices == 0);
        if absent.clone().count() > MOST_AWAY {
            let first = absent.min_by_key(|(_, user)| user.until).map(|(name, _)| name.clone());
            first.and_then(|name| self.users.remove(&name));
        }
    }

    fn join(&mut self, name: &str, room: &str) -> Result<Option<Change>, Refusal> {
        let room = tidy(room, ROOM_CHARS).ok_or(Refusal::RoomName)?;
        let rooms_are_full = self.rooms.len() >= ROOMS && !self.rooms.contains_key(&room);
        let user = self.users.get_mut(name).ok_or(Refusal::Message(Fault::Malformed))?;
        if user.rooms.contains(&room) {
            return Ok(None);
        }
        if user.rooms.len() >= ROOMS_PER_USER {
            return Err(Refusal::TooManyRooms);
        }
        if rooms_are_full {
            return Err(Refusal::NoMoreRooms);
        }
        user.rooms.insert(room.clone());
        let people = &mut self.rooms.entry(room.clone()).or_default().people;
        people.insert(name.to_owned());
        Ok(Some(Change { people: people.len(), room, name: name.to_owned() }))
    }

    /// Takes a user off a room's list. An empty room goes with its messages, only the lobby's stay.
    fn part(&mut self, name: &str, room: &str) -> Change {
        let mut people = 0;
        if let Some(entry) = self.rooms.get_mut(room) {
            entry.people.remove(name);
            people = entry.people.len();
        }
        if people == 0 && room != LOBBY {
            self.rooms.remove(room);
        }
        Change { room: room.to_owned(), name: name.to_owned(), people }
    }

    fn open(&self, room: &str) -> OpenRoom {
        let history = self.rooms.get(room).map(|room| room.history.iter().cloned().collect()).unwrap_or_default();
        OpenRoom { name: room.to_owned(), history }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(name: &str, key: &str) -> Hello {
        Hello { name: name.into(), key: key.into(), rooms: Vec::new() }
    }

    fn draft(id: &str, to: To, text: &str) -> Draft {
        Draft { id: id.into(), to, text: text.into() }
    }

    #[test]
    fn only_the_first_and_the_last_device_of_a_user_count() {
        let chat = Chat::default();
        assert_eq!(chat.enter(&hello("Ada", "a")).unwrap().len(), 1);
        assert_eq!(chat.enter(&hello("Ada", "a")).unwrap(), []);
        assert_eq!(chat.exit("Ada", Departure::Lost), []);
        assert_eq!(chat.exit("Ada", Departure::Lost), [Change { room: LOBBY.into(), name: "Ada".into(), people: 0 }]);
    }

    #[test]
    fn who_lost_the_connection_keeps_the_name_and_can_be_written_to() {
        let chat = Chat::default();
        for name in ["Ada", "Bob", "Eve"] {
            chat.enter(&hello(name, "key")).unwrap();
        }
        chat.exit("Bob", Departure::Lost);
        chat.exit("Eve", Departure::OnPurpose);
        assert_eq!(chat.check(hello("Bob", "another")).unwrap_err(), Refusal::Taken("Bob".into()));
        assert!(chat.check(hello("Eve", "another")).is_ok());
        assert!(chat.reaches("Ada", &To::User("Bob".into())).is_ok());
        assert_eq!(chat.reaches("Ada", &To::User("Eve".into())), Err(Refusal::Offline("Eve".into())));
        assert_eq!(chat.welcome("Ada").people, BTreeSet::from(["Ada".into()]));
    }

    #[test]
    fn those_who_may_be_back_are_not_too_many() {
        let chat = Chat::default();
        for number in 0..MOST_AWAY + 3 {
            chat.enter(&hello(&number.to_string(), "key")).unwrap();
            chat.exit(&number.to_string(), Departure::Lost);
        }
        assert_eq!(chat.state().users.len(), MOST_AWAY);
    }

    #[test]
    fn a_name_in_use_needs_its_key() {
        let chat = Chat::default();
        chat.enter(&hello("Ada", "a")).unwrap();
        assert_eq!(chat.check(hello(" Ada ", "b")).unwrap_err(), Refusal::Taken("Ada".into()));
        assert_eq!(chat.enter(&hello("Ada", "b")).unwrap_err(), Refusal::Taken("Ada".into()));
        assert!(chat.check(hello("Ada", "a")).is_ok());
    }

    #[test]
    fn a_message_sent_twice_is_kept_once() {
        let chat = Chat::default();
        chat.enter(&hello("Ada", "a")).unwrap();
        let lobby = To::Room(LOBBY.into());
        assert!(matches!(chat.post("Ada", draft("1", lobby.clone(), "hi")), Ok(Posted::New(_))));
        assert!(matches!(chat.post("Ada", draft("1", lobby, "hi")), Ok(Posted::Again(_))));
        assert_eq!(chat.welcome("Ada").rooms[0].history.len(), 1);
    }

    #[test]
    fn a_room_keeps_its_last_messages_only() {
        let chat = Chat::default();
        chat.enter(&hello("Ada", "a")).unwrap();
        for id in 0..MESSAGES_PER_ROOM + 5 {
            chat.post("Ada", draft(&id.to_string(), To::Room(LOBBY.into()), "hi")).unwrap();
        }
        let history = &chat.welcome("Ada").rooms[0].history;
        assert_eq!(history.len(), MESSAGES_PER_ROOM);
        assert_eq!(history[0].id, "5");
    }

    #[test]
    fn what_is_too_long_or_elsewhere_is_refused() {
        let chat = Chat::default();
        chat.enter(&hello("Ada", "a")).unwrap();
        let refusal = |to, text: &str| chat.post("Ada", draft("1", to, text)).unwrap_err();
        assert_eq!(
            refusal(To::Room(LOBBY.into()), &"x".repeat(TEXT_CHARS + 1)),
            Refusal::Message(Fault::Text { most: TEXT_CHARS })
        );
        assert_eq!(refusal(To::Room(LOBBY.into()), " \n"), Refusal::Message(Fault::Text { most: TEXT_CHARS }));
        assert_eq!(refusal(To::Room("tea".into()), "hi"), Refusal::Outside("tea".into()));
        assert_eq!(refusal(To::User("Bob".into()), "hi"), Refusal::Offline("Bob".into()));
        assert_eq!(chat.check(hello(&"x".repeat(NAME_CHARS + 1), "a")).unwrap_err(), Refusal::Name);
        assert_eq!(chat.join("Ada", &"x".repeat(ROOM_CHARS + 1)).unwrap_err(), Refusal::RoomName);
    }

    #[test]
    fn rooms_per_user_are_bounded_and_empty_rooms_go() {
        let chat = Chat::default();
        chat.enter(&hello("Ada", "a")).unwrap();
        for room in 1..ROOMS_PER_USER {
            chat.join("Ada", &room.to_string()).unwrap();
        }
        assert_eq!(chat.join("Ada", "one more").unwrap_err(), Refusal::TooManyRooms);
        chat.exit("Ada", Departure::Lost);
        chat.enter(&hello("Bob", "b")).unwrap();
        assert_eq!(chat.welcome("Bob").directory.into_keys().collect::<Vec<_>>(), [LOBBY]);
    }
}
