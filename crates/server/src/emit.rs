//! Sending events: to one socket, or to many at once.

use std::slice;
use std::time::Duration;

use serde::de::DeserializeOwned;
use sockeye_adapter::{IntoRooms, Selection};
use sockeye_engine::{Compression, Frames, Guarantee, SendOptions};
use sockeye_protocol::socket::{EncodeError, ToArguments};

use crate::ack::{self, AckFuture, DEFAULT_TIMEOUT, RepliesFuture};
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
}

impl Broadcast {
    pub(crate) fn new(namespace: Namespace) -> Self {
        let (selection, options) = (Selection::all(), SendOptions::default());
        Self { namespace, selection, options, timeout: Some(DEFAULT_TIMEOUT) }
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

    /// Goes to sockets of this node only. There are no others yet.
    pub fn local(self) -> Self {
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
        self.namespace.family().iter().try_for_each(|namespace| self.emit_in(namespace, event, &arguments))
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
        let mut asked = Vec::new();
        let mut sockets = Vec::new();
        for namespace in self.namespace.family() {
            let id = namespace.ack_ids().next();
            let encoded = check_name(event).and_then(|()| encode(&namespace, event, &arguments, Some(id)));
            let frames = match encoded {
                Ok(frames) => frames,
                Err(error) => return RepliesFuture::failed(error),
            };
            let targets = namespace.targets(&self.selection);
            asked.extend(targets.iter().map(|socket| {
                let expected = ack::expect(socket, id);
                let sent = expected.map(|answer| {
                    socket.connection().send(&frames, self.options);
                    (id, answer)
                });
                AckFuture::new(socket.clone(), sent, self.timeout)
            }));
            outgoing::tell(&namespace, &targets, event, &arguments);
            sockets.extend(targets);
        }
        RepliesFuture::new(asked, sockets)
    }

    /// The selected sockets of this node.
    pub fn sockets(&self) -> Vec<Socket> {
        self.namespace.targets(&self.selection)
    }

    /// The selected sockets of all nodes, as they are now. There are no other nodes yet.
    #[expect(clippy::unused_async, reason = "other nodes will be asked, and waited for")]
    pub async fn fetch_sockets(&self) -> Vec<RemoteSocket> {
        self.sockets().iter().map(RemoteSocket::of).collect()
    }

    /// Makes the selected sockets join rooms. One that is in too many rooms stays out; that is logged.
    pub fn sockets_join(&self, rooms: impl IntoRooms + Clone) {
        for socket in self.sockets() {
            if let Err(error) = socket.join(rooms.clone()) {
                tracing::warn!(namespace = socket.namespace_name(), %error, "a socket stays out of a room");
            }
        }
    }

    /// Makes the selected sockets leave rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms + Clone) {
        self.sockets().into_iter().for_each(|socket| socket.leave(rooms.clone()));
    }

    /// Disconnects the selected sockets from this namespace: Node's `disconnectSockets()`.
    ///
    /// What was emitted to them before still arrives.
    pub fn disconnect_sockets(&self) {
        self.sockets().into_iter().for_each(|socket| socket.disconnect());
    }

    /// Closes the connections of the selected sockets, with all namespaces on them: Node's `disconnectSockets(true)`.
    pub fn close_sockets(&self) {
        self.sockets().into_iter().for_each(|socket| socket.close());
    }
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
