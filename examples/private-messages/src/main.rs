//! Private messages: everybody has a name, several devices, and a mailbox that keeps what came meanwhile.
//!
//! `cargo run -p private-messages`, then open the printed addresses in two browsers, or on a phone.
//!
//! A middleware binds each socket to its user, with [`Socket::set_user`]; from there on `io.user(name)` is all devices
//! of that user, on which messages arrive and on whose number "online" depends.

mod post;

use std::sync::Arc;

use clap::Parser;
use serde::Serialize;
use sockeye::{BoxError, ConnectError, Data, Namespace, Server, Socket, State};
use stage::message::Fault;

use crate::post::{Draft, Hello, Mail, Message, Post, Posted, Refusal};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    place: stage::Place,
}

// One thread is plenty, and handlers that await nothing never run at once on it: news leaves in the order in which it happened.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let io = Server::builder().state(Arc::new(Post::default())).build()?;
    io.middleware(sign_in);
    io.on_connect(enter);
    io.on("say", say);
    io.on("read", read);
    io.on("typing", typing);
    io.on_disconnect(exit);
    io.on_error(stage::refuse::<Refusal>);

    let page = stage::page(include_str!("../page/index.html"), include_str!("../page/main.js"));
    stage::serve(&io, page.layer(io.layer()), args.place).await
}

type ThePost = State<Arc<Post>>;

/// Lets in who has the key to a name, as one more device of that user.
async fn sign_in(socket: Socket, State(post): ThePost, Data(hello): Data<Hello>) -> Result<(), ConnectError> {
    let io = socket.namespace();
    let name = post.sign_in(&hello, |name| devices(&io, name) > 0);
    socket.set_user(name.map_err(|refusal| ConnectError::new(refusal.to_string()))?);
    Ok(())
}

async fn enter(socket: Socket, State(post): ThePost) -> Result<(), BoxError> {
    let (io, me) = (socket.namespace(), name_of(&socket)?);
    let people = post.names().into_iter().map(|name| Person { online: devices(&io, &name) > 0, name });
    socket.emit("welcome", Welcome { name: &me, people: people.collect(), mail: post.mailbox(&me) })?;
    if devices(&io, &me) == 1 {
        socket.broadcast().emit("presence", Person { name: me, online: true })?;
    }
    Ok(())
}

async fn exit(socket: Socket, State(post): ThePost) -> Result<(), BoxError> {
    let (io, me) = (socket.namespace(), name_of(&socket)?);
    if devices(&io, &me) == 0 {
        post.sign_out(&me);
        io.emit("presence", Person { name: me, online: false })?;
    }
    Ok(())
}

async fn say(socket: Socket, State(post): ThePost, Data(draft): Data<Draft>) -> Result<Data<Arc<Message>>, BoxError> {
    let (io, me) = (socket.namespace(), name_of(&socket)?);
    let message = match post.send(&me, draft)? {
        Posted::Again(message) => return Ok(Data(message)),
        Posted::New(message) => message,
    };
    io.user(&message.to.user).emit("message", &*message)?;
    // The author's other devices show it too; this one has the answer.
    io.user(&me).except(socket.id()).emit("message", &*message)?;
    Ok(Data(message))
}

/// What one device has shown is read on all, and its author sees that.
async fn read(socket: Socket, State(post): ThePost, Data(author): Data<String>) -> Result<bool, BoxError> {
    let (io, me) = (socket.namespace(), name_of(&socket)?);
    let news = post.read(&me, &author);
    if news {
        io.user(&me).except(socket.id()).emit("read", &author)?;
        io.user(&author).emit("seen", &me)?;
    }
    Ok(news)
}

async fn typing(socket: Socket, Data((to, active)): Data<(String, bool)>) -> Result<(), BoxError> {
    let me = name_of(&socket)?;
    // Worth nothing later: who cannot take it now does without.
    socket.namespace().user(to).volatile().emit("typing", (me, active))?;
    Ok(())
}

/// How many devices of this user are connected.
fn devices(io: &Namespace, name: &str) -> usize {
    io.user(name).sockets().len()
}

/// The user that the middleware has bound the socket to.
fn name_of(socket: &Socket) -> Result<String, Refusal> {
    socket.user().map(Into::into).ok_or(Fault::Malformed.into())
}

/// All that a page needs to know at its start.
#[derive(Serialize)]
struct Welcome<'a> {
    name: &'a str,
    people: Vec<Person>,
    mail: Vec<Mail>,
}

#[derive(Serialize)]
struct Person {
    name: String,
    online: bool,
}
