//! What is emitted, for those who listen to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use sockeye_protocol::socket::{self, ToArguments};

use crate::handler::{Arguments, ExtractError, mismatch};
use crate::handlers::Handlers;
use crate::namespace::Namespace;
use crate::socket::Socket;

/// An event that is on its way to a socket. See [`Namespace::on_any_outgoing`].
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    socket: &'a Socket,
    event: &'a str,
    arguments: socket::Arguments<'a>,
}

pub(crate) type Listener = Arc<dyn Fn(&Outgoing<'_>) + Send + Sync>;

impl Outgoing<'_> {
    /// Who it goes to.
    pub fn socket(&self) -> &Socket {
        self.socket
    }

    /// The name of the event.
    pub fn event(&self) -> &str {
        self.event
    }

    /// Reads the arguments as a value, by the rules of [`Data`](crate::Data).
    ///
    /// # Errors
    /// [`ExtractError::Mismatch`] if they are no `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        self.arguments.deserialize().map_err(mismatch::<T>)
    }

    /// The arguments, to be kept or sent on.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] if somebody has emitted JSON of his own that is none.
    pub fn arguments(&self) -> Result<Arguments, ExtractError> {
        self.arguments.to_raw().map(Arguments).map_err(ExtractError::Malformed)
    }
}

/// Tells the listeners that the event is on its way to these sockets of the namespace. Where nobody listens nothing is done.
pub(crate) fn tell(namespace: &Namespace, sockets: &[Socket], event: &str, arguments: &impl ToArguments) {
    let inner = namespace.inner();
    let shared = inner.handlers.load();
    if shared.outgoing.is_empty() && !inner.sockets_listen.load(Ordering::Acquire) {
        return;
    }
    let (mut json, mut attachments) = (Vec::<u8>::new(), Vec::<Bytes>::new());
    // What has just been written for the wire can be written once more.
    if arguments.write_arguments(&mut json, &mut attachments).is_err() {
        return;
    }
    let json = String::from_utf8_lossy(json.strip_prefix(b",").unwrap_or(&json));
    let arguments = socket::Arguments::from_json(&json).with_attachments(&attachments);
    for socket in sockets {
        let own = socket.own_handlers().map(Handlers::load);
        let own = own.as_ref().map_or(&[][..], |own| &own.outgoing);
        for listener in shared.outgoing.iter().chain(own) {
            listener(&Outgoing { socket, event, arguments });
        }
    }
}
