//! Events that carry bytes, at the top, within objects, and in an order that matters.

use bytes::Bytes;
use serde::Deserialize;
use sockeye::{Data, EmitError, Namespace, Socket};

const DOGE: Bytes = Bytes::from_static(b"asdfasdf");

/// What has come from a socket so far, in the order in which it was to come.
#[derive(Clone, Copy, PartialEq)]
struct Heard(u8);

pub(crate) fn events(namespace: &Namespace) {
    namespace.on("doge", async |socket: Socket| socket.emit("doge", DOGE));
    namespace.on("getbin", async |socket: Socket| socket.emit("takebin", DOGE));
    namespace.on("buffa", async |socket: Socket, Data(_): Data<Bytes>| socket.emit("buffack", ()));
    namespace.on("blob", async |socket: Socket, Data(_): Data<Bytes>| socket.emit("back", ()));
    namespace
        .on("jsonbuff", async |socket: Socket, Data(letter): Data<Letter>| letter.confirm(&socket, "jsonbuff-ack"));
    namespace
        .on("jsonblob", async |socket: Socket, Data(letter): Data<Letter>| letter.confirm(&socket, "jsonblob-ack"));
    sequences(namespace);
}

/// A step whose predecessor has not come is not confirmed, and the suite waits in vain.
fn sequences(namespace: &Namespace) {
    namespace.on("abuff1", async |socket: Socket, Data(_): Data<Bytes>| hear(&socket, 1));
    namespace.on("abuff2", async |socket: Socket| confirm_after(&socket, 1, "abuff2-ack"));
    namespace.on("blob1", async |socket: Socket, Data(_): Data<Bytes>| hear(&socket, 1));
    namespace.on("blob2", async |socket: Socket, Data(text): Data<String>| {
        if text == "second" && heard(&socket) == 1 {
            hear(&socket, 2);
        }
    });
    namespace.on("blob3", async |socket: Socket, Data(_): Data<Bytes>| confirm_after(&socket, 2, "blob3-ack"));
}

#[derive(Deserialize)]
struct Letter {
    hello: String,
    /// Only bytes will do.
    #[serde(rename = "message")]
    _message: Bytes,
    goodbye: String,
}

impl Letter {
    fn confirm(&self, socket: &Socket, event: &str) -> Result<(), EmitError> {
        if self.hello == "lol" && self.goodbye == "gotcha" { socket.emit(event, ()) } else { Ok(()) }
    }
}

fn hear(socket: &Socket, step: u8) {
    socket.extensions().insert(Heard(step));
}

fn heard(socket: &Socket) -> u8 {
    socket.extensions().get().map_or(0, |Heard(step)| step)
}

fn confirm_after(socket: &Socket, step: u8, event: &str) -> Result<(), EmitError> {
    if heard(socket) == step { socket.emit(event, ()) } else { Ok(()) }
}
