//! What becomes of a connection that leaves HTTP.

use sockeye_websocket::deflate::Deflate;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::engine::{Engine, Opening};
use crate::upgrade::Socket;

/// What becomes of a connection once it is a WebSocket.
pub(crate) enum Takeover {
    /// A session begins on it.
    Open { session: Box<Opening>, deflate: Option<Deflate> },
    /// It wants to take over a session that is on polling.
    Probe { connection: Connection, attempt: u32, deflate: Option<Deflate> },
    /// It is closed at once.
    Close,
}

impl Takeover {
    pub(crate) async fn begin(self, engine: &Engine, mut socket: Socket) {
        // A session's first packet leaves with the answer. Not so if the client has gone ahead: its pong would overtake it.
        let apart = !matches!(self, Self::Open { .. }) || !socket.first.is_empty();
        if apart && !socket.answer.is_empty() {
            let sent = timeout(engine.config().close_timeout, socket.send_answer()).await;
            if !matches!(sent, Ok(Ok(()))) {
                if sent.is_err() {
                    engine.counters().bounds.cut_off();
                }
                return self.fail();
            }
        }
        match self {
            Self::Open { session, deflate } => engine.start_websocket(*session, Socket { deflate, ..socket }),
            Self::Probe { connection, attempt, deflate } => {
                engine.start_probe(connection, attempt, Socket { deflate, ..socket });
            }
            // Boxed, or every session would pay for the room that a refused one takes.
            Self::Close => Box::pin(engine.close_at_once(socket)).await,
        }
    }

    /// The client has gone before it came to that.
    pub(crate) fn fail(self) {
        if let Self::Probe { connection, attempt, .. } = self {
            connection.upgrade_failed(attempt);
        }
    }
}
