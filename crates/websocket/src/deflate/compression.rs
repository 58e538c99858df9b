use std::cell::Cell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::Deflate;
use super::inflation::TAIL;
use crate::header::MAX_HEADER;
use crate::{Header, Opcode, frame, mask, masked_frame};

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
    pub(super) level: u8,
}

impl Config {
    /// Shortest message that is worth compressing, in bytes. Default: 1,024, as Node's.
    #[must_use]
    pub fn threshold(mut self, bytes: u32) -> Self {
        self.threshold = bytes;
        self
    }

    /// Effort from 1 (fast) to 9 (small); others are brought into that range. Default: 6, as zlib's.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level.clamp(1, 9);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { threshold: 1_024, level: 6 }
    }
}

impl Deflate {
    /// A complete unmasked frame: compressed where that makes it smaller and it reaches the threshold, plain otherwise.
    ///
    /// Every recipient whose `Deflate` is equal may share it.
    pub fn frame(&self, opcode: Opcode, payload: &[u8]) -> Bytes {
        self.compressed(opcode, payload, None).unwrap_or_else(|| frame(opcode, payload))
    }

    /// The frame of a client, masked with `key`: compressed where that makes it smaller, plain otherwise.
    pub fn masked_frame(&self, opcode: Opcode, payload: &[u8], key: [u8; 4]) -> Bytes {
        self.compressed(opcode, payload, Some(key)).unwrap_or_else(|| masked_frame(opcode, payload, key))
    }

    fn compressed(&self, opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Option<Bytes> {
        if opcode.is_control() || payload.len() < self.config.threshold as usize {
            return None;
        }
        // The header is put in front of the payload when its length is known; the room before it stays unused.
        let mut buffer = Vec::with_capacity(MAX_HEADER + payload.len() / 2 + 64);
        buffer.resize(MAX_HEADER, 0);
        compress_into(&mut buffer, payload, Settings { level: self.config.level, window_bits: self.window_bits })?;
        let compressed = buffer.get_mut(MAX_HEADER..)?;
        if compressed.len() >= payload.len() {
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
                Status::Ok | Status::BufError => out.reserve(out.len()),
                Status::StreamEnd => return None,
            }
        }
        out.ends_with(&TAIL).then(|| out.truncate(out.len() - TAIL.len()))
    }
}
