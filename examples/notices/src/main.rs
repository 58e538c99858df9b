//! Notices: another program pushes them by HTTP, and browsers show them; who reads and who writes must prove it.
//!
//! `cargo run -p notices` prints addresses for two readers, and the key for who writes:
//!
//! ```sh
//! curl http://localhost:3000/notices -H "x-api-key: $KEY" -H "content-type: application/json" \
//!      -d '{"title": "Track 3 is closed", "text": "Take the bus.", "to": {"topic": "trains"}}'
//! ```
//!
//! Browsers connect to the namespace `/notice` under the path `/notice`, with their token in the query:
//! `io("/notice", { path: "/notice", query: { token } })`.

mod publish;
mod readers;
mod topics;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use clap::Parser;
use serde::{Deserialize, Serialize};
use sockeye::{ConnectError, Data, Handshake, Namespace, Recovery, Server, Socket, State};
use stage::Secret;

use crate::publish::{MAX_BODY, Office, publish};
use crate::readers::{Reader, Readers};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    place: stage::Place,
    /// What a program that publishes sends as `x-api-key`; random if not given.
    #[arg(long)]
    key: Option<String>,
    /// Somebody who may read, as NAME:TOKEN; several times for several. If not given: ada and bob, with random tokens.
    #[arg(long)]
    reader: Vec<Reader>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let key = args.key.map_or_else(Secret::random, Secret::new);
    let readers = Arc::new(Readers::new(if args.reader.is_empty() { made_up() } else { args.reader }));
    explain(&key, &readers);

    // A reader whose connection is lost for a moment finds in its place what was published meanwhile.
    let io = Server::builder().path("/notice").state(readers.clone()).recovery(Recovery::default()).build()?;
    io.middleware(async || Err::<(), _>(ConnectError::new("there is nothing here but the namespace /notice")));
    let notices = io.of("/notice");
    handle(&notices);

    let page = stage::page(include_str!("../page/index.html"), include_str!("../page/main.js"));
    let route = post(publish).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(Office { notices, readers, key });
    stage::serve(&io, page.route("/notices", route).layer(io.layer()), args.place).await
}

fn handle(notices: &Namespace) {
    notices.middleware(check_token);
    notices.on_connect(enter);
    notices.on("follow", async |socket: Socket, Data(topic): Data<String>| follow(&socket, &topic));
    notices.on("unfollow", async |socket: Socket, Data(topic): Data<String>| {
        socket.leave(topics::room(&topic));
        true
    });
}

/// Lets in who has a token, as a device of the reader whose it is.
async fn check_token(
    socket: Socket,
    handshake: Handshake,
    State(readers): State<Arc<Readers>>,
) -> Result<(), ConnectError> {
    let Some(token) = handshake.query("token") else {
        return Err(refusal("missing_token", "this needs a token"));
    };
    let name = readers.holder(&token).ok_or_else(|| refusal("unknown_token", "nobody has this token"))?;
    socket.set_user(name);
    Ok(())
}

/// `connect_error` with data: a code for the program, and words for its user.
fn refusal(code: &'static str, hint: &'static str) -> ConnectError {
    ConnectError::new("unauthorized").data(Refusal { code, hint })
}

async fn enter(socket: Socket, wish: Option<Data<Wish>>) -> Result<(), sockeye::EmitError> {
    for topic in wish.iter().flat_map(|Data(wish)| &wish.topics) {
        follow(&socket, topic);
    }
    let name = socket.user().unwrap_or_default();
    socket.emit("welcome", Welcome { name: &name, topics: topics::TOPICS })
}

/// Returns whether there is such a topic.
fn follow(socket: &Socket, topic: &str) -> bool {
    topics::exists(topic) && socket.join(topics::room(topic)).is_ok()
}

fn made_up() -> Vec<Reader> {
    ["ada", "bob"].map(|name| Reader { name: name.to_owned(), token: Secret::random() }).into()
}

#[allow(clippy::print_stdout, reason = "whoever starts the example needs them")]
fn explain(key: &Secret, readers: &Readers) {
    println!("x-api-key: {}", key.reveal());
    for Reader { name, token } in readers.iter() {
        println!("{name} reads at /?token={}", token.reveal());
    }
}

/// What a browser sends as `auth`: the topics it followed, so that they survive a lost connection.
#[derive(Default, Deserialize)]
struct Wish {
    #[serde(default)]
    topics: Vec<String>,
}

#[derive(Serialize)]
struct Welcome<'a> {
    name: &'a str,
    topics: [&'static str; 3],
}

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
    hint: &'static str,
}
