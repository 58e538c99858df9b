//! Any sequence of what can happen to a session, and what must hold after each step.

use std::time::{Duration, Instant};

use sockeye_protocol::engine::{
    CloseReason, Due, Message, Packet, ProbeStep, Protocol, Reaction, Session, Timing, Transport,
};

const TIMING: Timing = Timing {
    pause_timeout: Duration::from_secs(5),
    ping_interval: Duration::from_millis(300),
    ping_timeout: Duration::from_millis(200),
    upgrade_timeout: Duration::from_millis(500),
};

/// Takes each byte for a step, two for those that let time pass.
#[allow(clippy::disallowed_methods, reason = "any moment will do as the beginning of a simulated time")]
pub(crate) fn run(steps: &[u8]) {
    let mut now = Instant::now();
    let (&first, steps) = steps.split_first().unwrap_or((&0, &[]));
    let protocol = if first & 1 == 0 { Protocol::V4 } else { Protocol::V3 };
    let transport = if first & 2 == 0 { Transport::Polling } else { Transport::WebSocket };
    let mut session = Session::new(protocol, transport, now, &TIMING);
    let mut steps = steps.iter().copied();
    while let Some(step) = steps.next() {
        let before = (session.is_open(), session.transport());
        if step % 16 == 0 {
            now += Duration::from_millis(u64::from(steps.next().unwrap_or_default()) * 4);
        }
        take(&mut session, step % 16, now);
        catch_up(&mut session, now);
        check(&session, before, now);
    }
}

fn take(session: &mut Session, step: u8, now: Instant) {
    match step {
        1 => receive(session, Packet::Ping("".into()), now),
        2 => receive(session, Packet::Pong("".into()), now),
        3 => receive(session, Packet::Message(Message::Text("x".into())), now),
        4 => receive(session, Packet::Close, now),
        5 => receive(session, Packet::Noop, now),
        6 => drop(session.begin_upgrade(now, &TIMING)),
        7 => probe(session, &Packet::Ping("probe".into()), now),
        8 => probe(session, &Packet::Upgrade, now),
        9 => probe(session, &Packet::Ping("else".into()), now),
        10 => session.upgrade_failed(),
        11 => session.suspend_heartbeat(now, &TIMING),
        12 => session.restart_heartbeat(now, &TIMING),
        13 => session.expire_at(Some(now + Duration::from_millis(100))),
        14 => session.expire_at(None),
        15 => session.close(CloseReason::ForcedClose),
        _ => {}
    }
}

fn receive(session: &mut Session, packet: Packet<'_>, now: Instant) {
    let open = session.is_open();
    let reaction = session.receive(packet, now, &TIMING);
    assert!(open || reaction == Reaction::Ignore, "a closed session reacts: {reaction:?}");
    if let Reaction::Close(reason) = reaction {
        session.close(reason);
    }
}

fn probe(session: &mut Session, packet: &Packet<'_>, now: Instant) {
    let upgrading = session.is_upgrading();
    let step = session.probe(packet, now);
    assert!(upgrading || step == ProbeStep::Fail, "a probe without an upgrade: {step:?}");
}

fn catch_up(session: &mut Session, now: Instant) {
    let mut rounds = 0;
    while let Some(due) = session.due(now, &TIMING) {
        rounds += 1;
        assert!(rounds < 8, "never done: {session:?}");
        if matches!(due, Due::PingTimeout | Due::PauseTimeout | Due::Expired) {
            session.close(CloseReason::PingTimeout);
        }
    }
}

fn check(session: &Session, before: (bool, Transport), now: Instant) {
    let (was_open, transport) = before;
    assert!(was_open || !session.is_open(), "reopened: {session:?}");
    assert!(transport == Transport::Polling || session.transport() == Transport::WebSocket, "downgraded: {session:?}");
    assert!(session.is_open() || !session.is_upgrading(), "upgrading after the end: {session:?}");
    assert!(session.deadline().is_none_or(|at| at > now && session.is_open()), "overdue: {session:?}");
}
