//! What waits to be sent on one connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;
use sockeye_websocket::{Frames, Opcode, frame, frames};

use crate::sending::Compression;

/// Whole WebSocket frames in the order of sending, whatever the transport: polling unwraps them again.
///
/// Frames shared with other connections are held by reference; small frames of this connection alone are gathered in
/// one buffer, so that a turn's answers leave in one piece. While empty it has no heap.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The frames that are being sent.
    front: Bytes,
    front_written: usize,
    /// Nothing may go ahead of the front: it begins with the answer that makes the connection a WebSocket.
    front_opens: bool,
    /// What goes before and behind it: boxed, because mostly there is none of it.
    others: Option<Box<Others>>,
    /// The newest frames, still open for more.
    tail: Vec<u8>,
    /// How many bytes wait, control frames not counted.
    len: usize,
    /// Whether any of the frames may be compressed by who unwraps them.
    may_compress: bool,
}

#[derive(Debug, Default)]
struct Others {
    /// Heartbeats and other control frames: they go between two data frames, ahead of all that waits.
    control: Vec<u8>,
    control_written: usize,
    queue: VecDeque<Bytes>,
}

/// Control frames beyond this many bytes are dropped: a peer that makes us answer without reading gets no more answers.
const MAX_CONTROL: usize = 1024;
/// From this size on a frame gets a place of its own instead of being copied behind others.
const COPY_BELOW: usize = 512;
/// Pieces that together are no longer are joined: each joining copies all that went before.
const JOIN_BELOW: usize = 4096;
/// A buffer that grew larger than this is given back instead of being kept for the next connection.
const MAX_SPARE: usize = 64 * 1024;
/// How many pieces one write takes.
const MAX_PIECES: usize = 16;

