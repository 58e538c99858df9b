//! Sending events: to one socket, or to many at once.

use std::slice;
use std::time::Duration;

use serde::de::DeserializeOwned;
use sockeye_adapter::cluster::{Answers, AskedClients, Cluster, Flags};
use sockeye_adapter::{IntoRooms, Room, Selection};
use sockeye_engine::{Compression, Frames, Guarantee, SendOptions};
use sockeye_protocol::socket::{EncodeError, ToArguments};

use crate::ack::{self, AckFuture, DEFAULT_TIMEOUT, RepliesFuture};
use crate::cluster;
use crate::namespace::Namespace;
use crate::outgoing;
use crate::remote::RemoteSocket;
use crate::socket::Socket;
use crate::wire::Draft;

/// Why an event could not be sent. Nothing has been sent then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The name belongs to Socket.IO itself.
    #[error("event name {name:?} is reserved: expected none of {}", .reserved.join(", "))]
    ReservedName {
        /// The name.
        name: String,
        /// All names that can't be used.
        reserved: &'static [&'static str],
    },
    /// The arguments can't be written, or hold too many attachments.
    #[error("the arguments can't be sent")]
    Encode(#[from] EncodeError),
    /// The socket waits for as many answers as it may.
    #[error("socket waits for {limit} answers already, the most that `max_pending_acks` allows")]
    TooManyAcks {
        /// The setting.
        limit: usize,
    },
}

/// Names that events may not have.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Checks the name of an event to be sent.
pub(crate) fn check_name(name: &str) -> Result<(), EmitError> {
    if RESERVED.contains(&name) {
        Err(EmitError::ReservedName { name: name.to_owned(), reserved: &RESERVED })
    } else {
        Ok(())
    }
}

/// What a user's yes or no is to the engine.
fn compression(compress: bool) -> Compression {
    if compress { Compression::Allowed } else { Compression::Never }
}

/// An event on its way to some sockets of a namespace. Each call of a method makes a new one; nothing is shared.
///
/// ```
/// # use sockeye::Server;
/// # let io = Server::builder().build()?;
/// io.to("room1").to(["room2", "room3"]).except("room4").emit("hello", ("two", "arguments"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Broadcast {
    namespace: Namespace,
    selection: Selection,
    options: SendOptions,
    timeout: Option<Duration>,
    /// It concerns the sockets of this node only.
    local: bool,
}

impl Broadcast {
    pub(crate) fn new(namespace: Namespace) -> Self {
        let (selection, options) = (Selection::all(), SendOptions::default());
        Self { namespace, selection, options, timeout: Some(DEFAULT_TIMEOUT), local: false }
    }

    /// What another node has sent, for the sockets of this one.
    pub(crate) fn of_others(namespace: Namespace, selection: Selection, flags: Flags) -> Self {
        let mut broadcast = Self { selection, local: true, ..Self::new(namespace) };
        broadcast.options.compression = compression(flags.compress.unwrap_or(true));
        if flags.volatile {
            broadcast.options.guarantee = Guarantee::Volatile;
        }
        broadcast.timeout = flags.timeout.or(broadcast.timeout);
        broadcast
    }

    /// The other nodes that it concerns as well, if there are any.
    fn others(&self) -> Option<&Cluster> {
        self.namespace.cluster().filter(|_| !self.local)
    }

    /// How it is sent, for other nodes.
    fn flags(&self) -> Flags {
        Flags {
            volatile: self.options.guarantee == Guarantee::Volatile,
            compress: (self.options.compression == Compression::Never).then_some(false),
            ..Flags::default()
        }
    }

