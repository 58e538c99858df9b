//! What is counted.

use std::{io, net::SocketAddr};

use super::client::{Link, Polling, binary, binary_answer, text, text_answer};

/// An exchange with the server that is counted by its units.
pub(super) struct Scene {
    pub(super) name: &'static str,
    /// What one of its units is.
    pub(super) unit: &'static str,
    /// Rounds of the longer run; the shorter one has a fifth of them, and the difference is what counts.
    pub(super) rounds: usize,
    /// Exchanges so many rounds.
    pub(super) run: fn(SocketAddr, usize) -> io::Result<Exchanged>,
}

/// What has been exchanged.
pub(super) struct Exchanged {
    pub(super) units: usize,
    /// Connections that are still open: their ends shall not count, or only as much as the server gets to.
    pub(super) open: Vec<Link>,
}

pub(super) const SCENES: &[Scene] = &[
    Scene { name: "echo", unit: "event of 64 B, 8 in flight", rounds: 500, run: |to, rounds| echo(to, rounds, 64, 8) },
    Scene {
        name: "echo-1k",
        unit: "event of 1 KiB, 8 in flight",
        rounds: 500,
        run: |to, rounds| echo(to, rounds, 1024, 8),
    },
    Scene { name: "echo-binary", unit: "event with 64 B attached, 8 in flight", rounds: 500, run: echo_binary },
    Scene {
        name: "echo-alone",
        unit: "event of 64 B, one in flight",
        rounds: 1000,
        run: |to, rounds| echo(to, rounds, 64, 1),
    },
    Scene { name: "echo-polling", unit: "event of 64 B, 8 in a POST", rounds: 250, run: echo_polling },
    Scene {
        name: "broadcast",
        unit: "delivery of 64 B to one of 200",
        rounds: 100,
        run: |to, rounds| broadcast(to, rounds, 1),
    },
    Scene {
        name: "broadcast-burst",
        unit: "delivery of 64 B to one of 200, 8 in a burst",
        rounds: 100,
        run: |to, rounds| broadcast(to, rounds, 8),
    },
    Scene { name: "rooms", unit: "delivery of 64 B to one of 10 in a room", rounds: 1000, run: rooms },
    Scene { name: "connect", unit: "session by WebSocket, with its end", rounds: 500, run: connect },
    Scene { name: "connect-polling", unit: "session by polling, with its end", rounds: 500, run: connect_polling },
    Scene { name: "upgrade", unit: "session by polling, upgraded, with its end", rounds: 500, run: upgrade },
];

const CROWD: usize = 200;
const ROOM: usize = 10;
/// Between two packets of a payload.
const SEPARATOR: &str = "\u{1e}";

fn data(size: usize) -> String {
    "0123456789abcdef".repeat(size / 16)
}

fn echo(to: SocketAddr, rounds: usize, size: usize, in_flight: usize) -> io::Result<Exchanged> {
    let data = data(size);
    let (events, acks): (Vec<_>, Vec<_>) = (10..10 + in_flight)
        .map(|id| (text(&format!(r#"42{id}["echo","{data}"]"#)), text_answer(&format!(r#"43{id}["{data}"]"#))))
        .unzip();
    exchange(to, rounds, &events.concat(), &acks.concat(), in_flight)
}

fn echo_binary(to: SocketAddr, rounds: usize) -> io::Result<Exchanged> {
    let bytes = [7; 64];
    let (events, acks): (Vec<_>, Vec<_>) = (10..18)
        .map(|id| {
            let event = format!(r#"451-{id}["echo",{{"_placeholder":true,"num":0}}]"#);
            let ack = format!(r#"461-{id}[{{"_placeholder":true,"num":0}}]"#);
            ([text(&event), binary(&bytes)].concat(), [text_answer(&ack), binary_answer(&bytes)].concat())
        })
        .unzip();
    exchange(to, rounds, &events.concat(), &acks.concat(), 8)
}

fn exchange(to: SocketAddr, rounds: usize, events: &[u8], acks: &[u8], in_flight: usize) -> io::Result<Exchanged> {
    let mut link = Link::join(to)?;
    for _ in 0..rounds {
        link.send(events)?;
        link.expect(acks)?;
    }
    Ok(Exchanged { units: rounds * in_flight, open: vec![link] })
}

fn echo_polling(to: SocketAddr, rounds: usize) -> io::Result<Exchanged> {
    let data = data(64);
    let (events, acks): (Vec<_>, Vec<_>) =
        (10..18).map(|id| (format!(r#"42{id}["echo","{data}"]"#), format!(r#"43{id}["{data}"]"#))).unzip();
    let (events, acks) = (events.join(SEPARATOR), acks.join(SEPARATOR));
    let mut polling = Polling::join(to)?;
    for _ in 0..rounds {
        polling.post(&events)?;
        let found = polling.get()?;
        if found != acks {
            return Err(io::Error::other(format!("expected {acks}, found {found}")));
        }
    }
    Ok(Exchanged { units: rounds * 8, open: vec![polling.into_link()] })
}

fn broadcast(to: SocketAddr, rounds: usize, burst: usize) -> io::Result<Exchanged> {
    let mut links = (0..CROWD).map(|_| Link::join(to)).collect::<io::Result<Vec<_>>>()?;
    let data = data(64);
    let event = text(&format!(r#"42["broadcast","{data}"]"#)).repeat(burst);
    let news = text_answer(&format!(r#"42["broadcast","{data}"]"#)).repeat(burst);
    for _ in 0..rounds {
        links[0].send(&event)?;
        links.iter_mut().try_for_each(|link| link.expect(&news))?;
    }
    Ok(Exchanged { units: rounds * burst * CROWD, open: links })
}

fn rooms(to: SocketAddr, rounds: usize) -> io::Result<Exchanged> {
    let mut links = (0..CROWD).map(|_| Link::join(to)).collect::<io::Result<Vec<_>>>()?;
    for (number, link) in links.iter_mut().enumerate() {
        link.send(&text(&format!(r#"420["join","room {}"]"#, number / ROOM)))?;
        link.expect(&text_answer("430[]"))?;
    }
    let data = data(64);
    let news = text_answer(&format!(r#"42["room","{data}"]"#));
    for round in 0..rounds {
        let room = round % (CROWD / ROOM);
        let members = &mut links[room * ROOM..][..ROOM];
        members[0].send(&text(&format!(r#"42["room","room {room}","{data}"]"#)))?;
        members.iter_mut().try_for_each(|link| link.expect(&news))?;
    }
    Ok(Exchanged { units: rounds * ROOM, open: links })
}

fn connect(to: SocketAddr, rounds: usize) -> io::Result<Exchanged> {
    (0..rounds).try_for_each(|_| Link::join(to)?.close())?;
    Ok(Exchanged { units: rounds, open: Vec::new() })
}

fn connect_polling(to: SocketAddr, rounds: usize) -> io::Result<Exchanged> {
    (0..rounds).try_for_each(|_| Polling::join(to)?.post("1"))?;
    Ok(Exchanged { units: rounds, open: Vec::new() })
}

fn upgrade(to: SocketAddr, rounds: usize) -> io::Result<Exchanged> {
    (0..rounds).try_for_each(|_| Polling::join(to)?.upgraded()?.close())?;
    Ok(Exchanged { units: rounds, open: Vec::new() })
}