thread_local! {
    /// One buffer per worker for the frames of a turn: a connection borrows it until they are written.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Two pieces, and what they make.
#[derive(Default)]
struct Joined {
    first: Bytes,
    second: Bytes,
    both: Option<Bytes>,
}

thread_local! {
    /// The last pieces that were sent one behind the other. When a burst goes to many, all of them get the same.
    static JOINED: RefCell<Joined> = RefCell::default();
}

/// Two pieces as one, which the next connections to get both will share; `None` if nobody else has got them before.
fn join(first: &Bytes, second: &Bytes) -> Option<Bytes> {
    if first.len() + second.len() > JOIN_BELOW {
        return None;
    }
    JOINED.with_borrow_mut(|joined| {
        if is_same(&joined.first, first) && is_same(&joined.second, second) {
            return Some(joined.both.get_or_insert_with(|| [&first[..], second].concat().into()).clone());
        }
        *joined = Joined { first: first.clone(), second: second.clone(), both: None };
        None
    })
}

/// Whether they are the same memory. Both are held, so that it can't have become another's.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.as_ptr() == other.as_ptr() && one.len() == other.len()
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.control().is_empty()
    }

    /// The control frames, as far as they have not left.
    fn control(&self) -> &[u8] {
        self.others.as_ref().map_or(&[], |others| &others.control[others.control_written..])
    }

    fn queue(&mut self) -> &mut VecDeque<Bytes> {
        &mut self.others.get_or_insert_default().queue
    }

    /// How many bytes of data wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Queues what makes the connection a WebSocket, and its first frame. No heartbeat, however late, goes ahead of it.
    pub(crate) fn open_with(&mut self, answer_and_frame: Bytes) {
        debug_assert!(self.is_empty(), "nothing can have been sent before");
        self.len = answer_and_frame.len();
        self.front = answer_and_frame;
        self.front_opens = true;
    }

    /// Queues frames that other connections share.
    pub(crate) fn push_shared(&mut self, frames: &Bytes) {
        if self.len == 0 {
            self.front = frames.clone();
            self.len = frames.len();
        } else if frames.len() >= COPY_BELOW {
            self.push_owned(frames.clone());
        } else if let Some(both) = self.only_front().and_then(|front| join(front, frames)) {
            self.front = both;
            self.len += frames.len();
        } else {
            self.push_written(|tail| tail.extend_from_slice(frames));
        }
    }

    /// The front, if nothing else waits and none of it has left.
    fn only_front(&self) -> Option<&Bytes> {
        let is_only = self.others.is_none() && self.front_written == 0 && self.front.len() == self.len;
        (is_only && !self.front_opens).then_some(&self.front)
    }

    /// Queues frames that this outbox may keep.
    pub(crate) fn push_owned(&mut self, frames: Bytes) {
        if self.len == 0 {
            self.front = frames;
            self.len = self.front.len();
            return;
        }
        self.len += frames.len();
        self.close_tail();
        self.queue().push_back(frames);
    }

    /// Queues frames that `write` appends to those of this connection alone.
    pub(crate) fn push_written(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.tail.capacity() == 0 {
            self.tail = SPARE.take();
            self.tail.reserve(COPY_BELOW);
        }
        let before = self.tail.len();
        write(&mut self.tail);
        self.len += self.tail.len() - before;
        if self.tail.len() > MAX_SPARE {
            self.close_tail();
        }
    }

    /// Notes whether what was just queued may be compressed; one such message decides for all that wait with it.
    pub(crate) fn note_compression(&mut self, compression: Compression) {
        self.may_compress |= compression == Compression::Allowed;
    }

    /// Queues a control frame ahead of the data. Says whether there was room for it, with nothing dropped.
    pub(crate) fn push_control(&mut self, frame: &[u8]) -> bool {
        let Others { control, control_written, .. } = &mut **self.others.get_or_insert_default();
        let fits = control.len() + frame.len() <= MAX_CONTROL;
        if !fits && *control_written == 0 {
            drop_pongs(control);
        }
        if control.len() + frame.len() <= MAX_CONTROL {
            control.extend_from_slice(frame);
        }
        fits
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.queue().push_back(tail.into());
        }
    }

    /// Writes as much as `write` takes, which is called until it took nothing more or all is written.
    ///
    /// Returns how many bytes it took; `WouldBlock` is no error here: what is left then waits.
    ///
    /// # Errors
    /// What `write` fails with otherwise. Nothing can be sent any more then.
    pub(crate) fn write_to(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<usize> {
        let mut total = 0;
        while !self.is_empty() {
            match self.write_once(&mut write) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    total += written;
                    self.advance(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    fn write_once(&self, write: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<usize> {
        if let Some(front) = self.only_front() {
            return write(&[IoSlice::new(front)]);
        }
        let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
        let mut count = 0;
        let control = self.control();
        let front = &self.front[self.front_written..];
        let head = if self.control_goes_first() { [control, front] } else { [front, control] };
        let queue = self.others.iter().flat_map(|others| &others.queue);
        let waiting = queue.map(|frames| &frames[..]).take(MAX_PIECES - 3);
        let all_fit = self.others.as_ref().is_none_or(|others| others.queue.len() <= MAX_PIECES - 3);
        let tail = all_fit.then_some(&self.tail[..]);
        for piece in head.into_iter().chain(waiting).chain(tail).filter(|piece| !piece.is_empty()) {
            pieces[count] = IoSlice::new(piece);
            count += 1;
        }
        write(&pieces[..count])
    }

    /// Control frames may not cut a data frame in two, nor be cut themselves.
    fn control_goes_first(&self) -> bool {
        let control_is_partial = self.others.as_ref().is_some_and(|others| others.control_written > 0);
        (self.front_written == 0 && !self.front_opens) || control_is_partial
    }

    fn advance(&mut self, mut written: usize) {
        if written == self.len && self.only_front().is_some() {
            self.front = Bytes::new();
            (self.len, self.may_compress) = (0, false);
            return;
        }
        if written == self.len + self.control().len() {
            return self.all_written();
        }
        if self.control_goes_first() {
            written = self.advance_control(written);
            written = self.advance_front(written);
        } else {
            written = self.advance_front(written);
            if self.front.is_empty() {
                written = self.advance_control(written);
            }
        }
        while written > 0 {
            if self.front.is_empty() {
                self.next_front();
            }
            written = self.advance_front(written);
        }
    }

    fn advance_control(&mut self, written: usize) -> usize {
        let Some(others) = &mut self.others else { return written };
        let taken = written.min(others.control.len() - others.control_written);
        others.control_written += taken;
        if others.control_written == others.control.len() {
            others.control = Vec::new();
            others.control_written = 0;
        }
        written - taken
    }

    fn advance_front(&mut self, written: usize) -> usize {
        let taken = written.min(self.front.len() - self.front_written);
        self.front_written += taken;
        self.len -= taken;
        if self.front_written == self.front.len() {
            self.front = Bytes::new();
            self.front_written = 0;
            self.front_opens = false;
        }
        written - taken
    }

    /// Brings what comes next to the front. The tail is cut loose only if it could not be written whole.
    fn next_front(&mut self) {
        if let Some(next) = self.others.as_mut().and_then(|others| others.queue.pop_front()) {
            self.front = next;
        } else {
            self.front = std::mem::take(&mut self.tail).into();
        }
    }

    /// Leaves no heap behind, but a spare buffer for the worker.
    fn all_written(&mut self) {
        let mut tail = std::mem::take(self).tail;
        if (1..=MAX_SPARE).contains(&tail.capacity()) {
            tail.clear();
            SPARE.set(tail);
        }
    }

    /// Drops what has not begun to leave: only the rest of a frame that is half out stays.
    pub(crate) fn keep_partial(&mut self) {
        let old = std::mem::take(self);
        if let Some(mut others) = old.others.filter(|others| others.control_written > 0) {
            others.queue = VecDeque::new();
            self.others = Some(others);
        }
        if old.front_written > 0 || old.front_opens {
            self.len = old.front.len() - old.front_written;
            self.front = old.front;
            self.front_written = old.front_written;
            self.front_opens = old.front_opens;
        }
    }

    /// Takes everything, for a transport that wants packets instead of frames.
    pub(crate) fn take(&mut self) -> Taken {
        let Self { front, front_written, others, tail, may_compress, .. } = std::mem::take(self);
        let Others { control, control_written, queue } = others.map(|others| *others).unwrap_or_default();
        debug_assert!(front_written == 0 && control_written == 0, "polling never writes frames");
        let mut pieces = Vec::with_capacity(queue.len() + 3);
        pieces.push(control.into());
        pieces.push(front);
        pieces.extend(queue);
        pieces.push(tail.into());
        Taken { pieces, may_compress }
    }
}

/// Only the last ping has to be answered (RFC 6455, section 5.5.3).
fn drop_pongs(control: &mut Vec<u8>) {
    let others = frames(control).filter(|(opcode, _)| *opcode != Opcode::Pong);
    *control = others.flat_map(|(opcode, payload)| frame(opcode, payload)).collect();
}

/// All that waited in an outbox.
pub(crate) struct Taken {
    pieces: Vec<Bytes>,
    may_compress: bool,
}

impl Taken {
    /// The frames in the order of sending.
    pub(crate) fn frames(&self) -> impl Iterator<Item = <Frames<'_> as Iterator>::Item> + Clone {
        self.pieces.iter().flat_map(|bytes| frames(bytes))
    }

    /// Allowed if any of the messages may be compressed.
    pub(crate) fn compression(&self) -> Compression {
        if self.may_compress { Compression::Allowed } else { Compression::Never }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(payload: &str) -> Bytes {
        frame(Opcode::Text, payload.as_bytes())
    }

    /// A kernel that takes `budget` bytes, `most` at a time.
    fn drain(outbox: &mut Outbox, budget: usize, most: usize, wire: &mut Vec<u8>) -> usize {
        let mut left = budget;
        let write = |pieces: &[IoSlice<'_>]| {
            if left == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut took = 0;
            for piece in pieces {
                let now = piece.len().min(left).min(most - took);
                wire.extend_from_slice(&piece[..now]);
                took += now;
                left -= now;
            }
            Ok(took)
        };
        outbox.write_to(write).unwrap()
    }

    fn payloads(wire: &[u8]) -> Vec<String> {
        frames(wire).map(|(_, payload)| String::from_utf8_lossy(payload).into_owned()).collect()
    }

    #[test]
    fn frames_leave_in_order_whatever_their_kind() {
        let mut outbox = Outbox::default();
        let large = "x".repeat(3000);
        outbox.push_written(|tail| tail.extend(text("a")));
        outbox.push_shared(&text("b"));
        outbox.push_shared(&text(&large));
        outbox.push_written(|tail| tail.extend(text("c")));
        outbox.push_owned(text("d"));
        let mut wire = Vec::new();
        drain(&mut outbox, usize::MAX, usize::MAX, &mut wire);
        assert_eq!(payloads(&wire), ["a", "b", &large, "c", "d"]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_burst_to_many_is_joined_once_for_all() {
        let burst: Vec<Bytes> = (0..8).map(|number| text(&format!("number {number}"))).collect();
        let mut outboxes: Vec<Outbox> = (0..20).map(|_| Outbox::default()).collect();
        for frames in &burst {
            for outbox in &mut outboxes {
                outbox.push_shared(frames);
            }
        }
        let joined = outboxes.last().and_then(Outbox::only_front).unwrap().as_ptr();
        let sharing = outboxes.iter().filter_map(Outbox::only_front).filter(|front| front.as_ptr() == joined).count();
        assert!(sharing >= 20 - burst.len(), "{sharing}");
        for outbox in &mut outboxes {
            let mut wire = Vec::new();
            assert_eq!(outbox.len(), burst.concat().len());
            drain(outbox, usize::MAX, usize::MAX, &mut wire);
            assert!(wire == burst.concat() && outbox.is_empty());
        }
    }

    #[test]
    fn what_is_half_out_or_large_is_not_joined() {
        let (first, second) = (text("first"), text("second"));
        let large = text(&"x".repeat(JOIN_BELOW - 100));
        for (first, second, most) in [(&first, &second, 3), (&large, &text(&"y".repeat(200)), 0)] {
            for _ in 0..3 {
                let mut outbox = Outbox::default();
                let mut wire = Vec::new();
                outbox.push_shared(first);
                if most > 0 {
                    drain(&mut outbox, most, most, &mut wire);
                }
                outbox.push_shared(second);
                assert!(outbox.only_front().is_none());
                drain(&mut outbox, usize::MAX, usize::MAX, &mut wire);
                assert_eq!(wire, [&first[..], second].concat());
            }
        }
    }

    #[test]
    fn any_split_of_the_writes_gives_the_same_bytes() {
        for most in 1..40 {
            let mut outbox = Outbox::default();
            let mut wire = Vec::new();
            let large = "y".repeat(600);
            outbox.push_shared(&text("first"));
            drain(&mut outbox, 3, most, &mut wire);
            outbox.push_control(&text("2"));
            outbox.push_shared(&text(&large));
            outbox.push_written(|tail| tail.extend(text("z")));
            while !outbox.is_empty() {
                drain(&mut outbox, 7, most, &mut wire);
            }
            assert_eq!(payloads(&wire), ["first", "2", &large, "z"], "{most} bytes at a time");
        }
    }

    #[test]
    fn a_ping_overtakes_what_waits_but_cuts_no_frame() {
        let mut outbox = Outbox::default();
        let mut wire = Vec::new();
        outbox.push_shared(&text("first"));
        outbox.push_shared(&text("second"));
        drain(&mut outbox, 2, 2, &mut wire);
        outbox.push_control(&text("2"));
        drain(&mut outbox, usize::MAX, usize::MAX, &mut wire);
        assert_eq!(payloads(&wire), ["first", "2", "second"]);
    }

    #[test]
    fn nothing_goes_ahead_of_what_opens_the_websocket() {
        for kept in [false, true] {
            let mut outbox = Outbox::default();
            outbox.open_with([&b"HTTP/1.1 101\r\n\r\n"[..], &text("0{}")].concat().into());
            outbox.push_control(&text("2"));
            outbox.push_shared(&text("a"));
            if kept {
                outbox.keep_partial();
            }
            let mut wire = Vec::new();
            while !outbox.is_empty() {
                drain(&mut outbox, 5, 5, &mut wire);
            }
            let frames = wire.strip_prefix(b"HTTP/1.1 101\r\n\r\n").unwrap();
            assert_eq!(payloads(frames), if kept { &["0{}"][..] } else { &["0{}", "2", "a"] });
        }
    }

    #[test]
    fn an_empty_outbox_has_no_heap() {
        let mut outbox = Outbox::default();
        for _ in 0..100 {
            outbox.push_owned(text("some frame"));
            outbox.push_written(|tail| tail.extend(text("another")));
        }
        drain(&mut outbox, usize::MAX, usize::MAX, &mut Vec::new());
        assert!(outbox.others.is_none() && outbox.tail.capacity() == 0);
        let ping = text("2");
        outbox.push_control(&ping);
        outbox.push_shared(&text("alone"));
        drain(&mut outbox, ping.len(), usize::MAX, &mut Vec::new());
        drain(&mut outbox, usize::MAX, usize::MAX, &mut Vec::new());
        assert!(outbox.others.is_none(), "a control frame left before the rest");
    }

    #[test]
    fn control_frames_are_bounded() {
        let mut outbox = Outbox::default();
        for _ in 0..10_000 {
            outbox.push_control(&text("3"));
        }
        assert!(outbox.control().len() <= MAX_CONTROL);
    }

    #[test]
    fn taking_everything_empties_it() {
        let mut outbox = Outbox::default();
        outbox.push_written(|tail| tail.extend(text("a")));
        outbox.push_control(&text("2"));
        outbox.push_shared(&text("b"));
        let taken = outbox.take();
        let payloads: Vec<&[u8]> = taken.frames().map(|(_, payload)| payload).collect();
        assert_eq!(payloads, [&b"2"[..], b"a", b"b"]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn one_message_that_may_be_compressed_decides_for_all_that_wait_with_it() {
        let mut outbox = Outbox::default();
        let mut push = |compressions: &[Compression]| {
            for compression in compressions {
                outbox.push_shared(&text("a"));
                outbox.note_compression(*compression);
            }
            outbox.take().compression()
        };
        assert_eq!(push(&[Compression::Never, Compression::Allowed, Compression::Never]), Compression::Allowed);
        assert_eq!(push(&[Compression::Never, Compression::Never]), Compression::Never);
    }
}
