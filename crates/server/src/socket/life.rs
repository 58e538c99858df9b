//! The life of a socket, from its CONNECT to its end.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use sockeye_adapter::{Rooms, SocketId};
use sockeye_engine::Closed;

use super::{Own, Socket, SocketInner};
use crate::ack::PendingAcks;
use crate::client::Client;
use crate::data::SocketData;
use crate::disconnect::{Departure, DisconnectReason};
use crate::dispatch::{self, EventQueue};
use crate::event_rate::Pace;
use crate::namespace::Namespace;
use crate::recovery::{Keeper, Recoverable, Restored};

/// What the socket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Connecting,
    Connected,
    /// Its handlers are being told; it is still in its rooms.
    Disconnecting,
    Disconnected,
}

impl Socket {
    /// A socket that is not connected yet, registered with its namespace, which is [held](crate::holds) for it.
    pub(crate) fn register(
        id: SocketId,
        namespace: Namespace,
        client: Arc<Client>,
        auth: Option<Box<str>>,
        recoverable: Option<Recoverable>,
    ) -> Self {
        let restored = recoverable.as_ref().and_then(Recoverable::restored);
        let socket = Self(Arc::new(SocketInner {
            id: id.clone(),
            namespace,
            connection: client.connection().clone(),
            client,
            key: OnceLock::new(),
            auth,
            state: AtomicU8::new(State::Connecting as u8),
            acks: PendingAcks::default(),
            events: EventQueue::default(),
            pace: Pace::default(),
            recoverable: recoverable.map(Box::new),
            own: OnceLock::new(),
        }));
        let key = socket.namespace_ref().inner().rooms.lock().insert(id, socket.clone());
        // Set here and nowhere else.
        let _ = socket.0.key.set(key);
        if let Some(restored) = restored {
            socket.restore(restored);
        }
        if let Some((keeper, recoverable)) = socket.recovery() {
            keeper.expect(&socket, recoverable);
        }
        socket
    }

    /// Gives the socket what its client left behind.
    fn restore(&self, restored: Restored) {
        let Restored { rooms, user, data } = restored;
        if !data.is_empty() {
            let _ = self.0.own.set(Box::new(Own { data: SocketData::new(data), ..Own::default() }));
        }
        if let Some(user) = user {
            self.set_user(user);
        }
        // They were allowed before.
        let _ = self.join(rooms);
    }

    /// Whether the client is connected to this namespace: not yet in a middleware, no more after it has left.
    pub fn is_connected(&self) -> bool {
        self.state() == State::Connected
    }

    pub(crate) fn may_send(&self) -> bool {
        self.state() != State::Disconnected
    }

    fn state(&self) -> State {
        match self.0.state.load(Ordering::Acquire) {
            0 => State::Connecting,
            1 => State::Connected,
            2 => State::Disconnecting,
            _ => State::Disconnected,
        }
    }

    /// Disconnects the client from this namespace; its connection and other namespaces stay.
    ///
    /// The client sees `io server disconnect` and does not come back by itself.
    pub fn disconnect(&self) {
        match self.state() {
            State::Connecting | State::Connected => {}
            State::Disconnecting | State::Disconnected => return,
        }
        self.client().dismiss(self.namespace_name());
        self.client().leave(self);
        self.end(Departure::by_server());
    }

    /// Closes the client's connection, with all namespaces on it: Node's `disconnect(true)`.
    pub fn close(&self) {
        self.client().disconnect_all(Departure::by_server());
        self.connection().close(Closed::forced(sockeye_engine::CloseCause::Application));
    }

    /// The middlewares are passed. Says whether the socket still was connecting.
    pub(crate) fn connect(&self) -> bool {
        self.advance(State::Connecting, State::Connected)
    }

    /// Tells the client that it is in, and lets the socket be selected from then on.
    pub(crate) fn enter(&self) {
        if let Some((keeper, recoverable)) = self.recovery() {
            keeper.admit(self, recoverable);
        } else {
            self.client().welcome(self, None);
            self.activate();
        }
        self.0.namespace.tell_of_rooms();
    }

    /// Lets the socket be selected from now on. Nobody who watches rooms is told yet.
    pub(crate) fn activate(&self) {
        self.in_rooms(Rooms::activate);
    }

    /// Takes the socket out of its namespace and ends all waiting for its answers.
    ///
    /// Without a reason its client has been refused, and has nothing to come back for.
    pub(crate) fn abandon(&self, reason: Option<DisconnectReason>) {
        let vacated = match self.recovery() {
            Some((keeper, recoverable)) => {
                let vacated = keeper.part(self, recoverable, reason);
                keeper.sweep(&self.0.namespace);
                vacated
            }
            None => self.vacate(),
        };
        self.0.namespace.tell_of_rooms();
        self.0.acks.close();
        if vacated {
            // They may hold this very socket.
            if let Some(handlers) = self.own_handlers() {
                handlers.clear();
            }
            self.0.namespace.release();
        }
    }

    /// Gives its place in the namespace up. Says whether it had one; nobody who watches rooms is told yet.
    pub(crate) fn vacate(&self) -> bool {
        let mut rooms = self.0.namespace.inner().rooms.lock();
        // Only once: its place may be another socket's by now.
        if self.0.state.swap(State::Disconnected as u8, Ordering::AcqRel) == State::Disconnected as u8 {
            return false;
        }
        let removed = self.0.key.get().and_then(|&key| rooms.remove(key));
        drop(rooms);
        drop(removed);
        true
    }

    /// Ends the socket: handlers are told, rooms left, waiting for answers ended. Only the first call does anything.
    pub(crate) fn end(&self, departure: Departure) {
        if let Some(recoverable) = self.recoverable() {
            recoverable.parts_for(departure.reason);
        }
        if !self.advance(State::Connected, State::Disconnecting) {
            // A socket that is still passing middlewares never was there for anybody.
            if self.state() == State::Connecting {
                self.abandon(Some(departure.reason));
            }
            return;
        }
        let table = self.0.namespace.inner().handlers.load();
        dispatch::disconnected(self, &table.disconnecting, departure);
        self.abandon(Some(departure.reason));
        // Other namespaces of the connection go on.
        self.0.events.clear(self.connection());
        dispatch::disconnected(self, &table.disconnect, departure);
    }

    fn recovery(&self) -> Option<(&Arc<Keeper>, &Recoverable)> {
        self.0.namespace.keeper().zip(self.recoverable())
    }

    pub(crate) fn recoverable(&self) -> Option<&Recoverable> {
        self.0.recoverable.as_deref()
    }

    /// Whether its client has come back and found it as it was, with its id, rooms, user and data. See
    /// [`Recovery`](crate::Recovery).
    pub fn is_recovered(&self) -> bool {
        self.recoverable().is_some_and(Recoverable::is_recovered)
    }

    pub(crate) fn downgrade(&self) -> Weak<SocketInner> {
        Arc::downgrade(&self.0)
    }

    fn advance(&self, from: State, to: State) -> bool {
        self.0.state.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