    /// Goes to the sockets in these rooms, in addition to those named before. Each socket gets it once.
    ///
    /// The id of a socket is a room that holds it alone.
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.selection = self.selection.to(rooms);
        self
    }

    /// The same as [`to`](Self::to): JavaScript's `in`, which is a keyword here.
    pub fn within(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Leaves out the sockets in these rooms.
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.selection = self.selection.except(rooms);
        self
    }

    /// Goes to sockets of this node only.
    pub fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// Whether it may be compressed; JavaScript's `socket.compress(false)` is this. Default: yes.
    ///
    /// It is on a WebSocket for which [`per_message_deflate`](crate::ServerBuilder::per_message_deflate) has been
    /// agreed on, and in answers to polls, if it is long enough. Say no for what has been compressed before.
    pub fn compress(mut self, compress: bool) -> Self {
        self.options.compression = compression(compress);
        self
    }

    /// Is dropped for every socket whose transport can't take it right now.
    pub fn volatile(mut self) -> Self {
        self.options.guarantee = Guarantee::Volatile;
        self
    }

    /// How long [`emit_with_ack`](Self::emit_with_ack) waits. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Lets [`emit_with_ack`](Self::emit_with_ack) wait until each socket has answered or gone.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Sends the event to every selected socket. A tuple is several arguments, `()` none, everything else one.
    ///
    /// Never blocks. Delivered at most once, in order per socket; who can't keep up is disconnected, not waited for.
    ///
    /// # Errors
    /// [`EmitError`] if the event can't be sent to anybody. That nobody was selected is no error.
    pub fn emit(&self, event: &str, arguments: impl ToArguments) -> Result<(), EmitError> {
        check_name(event)?;
        self.emit_here(event, &arguments)?;
        if let Some(others) = self.others() {
            for namespace in self.namespace.family() {
                let event = cluster::broadcast(event, &arguments, self.selection.clone(), self.flags())?;
                others.broadcast(namespace.name(), event);
            }
        }
        Ok(())
    }

    /// Sends the event to the selected sockets of this node.
    pub(crate) fn emit_here(&self, event: &str, arguments: &impl ToArguments) -> Result<(), EmitError> {
        self.namespace.family().iter().try_for_each(|namespace| self.emit_in(namespace, event, arguments))
    }

    fn emit_in(&self, namespace: &Namespace, event: &str, arguments: &impl ToArguments) -> Result<(), EmitError> {
        let kept = self.options.guarantee == Guarantee::Reliable;
        let targets = if let Some(keeper) = namespace.keeper().filter(|_| kept) {
            let select = |selection: &Selection| namespace.targets(selection);
            let write = |draft: &mut Draft<'_>| draft.event(None, event, arguments);
            keeper.emit(namespace, self.selection.clone(), select, write, self.options)?
        } else {
            let frames = encode(namespace, event, arguments, None)?;
            let targets = namespace.targets(&self.selection);
            for socket in &targets {
                socket.connection().send(&frames, self.options);
            }
            targets
        };
        outgoing::tell(namespace, &targets, event, arguments);
        Ok(())
    }

    /// Sends the event `message`.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send(&self, arguments: impl ToArguments) -> Result<(), EmitError> {
        self.emit("message", arguments)
    }

    /// Sends the event to every selected socket and waits for their answers.
    ///
    /// The event has been sent when this returns its future; [`Replies`](crate::Replies) tells who answered and who did not.
    ///
    /// # Errors
    /// The future ends with [`EmitError`] if the event can't be sent to anybody. That somebody is silent is no error.
    pub fn emit_with_ack<T: DeserializeOwned + Send + 'static>(
        &self,
        event: &str,
        arguments: impl ToArguments,
    ) -> RepliesFuture<T> {
        let asked = check_name(event).and_then(|()| {
            let here = self.ask_here(event, &arguments)?;
            let there = self.others().map(|others| self.ask_there(others, event, &arguments)).transpose()?;
            Ok((here, there))
        });
        match asked {
            Ok(((asked, sockets), there)) => RepliesFuture::new(asked, sockets, there.unwrap_or_default()),
            Err(error) => RepliesFuture::failed(error),
        }
    }

    /// Asks the selected sockets of this node.
    pub(crate) fn ask_here<T>(
        &self,
        event: &str,
        arguments: &impl ToArguments,
    ) -> Result<(Vec<AckFuture<T>>, Vec<Socket>), EmitError> {
        let mut asked = Vec::new();
        let mut sockets = Vec::new();
        for namespace in self.namespace.family() {
            let id = namespace.ack_ids().next();
            let frames = encode(&namespace, event, arguments, Some(id))?;
            let targets = namespace.targets(&self.selection);
            asked.extend(targets.iter().map(|socket| {
                let expected = ack::expect(socket, id);
                let sent = expected.map(|answer| {
                    socket.connection().send(&frames, self.options);
                    (id, answer)
                });
                AckFuture::new(socket.clone(), sent, self.timeout)
            }));
            outgoing::tell(&namespace, &targets, event, arguments);
            sockets.extend(targets);
        }
        Ok((asked, sockets))
    }

    /// Asks the selected sockets of other nodes.
    fn ask_there(
        &self,
        others: &Cluster,
        event: &str,
        arguments: &impl ToArguments,
    ) -> Result<Vec<AskedClients>, EmitError> {
        let flags = Flags { timeout: self.timeout, ..self.flags() };
        let family = self.namespace.family();
        let asked = family.iter().map(|namespace| {
            let event = cluster::broadcast(event, arguments, self.selection.clone(), flags)?;
            Ok(others.ask_clients(namespace.name(), event, self.timeout))
        });
        asked.collect()
    }

    /// The selected sockets of this node.
    pub fn sockets(&self) -> Vec<Socket> {
        self.namespace.targets(&self.selection)
    }

    /// The selected sockets of all nodes, as they are now. Other nodes have 5 s to answer, or the
    /// [`timeout`](Self::timeout); those that don't are told beside the sockets that were found.
    pub async fn fetch_sockets(&self) -> Answers<RemoteSocket> {
        let here = self.sockets();
        let mut found = Answers { answers: here.iter().map(RemoteSocket::of).collect(), ..Answers::default() };
        let Some(others) = self.others() else { return found };
        for namespace in self.namespace.family() {
            let timeout = self.timeout.filter(|timeout| *timeout != DEFAULT_TIMEOUT);
            let Answers { answers, missing } =
                others.fetch_sockets(namespace.name(), self.selection.clone(), timeout).await;
            found.answers.extend(answers.into_iter().map(|socket| RemoteSocket::elsewhere(&namespace, socket)));
            found.missing.add(missing);
        }
        found
    }

    /// Makes the selected sockets join rooms. One that is in too many rooms stays out; that is logged.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        let rooms = list(rooms);
        join(&self.sockets(), &rooms);
        self.tell_others(|others, namespace| others.join(namespace, self.selection.clone(), rooms.clone()));
    }

    /// Makes the selected sockets leave rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        let rooms = list(rooms);
        self.sockets().into_iter().for_each(|socket| socket.leave(rooms.as_slice()));
        self.tell_others(|others, namespace| others.leave_rooms(namespace, self.selection.clone(), rooms.clone()));
    }

    /// Disconnects the selected sockets from this namespace: Node's `disconnectSockets()`.
    ///
    /// What was emitted to them before still arrives.
    pub fn disconnect_sockets(&self) {
        self.sockets().into_iter().for_each(|socket| socket.disconnect());
        self.tell_others(|others, namespace| others.disconnect(namespace, self.selection.clone(), false));
    }

    /// Closes the connections of the selected sockets, with all namespaces on them: Node's `disconnectSockets(true)`.
    pub fn close_sockets(&self) {
        self.sockets().into_iter().for_each(|socket| socket.close());
        self.tell_others(|others, namespace| others.disconnect(namespace, self.selection.clone(), true));
    }

    fn tell_others(&self, tell: impl Fn(&Cluster, &str)) {
        if let Some(others) = self.others() {
            self.namespace.family().iter().for_each(|namespace| tell(others, namespace.name()));
        }
    }
}

