//! One connection and the sockets on it, one for each namespace that its client has joined.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;
use sockeye_adapter::{PrivateId, SocketId};
use sockeye_engine::{CloseCause, Closed, Connection, Message, Protocol, Receiver};
use sockeye_protocol::socket::{Arguments, ConnectAnswer, ConnectTarget, DecodeError, Packet, PacketType, split_event};

use crate::ack;
use crate::connect::{self, ConnectError};
use crate::disconnect::{Departure, DisconnectReason};
use crate::dispatch;
use crate::namespace::Namespace;
use crate::parent::{self, Parent};
use crate::recovery::Recoverable;
use crate::server::ServerInner;
use crate::socket::Socket;
use crate::wire::{Draft, Incoming};

/// One connection and the sockets on it.
pub(crate) struct Client {
    server: Arc<ServerInner>,
    connection: Connection,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// The sockets of the namespaces that the client has joined or is joining.
    sockets: SmallVec<[Socket; 1]>,
    /// Boxed, and `None` while it is empty: most clients go where they may and stay there.
    absent: Option<Box<Absent>>,
}

/// Namespaces that the client is not in, but may speak of.
#[derive(Default)]
struct Absent {
    /// Names about which it is being decided whether there may be such a namespace.
    asking: Vec<Box<str>>,
    /// Namespaces from which we have disconnected the client: what it sent before it knew is ignored.
    left: Vec<Namespace>,
}

/// What clients are told of namespaces that are not there.
const UNKNOWN: &str = "Invalid namespace";

impl Places {
    fn count(&self) -> usize {
        self.sockets.len() + self.absent.as_ref().map_or(0, |absent| absent.asking.len())
    }

    fn take(&mut self, socket: &Socket) -> bool {
        self.change_absent(|absent| absent.left.retain(|namespace| namespace.name() != socket.namespace_name()));
        self.sockets.push(socket.clone());
        true
    }

    /// Takes the place that was kept while it was being decided, unless the client has gone meanwhile.
    fn take_asked(&mut self, socket: &Socket) -> bool {
        self.stop_asking(socket.namespace_name()) && self.take(socket)
    }

    fn is_asking(&self, name: &str) -> bool {
        self.absent.iter().flat_map(|absent| &absent.asking).any(|asked| **asked == *name)
    }

    fn stop_asking(&mut self, name: &str) -> bool {
        let asked = self.is_asking(name);
        self.change_absent(|absent| absent.asking.retain(|asked| **asked != *name));
        asked
    }

    fn has_left(&self, name: &str) -> bool {
        self.absent.iter().flat_map(|absent| &absent.left).any(|namespace| namespace.name() == name)
    }

    fn change_absent(&mut self, change: impl FnOnce(&mut Absent)) {
        let Some(absent) = &mut self.absent else { return };
        change(absent);
        if absent.asking.is_empty() && absent.left.is_empty() {
            self.absent = None;
        }
    }
}

/// What the engine hands the messages of a connection to.
pub(crate) struct Reader {
    client: Arc<Client>,
    incoming: Incoming,
}

/// What a client did that ends its connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Violation {
    /// It sent what is no packet.
    #[error("undecodable packet: {0}")]
    Undecodable(#[from] DecodeError),
    /// It sent a packet that has no place in the state of its namespaces.
    #[error("{kind:?} packet for namespace {namespace:?} out of place")]
    OutOfPlace { kind: PacketType, namespace: String },
}

impl Reader {
    pub(crate) fn new(server: Arc<ServerInner>, connection: Connection) -> Self {
        let settings = &server.settings;
        connection.expire_at(Some(tokio::time::Instant::now().into_std() + settings.connect_timeout));
        let incoming = settings.wire.incoming(connection.protocol());
        let client = Arc::new(Client { server, connection, places: Mutex::default() });
        Self { client, incoming }
    }

    fn take(&mut self, message: Message<'_>) -> Result<(), Violation> {
        let (client, limits) = (&self.client, &self.client.server.settings.limits);
        self.incoming.receive(message, limits, |packet, attachments| client.take(packet, attachments))
    }
}

