//! What was sent lately, for those who missed it.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use crate::names::Room;
use crate::selection::Selection;

/// The events of a namespace in their order, as long as somebody may come back for them.
///
/// Each has an offset, which its receivers are told and come back with. What is older than `keep` goes, for everybody who
/// may come back has had it; beyond `max_bytes` the oldest go early, and that is remembered: who would need them is told
/// that they are lost.
///
/// ```
/// use std::time::{Duration, Instant};
/// use sockeye_adapter::{Log, Room, Selection};
///
/// let mut log = Log::new("k3Fz", Duration::from_secs(120), 1 << 20);
/// let joined = log.newest();
/// log.append(Selection::all().to("news"), "an event", 8, Instant::now());
/// let rooms = [Room::new("my id"), Room::new("news")];
/// let missed = log.missed(joined, &rooms).ok_or("lost")?;
/// assert_eq!(missed.copied().collect::<Vec<_>>(), ["an event"]);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug)]
pub struct Log<P> {
    /// Tells the offsets of this log from those of one before a restart.
    epoch: SmolStr,
    newest: Offset,
    entries: VecDeque<Entry<P>>,
    bytes: usize,
    /// The newest event that went before its time.
    lost: Offset,
    evicted: u64,
    keep: Duration,
    max_bytes: usize,
}

#[derive(Debug)]
struct Entry<P> {
    offset: Offset,
    at: Instant,
    selection: Selection,
    packet: P,
    size: usize,
}

/// The place of an event in its [`Log`]. Later events have larger offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

/// What a client's word about its last event means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It has had the events up to here.
    Offset(Offset),
    /// It has had no event since this log began: the offset is of another one.
    Nothing,
    /// No offset at all: some event's own text took its place in the client's memory.
    Nonsense,
}

impl<P> Log<P> {
    /// An empty log. `epoch` is random: it may hold letters and digits.
    pub fn new(epoch: impl AsRef<str>, keep: Duration, max_bytes: usize) -> Self {
        Self {
            epoch: SmolStr::new(epoch),
            newest: Offset::default(),
            entries: VecDeque::new(),
            bytes: 0,
            lost: Offset::default(),
            evicted: 0,
            keep,
            max_bytes,
        }
    }

    /// The offset of the newest event; that of no event if there has been none.
    pub fn newest(&self) -> Offset {
        self.newest
    }

    /// The offset of the next event, as its receivers are told.
    pub fn next_text(&self) -> String {
        OffsetText { epoch: &self.epoch, offset: self.newest.next() }.to_string()
    }

    /// Reads an offset as a client tells it.
    pub fn read(&self, text: &str) -> Told {
        // A word that no sentence begins with, so that other texts are taken for what they are.
        let Some((epoch, number)) = text.strip_prefix('~').and_then(|text| text.split_once('.')) else {
            return Told::Nonsense;
        };
        let plain = epoch.len() == self.epoch.len() && epoch.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let Some(offset) = u64::from_str_radix(number, 16).ok().filter(|_| plain).map(Offset) else {
            return Told::Nonsense;
        };
        if epoch != self.epoch {
            return Told::Nothing;
        }
        if offset > self.newest { Told::Nonsense } else { Told::Offset(offset) }
    }

    /// Adds an event of `size` bytes, which gets the next offset.
    pub fn append(&mut self, selection: Selection, packet: P, size: usize, now: Instant) -> Offset {
        self.newest = self.newest.next();
        let size = size + size_of::<Entry<P>>();
        self.bytes += size;
        self.entries.push_back(Entry { offset: self.newest, at: now, selection, packet, size });
        self.forget_old(now);
        while self.bytes > self.max_bytes && self.lose_oldest() {}
        self.newest
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events went before their time, for want of room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Drops the oldest event before its time, for want of room; `false` if there is none.
    pub fn lose_oldest(&mut self) -> bool {
        let lost = self.drop_oldest();
        if let Some(entry) = &lost {
            self.lost = entry.offset;
            self.evicted += 1;
        }
        lost.is_some()
    }

    /// Drops what nobody can come back for any more.
    pub fn forget_old(&mut self, now: Instant) {
        while self.entries.front().is_some_and(|entry| entry.at + self.keep <= now) {
            self.drop_oldest();
        }
        // An entry has hundreds of bytes. Half of the room stays, so that no two events in a row make it grow and shrink.
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    fn drop_oldest(&mut self) -> Option<Entry<P>> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.size;
        Some(entry)
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What went to somebody in these rooms after this event, in order; `None` if some of it may be lost.
    pub fn missed(&self, after: Offset, rooms: &[Room]) -> Option<impl Iterator<Item = &P>> {
        if after < self.lost {
            return None;
        }
        let first = self.entries.partition_point(|entry| entry.offset <= after);
        let later = self.entries.range(first..);
        Some(later.filter(|entry| entry.selection.selects(rooms)).map(|entry| &entry.packet))
    }
}

impl Offset {
    const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// As a number, to be kept in an atomic; see [`from_bits`](Self::from_bits).
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The offset of this number.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

struct OffsetText<'a> {
    epoch: &'a str,
    offset: Offset,
}

impl fmt::Display for OffsetText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{}.{:x}", self.epoch, self.offset.0)
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

    fn log() -> Log<&'static str> {
        Log::new("ab12", KEEP, 10_000)
    }

