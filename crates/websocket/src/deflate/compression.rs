use std::cell::Cell;
use std::num::NonZeroU8;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::Deflate;
use super::inflation::TAIL;
use crate::header::MAX_HEADER;
use crate::{Header, Opcode, frame, mask, masked_frame};

/// Room made at least when the compressed form turns out longer than expected.
const MIN_GROWTH: usize = 64;

/// How to compress what is sent.
///
/// ```
/// use sockeye_websocket::deflate::Config;
///
/// let config = Config::default().threshold(4_096).level(1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) threshold: u32,
    pub(super) level: NonZeroU8,
    pub(super) windows: Windows,
}

impl Config {
    /// Shortest message that is worth compressing, in bytes. Default: 1,024, as Node's.
    ///
    /// With 0 every message is compressed, even where that makes it longer.
    #[must_use]
    pub fn threshold(mut self, bytes: u32) -> Self {
        self.threshold = bytes;
        self
    }

    /// Effort from 1 (fast) to 9 (small); others are brought into that range. Default: 6, as zlib's.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = NonZeroU8::new(level.min(9)).unwrap_or(NonZeroU8::MIN);
        self
    }

    /// Which windows an offer may ask us to compress with; [`negotiate`](super::negotiate) declines others. Default: all.
    #[must_use]
    pub fn windows(mut self, windows: Windows) -> Self {
        self.windows = windows;
        self
    }
}

/// Which windows an offer may ask us to compress with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// All that zlib can do, which are 9 to 15 bits.
    All,
    /// The whole one of 15 bits, which nearly all clients leave us.
    ///
    /// Then every agreement is the same, and one compressed frame serves everybody.
    Whole,
}

const DEFAULT_LEVEL: NonZeroU8 = NonZeroU8::MIN.saturating_add(5);

impl Default for Config {
    fn default() -> Self {
        Self { threshold: 1_024, level: DEFAULT_LEVEL, windows: Windows::All }
    }
}

impl Deflate {
    /// A complete unmasked frame: compressed where that makes it smaller and it reaches the threshold, plain otherwise.
    ///
    /// Every recipient whose `Deflate` is equal may share it.
    pub fn frame(&self, opcode: Opcode, payload: &[u8]) -> Bytes {
        self.compressed_frame(opcode, payload).unwrap_or_else(|| frame(opcode, payload))
    }

    /// The same for who has the plain frame already: `None` where that is to be sent.
    pub fn compressed_frame(&self, opcode: Opcode, payload: &[u8]) -> Option<Bytes> {
        self.compressed(opcode, payload, None)
    }

    /// The frame of a client, masked with `key`: compressed where that makes it smaller, plain otherwise.
    pub fn masked_frame(&self, opcode: Opcode, payload: &[u8], key: [u8; 4]) -> Bytes {
        self.compressed(opcode, payload, Some(key)).unwrap_or_else(|| masked_frame(opcode, payload, key))
    }

    fn compressed(self, opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Option<Bytes> {
        if opcode.is_control() || payload.len() < self.threshold as usize {
            return None;
        }
        // The header is put in front of the payload when its length is known; the room before it stays unused.
        let mut buffer = Vec::with_capacity(MAX_HEADER + payload.len() / 2 + 64);
        buffer.resize(MAX_HEADER, 0);
        compress_into(&mut buffer, payload, Settings { level: self.level.get(), window_bits: self.window_bits })?;
        let compressed = buffer.get_mut(MAX_HEADER..)?;
        if compressed.len() >= payload.len() && self.threshold > 0 {
            return None;
        }
        if let Some(key) = key {
            mask::apply(compressed, key, 0);
        }
        let header = Header { is_compressed: true, mask: key, ..Header::new(opcode, compressed.len()) }.encode();
        let start = MAX_HEADER - header.len();
        buffer[start..MAX_HEADER].copy_from_slice(&header);
        buffer.shrink_to_fit();
        Some(Bytes::from(buffer).slice(start..))
    }
}

/// What a compressor is made for and can't be told later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) level: u8,
    pub(super) window_bits: u8,
}

struct Compressor {
    settings: Settings,
    state: Compress,
}

thread_local! {
    /// Taken out while it works; made anew when other settings are asked for, which is rare.
    static COMPRESSOR: Cell<Option<Box<Compressor>>> = const { Cell::new(None) };
}

