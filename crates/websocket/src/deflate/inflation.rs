use std::cell::Cell;

use flate2::{Decompress, FlushDecompress, Status};

/// The empty block that every compressed message ends with and leaves out
/// ([RFC 7692, section 7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)).
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Room made at least, and at most beyond what has been inflated, before going on.
const MIN_GROWTH: usize = 512;
const MAX_GROWTH: usize = 1 << 20;

thread_local! {
    /// Taken out while it works; inflating is never interrupted, so that one is enough.
    static INFLATER: Cell<Option<Box<Decompress>>> = const { Cell::new(None) };
}

/// Why a compressed message could not be inflated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    NotDeflate,
    TooLarge { len: usize, limit: usize },
}

/// Inflates one message, to at most `limit` bytes.
pub(crate) fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflater = INFLATER.take().unwrap_or_else(|| Box::new(Decompress::new(false)));
    inflater.reset(false);
    let mut out = Vec::new();
    let result = [compressed, &TAIL]
        .into_iter()
        .try_for_each(|input| inflate_into(&mut out, input, &mut inflater, limit, compressed.len()));
    INFLATER.set(Some(inflater));
    result.map(|()| out)
}

fn inflate_into(
    out: &mut Vec<u8>,
    mut input: &[u8],
    inflater: &mut Decompress,
    limit: usize,
    compressed_len: usize,
) -> Result<(), InflateError> {
    loop {
        if out.len() > limit {
            return Err(InflateError::TooLarge { len: out.len(), limit });
        }
        if out.len() == out.capacity() {
            // One byte more than the limit, so that going beyond it shows.
            let room = limit.saturating_add(1) - out.len();
            let growth = out.len().max(compressed_len.saturating_mul(2)).clamp(MIN_GROWTH, MAX_GROWTH);
            out.reserve_exact(growth.min(room));
        }
        let before = inflater.total_in();
        let status =
            inflater.decompress_vec(input, out, FlushDecompress::Sync).map_err(|_| InflateError::NotDeflate)?;
        let taken = usize::try_from(inflater.total_in() - before).unwrap_or(input.len());
        input = input.get(taken..).unwrap_or_default();
        match status {
            // A block marked as final is allowed and more blocks may follow (RFC 7692, section 7.2.3.4).
            Status::StreamEnd => {
                inflater.reset(false);
                if input.is_empty() {
                    return Ok(());
                }
            }
            // Everything taken, and room left: nothing is held back.
            Status::Ok | Status::BufError if input.is_empty() && out.len() < out.capacity() => return Ok(()),
            Status::BufError if out.len() < out.capacity() => return Err(InflateError::NotDeflate),
            Status::Ok | Status::BufError => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(compressed: &[u8], inflated: &[u8]) {
        assert_eq!(inflate(compressed, inflated.len()).as_deref(), Ok(inflated));
    }

    #[test]
    fn examples_of_rfc_7692() {
        // Section 7.2.3.1: one block. 7.2.3.3: no compression. 7.2.3.4: a final block. 7.2.3.5: two blocks. 7.2.3.6: empty.
        check(b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"Hello");
        check(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", b"Hello");
        check(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", b"Hello");
        check(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", b"Hello");
        check(b"\x00", b"");
    }

    #[test]
    fn the_limit_holds_to_the_byte() {
        assert_eq!(inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00", 4), Err(InflateError::TooLarge { len: 5, limit: 4 }));
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let mut bomb = Vec::with_capacity(1 << 16);
        let zeros = vec![0; 10_000_000];
        flate2::Compress::new(flate2::Compression::best(), false)
            .compress_vec(&zeros, &mut bomb, flate2::FlushCompress::Sync)
            .unwrap();
        assert!(bomb.len() < 20_000);
        let result = inflate(&bomb, 100_000);
        assert_eq!(result, Err(InflateError::TooLarge { len: 100_001, limit: 100_000 }));
    }

    #[test]
    fn what_is_no_deflate_stream_is_refused() {
        for wrong in [&b"\xff\xff\xff"[..], b"\x07", b"\x01\x05\x00\x00\x00"] {
            assert_eq!(inflate(wrong, 1_000), Err(InflateError::NotDeflate), "{wrong:?}");
        }
    }

    #[test]
    fn a_failed_message_leaves_nothing_to_the_next() {
        assert!(inflate(b"\xff", 1_000).is_err());
        check(b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"Hello");
    }
}
