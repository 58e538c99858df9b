//! Finds the session that a request belongs to.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::Mutex;
use sockeye_protocol::engine::SessionId;

use crate::connection::Connection;

/// The open sessions by their id, which is not kept beside them: each has its own.
#[derive(Default)]
pub(crate) struct Sessions {
    table: Mutex<HashTable<Connection>>,
    hasher: RandomState,
}

impl Sessions {
    /// A new id: 15 random bytes, so that nobody guesses another's.
    pub(crate) fn new_id() -> SessionId {
        SessionId::from_random(rand::random())
    }

    /// Makes a session known under its id, unless another one is.
    pub(crate) fn insert(&self, connection: &Connection) -> bool {
        let (id, hash) = (connection.id(), |known: &Connection| self.hash(&known.id()));
        match self.table.lock().entry(self.hash(&id), |known| known.id() == id, hash) {
            Entry::Vacant(vacant) => {
                vacant.insert(connection.clone());
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<Connection> {
        self.table.lock().find(self.hash(id), |known| known.id() == *id).cloned()
    }

    pub(crate) fn remove(&self, id: &SessionId) {
        let mut table = self.table.lock();
        let removed = table.find_entry(self.hash(id), |known| known.id() == *id).ok().map(|entry| entry.remove().0);
        drop(table);
        // Dropped here, where the lock is free: it may be the last handle.
        drop(removed);
    }

    /// Forgets those that still wait for a poll to tell their end.
    pub(crate) fn clear(&self) {
        let forgotten = std::mem::take(&mut *self.table.lock());
        drop(forgotten);
    }

    pub(crate) fn len(&self) -> usize {
        self.table.lock().len()
    }

    pub(crate) fn all(&self) -> Vec<Connection> {
        self.table.lock().iter().cloned().collect()
    }

    fn hash(&self, id: &SessionId) -> u64 {
        self.hasher.hash_one(id)
    }
}
