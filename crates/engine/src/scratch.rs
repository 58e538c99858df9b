//! Room to read into, one for each thread: so nothing is held between reads.

use std::cell::Cell;

/// How much one read takes at most.
pub(crate) const SIZE: usize = 64 * 1024;

thread_local! {
    /// It is taken out while it is in use, because handlers run meanwhile.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the buffer of this thread; if it is lent already, another one.
pub(crate) fn with<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = BUFFER.take();
    if buffer.is_empty() {
        buffer = vec![0; SIZE];
    }
    let result = read(&mut buffer);
    BUFFER.set(buffer);
    result
}