/// Makes sockets join rooms.
pub(crate) fn join(sockets: &[Socket], rooms: &[Room]) {
    for socket in sockets {
        if let Err(error) = socket.join(rooms) {
            tracing::warn!(namespace = socket.namespace_name(), %error, "a socket stays out of a room");
        }
    }
}

fn list(rooms: impl IntoRooms) -> Vec<Room> {
    Selection::all().to(rooms).rooms().unwrap_or_default().to_vec()
}

fn encode(
    namespace: &Namespace,
    event: &str,
    arguments: &impl ToArguments,
    id: Option<u64>,
) -> Result<Frames, EmitError> {
    let write = |draft: &mut Draft<'_>| draft.event(id, event, arguments);
    let frames = namespace.wire().write(namespace.name(), write, |packet| packet.frames())?;
    Ok(frames)
}

/// An event on its way to one socket, with settings of its own.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Emit {
    socket: Socket,
    options: SendOptions,
    timeout: Option<Duration>,
}

impl Emit {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, options: SendOptions::default(), timeout: Some(DEFAULT_TIMEOUT) }
    }

    /// Whether it may be compressed. Default: yes. See [`Broadcast::compress`].
    pub fn compress(mut self, compress: bool) -> Self {
        self.options.compression = compression(compress);
        self
    }

    /// Is dropped if the transport can't take it right now.
    pub fn volatile(mut self) -> Self {
        self.options.guarantee = Guarantee::Volatile;
        self
    }

    /// How long [`emit_with_ack`](Self::emit_with_ack) waits. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Lets [`emit_with_ack`](Self::emit_with_ack) wait until the client has answered or gone.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Sends the event. A tuple is several arguments, `()` none, everything else one.
    ///
    /// Never blocks. Delivered at most once and in order; to a socket that is gone nothing is sent, which is no error.
    ///
    /// # Errors
    /// [`EmitError`] if the event can't be sent; then nothing has been.
    pub fn emit(&self, event: &str, arguments: impl ToArguments) -> Result<(), EmitError> {
        self.write(event, &arguments, None)
    }

    /// Sends the event and waits for the client's answer, of which a tuple takes all arguments, everything else the first.
    ///
    /// The event has been sent when this returns its future.
    ///
    /// # Errors
    /// The future ends with [`AckError`](crate::AckError); a disconnect ends it at once.
    pub fn emit_with_ack<T: DeserializeOwned>(&self, event: &str, arguments: impl ToArguments) -> AckFuture<T> {
        let id = self.socket.namespace_ref().ack_ids().next();
        let expected = ack::expect(&self.socket, id);
        let sent = expected.and_then(|answer| {
            self.write(event, &arguments, Some(id)).inspect_err(|_| self.socket.acks().forget(id))?;
            Ok((id, answer))
        });
        AckFuture::new(self.socket.clone(), sent, self.timeout)
    }

    fn write(&self, event: &str, arguments: &impl ToArguments, id: Option<u64>) -> Result<(), EmitError> {
        check_name(event)?;
        let socket = &self.socket;
        let namespace = socket.namespace_ref();
        if self.options.guarantee == Guarantee::Volatile && !socket.connection().is_writable() {
            // It would be dropped: there is no need to write it first.
            socket.connection().count_dropped();
            return Ok(());
        }
        let write = |draft: &mut Draft<'_>| draft.event(id, event, arguments);
        let kept = id.is_none() && self.options.guarantee == Guarantee::Reliable;
        if let Some(keeper) = namespace.keeper().filter(|_| kept) {
            let target = |_: &Selection| socket.may_send().then(|| socket.clone()).into_iter().collect();
            let sent = keeper.emit(namespace, Selection::all().to(socket.id()), target, write, self.options)?;
            outgoing::tell(namespace, &sent, event, arguments);
            return Ok(());
        }
        let sent = socket.wire().write(namespace.name(), write, |packet| {
            let sends = socket.may_send();
            if sends {
                packet.send(socket.connection(), self.options);
            }
            sends
        })?;
        if sent {
            outgoing::tell(namespace, slice::from_ref(socket), event, arguments);
        }
        Ok(())
    }
}
