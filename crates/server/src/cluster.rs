//! This node in a cluster: what it does for the others, and what it tells them.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::de::DeserializeOwned;
use sockeye_adapter::cluster::{self, ClientAnswers, Flags, Local, Reply, SocketDetails};
use sockeye_adapter::{Room, Selection};
use sockeye_engine::ConfigError;
use sockeye_protocol::socket::{Arguments, ArgumentsError, EncodeError, RawArguments, Spread, ToArguments, Value};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::ack::AckFuture;
use crate::emit::Broadcast;
use crate::namespace::Namespace;
use crate::remote::RemoteSocket;
use crate::server::ServerInner;
use crate::server_side;

/// Arguments with their own memory.
pub(crate) fn raw(arguments: &impl ToArguments) -> Result<RawArguments, EncodeError> {
    let (mut json, mut attachments) = (Vec::new(), Vec::new());
    arguments.write_arguments(&mut json, &mut attachments)?;
    let json = str::from_utf8(&json).map_err(EncodeError::unsupported)?;
    let arguments = Arguments::from_json(json.strip_prefix(',').unwrap_or(json)).with_attachments(&attachments);
    arguments.to_raw().map_err(EncodeError::unsupported)
}

/// An event's arguments, for other nodes.
pub(crate) fn values(arguments: &impl ToArguments) -> Result<Vec<Value>, EncodeError> {
    raw(arguments)?.to_values().map_err(EncodeError::unsupported)
}

/// A value of another node as one of the caller's type.
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ArgumentsError> {
    let raw = raw(&Spread(vec![value])).map_err(|error| ArgumentsError::Mismatch { reason: error.to_string() })?;
    raw.arguments().deserialize()
}

/// An event for clients as other nodes are told of it.
pub(crate) fn broadcast(
    event: &str,
    arguments: &impl ToArguments,
    to: Selection,
    flags: Flags,
) -> Result<cluster::Broadcast, EncodeError> {
    let mut name_and_arguments = vec![Value::from(event)];
    name_and_arguments.extend(values(arguments)?);
    Ok(cluster::Broadcast { to, flags, ..cluster::Broadcast::new(name_and_arguments) })
}

/// The name of an event and its arguments; `None` if it has no name.
pub(crate) fn split_event(event: Vec<Value>) -> Option<(String, Vec<Value>)> {
    let mut event = event.into_iter();
    match event.next() {
        Some(Value::String(name)) => Some((name, event.collect())),
        _ => None,
    }
}

impl ServerInner {
    /// The event of another node, to be sent to sockets of this one.
    fn event_of_others(
        &self,
        namespace: &str,
        event: cluster::Broadcast,
    ) -> Option<(Broadcast, String, Spread<Value>)> {
        let cluster::Broadcast { event, to, flags, .. } = event;
        let namespace = self.namespaces.get(namespace)?;
        let Some((name, arguments)) = split_event(event) else {
            tracing::debug!(namespace = namespace.name(), "an event of another node has no name: ignored");
            return None;
        };
        Some((Broadcast::of_others(namespace, to, flags), name, Spread(arguments)))
    }

    fn selected(&self, namespace: &str, to: &Selection) -> Vec<crate::Socket> {
        self.namespaces.get(namespace).map(|namespace| namespace.targets(to)).unwrap_or_default()
    }
}

impl Local for ServerInner {
    fn deliver(&self, namespace: &str, event: cluster::Broadcast) {
        let Some((broadcast, name, arguments)) = self.event_of_others(namespace, event) else { return };
        if let Err(error) = broadcast.emit_here(&name, &arguments) {
            tracing::warn!(%error, event = name, namespace, "an event of another node can't be sent");
        }
    }

    fn ask(&self, namespace: &str, event: cluster::Broadcast, answers: ClientAnswers) -> u64 {
        let Some((broadcast, name, arguments)) = self.event_of_others(namespace, event) else { return 0 };
        let asked: Vec<AckFuture<Value>> = match broadcast.ask_here(&name, &arguments) {
            Ok((asked, _)) => asked,
            Err(error) => {
                tracing::warn!(%error, event = name, namespace, "an event of another node can't be sent");
                return 0;
            }
        };
        let count = asked.len() as u64;
        if count > 0 {
            self.engine().spawn_at_home(async move {
                let mut asked: FuturesUnordered<_> = asked.into_iter().collect();
                while let Some(answer) = asked.next().await {
                    if let Ok(answer) = answer {
                        answers.answer(answer);
                    }
                }
            });
        }
        count
    }

    fn join(&self, namespace: &str, to: &Selection, rooms: &[Room]) {
        crate::emit::join(&self.selected(namespace, to), rooms);
    }

    fn leave(&self, namespace: &str, to: &Selection, rooms: &[Room]) {
        self.selected(namespace, to).into_iter().for_each(|socket| socket.leave(rooms));
    }

    fn disconnect(&self, namespace: &str, to: &Selection, close: bool) {
        for socket in self.selected(namespace, to) {
            if close { socket.close() } else { socket.disconnect() }
        }
    }

    fn has(&self, namespace: &str, room: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|namespace| namespace.inner().rooms.lock().has(room))
    }

    fn sockets(&self, namespace: &str, to: &Selection) -> Vec<SocketDetails> {
        self.selected(namespace, to).iter().map(|socket| RemoteSocket::of(socket).into_details()).collect()
    }

    fn rooms(&self, namespace: &str) -> Vec<Room> {
        let Some(namespace) = self.namespaces.get(namespace) else { return Vec::new() };
        let own = namespace.sockets().into_iter().map(|socket| socket.id().clone().into());
        own.chain(namespace.rooms()).collect()
    }

    fn server_side(&self, namespace: &str, event: Vec<Value>, reply: Option<Reply>) {
        if let Some(namespace) = self.namespaces.get(namespace) {
            server_side::received(&namespace, event, reply);
        }
    }
}

impl Namespace {
    /// The other nodes, if this server is one of a cluster.
    pub(crate) fn cluster(&self) -> Option<&cluster::Cluster> {
        self.inner().settings.cluster.as_ref()
    }
}

/// Ends the work for the cluster when the server goes.
pub(crate) struct Running(JoinHandle<()>);

impl Running {
    /// Begins to serve other nodes, on the present runtime.
    ///
    /// # Errors
    /// If there is no runtime.
    pub(crate) fn start(cluster: cluster::Cluster, server: &Arc<ServerInner>) -> Result<Self, ConfigError> {
        let runtime = Handle::try_current().map_err(|_| ConfigError::NoRuntime { setting: "adapter" })?;
        let server: Arc<dyn Local> = server.clone();
        let local = Arc::downgrade(&server);
        // Not as a task of the engine, which would wait for it when it closes: it never ends.
        let running = runtime.spawn(async move {
            let Err(error) = cluster.run(local).await;
            tracing::error!(%error, "no other node is reached: the broker can't be used");
        });
        Ok(Self(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}
