//! What a program listens to: the handlers of a namespace, shared by its sockets, and those of one socket alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::handler::{Connecting, Disconnected, Handler, Received, erase};
use crate::handlers::{Handlers, Registration};
use crate::namespace::Namespace;
use crate::outgoing::{Listener, Outgoing};
use crate::socket::Socket;

impl Namespace {
    /// Calls `handler` for every event of this name.
    ///
    /// Several handlers of one event are called in the order in which they were added. The events of one socket start
    /// in the order of arrival; a handler that waits for something lets later events start meanwhile.
    ///
    /// ```
    /// # use sockeye::{Data, Server, Socket};
    /// # let io = Server::builder().build()?;
    /// io.on("chat message", async |socket: Socket, Data(text): Data<String>| {
    ///     socket.broadcast().emit("chat message", &text)
    /// });
    /// io.on("add", async |Data((a, b)): Data<(i64, i64)>| a + b); // the answer to the acknowledgement
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn on<A>(&self, event: &str, handler: impl Handler<Received, A>) -> &Self {
        let _ = self.add_handler(event, handler);
        self
    }

    /// As [`on`](Self::on), for a handler that is to be [removed](Self::remove_handler) by itself.
    pub fn add_handler<A>(&self, event: &str, handler: impl Handler<Received, A>) -> Registration {
        self.inner().handlers.add(event, erase(handler))
    }

    /// Removes one handler. It may be called for an event that is being handled already.
    pub fn remove_handler(&self, registration: &Registration) -> &Self {
        self.inner().handlers.remove_one(registration);
        self
    }

    /// Removes all handlers of this event.
    pub fn off(&self, event: &str) -> &Self {
        self.inner().handlers.remove(event);
        self
    }

    /// Calls `handler` for every event, before the middlewares for events and the handlers of its name.
    ///
    /// What it returns answers nothing: only the handlers of the name can answer.
    pub fn on_any<A>(&self, handler: impl Handler<Received, A>) -> &Self {
        let handler = erase(handler);
        self.inner().handlers.change(|table| table.any.push(handler.clone()));
        self
    }

    /// Removes all handlers that [`on_any`](Self::on_any) has added.
    pub fn off_any(&self) -> &Self {
        self.inner().handlers.change(|table| table.any.clear());
        self
    }

    /// Calls `handler` for every event that has no handler of its name, in the namespace or at its socket.
    ///
    /// It may answer, as a handler of the name could. A later one replaces an earlier one.
    ///
    /// ```
    /// # use sockeye::{Event, Server};
    /// # let io = Server::builder().build()?;
    /// io.fallback(async |Event(name): Event| format!("there is no {name} here"));
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn fallback<A>(&self, handler: impl Handler<Received, A>) -> &Self {
        let handler = erase(handler);
        self.inner().handlers.change(|table| table.fallback = Some(handler.clone()));
        self
    }

    /// Has every event pass `handler` before its handlers are called, in the order in which they were added.
    ///
    /// `Err` stops the event: the error goes to the [error hook](crate::Server::on_error), which may answer, and the client is
    /// told nothing else. While a middleware waits for something, the later events of this socket wait too, so that the
    /// order is kept; acknowledgements, heartbeats and the end of the connection don't. Acknowledgements pass none.
    ///
    /// A middleware may answer as a handler may, by [`Ack`](crate::Ack) or by what it returns; the first answer counts.
    ///
    /// ```
    /// # use sockeye::{Arguments, Event, Server, Socket};
    /// # let io = Server::builder().build()?;
    /// io.event_middleware(async |socket: Socket, Event(name): Event| {
    ///     if name.starts_with("admin:") && socket.user().is_none() { Err("not authorized") } else { Ok(()) }
    /// });
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn event_middleware<A>(&self, handler: impl Handler<Received, A>) -> &Self {
        let handler = erase(handler);
        self.inner().handlers.change(|table| table.event_middleware.push(handler.clone()));
        self
    }

