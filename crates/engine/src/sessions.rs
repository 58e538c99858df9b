//! Finds the session that a request belongs to.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use parking_lot::Mutex;
use sockeye_protocol::engine::SessionId;

use crate::connection::Connection;
use crate::places::Place;

/// The open sessions by their id.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SessionId, Known, RandomState>>);

struct Known {
    connection: Connection,
    /// Given back when the session is forgotten, whoever still has a handle to it.
    _place: Option<Box<Place>>,
}

impl Sessions {
    /// A new id: 15 random bytes, so that nobody guesses another's.
    pub(crate) fn new_id() -> SessionId {
        SessionId::from_random(rand::random())
    }

    /// Makes a session known under its id, unless another one is.
    pub(crate) fn insert(&self, connection: &Connection, place: Option<Box<Place>>) -> bool {
        match self.0.lock().entry(connection.id()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Known { connection: connection.clone(), _place: place });
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<Connection> {
        self.0.lock().get(id).map(|known| known.connection.clone())
    }

    pub(crate) fn remove(&self, id: &SessionId) {
        let removed = self.0.lock().remove(id);
        // Dropped here, where the lock is free: it may be the last handle.
        drop(removed);
    }

    /// Forgets those that still wait for a poll to tell their end.
    pub(crate) fn clear(&self) {
        let forgotten = std::mem::take(&mut *self.0.lock());
        drop(forgotten);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(crate) fn all(&self) -> Vec<Connection> {
        self.0.lock().values().map(|known| known.connection.clone()).collect()
    }
}
