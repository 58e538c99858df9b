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