    #[track_caller]
    fn check(log: &Log<&'static str>, after: Offset, rooms: &[&str], expected: Option<&[&str]>) {
        let rooms: Vec<Room> = rooms.iter().map(Room::new).collect();
        let missed = log.missed(after, &rooms).map(|missed| missed.copied().collect::<Vec<_>>());
        assert_eq!(missed.as_deref(), expected);
    }

    #[test]
    fn what_was_missed_comes_in_order_and_only_what_was_meant() {
        let (mut log, now) = (log(), some_time());
        let start = log.newest();
        let first = log.append(Selection::all(), "all", 3, now);
        log.append(Selection::all().to("x"), "x", 1, now);
        log.append(Selection::all().to("y"), "y", 1, now);
        log.append(Selection::all().except("me"), "others", 6, now);
        check(&log, start, &["me", "x"], Some(&["all", "x"]));
        check(&log, first, &["me", "x"], Some(&["x"]));
        check(&log, log.newest(), &["me", "x"], Some(&[]));
        check(&log, start, &["you"], Some(&["all", "others"]));
    }

    #[test]
    fn what_is_old_goes_without_being_lost_to_anybody() {
        let (mut log, now) = (log(), some_time());
        let start = log.newest();
        log.append(Selection::all(), "old", 3, now);
        log.append(Selection::all(), "new", 3, now + KEEP);
        check(&log, start, &["me"], Some(&["new"]));
        log.forget_old(now + KEEP * 2);
        assert!(log.is_empty() && log.bytes == 0);
    }

    #[test]
    fn the_memory_of_what_has_gone_is_given_back() {
        let (mut log, now) = (log(), some_time());
        for number in 0..20 {
            log.append(Selection::all(), "old", 3, now + KEEP * (number / 10));
        }
        assert!(log.entries.capacity() < 40);
        log.forget_old(now + KEEP * 2);
        assert_eq!(log.entries.capacity(), 0);
    }

    #[test]
    fn what_went_for_want_of_room_is_lost() {
        let (mut log, now) = (log(), some_time());
        let start = log.newest();
        let first = log.append(Selection::all(), "a", 6_000, now);
        let second = log.append(Selection::all(), "b", 6_000, now);
        check(&log, start, &["me"], None);
        check(&log, first, &["me"], Some(&["b"]));
        log.append(Selection::all(), "too large for any log", 20_000, now);
        check(&log, second, &["me"], None);
        assert!(log.is_empty());
    }

    #[test]
    fn offsets_are_told_and_read() {
        let (mut log, now) = (log(), some_time());
        assert_eq!(log.next_text(), "~ab12.1");
        let offset = log.append(Selection::all(), "a", 1, now);
        assert_eq!(log.read("~ab12.1"), Told::Offset(offset));
        assert_eq!(log.read("~ab12.0"), Told::Offset(Offset::default()));
        assert_eq!(log.read("~ab12.2"), Told::Nonsense);
        assert_eq!(log.read("~zz99.7"), Told::Nothing);
        for nonsense in [
            "",
            "hello",
            "hello.",
            "~.1",
            "~ab12.x",
            "~ab12.1.1",
            "a b1.1",
            "hello.1",
            "me.1",
            "ab12.1",
            "~ab12.11111111111111111",
        ] {
            assert_eq!(log.read(nonsense), Told::Nonsense, "{nonsense}");
        }
    }
}
