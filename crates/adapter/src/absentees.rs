//! Sessions of clients that may come back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use smol_str::SmolStr;

/// The secret by which a client claims its session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrivateId(SmolStr);

impl PrivateId {
    /// The id of this text.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(SmolStr::new(id))
    }

    /// As text, for its owner only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What clients left behind, each for `keep` at most and no more than `limit` of them: the oldest go first.
///
/// ```
/// use std::time::{Duration, Instant};
/// use sockeye_adapter::{Absentees, PrivateId};
///
/// let (mut absentees, now) = (Absentees::new(Duration::from_secs(120), 100_000), Instant::now());
/// absentees.keep(PrivateId::new("secret"), "rooms and data", now);
/// assert_eq!(absentees.claim("secret", now), Some("rooms and data"));
/// assert_eq!(absentees.claim("secret", now), None);
/// ```
#[derive(Debug)]
pub struct Absentees<S> {
    sessions: HashMap<SmolStr, Left<S>, RandomState>,
    /// In the order of leaving. Who has come back may still be in it.
    order: VecDeque<(SmolStr, u64)>,
    departures: u64,
    keep: Duration,
    limit: usize,
}

#[derive(Debug)]
struct Left<S> {
    session: S,
    at: Instant,
    departure: u64,
}

/// So many who have come back may stay in the order of leaving, and as many as there are who have not.
const SPARE: usize = 1024;

impl<S> Absentees<S> {
    /// Nobody yet.
    pub fn new(keep: Duration, limit: usize) -> Self {
        Self { sessions: HashMap::default(), order: VecDeque::new(), departures: 0, keep, limit }
    }

    /// A client has left. Says how many others had to go for want of room.
    pub fn keep(&mut self, id: PrivateId, session: S, now: Instant) -> usize {
        self.departures += 1;
        let departure = self.departures;
        self.forget_returned();
        self.order.push_back((id.0.clone(), departure));
        self.sessions.insert(id.0, Left { session, at: now, departure });
        self.forget_old(now);
        let too_many = self.sessions.len().saturating_sub(self.limit);
        while self.sessions.len() > self.limit {
            self.drop_oldest();
        }
        too_many
    }

    /// A client has come back: what it left is its own again.
    pub fn claim(&mut self, id: &str, now: Instant) -> Option<S> {
        self.forget_old(now);
        let left = self.sessions.remove(id)?;
        Some(left.session)
    }

    /// Drops what nobody came back for in time.
    pub fn forget_old(&mut self, now: Instant) {
        while let Some((id, departure)) = self.order.front() {
            let left = self.sessions.get(id).filter(|left| left.departure == *departure);
            if left.is_some_and(|left| left.at + self.keep > now) {
                break;
            }
            self.drop_oldest();
        }
    }

    /// Clients that come and go all the time would leave an entry each time.
    fn forget_returned(&mut self) {
        if self.order.len() > 2 * self.sessions.len() + SPARE {
            let sessions = &self.sessions;
            self.order.retain(|(id, departure)| sessions.get(id).is_some_and(|left| left.departure == *departure));
        }
    }

    fn drop_oldest(&mut self) {
        let Some((id, departure)) = self.order.pop_front() else { return };
        if self.sessions.get(&id).is_some_and(|left| left.departure == departure) {
            self.sessions.remove(&id);
        }
        if self.order.is_empty() {
            self.order = VecDeque::new();
            self.sessions.shrink_to_fit();
        }
    }

    /// Whether nobody is away.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "any moment will do as the beginning of a simulated time")]
    fn some_time() -> Instant {
        Instant::now()
    }

    const KEEP: Duration = Duration::from_secs(10);

    fn id(name: &str) -> PrivateId {
        PrivateId::new(name)
    }

    #[test]
    fn a_session_can_be_claimed_in_time_and_once() {
        let (mut absentees, now) = (Absentees::new(KEEP, 10), some_time());
        absentees.keep(id("a"), 1, now);
        absentees.keep(id("b"), 2, now);
        let later = now + KEEP / 2;
        assert_eq!((absentees.claim("a", later), absentees.claim("a", later)), (Some(1), None));
        assert_eq!(absentees.claim("b", now + KEEP), None);
        assert!(absentees.is_empty() && absentees.order.is_empty());
    }

    #[test]
    fn who_leaves_again_has_all_his_time_again() {
        let (mut absentees, now) = (Absentees::new(KEEP, 10), some_time());
        absentees.keep(id("a"), 1, now);
        absentees.claim("a", now);
        absentees.keep(id("a"), 2, now + KEEP / 2);
        assert_eq!(absentees.claim("a", now + KEEP), Some(2));
    }

    #[test]
    fn at_the_limit_the_oldest_go() {
        let (mut absentees, now) = (Absentees::new(KEEP, 2), some_time());
        for (name, session) in [("a", 1), ("b", 2), ("c", 3)] {
            absentees.keep(id(name), session, now);
        }
        assert_eq!(
            [absentees.claim("a", now), absentees.claim("b", now), absentees.claim("c", now)],
            [None, Some(2), Some(3)]
        );
    }

    #[test]
    fn who_comes_and_goes_leaves_no_trace_beyond_the_limit() {
        let (mut absentees, now) = (Absentees::new(KEEP, 2), some_time());
        for turn in 0..10_000 {
            absentees.keep(id("a"), turn, now);
            absentees.claim("a", now);
        }
        assert!(absentees.order.len() <= 2 * absentees.limit, "{}", absentees.order.len());
        // Nor does he behind one who stays away.
        absentees.keep(id("b"), 0, now);
        for turn in 0..10_000 {
            absentees.keep(id("a"), turn, now);
            absentees.claim("a", now);
        }
        assert!(absentees.order.len() <= 2 * absentees.limit + SPARE, "{}", absentees.order.len());
        assert_eq!(absentees.claim("b", now), Some(0));
    }
}
