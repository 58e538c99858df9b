//! A chat: nicknames, rooms, private messages, who is typing, who is here.
//!
//! `cargo run -p chat`, then open the printed addresses in two browsers, or on a phone.

mod chat;

use std::sync::Arc;

use clap::Parser;
use serde::Serialize;
use sockeye::{
    BoxError, ConnectError, Data, DisconnectReason, EmitError, Extension, Recovery, RecoveryMiddlewares, Server,
    Socket, State,
};

use crate::chat::{AWAY, Chat, Departure, Draft, Hello, Message, OpenRoom, Posted, Refusal, To};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    place: stage::Place,
}

// One thread is plenty, and handlers that await nothing never run at once on it: news leaves in the order in which it happened.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // Whoever comes back must still have the key to the name: messages to that name are among what was kept.
    let recovery = Recovery::default().max_disconnection(AWAY).middlewares(RecoveryMiddlewares::Run);
    let io = Server::builder().state(Arc::new(Chat::default())).recovery(recovery).build()?;
    handle(&io);

    let page = stage::page(include_str!("../page/index.html"), include_str!("../page/main.js"));
    stage::serve(&io, page.layer(io.layer()), args.place).await
}

/// What the server does when a page connects, says something or goes.
fn handle(io: &Server) {
    io.middleware(admit);
    io.on_connect(enter);
    io.on("join", join);
    io.on("leave", leave);
    io.on("say", say);
    io.on("typing", typing);
    io.on("received", received);
    io.on_disconnect(exit);
    io.on_error(stage::refuse::<Refusal>);
}

type TheChat = State<Arc<Chat>>;
/// Shared, because every event takes it out again.
type Me = Extension<Arc<Hello>>;

/// Lets in who has a good name, and notes it with the socket.
async fn admit(socket: Socket, State(chat): TheChat, Data(hello): Data<Hello>) -> Result<(), ConnectError> {
    let me = chat.check(hello).map_err(|refusal| ConnectError::new(refusal.to_string()))?;
    socket.extensions().insert(Arc::new(me));
    Ok(())
}

async fn enter(socket: Socket, State(chat): TheChat, Extension(me): Me) -> Result<(), BoxError> {
    let Ok(changes) = chat.enter(&me) else {
        // Two came with the same name at once, and the other was faster.
        socket.extensions().remove::<Arc<Hello>>();
        socket.disconnect();
        return Ok(());
    };
    // Who is recovered has its rooms, and has just got what was said in them meanwhile.
    if !socket.is_recovered() {
        let welcome = chat.welcome(&me.name);
        socket.join(user(&me.name))?;
        for open in &welcome.rooms {
            socket.join(room(&open.name))?;
        }
        socket.emit("welcome", &welcome)?;
    }
    for change in changes {
        socket.namespace().emit("joined", &change)?;
    }
    Ok(())
}

async fn exit(socket: Socket, State(chat): TheChat, me: Option<Me>, reason: DisconnectReason) -> Result<(), EmitError> {
    let Some(Extension(me)) = me else { return Ok(()) };
    let departure = if reason.is_recoverable() { Departure::Lost } else { Departure::OnPurpose };
    for change in chat.exit(&me.name, departure) {
        socket.broadcast().emit("left", &change)?;
    }
    Ok(())
}

async fn join(
    socket: Socket,
    State(chat): TheChat,
    Extension(me): Me,
    Data(name): Data<String>,
) -> Result<Data<OpenRoom>, BoxError> {
    let (open, change) = chat.join(&me.name, &name)?;
    socket.join(room(&open.name))?;
    if let Some(change) = change {
        // The user's other devices hear it too, and join by themselves.
        socket.namespace().emit("joined", &change)?;
    }
    Ok(Data(open))
}

async fn leave(
    socket: Socket,
    State(chat): TheChat,
    Extension(me): Me,
    Data(name): Data<String>,
) -> Result<bool, BoxError> {
    let change = chat.leave(&me.name, &name)?;
    socket.leave(room(&name));
    if let Some(change) = change {
        socket.namespace().emit("left", &change)?;
    }
    Ok(true)
}

async fn say(
    socket: Socket,
    State(chat): TheChat,
    Extension(me): Me,
    Data(draft): Data<Draft>,
) -> Result<Data<Message>, BoxError> {
    let message = match chat.post(&me.name, draft)? {
        Posted::Again(message) => return Ok(Data(message)),
        Posted::New(message) => message,
    };
    match &message.to {
        To::Room(name) => socket.to(room(name)).emit("message", &message)?,
        // All devices of the two, but not this one: it has the answer.
        To::User(name) => socket.to([user(name), user(&me.name)]).emit("message", &message)?,
    }
    Ok(Data(message))
}

/// Tells the others of a conversation that somebody is typing, or has stopped.
async fn typing(
    socket: Socket,
    State(chat): TheChat,
    Extension(me): Me,
    Data((to, active)): Data<(To, bool)>,
) -> Result<(), EmitError> {
    if chat.reaches(&me.name, &to).is_err() {
        return Ok(());
    }
    let target = match &to {
        To::Room(name) => room(name),
        To::User(name) => user(name),
    };
    // Worth nothing later: who is away does without.
    socket.to(target).volatile().emit("typing", Typing { from: &me.name, to: &to, active })
}

/// Tells the author of a private message that a device of its receiver has it.
async fn received(
    socket: Socket,
    State(chat): TheChat,
    Extension(me): Me,
    Data((author, id)): Data<(String, String)>,
) -> Result<(), EmitError> {
    if !stage::message::is_id(&id) || chat.reaches(&me.name, &To::User(author.clone())).is_err() {
        return Ok(());
    }
    socket.to(user(&author)).emit("received", Received { by: &me.name, id: &id })
}

/// The room of all devices of a user.
fn user(name: &str) -> String {
    format!("user:{name}")
}

/// The room of all who are in a room of the chat.
fn room(name: &str) -> String {
    format!("room:{name}")
}

#[derive(Serialize)]
struct Typing<'a> {
    from: &'a str,
    to: &'a To,
    active: bool,
}

#[derive(Serialize)]
struct Received<'a> {
    by: &'a str,
    id: &'a str,
}
