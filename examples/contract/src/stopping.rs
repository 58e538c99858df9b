//! The signals that end the process, and how it ends.

use std::io;
use std::time::Duration;

use sockeye::{Drain, Server};
use tokio::signal::unix::{SignalKind, signal as listen_for};
use tokio::time::timeout;

/// Ends when the process is asked to stop, from this call on.
pub(crate) fn signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Disconnects every client, and gives up on those who do not take it in time.
pub(crate) async fn close(io: &Server) {
    let drain = Drain { spread: Duration::ZERO, grace: Duration::from_secs(1) };
    // What is open then ends with the process.
    let _ = timeout(Duration::from_secs(3), io.close_with(drain)).await;
}
