//! Events between servers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use sockeye_adapter::cluster::{Answers, Reply};
use sockeye_protocol::socket::{RawArguments, Spread, ToArguments, Value};

use crate::ack::AckError;
use crate::cluster::{from_value, raw, split_event, values};
use crate::emit::EmitError;
use crate::handler::{ExtractError, mismatch};
use crate::namespace::Namespace;

/// Names that events between servers may not have: servers have events of their own.
const RESERVED: [&str; 3] = ["connect", "connection", "new_namespace"];

/// What is called when another server sends an event.
pub(crate) type Handler = Arc<dyn Fn(ServerEvent) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// An event that another server of the cluster has sent. See [`Namespace::on_server_side`].
pub struct ServerEvent {
    name: SmolStr,
    arguments: RawArguments,
    reply: Option<Reply>,
}

impl ServerEvent {
    /// The name of the event.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the arguments as a value, by the rules of [`Data`](crate::Data).
    ///
    /// # Errors
    /// [`ExtractError::Mismatch`] if they are no `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        self.arguments.arguments().deserialize().map_err(mismatch::<T>)
    }

    /// Whether the other server waits for an answer.
    pub fn is_asked(&self) -> bool {
        self.reply.is_some()
    }

    /// Answers, if the other server waits for that. Only the first value counts: there is room for one.
    ///
    /// # Errors
    /// [`EmitError::Encode`] if the value can't be written; then no answer is sent.
    pub fn answer(self, answer: impl ToArguments) -> Result<(), EmitError> {
        let answer = values(&answer)?.into_iter().next().unwrap_or_default();
        if let Some(reply) = self.reply {
            reply.send(answer);
        }
        Ok(())
    }
}

impl fmt::Debug for ServerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerEvent")
            .field("name", &self.name)
            .field("is_asked", &self.is_asked())
            .finish_non_exhaustive()
    }
}

impl Namespace {
    /// Calls `handler` when another server of the cluster sends this event to its namespace of this name. Several handlers of
    /// one event are called in the order in which they were added.
    ///
    /// A handler runs as a task of its own; [`Server::close`](crate::Server::close) waits for it within the grace.
    ///
    /// ```
    /// # let io = sockeye::Server::builder().build()?;
    /// io.on_server_side("who is there?", async |event: sockeye::ServerEvent| {
    ///     let _ = event.answer("node 1");
    /// });
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn on_server_side<F, Fut>(&self, event: &str, handler: F) -> &Self
    where
        F: Fn(ServerEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |event| Box::pin(handler(event)));
        self.inner().server_side.rcu(|known| {
            let mut next = Vec::clone(known);
            next.push((SmolStr::new(event), handler.clone()));
            next
        });
        self
    }

    /// Sends an event to the other servers of the cluster, which are told of it in their namespace of this name, by
    /// [`on_server_side`](Self::on_server_side) or Node's `io.on(…)`. A server that is alone tells nobody.
    ///
    /// # Errors
    /// [`EmitError`] if the event can't be sent to anybody.
    pub fn server_side_emit(&self, event: &str, arguments: impl ToArguments) -> Result<(), EmitError> {
        let event = server_event(event, &arguments)?;
        if let Some(cluster) = self.cluster() {
            cluster.server_side_emit(self.name(), event);
        }
        Ok(())
    }

    /// Sends an event to the other servers of the cluster and waits for their answers, of each the one value that it answers
    /// with. Who has not answered within 5 s is told beside them.
    ///
    /// # Errors
    /// [`AckError::Emit`] if the event can't be sent to anybody, [`AckError::Mismatch`] if an answer is no `T`.
    pub async fn server_side_emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        arguments: impl ToArguments,
    ) -> Result<Answers<T>, AckError> {
        let event = server_event(event, &arguments)?;
        let Some(cluster) = self.cluster() else { return Ok(Answers::default()) };
        let Answers { answers, missing } = cluster.server_side_ask(self.name(), event, None).await;
        let answers = answers.iter().map(from_value).collect::<Result<_, _>>().map_err(AckError::Mismatch)?;
        Ok(Answers { answers, missing })
    }
}

/// An event with its arguments, if it may be sent.
fn server_event(event: &str, arguments: &impl ToArguments) -> Result<Vec<Value>, EmitError> {
    if RESERVED.contains(&event) {
        return Err(EmitError::ReservedName { name: event.to_owned(), reserved: &RESERVED });
    }
    let mut name_and_arguments = vec![Value::from(event)];
    name_and_arguments.extend(values(arguments)?);
    Ok(name_and_arguments)
}

/// Another server has sent an event.
pub(crate) fn received(namespace: &Namespace, event: Vec<Value>, reply: Option<Reply>) {
    let Some((name, arguments)) = split_event(event) else {
        return tracing::debug!(namespace = namespace.name(), "an event of another server has no name: ignored");
    };
    let Some(server) = namespace.server() else { return };
    let Ok(arguments) = raw(&Spread(arguments)) else {
        return tracing::debug!(
            namespace = namespace.name(),
            name,
            "an event of another server can't be read: ignored"
        );
    };
    let (own, parents) =
        (namespace.inner().server_side.load(), namespace.parent().map(|parent| parent.inner().server_side.load()));
    let handlers = own.iter().chain(parents.iter().flat_map(|parents| parents.iter()));
    let mut reply = reply;
    for (_, handler) in handlers.filter(|(event, _)| *event == name) {
        // One answer goes back: the first handler may give it.
        let event = ServerEvent { name: name.as_str().into(), arguments: arguments.clone(), reply: reply.take() };
        server.inner().engine().spawn_at_home(handler(event));
    }
}
