use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    Common,
    frame::{self, Opcode},
    meter::Meter,
    net::Net,
    scenes::{GRACE, figures, measure, text_argument},
    session::{Scene, Sessions},
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 100)]
    rooms: usize,
    /// Clients in each room, and in no other.
    #[arg(long, default_value_t = 10)]
    members: usize,
    /// Bytes of data in each event.
    #[arg(long, default_value_t = 64)]
    size: usize,
}

pub(crate) fn run(options: Options) -> Result<Map<String, Value>> {
    let Options { common, rooms, members, size } = options;
    let argument = text_argument(size);
    let mut net = Net::new(common.url, 1)?;
    let mut sessions = Sessions::new(Rooms {
        meter: common.meter(),
        event: [br#"42["room","#, &argument[..]].concat(),
        by_leader: (0..rooms)
            .map(|room| Room {
                emit: [format!(r#"42["room","room-{room}","#).as_bytes(), &argument].concat(),
                began: net.now(),
                missing: 0,
            })
            .collect(),
        members,
        joined: 0,
    });
    sessions.join(&mut net, rooms * members)?;
    // Some servers accept a client before its handlers are there, and would lose an event that comes at once.
    let settled = net.now() + Duration::from_millis(300);
    net.run(&mut sessions, GRACE, |_, net| Ok(net.now() >= settled))?;
    for link in 0..rooms * members {
        let join = format!(r#"420["join","room-{}"]"#, link % rooms);
        frame::push(net.out(link), Opcode::Text, &[join.as_bytes()]);
    }
    net.run(&mut sessions, GRACE, |sessions, _| Ok(sessions.scene.joined == rooms * members))
        .context("not everybody got into a room")?;
    for room in 0..rooms {
        sessions.scene.emit(&mut net, room);
    }
    measure(&mut net, &mut sessions, common.warmup + common.seconds, |sessions| &mut sessions.scene.meter)?;
    let asked = [("rooms", json!(rooms)), ("members", json!(members)), ("size", json!(size))];
    figures(asked, &sessions.scene.meter)
}

/// Client `n` is in room `n % rooms`; client `r` leads room `r`. A unit is one delivery.
struct Rooms {
    meter: Meter,
    event: Vec<u8>,
    by_leader: Vec<Room>,
    members: usize,
    joined: usize,
}

struct Room {
    emit: Vec<u8>,
    began: Instant,
    /// Members that have not got the event under way.
    missing: usize,
}

impl Rooms {
    fn emit(&mut self, net: &mut Net, leader: usize) {
        let room = &mut self.by_leader[leader];
        (room.began, room.missing) = (net.now(), self.members);
        frame::push(net.out(leader), Opcode::Text, &[&room.emit]);
    }
}

impl Scene for Rooms {
    fn joined(&mut self, _net: &mut Net, _link: usize) -> Result<()> {
        Ok(())
    }

    fn text(&mut self, net: &mut Net, link: usize, text: &[u8]) -> Result<()> {
        if text.starts_with(b"430[") {
            self.joined += 1;
            return Ok(());
        }
        ensure!(text == self.event, "not what was sent to the room: {}", String::from_utf8_lossy(text));
        let leader = link % self.by_leader.len();
        let room = &mut self.by_leader[leader];
        ensure!(room.missing > 0, "an event to a room came twice");
        room.missing -= 1;
        self.meter.unit(room.began, net.now());
        if room.missing == 0 {
            self.emit(net, leader);
        }
        Ok(())
    }
}