impl Receiver for Reader {
    fn opened(&mut self) {
        if self.client.is_old() {
            // Protocol 3 clients are in the main namespace without asking.
            self.client.connect("/", "");
        }
    }

    fn receive(&mut self, message: Message<'_>) {
        if let Err(violation) = self.take(message) {
            self.client.punish(&violation);
        }
    }

    fn closed(&mut self, closed: Closed) {
        if closed.cause == CloseCause::Expired {
            self.client.server.settings.counters.bounds.connect_timeout.add();
            tracing::debug!(bound = "connect_timeout", "no namespace was joined in time");
        }
        self.incoming.reset();
        self.client.disconnect_all(closed.into());
    }
}

impl Client {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn server(&self) -> &Arc<ServerInner> {
        &self.server
    }

    /// Whether the client speaks the protocols of Socket.IO 2 and before.
    fn is_old(&self) -> bool {
        self.connection.protocol() == Protocol::V3
    }

    /// Ends the connection of a client that broke the protocol.
    pub(crate) fn punish(&self, violation: &Violation) {
        tracing::debug!(%violation, "closing the connection of a client that broke the protocol");
        let bounds = &self.server.settings.counters.bounds;
        match violation {
            Violation::Undecodable(DecodeError::TooManyAttachments { .. }) => bounds.max_attachments.add(),
            Violation::Undecodable(DecodeError::TooDeep { .. }) => bounds.nesting.add(),
            _ => {}
        }
        let (reason, cause) = match violation {
            Violation::Undecodable(_) => (DisconnectReason::ForcedClose, CloseCause::Malformed),
            Violation::OutOfPlace { .. } => (DisconnectReason::ForcedServerClose, CloseCause::Application),
        };
        self.end(reason, Closed::forced(cause));
    }

    /// Ends the connection and its sockets at once: what came behind in the same read finds nobody.
    pub(crate) fn end(&self, reason: DisconnectReason, closed: Closed) {
        self.disconnect_all(Departure::new(reason, closed.cause));
        self.connection.close(closed);
    }

    fn take(self: &Arc<Self>, packet: &Packet<'_>, attachments: &[Bytes]) -> Result<(), Violation> {
        if packet.kind == PacketType::Connect {
            return self.take_connect(packet);
        }
        let Some(socket) = self.socket(packet.namespace).filter(|_| packet.kind != PacketType::ConnectError) else {
            return self.take_unexpected(packet);
        };
        match packet.kind {
            PacketType::Event | PacketType::BinaryEvent => {
                let event = split_event(packet.payload)?;
                dispatch::received(&socket, &event.name, event.arguments.with_attachments(attachments), packet);
            }
            PacketType::Ack | PacketType::BinaryAck => {
                let arguments = Arguments::from_ack(packet.payload, attachments)?;
                packet.id.map_or(Ok(()), |id| ack::answer(socket.acks(), id, &arguments))?;
            }
            PacketType::Disconnect => {
                self.remove(&socket);
                socket.end(Departure::new(DisconnectReason::ClientNamespaceDisconnect, CloseCause::Peer));
            }
            PacketType::Connect | PacketType::ConnectError => {}
        }
        Ok(())
    }

    /// A packet for a namespace that the client is not in.
    fn take_unexpected(&self, packet: &Packet<'_>) -> Result<(), Violation> {
        if packet.kind != PacketType::ConnectError && self.places.lock().has_left(packet.namespace) {
            return Ok(());
        }
        // What follows the end of a connection is nobody's fault.
        if !self.connection.is_open() {
            return Ok(());
        }
        Err(Violation::OutOfPlace { kind: packet.kind, namespace: packet.namespace.to_owned() })
    }

