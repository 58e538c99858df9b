//! The life of one Engine.IO session: which transport carries it, when it is pinged, when it ends.

use std::time::{Duration, Instant};

use super::{CloseReason, Message, Packet, Protocol, Transport};

/// How often a pending poll is released while a probe waits for the client to pause polling.
const RELEASE_POLL_EVERY: Duration = Duration::from_millis(100);

/// The times a session lives by. All of them are told to the client in the handshake or bound a wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two pings.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take.
    pub ping_timeout: Duration,
    /// How long an upgrade may take from its request to its `upgrade` packet.
    pub upgrade_timeout: Duration,
    /// How long nothing may be read from the client, because it has sent more than is handled.
    pub pause_timeout: Duration,
}

impl Default for Timing {
    /// 25 s, 20 s and 10 s, as Node's server; 60 s for a pause, which Node does not know.
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            pause_timeout: Duration::from_secs(60),
        }
    }
}

/// One Engine.IO session, seen from the server. It is told what happens and when, and says what to do about it.
///
/// ```text
///             begin_upgrade       probe(2probe)        probe(5)
///  Polling ───────────────▶ asked ─────────────▶ probed ──────▶ WebSocket
///     ▲                       │                    │
///     └───────────────────────┴────────────────────┘  any other packet, loss, timeout: polling goes on unharmed
/// ```
///
/// See Engine.IO protocol, "Upgrade" and "Heartbeat".
#[derive(Debug)]
pub struct Session {
    protocol: Protocol,
    transport: Transport,
    upgrade: Option<Box<Upgrade>>,
    heartbeat: Heartbeat,
    /// When the session ends by itself, set by the layer above (Socket.IO's connect timeout).
    expires: Option<Instant>,
    /// Why and that the session ended; nothing leaves this state.
    closed: Option<CloseReason>,
}

#[derive(Debug)]
struct Upgrade {
    until: Instant,
    /// When a pending poll is next released; set once the probe has been answered.
    release_poll_at: Option<Instant>,
}

/// Which side has to make itself heard until when.
#[derive(Debug)]
enum Heartbeat {
    /// Protocol 4: we ping at this time.
    PingAt(Instant),
    /// Protocol 4: the client's pong must come until then.
    PongUntil(Instant),
    /// Protocol 3: the client's ping must come until then.
    ClientPingUntil(Instant),
    /// We stopped reading, so silence says nothing about the client. We still write now and then: a protocol 4 client wants
    /// our pings, and that a connection is lost shows only when something is written to it.
    Suspended(Box<Suspension>),
}

#[derive(Debug)]
struct Suspension {
    sign_at: Instant,
    until: Instant,
}

/// What a received packet asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Reaction<'a> {
    /// Hand the message to the application.
    Deliver(Message<'a>),
    /// Send a `pong`.
    Pong,
    /// The session ends for this reason.
    Close(CloseReason),
    /// Nothing to do.
    Ignore,
}

/// What a packet on the transport that is probing asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeStep {
    /// Answer `3probe` on the same transport.
    Answer,
    /// The session now lives on this transport: discard the old one, flush what waits.
    Complete,
    /// Close this transport; the session goes on where it was.
    Fail,
}

/// Why a second transport can't take a session over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeRefused {
    /// Another upgrade of this session is under way.
    #[error("the session is being upgraded already")]
    UnderWay,
    /// The session is on WebSocket.
    #[error("the session has been upgraded already")]
    Done,
    /// The session has ended.
    #[error("the session is closed")]
    Closed,
}

/// Something whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send a `ping`.
    Ping,
    /// Write something that means nothing, to see whether the connection is still there.
    Sign,
    /// Release a pending poll with a `noop`, so that the client can pause polling.
    ReleasePoll,
    /// Close the transport that is probing; the session goes on where it was.
    UpgradeTimeout,
    /// The client was silent for too long: close with [`CloseReason::PingTimeout`].
    PingTimeout,
    /// Nothing was read from the client for too long: what it sent is not handled.
    PauseTimeout,
    /// The time set by [`Session::expire_at`] has come.
    Expired,
}

impl Session {
    /// A session that has just been opened on `transport`.
    pub fn new(protocol: Protocol, transport: Transport, now: Instant, timing: &Timing) -> Self {
        let mut session =
            Self { protocol, transport, upgrade: None, heartbeat: Heartbeat::PingAt(now), expires: None, closed: None };
        session.restart_heartbeat(now, timing);
        session
    }

