//! A chat: nicknames, rooms, private messages, who is typing, who is here.
//!
//! `cargo run -p chat`, then open the printed addresses in two browsers, or on a phone.

mod chat;
mod page;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use axum::Router;
use clap::Parser;
use serde::Serialize;
use sockeye::{BoxError, ConnectError, Data, EmitError, Extension, Failure, Server, Socket, State};
use tokio::net::TcpListener;

use crate::chat::{Chat, Draft, Hello, Message, OpenRoom, Posted, Refusal, To};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "0.0.0.0")]
    host: IpAddr,
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let io = Server::builder().state(Arc::new(Chat::default())).build()?;
    handle(&io);

    let app = Router::new().merge(page::routes()).layer(io.layer());
    let signalled = stop_signal()?;
    let listener = TcpListener::bind((args.host, args.port)).await?;
    announce(listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        () = signalled => {}
    }
    // Every client is told, and gets what waits for it. Requests that are never finished end with the process.
    io.close().await;
    Ok(())
}

/// Prints where the chat is to be found: here, and from other devices on the same network.
#[allow(clippy::print_stdout, reason = "whoever starts the example reads the addresses there")]
fn announce(address: SocketAddr) {
    if !address.ip().is_unspecified() {
        return println!("http://{address}");
    }
    println!("http://localhost:{}", address.port());
    if let Some(host) = outgoing_address() {
        println!("http://{} from other devices on this network", SocketAddr::new(host, address.port()));
    }
}

/// This machine's address on its network, if it has one. Connecting a UDP socket sends nothing: it only picks a route.
fn outgoing_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Ends when the process is asked to stop, from this call on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
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
    io.on_error(answer_with_refusal);
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
    let welcome = chat.welcome(&me.name);
    socket.join(user(&me.name))?;
    for open in &welcome.rooms {
        socket.join(room(&open.name))?;
    }
    socket.emit("welcome", &welcome)?;
    for change in changes {
        socket.broadcast().emit("joined", &change)?;
    }
    Ok(())
}

async fn exit(socket: Socket, State(chat): TheChat, me: Option<Me>) -> Result<(), EmitError> {
    let Some(Extension(me)) = me else { return Ok(()) };
    for change in chat.exit(&me.name) {
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
    socket.to(target).emit("typing", Typing { from: &me.name, to: &to, active })
}

/// Tells the author of a private message that a device of its receiver has it.
async fn received(
    socket: Socket,
    State(chat): TheChat,
    Extension(me): Me,
    Data((author, id)): Data<(String, String)>,
) -> Result<(), EmitError> {
    if !chat::is_id(&id) || chat.reaches(&me.name, &To::User(author.clone())).is_err() {
        return Ok(());
    }
    socket.to(user(&author)).emit("received", Received { by: &me.name, id: &id })
}

/// Tells the page what was refused, and the terminal what went wrong.
fn answer_with_refusal(failure: Failure) {
    let refusal = failure.error.downcast_ref::<Refusal>();
    if refusal.is_none() {
        eprintln!("{}: {}", failure.event, failure.error);
    }
    let error = refusal.unwrap_or(&Refusal::Malformed).to_string();
    // A page that gets no answer asks again.
    if let Some(ack) = failure.ack {
        drop(ack.send(Refused { error }));
    }
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
struct Refused {
    error: String,
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