    fn take_connect(self: &Arc<Self>, packet: &Packet<'_>) -> Result<(), Violation> {
        if !self.connection.is_open() {
            return Ok(());
        }
        if !self.is_old() {
            if !packet.payload.is_empty() {
                Arguments::from_json(packet.payload).validate()?;
            }
            return self.join(packet.namespace, packet.payload, packet);
        }
        let target = ConnectTarget::parse(packet.namespace);
        match (target.name, target.query) {
            // It is there without asking, and old clients ask all the same when they give a query.
            ("/", _) => Ok(()),
            (name, "") => self.join(name, "", packet),
            (name, _) => self.join(name, &target.auth_json(), packet),
        }
    }

    fn join(self: &Arc<Self>, namespace: &str, auth: &str, packet: &Packet<'_>) -> Result<(), Violation> {
        if self.place(namespace).is_some() || self.places.lock().is_asking(namespace) {
            return Err(Violation::OutOfPlace { kind: packet.kind, namespace: namespace.to_owned() });
        }
        self.connect(namespace, auth);
        Ok(())
    }

    /// Begins to connect the client to a namespace.
    fn connect(self: &Arc<Self>, name: &str, auth: &str) {
        let limit = self.server.settings.max_namespaces;
        if self.places.lock().count() >= limit {
            self.server.settings.counters.bounds.max_namespaces.add();
            let message = format!("too many namespaces: expected at most {limit} on one connection (`max_namespaces`)");
            return self.refuse(name, &ConnectError::new(message));
        }
        match self.server.enter(name, None) {
            Some(namespace) => self.enter(namespace, auth, Places::take),
            None => self.ask(name, auth),
        }
    }

    /// Has it decided whether there may be a namespace of this name. Meanwhile the client's other packets are handled.
    fn ask(self: &Arc<Self>, name: &str, auth: &str) {
        let parents = self.server.namespaces.parents();
        let may_be_asked = parent::may_be_asked(name);
        if !may_be_asked {
            self.server.settings.counters.bounds.namespace_name.add();
            tracing::debug!(len = name.len(), bound = "namespace_name", "name of a namespace too long");
        }
        if parents.is_empty() || !may_be_asked {
            return self.refuse(name, &ConnectError::new(UNKNOWN));
        }
        self.places.lock().absent.get_or_insert_default().asking.push(name.into());
        let (client, name, auth) = (self.clone(), name.to_owned(), auth.to_owned());
        let parents = Arc::clone(&parents);
        let asking = async move {
            let choosing = parent::choose(&parents, &name, if auth.is_empty() { "{}" } else { &auth });
            let parent = connect::in_time(&client.server.settings, choosing).await;
            let decided = || client.decided(&name, &auth, parent);
            if catch_unwind(AssertUnwindSafe(decided)).is_err() {
                tracing::error!(namespace = name, "a connect handler panicked: closing its connection");
                client.end(DisconnectReason::ForcedServerClose, Closed::forced(CloseCause::Panic));
            }
        };
        let mut asking: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(asking);
        if dispatch::at_once(&mut asking).is_none() {
            self.server.engine().spawn(asking);
        }
    }

    fn decided(self: &Arc<Self>, name: &str, auth: &str, parent: Result<Option<Arc<Parent>>, ConnectError>) {
        let entered = parent.and_then(|parent| {
            let entered = parent.and_then(|parent| self.server.enter(name, Some(&parent)));
            entered.ok_or_else(|| ConnectError::new(UNKNOWN))
        });
        match entered {
            Ok(namespace) => self.enter(namespace, auth, Places::take_asked),
            Err(error) if self.places.lock().stop_asking(name) => self.refuse(name, &error),
            // It has gone meanwhile.
            Err(_) => {}
        }
    }

    /// Lets a socket try to get into a namespace, if it still can have a place.
    fn enter(self: &Arc<Self>, namespace: Namespace, auth: &str, take: fn(&mut Places, &Socket) -> bool) {
        let recoverable = namespace.keeper().filter(|_| !self.is_old()).map(|keeper| {
            let claim = keeper.claim(auth, &self.connection);
            keeper.recoverable(claim)
        });
        let id = recoverable.as_ref().and_then(Recoverable::id).unwrap_or_else(|| self.socket_id(namespace.name()));
        let auth = (!matches!(auth, "" | "{}")).then(|| auth.into());
        let socket = Socket::register(id, namespace, self.clone(), auth, recoverable);
        let taken = take(&mut self.places.lock(), &socket);
        if taken { connect::begin(&socket) } else { socket.abandon(Some(DisconnectReason::TransportClose)) }
    }

