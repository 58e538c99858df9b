//! What clients may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sockeye::{
    AckError, Arguments, CloseCause, Data, DisconnectReason, EmitError, JoinError, Namespace, Socket, State,
};

use crate::tally::Tally;

type Counts = State<Arc<Tally>>;

/// The number that a socket's next `slow` has to have.
#[derive(Clone, Default)]
struct Expected(Arc<AtomicU64>);

pub(crate) fn register(namespace: &Namespace) {
    namespace.on_connect(async |socket: Socket, State(tally): Counts| {
        socket.extensions().insert(Expected::default());
        tally.count(if socket.is_recovered() { "recovered" } else { "connected" });
    });
    namespace.on_disconnect(async |State(tally): Counts, reason: DisconnectReason, cause: CloseCause| {
        tally.count("disconnected");
        tally.count(&format!("{reason}, {cause:?}"));
    });
    namespace.on("echo", async |arguments: Arguments| arguments);
    namespace.on("join", async |socket: Socket, Data(rooms): Data<Vec<String>>| match socket.join(rooms) {
        Ok(()) => "joined".to_owned(),
        Err(error) => join_error(&error),
    });
    namespace.on("leave", async |socket: Socket, Data(room): Data<String>| socket.leave(room));
    namespace.on("blast", blast);
    namespace.on("room", async |socket: Socket, Data((room, text)): Data<(String, String)>| {
        socket.to(room).emit("data", text)
    });
    namespace.on("slow", slow);
    namespace.on("ask", ask);
    namespace.on("panic", async |State(tally): Counts| -> () {
        tally.count("panicking");
        panic!("at once")
    });
    namespace.on("panic later", async |State(tally): Counts| -> () {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tally.count("panicking");
        panic!("later")
    });
    namespace.on("wait for ever", async |State(tally): Counts| {
        tally.count("waiting");
        std::future::pending::<()>().await;
    });
}

fn join_error(error: &JoinError) -> String {
    error.to_string()
}

/// Sends so many events of so many bytes to everybody else.
async fn blast(socket: Socket, Data((count, size)): Data<(usize, usize)>) -> Result<&'static str, EmitError> {
    let text = "x".repeat(size);
    for _ in 0..count {
        socket.broadcast().emit("data", &text)?;
        // Else a turn of the loop would last as long as all of it.
        tokio::task::yield_now().await;
    }
    Ok("sent")
}

/// Takes some milliseconds, and counts what did not come in order.
async fn slow(socket: Socket, State(tally): Counts, Data((number, time, _)): Data<(u64, u64, String)>) {
    let expected = socket.extensions().get::<Expected>().unwrap_or_default();
    if expected.0.fetch_add(1, Ordering::Relaxed) != number {
        tally.count("out of order");
    }
    tally.count("slow");
    tokio::time::sleep(Duration::from_millis(time)).await;
}

/// Asks the client so many times within so many milliseconds, and tells what became of it.
async fn ask(socket: Socket, State(tally): Counts, Data((count, time)): Data<(usize, u64)>) -> Value {
    let ask = |number| socket.timeout(Duration::from_millis(time)).emit_with_ack::<Value>("question", number);
    let asked: Vec<_> = (0..count).map(ask).collect();
    let (mut answered, mut late, mut gone, mut refused) = (0, 0, 0, 0);
    for answer in asked {
        let (count, what) = match answer.await {
            Ok(_) | Err(AckError::Mismatch(_)) => (&mut answered, "answered"),
            Err(AckError::Timeout) => (&mut late, "not answered in time"),
            Err(AckError::Disconnected) => (&mut gone, "gone before the answer"),
            Err(_) => (&mut refused, "not asked"),
        };
        *count += 1;
        tally.count(what);
    }
    json!({ "answered": answered, "late": late, "gone": gone, "refused": refused })
}
