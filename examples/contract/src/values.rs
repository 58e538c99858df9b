//! Events that carry values, and their acknowledgements.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use sockeye::{Ack, AckError, Arguments, BoxError, Data, EmitError, Namespace, Socket, Spread, Value};

use crate::arguments::behind;

/// Nobody needs more than this of anything, and the server has others to serve.
const MOST_BYTES: usize = 16 << 20;
const MOST_EVENTS: u32 = 1_000_000;

pub(crate) fn register(namespace: &Namespace) {
    texts(namespace);
    questions(namespace);
    volatile(namespace);
    binary(namespace);
}

fn texts(namespace: &Namespace) {
    namespace.on(
        "echo",
        async |socket: Socket, arguments: Arguments, ack: Ack| {
            if ack.is_wanted() { ack.send(&arguments) } else { socket.emit("echo:reply", &arguments) }
        },
    );
    namespace.on(
        "message",
        async |socket: Socket, arguments: Arguments, ack: Ack| {
            if ack.is_wanted() { ack.send(&arguments) } else { socket.send(&arguments) }
        },
    );
    namespace.on("sink", async |Data(Spread(list)): Data<Spread<Value>>| list.len());
    namespace.on("silent", async || {});
    namespace.on("seq", async |socket: Socket, Data(count): Data<u32>| {
        (0..count.min(MOST_EVENTS)).try_for_each(|number| socket.emit("seq", number))
    });
    namespace.on("compress", async |socket: Socket, Data((compress, length)): Data<(bool, usize)>| {
        socket.compress(compress).emit("blob", xs(length))
    });
    namespace.on("large", async |Data(length): Data<usize>| xs(length));
}

fn questions(namespace: &Namespace) {
    namespace.on("ask", async |socket: Socket, question: Arguments| {
        let asking = socket.no_timeout().emit_with_ack::<Spread<Value>>("question", &question);
        socket.emit("answer", asking.await?)?;
        Ok::<_, BoxError>(())
    });
    namespace.on("ask-timeout", async |socket: Socket, Data(limit): Data<u64>, arguments: Arguments| {
        let question = behind(1, &arguments)?;
        let asking = socket.timeout(Duration::from_millis(limit)).emit_with_ack::<Spread<Value>>("question", question);
        match asking.await {
            Err(AckError::Timeout) => socket.emit("answer-timeout", ())?,
            answer => socket.emit("answer", answer?)?,
        }
        Ok::<_, BoxError>(())
    });
}

fn volatile(namespace: &Namespace) {
    namespace.on("volatile", async |socket: Socket, arguments: Arguments| socket.volatile().emit("news", &arguments));
    namespace.on("volatile-flood", async |socket: Socket, Data((count, size)): Data<(u32, usize)>| {
        let text = xs(size);
        (0..count.min(MOST_EVENTS)).try_for_each(|number| socket.volatile().emit("flood", (number, &text)))?;
        socket.emit("flood-end", count)
    });
}

fn binary(namespace: &Namespace) {
    namespace.on("bin-info", async |Data(Spread(list)): Data<Spread<Value>>| {
        Data(Spread(list.iter().map(BinaryInfo::of).collect()))
    });
    namespace.on("bin-make", async |Data(length): Data<usize>| Data(Sample::new(length)));
    namespace.on("bin-push", async |socket: Socket, Data(length): Data<usize>| {
        socket.emit("bin", Sample::new(length))?;
        Ok::<_, EmitError>(())
    });
}

/// What arrived as an argument, told in text.
#[derive(Serialize)]
struct BinaryInfo {
    bytes: i64,
    hex: String,
}

impl BinaryInfo {
    fn of(value: &Value) -> Self {
        let Value::Binary(bytes) = value else { return Self { bytes: -1, hex: String::new() } };
        let mut hex = String::new();
        for byte in bytes.iter().take(16) {
            // Writing to a text can't fail.
            let _ = write!(hex, "{byte:02x}");
        }
        Self { bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX), hex }
    }
}

/// Bytes at the top and deep inside.
#[derive(Serialize)]
struct Sample {
    top: Bytes,
    nested: (Deep, &'static str),
}

#[derive(Serialize)]
struct Deep {
    deep: Bytes,
}

impl Sample {
    fn new(length: usize) -> Self {
        let deep = Deep { deep: Bytes::from_static(&[1, 2, 3]) };
        Self { top: vec![7; length.min(MOST_BYTES)].into(), nested: (deep, "text") }
    }
}

fn xs(length: usize) -> String {
    "x".repeat(length.min(MOST_BYTES))
}
