//! The groups of a team. They are its rooms, and nothing else is kept: who has joined a room is a member.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sockeye::{Namespace, Socket};
use stage::names::tidy;

use crate::Refusal;

/// The group that everybody in a team is in.
pub(crate) const EVERYBODY: &str = "everybody";

const NAME_CHARS: usize = 32;
const GROUPS_PER_SOCKET: usize = 20;

/// Who is in a group; with nobody in it, it is gone.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    group: String,
    members: BTreeSet<String>,
}

/// Lets a socket into a group, which is made if there is none. Returns the group's tidied name.
pub(crate) fn join(socket: &Socket, name: &str) -> Result<String, Refusal> {
    let name = tidy(name, NAME_CHARS).ok_or(Refusal::GroupName { most: NAME_CHARS })?;
    if groups_of(socket).len() >= GROUPS_PER_SOCKET {
        return Err(Refusal::TooManyGroups { most: GROUPS_PER_SOCKET });
    }
    socket.join(room(&name)).map_err(|_| Refusal::TooManyGroups { most: GROUPS_PER_SOCKET })?;
    Ok(name)
}

/// The groups that a socket is in.
pub(crate) fn groups_of(socket: &Socket) -> Vec<String> {
    socket.rooms().iter().filter_map(|room| group(room.as_str())).collect()
}

/// All groups of a team with their members.
pub(crate) fn all(team: &Namespace) -> BTreeMap<String, BTreeSet<String>> {
    let names = team.rooms().into_iter().filter_map(|room| group(room.as_str()));
    names.map(|name| (name.clone(), members(team, &name))).collect()
}

/// Tells the whole team who is in a group now.
pub(crate) fn announce(team: &Namespace, group: String) -> Result<(), sockeye::EmitError> {
    let members = members(team, &group);
    team.emit("group", Group { group, members })
}

/// The names of those in a group; a member with several devices is one.
fn members(team: &Namespace, group: &str) -> BTreeSet<String> {
    team.within(room(group)).sockets().iter().filter_map(|socket| socket.data().get("name")).collect()
}

/// The room of a group. The prefix keeps it apart from the rooms that Socket.IO makes itself: each socket's id.
pub(crate) fn room(group: &str) -> String {
    format!("group:{group}")
}

fn group(room: &str) -> Option<String> {
    room.strip_prefix("group:").map(ToOwned::to_owned)
}
