//! How a socket gets into its namespace: past the middlewares, or not at all.

use std::sync::Arc;

use serde::Serialize;
use sockeye_protocol::socket::{self as protocol, Arguments, Value};

use crate::client::Violation;
use crate::disconnect::DisconnectReason;
use crate::dispatch;
use crate::handler::{BoxError, Context, ExtractError};
use crate::handlers::Table;
use crate::server::Settings;
use crate::socket::Socket;

/// Why a client may not enter a namespace. It gets message and data as its `connect_error`.
///
/// ```
/// use sockeye::ConnectError;
///
/// let error = ConnectError::new("not authorized").data(serde_json::json!({ "code": 401 }));
/// assert_eq!(error.to_string(), "not authorized");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectError(protocol::ConnectError);

impl ConnectError {
    /// An error with this message and no data.
    pub fn new(message: impl Into<String>) -> Self {
        Self(protocol::ConnectError::new(message))
    }

    /// Adds data, which the client finds in `err.data`. What can't be written as JSON is left out.
    #[must_use]
    pub fn data(mut self, data: impl Serialize) -> Self {
        self.0.data = serde_json::to_value(data).ok().map(Value::from);
        self
    }

    pub(crate) fn packet(&self) -> &protocol::ConnectError {
        &self.0
    }
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ConnectError {}

/// Has the socket pass the middlewares of its namespace. They are those of this moment.
pub(crate) fn begin(socket: &Socket) {
    let table = socket.namespace_ref().inner().handlers.load_full();
    let skips =
        socket.is_recovered() && socket.namespace_ref().keeper().is_some_and(|keeper| keeper.skips_middlewares());
    if table.middleware.is_empty() || skips {
        return admit(socket);
    }
    let entering = socket.clone();
    let passing = async move {
        match in_time(entering.settings(), pass(&entering, &table)).await {
            Ok(Ok(())) => admit(&entering),
            Ok(Err(error)) => refuse(&entering, error),
            Err(late) => refuse(&entering, late.into()),
        }
        Ok(())
    };
    dispatch::run(socket, "connection", Box::pin(passing));
}

/// What the application decides about a client, unless it takes too long.
pub(crate) async fn in_time<T>(settings: &Settings, decides: impl Future<Output = T>) -> Result<T, ConnectError> {
    let limit = settings.connect_timeout;
    tokio::time::timeout(limit, decides).await.map_err(|_| {
        settings.counters.bounds.connect_timeout.add();
        tracing::warn!(?limit, "it took longer than `connect_timeout` to let a client in: refusing it");
        ConnectError::new(format!("not let in within {limit:?} (`connect_timeout`)"))
    })
}

async fn pass(socket: &Socket, table: &Arc<Table>) -> Result<(), BoxError> {
    for middleware in &table.middleware {
        let called = {
            let parts = Arguments::from_json(socket.auth_json());
            middleware(&mut Context { socket, parts })
        };
        called?.await?;
    }
    Ok(())
}

/// The client is told before the socket can be selected, so that the answer precedes all broadcasts.
///
/// Its events are accepted from then on, but none starts before the connect handlers have.
fn admit(socket: &Socket) {
    let client = socket.client();
    // It may have gone while it was passing the middlewares.
    if !client.holds(socket) {
        return socket.abandon(Some(DisconnectReason::TransportClose));
    }
    if !socket.connect() {
        return;
    }
    socket.enter();
    let table = socket.namespace_ref().inner().handlers.load_full();
    for handler in &table.connect {
        let called = handler(&mut Context { socket, parts: Arguments::from_json(socket.auth_json()) });
        dispatch::called(socket, "connection", called, None);
    }
    dispatch::release(socket);
}

fn refuse(socket: &Socket, error: BoxError) {
    let client = socket.client();
    let present = client.holds(socket);
    client.remove(socket);
    socket.abandon(None);
    if !present {
        return;
    }
    let error = match error.downcast::<ExtractError>() {
        Ok(error) => match *error {
            ExtractError::Malformed(error) => return client.punish(&Violation::Undecodable(error)),
            ExtractError::Mismatch { reason, .. } => ConnectError::new(format!("invalid auth: {reason}")),
            error => ConnectError::new(error.to_string()),
        },
        Err(error) => {
            error.downcast::<ConnectError>().map_or_else(|error| ConnectError::new(error.to_string()), |error| *error)
        }
    };
    client.refuse(socket.namespace_name(), &error);
}