/// Appends the compressed `payload` to `out` as RFC 7692 wants it; `None` if the compressor fails.
pub(super) fn compress_into(out: &mut Vec<u8>, payload: &[u8], settings: Settings) -> Option<()> {
    let mut compressor = COMPRESSOR
        .take()
        .filter(|compressor| compressor.settings == settings)
        .unwrap_or_else(|| Box::new(Compressor::new(settings)));
    compressor.state.reset();
    let done = compressor.append(out, payload);
    COMPRESSOR.set(Some(compressor));
    done
}

impl Compressor {
    fn new(settings: Settings) -> Self {
        let level = Compression::new(settings.level.into());
        Self { settings, state: Compress::new_with_window_bits(level, false, settings.window_bits) }
    }

    fn append(&mut self, out: &mut Vec<u8>, payload: &[u8]) -> Option<()> {
        loop {
            let taken = usize::try_from(self.state.total_in()).ok()?;
            let status = self.state.compress_vec(payload.get(taken..)?, out, FlushCompress::Sync).ok()?;
            // With room left the flush is complete; without, its end may still be held back.
            if out.len() < out.capacity() {
                break;
            }
            match status {
                Status::Ok | Status::BufError => out.reserve(out.len().max(MIN_GROWTH)),
                Status::StreamEnd => return None,
            }
        }
        out.ends_with(&TAIL).then(|| out.truncate(out.len() - TAIL.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::inflation::inflate;
    use super::*;

    fn agreed(threshold: u32, level: u8, window_bits: u8) -> Deflate {
        Deflate::new(Config::default().threshold(threshold).level(level), window_bits)
    }

    #[test]
    fn what_does_not_gain_is_sent_plain() {
        let deflate = agreed(1, 6, 15);
        assert_eq!(deflate.frame(Opcode::Text, b"abc"), frame(Opcode::Text, b"abc"));
        assert_eq!(deflate.frame(Opcode::Binary, b""), frame(Opcode::Binary, b""));
        assert_eq!(deflate.frame(Opcode::Ping, &[b'a'; 100]), frame(Opcode::Ping, &[b'a'; 100]));
        assert_eq!(deflate.masked_frame(Opcode::Text, b"abc", [1; 4]), masked_frame(Opcode::Text, b"abc", [1; 4]));
    }

    #[test]
    fn a_threshold_of_0_compresses_everything() {
        let deflate = agreed(0, 6, 15);
        assert_eq!(deflate.frame(Opcode::Text, b"Hello"), b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..]);
        assert_eq!(deflate.frame(Opcode::Binary, b""), b"\xc2\x01\x00"[..]);
    }

    #[test]
    fn the_threshold_is_the_shortest_compressed() {
        let deflate = agreed(100, 6, 15);
        assert_eq!(deflate.frame(Opcode::Text, &[b'a'; 99])[0], 0x81);
        assert_eq!(deflate.frame(Opcode::Text, &[b'a'; 100])[0], 0xc1);
    }

    #[test]
    fn equal_messages_give_equal_frames() {
        let deflate = agreed(0, 6, 15);
        let first = deflate.frame(Opcode::Text, &[b'a'; 5_000]);
        agreed(0, 1, 9).frame(Opcode::Text, &[b'b'; 5_000]);
        assert_eq!(deflate.frame(Opcode::Text, &[b'a'; 5_000]), first);
    }

    proptest! {
        #[test]
        fn what_is_compressed_inflates_again(
            seed in proptest::collection::vec(any::<u8>(), 1..300), times in 1..60_usize, level in 1..=9_u8, window_bits in 9..=15_u8,
        ) {
            let payload = seed.repeat(times);
            let mut compressed = Vec::new();
            compress_into(&mut compressed, &payload, Settings { level, window_bits }).unwrap();
            prop_assert_eq!(inflate(&compressed, payload.len()), Ok(payload.clone()));
            let frame = agreed(1, level, window_bits).frame(Opcode::Binary, &payload);
            let (header, header_len) = Header::parse(&frame).unwrap().unwrap();
            prop_assert_eq!(header.is_compressed, compressed.len() < payload.len());
            prop_assert_eq!(header.payload_len, (frame.len() - header_len) as u64);
        }
    }
}
