//! Groups, both ways: a team is a namespace, made when it is founded and opened by its own token; a group is a room in it.
//!
//! `cargo run -p group-chat`, open the printed address, create a team, and send its link to others.
//!
//! Namespaces keep people apart who have nothing to do with each other: each has its own check at the door, and an emit
//! never leaves it. Rooms are what those inside make of it: made by joining, gone when the last one leaves. A page is in
//! several teams over one connection. Nothing that is said is kept: see the examples `chat` and `private-messages` for that.

mod groups;
mod teams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clap::Parser;
use serde::{Deserialize, Serialize};
use sockeye::{BoxError, ConnectError, Data, EmitError, Namespace, Server, Socket, State};
use stage::message::{Draft, Fault, Message};
use stage::names::tidy;

use crate::groups::EVERYBODY;
use crate::teams::{Founded, Teams};

const NAME_CHARS: usize = 24;
const TEXT_CHARS: usize = 2000;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    place: stage::Place,
}

// One thread is plenty, and handlers that await nothing never run at once on it: news leaves in the order in which it happened.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let io = Server::builder().state(Arc::new(Teams::default())).build()?;
    io.on("found", found);
    // The handlers of the parent are those of every team.
    handle(&io.of_pattern(teams::PATTERN)?);
    io.on_error(stage::refuse::<Refusal>);

    let page = stage::page(include_str!("../page/index.html"), include_str!("../page/main.js"))
        .route("/team.js", stage::script(include_str!("../page/team.js")));
    stage::serve(&io, page.layer(io.layer()), args.place).await
}

fn handle(team: &Namespace) {
    team.middleware(admit);
    team.on_connect(enter);
    team.on("join", join);
    team.on("leave", leave);
    team.on("say", say);
    team.on("typing", typing);
    team.on_disconnecting(part);
    team.on_disconnect(exit);
}

type TheTeams = State<Arc<Teams>>;

/// Makes a team; its namespace is made when the first one comes in with the token.
async fn found(State(teams): TheTeams, Data(name): Data<String>) -> Result<Data<Founded>, Refusal> {
    teams.found(&name).map(Data)
}

async fn admit(socket: Socket, State(teams): TheTeams, Data(hello): Data<Hello>) -> Result<(), BoxError> {
    if !teams.admits(socket.namespace().name(), &hello.token) {
        return Err(ConnectError::new("this token opens no team here: ask for a new link").into());
    }
    let name = tidy(&hello.name, NAME_CHARS).ok_or(Refusal::Name)?;
    socket.data().set("name", name)?;
    Ok(())
}

async fn enter(socket: Socket, State(teams): TheTeams, Data(hello): Data<Hello>) -> Result<(), BoxError> {
    let team = socket.namespace();
    teams.enter(team.name());
    let mut joined = BTreeSet::from([groups::join(&socket, EVERYBODY)?]);
    // A remembered group that can't be had any more is simply not among those of the welcome.
    joined.extend(hello.groups.iter().filter_map(|name| groups::join(&socket, name).ok()));
    for group in &joined {
        groups::announce(&team, group.clone())?;
    }
    socket.emit("welcome", Welcome { name: name_of(&socket)?, joined, groups: groups::all(&team) })?;
    Ok(())
}

/// While it is disconnecting, a socket still knows its rooms.
async fn part(socket: Socket) -> Result<(), EmitError> {
    let team = socket.namespace();
    for group in groups::groups_of(&socket) {
        socket.leave(groups::room(&group));
        groups::announce(&team, group)?;
    }
    Ok(())
}

async fn exit(socket: Socket, State(teams): TheTeams) {
    teams.exit(socket.namespace().name());
}

async fn join(socket: Socket, Data(name): Data<String>) -> Result<String, BoxError> {
    let group = groups::join(&socket, &name)?;
    groups::announce(&socket.namespace(), group.clone())?;
    Ok(group)
}

async fn leave(socket: Socket, Data(group): Data<String>) -> Result<bool, BoxError> {
    if group == EVERYBODY {
        return Err(Refusal::Everybody.into());
    }
    let was_in = groups::groups_of(&socket).contains(&group);
    if was_in {
        socket.leave(groups::room(&group));
        groups::announce(&socket.namespace(), group)?;
    }
    Ok(was_in)
}

async fn say(socket: Socket, Data(draft): Data<Draft<To>>) -> Result<Data<Message<To>>, BoxError> {
    let message = draft.sign(&name_of(&socket)?, TEXT_CHARS)?;
    within(&socket, &message.to.room)?.emit("message", &message)?;
    Ok(Data(message))
}

async fn typing(socket: Socket, Data((group, active)): Data<(String, bool)>) -> Result<(), BoxError> {
    let name = name_of(&socket)?;
    // Worth nothing later: who cannot take it now does without.
    within(&socket, &group)?.volatile().emit("typing", (group, name, active))?;
    Ok(())
}

/// The others of a group, for who is in it.
fn within(socket: &Socket, group: &str) -> Result<sockeye::Broadcast, Refusal> {
    let room = groups::room(group);
    if socket.rooms().iter().any(|joined| joined.as_str() == room) {
        return Ok(socket.to(room));
    }
    Err(Refusal::Outside(group.chars().take(NAME_CHARS).collect()))
}

/// The name that the middleware has noted.
fn name_of(socket: &Socket) -> Result<String, Fault> {
    socket.data().get("name").ok_or(Fault::Malformed)
}

/// What a page says about itself when it connects to a team.
#[derive(Deserialize)]
struct Hello {
    token: String,
    name: String,
    /// The groups it was in, so that they survive a lost connection.
    #[serde(default)]
    groups: Vec<String>,
}

/// Where a message goes: `{"room": "tea"}`.
#[derive(Deserialize, Serialize)]
struct To {
    room: String,
}

/// All that a page needs to know of a team.
#[derive(Serialize)]
struct Welcome {
    name: String,
    joined: BTreeSet<String>,
    /// Every group with its members.
    groups: BTreeMap<String, BTreeSet<String>>,
}

/// Why something was refused, in words for the user.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("a nickname has 1 to {NAME_CHARS} characters")]
    Name,
    #[error("a team's name has 2 to 24 letters from a to z, digits and hyphens")]
    TeamName,
    #[error("there is a team “{0}” already")]
    TeamTaken(String),
    #[error("there are {} teams already", teams::TEAMS)]
    TooManyTeams,
    #[error("a group's name has 1 to {most} characters")]
    GroupName { most: usize },
    #[error("you are in {most} groups: leave one first")]
    TooManyGroups { most: usize },
    #[error("everybody stays here, or leaves the team")]
    Everybody,
    #[error("you are not in “{0}”")]
    Outside(String),
}