    /// The protocol revision that the client asked for.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The transport that carries the session now.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether the session still carries messages.
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Whether a second transport is probing.
    pub fn is_upgrading(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Why the session ended, once it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Takes a packet that came over the session's transport.
    pub fn receive<'a>(&mut self, packet: Packet<'a>, now: Instant, timing: &Timing) -> Reaction<'a> {
        if !self.is_open() {
            return Reaction::Ignore;
        }
        match (packet, self.protocol) {
            (Packet::Message(message), _) => Reaction::Deliver(message),
            (Packet::Pong(_), Protocol::V4) => {
                self.note_life(now, timing);
                Reaction::Ignore
            }
            (Packet::Ping(_), Protocol::V3) => {
                self.note_life(now, timing);
                Reaction::Pong
            }
            // The wrong direction: a protocol 4 client never pings, a protocol 3 client never answers.
            (Packet::Ping(_), Protocol::V4) | (Packet::Pong(_), Protocol::V3) => {
                Reaction::Close(CloseReason::TransportError)
            }
            (Packet::Close, _) => Reaction::Close(CloseReason::TransportClose),
            // Node ignores what only a server or a probe sends, and so do we.
            (Packet::Open(_) | Packet::Upgrade | Packet::Noop, _) => Reaction::Ignore,
        }
    }

    /// The client is there. While nothing is read, that its next sign is missed says nothing.
    fn note_life(&mut self, now: Instant, timing: &Timing) {
        if !matches!(self.heartbeat, Heartbeat::Suspended(_)) {
            self.restart_heartbeat(now, timing);
        }
    }

    /// A second transport asks to take the session over.
    ///
    /// # Errors
    /// [`UpgradeRefused`] says why it can't; the session is unharmed.
    pub fn begin_upgrade(&mut self, now: Instant, timing: &Timing) -> Result<(), UpgradeRefused> {
        if !self.is_open() {
            return Err(UpgradeRefused::Closed);
        }
        if self.transport == Transport::WebSocket {
            return Err(UpgradeRefused::Done);
        }
        if self.upgrade.is_some() {
            return Err(UpgradeRefused::UnderWay);
        }
        self.upgrade = Some(Box::new(Upgrade { until: now + timing.upgrade_timeout, release_poll_at: None }));
        Ok(())
    }

    /// Takes a packet that came over the transport that is probing.
    pub fn probe(&mut self, packet: &Packet<'_>, now: Instant) -> ProbeStep {
        let Some(upgrade) = self.upgrade.as_mut().filter(|_| self.closed.is_none()) else {
            return ProbeStep::Fail;
        };
        match packet {
            Packet::Ping(data) if data == "probe" => {
                // At once: the client waits for its pending poll to end before it sends `upgrade`.
                upgrade.release_poll_at.get_or_insert(now);
                ProbeStep::Answer
            }
            Packet::Upgrade if upgrade.release_poll_at.is_some() => {
                self.upgrade = None;
                self.transport = Transport::WebSocket;
                ProbeStep::Complete
            }
            _ => {
                self.upgrade = None;
                ProbeStep::Fail
            }
        }
    }

    /// The transport that was probing is gone; the session goes on where it was.
    pub fn upgrade_failed(&mut self) {
        self.upgrade = None;
    }

    /// Ends the session by itself at this time; `None` takes that back.
    pub fn expire_at(&mut self, when: Option<Instant>) {
        self.expires = when;
    }

    /// Stops expecting signs of life, for as long as nothing is read from the client.
    pub fn suspend_heartbeat(&mut self, now: Instant, timing: &Timing) {
        let sign_at = now + timing.ping_interval;
        match &mut self.heartbeat {
            Heartbeat::Suspended(suspension) => suspension.sign_at = sign_at,
            heartbeat => {
                let suspension = Suspension { sign_at, until: now + timing.pause_timeout };
                *heartbeat = Heartbeat::Suspended(Box::new(suspension));
            }
        }
    }

    /// Starts a fresh heartbeat, after silence that was our own doing.
    pub fn restart_heartbeat(&mut self, now: Instant, timing: &Timing) {
        self.heartbeat = match self.protocol {
            Protocol::V4 => Heartbeat::PingAt(now + timing.ping_interval),
            Protocol::V3 => Heartbeat::ClientPingUntil(now + timing.ping_interval + timing.ping_timeout),
        };
    }

    /// Ends the session. The first reason stays.
    pub fn close(&mut self, reason: CloseReason) {
        self.upgrade = None;
        self.closed.get_or_insert(reason);
    }

    /// When [`due`](Self::due) is to be asked again at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.is_open() {
            return None;
        }
        let heartbeat = match &self.heartbeat {
            Heartbeat::PingAt(at) | Heartbeat::PongUntil(at) | Heartbeat::ClientPingUntil(at) => *at,
            Heartbeat::Suspended(suspension) => suspension.sign_at.min(suspension.until),
        };
        let upgrade =
            self.upgrade.as_ref().map(|upgrade| upgrade.release_poll_at.unwrap_or(upgrade.until).min(upgrade.until));
        [Some(heartbeat), upgrade, self.expires].into_iter().flatten().min()
    }

    /// The next thing whose time has come; ask until there is none.
    pub fn due(&mut self, now: Instant, timing: &Timing) -> Option<Due> {
        if !self.is_open() {
            return None;
        }
        if self.expires.is_some_and(|at| at <= now) {
            self.expires = None;
            return Some(Due::Expired);
        }
        if let Some(upgrade) = &mut self.upgrade {
            if upgrade.until <= now {
                self.upgrade = None;
                return Some(Due::UpgradeTimeout);
            }
            if upgrade.release_poll_at.is_some_and(|at| at <= now) {
                upgrade.release_poll_at = Some(now + RELEASE_POLL_EVERY);
                return Some(Due::ReleasePoll);
            }
        }
        match &self.heartbeat {
            Heartbeat::PingAt(at) if *at <= now => {
                // From the time at which it was due: a late timer must not give the client more.
                self.heartbeat = Heartbeat::PongUntil(*at + timing.ping_timeout);
                Some(Due::Ping)
            }
            Heartbeat::Suspended(suspension) if suspension.until <= now => Some(Due::PauseTimeout),
            Heartbeat::Suspended(suspension) if suspension.sign_at <= now => {
                self.suspend_heartbeat(now, timing);
                Some(match self.protocol {
                    Protocol::V4 => Due::Ping,
                    Protocol::V3 => Due::Sign,
                })
            }
            Heartbeat::PongUntil(at) | Heartbeat::ClientPingUntil(at) if *at <= now => Some(Due::PingTimeout),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do as the beginning of a simulated time")]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        upgrade_timeout: Duration::from_secs(1),
        pause_timeout: Duration::from_secs(10),
    };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn polling(protocol: Protocol) -> (Session, Instant) {
        let now = Instant::now();
        (Session::new(protocol, Transport::Polling, now, &TIMING), now)
    }

    fn all_due(session: &mut Session, now: Instant) -> Vec<Due> {
        std::iter::from_fn(|| session.due(now, &TIMING)).take(8).collect()
    }

    #[test]
    fn a_protocol_4_client_is_pinged_after_the_interval() {
        let (mut session, start) = polling(Protocol::V4);
        assert_eq!(session.deadline(), Some(start + ms(300)));
        assert_eq!(all_due(&mut session, start + ms(299)), []);
        assert_eq!(all_due(&mut session, start + ms(300)), [Due::Ping]);
    }

    #[test]
    fn a_silent_protocol_4_client_is_closed_after_interval_plus_timeout() {
        let (mut session, start) = polling(Protocol::V4);
        assert_eq!(all_due(&mut session, start + ms(300)), [Due::Ping]);
        assert_eq!(all_due(&mut session, start + ms(499)), []);
        assert_eq!(session.due(start + ms(500), &TIMING), Some(Due::PingTimeout));
    }

    #[test]
    fn an_early_pong_postpones_the_next_ping() {
        let (mut session, start) = polling(Protocol::V4);
        assert_eq!(session.receive(Packet::Pong("".into()), start + ms(200), &TIMING), Reaction::Ignore);
        assert_eq!(session.deadline(), Some(start + ms(500)));
    }

    #[test]
    fn a_silent_protocol_3_client_is_closed_after_interval_plus_timeout() {
        let (mut session, start) = polling(Protocol::V3);
        assert_eq!(session.receive(Packet::Ping("".into()), start + ms(100), &TIMING), Reaction::Pong);
        assert_eq!(all_due(&mut session, start + ms(599)), []);
        assert_eq!(session.due(start + ms(600), &TIMING), Some(Due::PingTimeout));
    }

    #[test]
    fn a_heartbeat_in_the_wrong_direction_is_an_error() {
        let (mut session, now) = polling(Protocol::V4);
        let close = Reaction::Close(CloseReason::TransportError);
        assert_eq!(session.receive(Packet::Ping("".into()), now, &TIMING), close);
        let (mut session, now) = polling(Protocol::V3);
        assert_eq!(session.receive(Packet::Pong("".into()), now, &TIMING), close);
    }

    #[test]
    fn what_only_a_server_sends_is_ignored() {
        let (mut session, now) = polling(Protocol::V4);
        for packet in [Packet::Open("{}".into()), Packet::Upgrade, Packet::Noop] {
            assert_eq!(session.receive(packet, now, &TIMING), Reaction::Ignore);
        }
    }

    #[test]
    fn an_upgrade_runs_through_probe_and_release_to_the_new_transport() {
        let (mut session, now) = polling(Protocol::V4);
        session.begin_upgrade(now, &TIMING).unwrap();
        assert_eq!(session.begin_upgrade(now, &TIMING), Err(UpgradeRefused::UnderWay));
        assert_eq!(session.probe(&Packet::Ping("probe".into()), now), ProbeStep::Answer);
        assert_eq!(all_due(&mut session, now), [Due::ReleasePoll]);
        assert_eq!(all_due(&mut session, now + ms(99)), []);
        assert_eq!(all_due(&mut session, now + ms(100)), [Due::ReleasePoll]);
        assert_eq!(session.transport(), Transport::Polling);
        assert_eq!(session.probe(&Packet::Upgrade, now), ProbeStep::Complete);
        assert_eq!(session.transport(), Transport::WebSocket);
        assert_eq!(session.begin_upgrade(now, &TIMING), Err(UpgradeRefused::Done));
    }

    #[test]
    fn a_failed_or_late_probe_leaves_polling_unharmed() {
        let (mut session, now) = polling(Protocol::V4);
        session.begin_upgrade(now, &TIMING).unwrap();
        assert_eq!(session.probe(&Packet::Upgrade, now), ProbeStep::Fail, "an upgrade without a probe");
        assert!(session.is_open() && !session.is_upgrading());
        session.begin_upgrade(now, &TIMING).unwrap();
        session.receive(Packet::Pong("".into()), now + ms(900), &TIMING);
        assert_eq!(all_due(&mut session, now + ms(1000)), [Due::UpgradeTimeout]);
        assert_eq!((session.transport(), session.is_open()), (Transport::Polling, true));
        session.begin_upgrade(now + ms(1000), &TIMING).unwrap();
    }

    #[test]
    fn a_session_whose_reading_stopped_expects_no_sign_of_life() {
        let (mut session, start) = polling(Protocol::V3);
        session.suspend_heartbeat(start, &TIMING);
        // Only what is written to it can show that it is gone.
        assert_eq!(all_due(&mut session, start + ms(300)), [Due::Sign]);
        assert_eq!(all_due(&mut session, start + ms(9000)), [Due::Sign]);
        session.restart_heartbeat(start + ms(9000), &TIMING);
        assert_eq!(session.deadline(), Some(start + ms(9500)));
    }

    #[test]
    fn a_protocol_4_client_that_is_not_read_from_is_pinged_all_the_same() {
        let (mut session, start) = polling(Protocol::V4);
        session.suspend_heartbeat(start, &TIMING);
        assert_eq!(all_due(&mut session, start + ms(300)), [Due::Ping]);
        assert_eq!(all_due(&mut session, start + ms(600)), [Due::Ping]);
        session.restart_heartbeat(start + ms(9000), &TIMING);
        assert_eq!(session.deadline(), Some(start + ms(9300)));
    }

    #[test]
    fn a_pause_ends_at_its_bound_however_often_it_is_begun() {
        let (mut session, start) = polling(Protocol::V3);
        session.suspend_heartbeat(start, &TIMING);
        session.suspend_heartbeat(start + ms(9000), &TIMING);
        assert_eq!(all_due(&mut session, start + ms(9999)), [Due::Sign]);
        assert_eq!(session.due(start + ms(10_000), &TIMING), Some(Due::PauseTimeout));
    }

    #[test]
    fn a_late_sign_of_life_does_not_end_the_suspension() {
        let (mut session, start) = polling(Protocol::V3);
        session.suspend_heartbeat(start, &TIMING);
        assert_eq!(session.receive(Packet::Ping("".into()), start, &TIMING), Reaction::Pong);
        assert_eq!(all_due(&mut session, start + ms(9000)), [Due::Sign]);
    }

    #[test]
    fn a_closed_session_does_nothing_more_and_keeps_its_first_reason() {
        let (mut session, now) = polling(Protocol::V4);
        session.expire_at(Some(now));
        session.close(CloseReason::ParseError);
        session.close(CloseReason::PingTimeout);
        assert_eq!(session.close_reason(), Some(CloseReason::ParseError));
        assert_eq!(session.begin_upgrade(now, &TIMING), Err(UpgradeRefused::Closed));
        assert_eq!((session.deadline(), session.due(now, &TIMING)), (None, None));
        assert_eq!(session.receive(Packet::Message(Message::Text("x".into())), now, &TIMING), Reaction::Ignore);
    }

    #[test]
    fn a_session_expires_when_told_so() {
        let (mut session, now) = polling(Protocol::V4);
        session.expire_at(Some(now + ms(50)));
        assert_eq!(session.deadline(), Some(now + ms(50)));
        assert_eq!(all_due(&mut session, now + ms(50)), [Due::Expired]);
        session.expire_at(Some(now + ms(80)));
        session.expire_at(None);
        assert_eq!(all_due(&mut session, now + ms(80)), []);
    }
}