    /// Calls `listener` for every event that is emitted to a socket of this namespace, as soon as it is on its way.
    ///
    /// A broadcast calls it once for each socket that it goes to. Answers to events are no events. It runs within the
    /// emit, and should not block.
    ///
    /// ```
    /// # let io = sockeye::Server::builder().build()?;
    /// io.on_any_outgoing(|outgoing| println!("{} to {}", outgoing.event(), outgoing.socket().id()));
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn on_any_outgoing(&self, listener: impl Fn(&Outgoing<'_>) + Send + Sync + 'static) -> &Self {
        let listener: Listener = Arc::new(listener);
        self.inner().handlers.change(|table| table.outgoing.push(listener.clone()));
        self
    }

    /// Removes all listeners that [`on_any_outgoing`](Self::on_any_outgoing) has added.
    pub fn off_any_outgoing(&self) -> &Self {
        self.inner().handlers.change(|table| table.outgoing.clear());
        self
    }

    /// Calls `handler` for every socket that has connected, after the client has been told so.
    pub fn on_connect<A>(&self, handler: impl Handler<Connecting, A>) -> &Self {
        let handler = erase(handler);
        self.inner().handlers.change(|table| table.connect.push(handler.clone()));
        self
    }

    /// Calls `handler` for every socket that is about to leave; its rooms can still be read.
    pub fn on_disconnecting<A>(&self, handler: impl Handler<Disconnected, A>) -> &Self {
        let handler = erase(handler);
        self.inner().handlers.change(|table| table.disconnecting.push(handler.clone()));
        self
    }

    /// Calls `handler` for every socket that has left; it is in no room any more.
    ///
    /// It does not wait for the socket's other handlers: those that are still waiting for something go on.
    pub fn on_disconnect<A>(&self, handler: impl Handler<Disconnected, A>) -> &Self {
        let handler = erase(handler);
        self.inner().handlers.change(|table| table.disconnect.push(handler.clone()));
        self
    }

    /// Has every socket that wants to connect pass `handler` first, in the order in which they were added.
    ///
    /// `Err` refuses the socket: the client gets the error as `connect_error`, with its data if it is a
    /// [`ConnectError`](crate::ConnectError). Rooms that the socket has joined are left then.
    ///
    /// ```
    /// # use sockeye::{ConnectError, Data, Server};
    /// # #[derive(serde::Deserialize)]
    /// # struct Auth { token: String }
    /// # let io = Server::builder().build()?;
    /// io.of("/admin").middleware(async |Data(auth): Data<Auth>| {
    ///     if auth.token == "secret" { Ok(()) } else { Err(ConnectError::new("not authorized")) }
    /// });
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn middleware<A>(&self, handler: impl Handler<Connecting, A>) -> &Self {
        let handler = erase(handler);
        self.inner().handlers.change(|table| table.middleware.push(handler.clone()));
        self
    }
}

impl Socket {
    /// Calls `handler` for every event of this name from this client, after the handlers of the namespace.
    ///
    /// A socket's own handlers are dropped when it has been disconnected; so they may hold the socket itself.
    pub fn on<A>(&self, event: &str, handler: impl Handler<Received, A>) -> &Self {
        let _ = self.add_handler(event, handler);
        self
    }

    /// As [`on`](Self::on), for a handler that is to be [removed](Self::remove_handler) by itself.
    pub fn add_handler<A>(&self, event: &str, handler: impl Handler<Received, A>) -> Registration {
        self.change_handlers(|handlers| handlers.add(event, erase(handler)))
    }

    /// Removes one of this socket's own handlers. It may be called for an event that is being handled already.
    pub fn remove_handler(&self, registration: &Registration) -> &Self {
        if let Some(handlers) = self.own_handlers() {
            handlers.remove_one(registration);
        }
        self
    }

    /// Calls `handler` for the next event of this name from this client.
    pub fn once<A>(&self, event: &str, handler: impl Handler<Received, A>) -> &Self {
        self.change_handlers(|handlers| handlers.add_once(event, erase(handler)));
        self
    }

    /// Removes this socket's own handlers of this event; those of the namespace stay.
    pub fn off(&self, event: &str) -> &Self {
        if let Some(handlers) = self.own_handlers() {
            handlers.remove(event);
        }
        self
    }

    /// Calls `handler` for every event from this client, after those of the namespace. See [`Namespace::on_any`].
    pub fn on_any<A>(&self, handler: impl Handler<Received, A>) -> &Self {
        let handler = erase(handler);
        self.change_handlers(|handlers| handlers.change(|table| table.any.push(handler.clone())));
        self
    }

    /// Removes this socket's own handlers of all events; those of the namespace stay.
    pub fn off_any(&self) -> &Self {
        if let Some(handlers) = self.own_handlers() {
            handlers.change(|table| table.any.clear());
        }
        self
    }

    /// Has every event from this client pass `handler`, after those of the namespace. See [`Namespace::event_middleware`].
    pub fn event_middleware<A>(&self, handler: impl Handler<Received, A>) -> &Self {
        let handler = erase(handler);
        self.change_handlers(|handlers| handlers.change(|table| table.event_middleware.push(handler.clone())));
        self
    }

    /// Calls `listener` for every event emitted to this client, after those of the namespace. See
    /// [`Namespace::on_any_outgoing`].
    pub fn on_any_outgoing(&self, listener: impl Fn(&Outgoing<'_>) + Send + Sync + 'static) -> &Self {
        let listener: Listener = Arc::new(listener);
        self.change_handlers(|handlers| handlers.change(|table| table.outgoing.push(listener.clone())));
        self.namespace_ref().inner().sockets_listen.store(true, Ordering::Release);
        self
    }

    /// Removes this socket's own listeners to what is emitted; those of the namespace stay.
    pub fn off_any_outgoing(&self) -> &Self {
        if let Some(handlers) = self.own_handlers() {
            handlers.change(|table| table.outgoing.clear());
        }
        self
    }

    /// Adds to the socket's own handlers. One that has gone keeps none.
    fn change_handlers<R>(&self, change: impl FnOnce(&Handlers) -> R) -> R {
        let changed = change(self.handlers());
        if !self.may_send() {
            self.handlers().clear();
        }
        changed
    }
}
