//! Events between servers.

use sockeye_protocol::Limits;
use sockeye_protocol::socket::{ToArguments, encode_event};

use crate::emit::EmitError;
use crate::namespace::Namespace;

/// Names that events between servers may not have: servers have events of their own.
const RESERVED: [&str; 3] = ["connect", "connection", "new_namespace"];

impl Namespace {
    /// Sends an event to the other servers of the cluster, which are told of it in their namespace of this name.
    ///
    /// There are no clusters yet: this server is alone, and nobody is told.
    ///
    /// # Errors
    /// [`EmitError`] if the event can't be sent to anybody.
    pub fn server_side_emit(&self, event: &str, arguments: impl ToArguments) -> Result<(), EmitError> {
        if RESERVED.contains(&event) {
            return Err(EmitError::ReservedName { name: event.to_owned(), reserved: &RESERVED });
        }
        // Between servers there is no limit on attachments.
        let limits = Limits::default().with_max_attachments(usize::MAX);
        encode_event(&mut Vec::new(), self.name(), None, event, &arguments, &mut Vec::new(), &limits)?;
        Ok(())
    }

    /// Sends an event to the other servers of the cluster and waits for their answers.
    ///
    /// There are no clusters yet: this server is alone, and there are no answers to wait for.
    ///
    /// # Errors
    /// As [`server_side_emit`](Self::server_side_emit).
    #[expect(clippy::unused_async, reason = "other servers will be asked, and waited for")]
    pub async fn server_side_emit_with_ack<T>(
        &self,
        event: &str,
        arguments: impl ToArguments,
    ) -> Result<Vec<T>, EmitError> {
        self.server_side_emit(event, arguments)?;
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::Server;

    #[tokio::test]
    async fn a_server_that_is_alone_tells_nobody_and_hears_nothing() {
        let io = Server::builder().build().unwrap();
        io.server_side_emit("hello", (1, "two")).unwrap();
        assert_eq!(io.server_side_emit_with_ack::<String>("ask", ()).await.unwrap(), Vec::<String>::new());
    }

    #[test]
    fn servers_own_events_are_reserved() {
        let io = Server::builder().build().unwrap();
        let error = io.server_side_emit("connection", ()).unwrap_err().to_string();
        assert_eq!(error, "event name \"connection\" is reserved: expected none of connect, connection, new_namespace");
    }
}