    /// Old clients compute the id of a socket from that of their session; for new ones the two are unrelated.
    fn socket_id(&self, namespace: &str) -> SocketId {
        let session = self.connection.id();
        match (self.connection.protocol(), namespace) {
            (Protocol::V3, "/") => SocketId::new(session.as_str()),
            (Protocol::V3, name) => SocketId::new(format!("{name}#{}", session.as_str())),
            (Protocol::V4, _) => SocketId::new(sockeye_engine::SessionId::from_random(rand::random()).as_str()),
        }
    }

    /// Tells the client that it is in the namespace.
    ///
    /// A client that may come back is told the secret by which it is known then.
    pub(crate) fn welcome(&self, socket: &Socket, pid: Option<&PrivateId>) {
        self.connection.expire_at(None);
        let pid = pid.map(|pid| pid.as_str().into());
        let answer = (!self.is_old()).then(|| ConnectAnswer { sid: socket.id().as_str().into(), pid });
        self.send_own(socket.namespace_name(), |draft| draft.welcome(answer.as_ref()));
    }

    /// Tells the client that it may not enter the namespace.
    pub(crate) fn refuse(&self, namespace: &str, error: &ConnectError) {
        self.server.settings.counters.connect_errors.add();
        self.send_own(namespace, |draft| match self.connection.protocol() {
            Protocol::V3 => draft.refusal_v3(error.packet()),
            Protocol::V4 => draft.refusal(error.packet()),
        });
    }

    /// Tells the client that it is in the namespace no more.
    pub(crate) fn dismiss(&self, namespace: &str) {
        self.send_own(namespace, |draft| {
            draft.disconnect();
        });
    }

    fn send_own(&self, namespace: &str, write: impl FnOnce(&mut Draft<'_>)) {
        self.server.settings.wire.send_own(&self.connection, namespace, write);
    }

    /// The connected socket of a namespace.
    fn socket(&self, namespace: &str) -> Option<Socket> {
        self.place(namespace).filter(Socket::is_connected)
    }

    fn place(&self, namespace: &str) -> Option<Socket> {
        let places = self.places.lock();
        places.sockets.iter().find(|socket| socket.namespace_name() == namespace).cloned()
    }

    /// Whether the socket still has its place: its connection has not ended, nobody has taken it out.
    pub(crate) fn holds(&self, socket: &Socket) -> bool {
        self.places.lock().sockets.contains(socket)
    }

    /// Takes a socket out.
    pub(crate) fn remove(&self, socket: &Socket) {
        self.places.lock().sockets.retain(|other| other != socket);
    }

    /// Takes a socket out whose client does not know yet.
    pub(crate) fn leave(&self, socket: &Socket) {
        let mut places = self.places.lock();
        places.sockets.retain(|other| other != socket);
        if !places.has_left(socket.namespace_name()) {
            let left = &mut places.absent.get_or_insert_default().left;
            // What it sent to the oldest has long been read: names can be made up without end.
            if left.len() >= self.server.settings.max_namespaces {
                left.remove(0);
            }
            left.push(socket.namespace());
        }
    }

    /// Ends all sockets; new ones can't come once the connection is closed.
    pub(crate) fn disconnect_all(&self, departure: Departure) {
        let mut places = self.places.lock();
        places.change_absent(|absent| absent.asking.clear());
        let sockets = std::mem::take(&mut places.sockets);
        drop(places);
        for socket in sockets {
            if departure.reason == DisconnectReason::ServerNamespaceDisconnect && socket.is_connected() {
                self.dismiss(socket.namespace_name());
            }
            socket.end(departure);
        }
    }
}
