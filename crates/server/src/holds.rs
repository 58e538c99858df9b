//! Who needs a namespace.

use parking_lot::Mutex;

/// Who needs a namespace: its sockets, those that are connecting or may be [recovered](crate::recovery), and the program,
/// if it asked for it by name.
///
/// Once nobody does, it is over for good: it can't be taken again, and its name is free for another one.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sockets: usize,
    /// It stays whoever leaves.
    kept: bool,
    over: bool,
}

impl State {
    /// The one place that says what keeps a namespace.
    fn is_needed(&self) -> bool {
        self.kept || self.sockets > 0
    }
}

impl Holds {
    /// A socket comes. `false`: too late, the namespace is over.
    pub(crate) fn take(&self) -> bool {
        let mut state = self.0.lock();
        state.sockets += usize::from(!state.over);
        !state.over
    }

    /// The program asks for it. `false`: too late, the namespace is over.
    pub(crate) fn keep(&self) -> bool {
        let mut state = self.0.lock();
        state.kept |= !state.over;
        !state.over
    }

    /// A socket has gone. `true`: nobody needs the namespace any more, and it is over.
    pub(crate) fn release(&self) -> bool {
        let mut state = self.0.lock();
        state.sockets = state.sockets.saturating_sub(1);
        state.over = !state.is_needed();
        state.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_ends_it_and_nobody_comes_back() {
        let holds = Holds::default();
        assert!(holds.take() && holds.take());
        assert!(!holds.release());
        assert!(holds.release());
        assert!(!holds.take() && !holds.keep());
    }

    #[test]
    fn what_is_kept_never_ends() {
        let holds = Holds::default();
        assert!(holds.take() && holds.keep());
        assert!(!holds.release());
        assert!(holds.take());
    }
}
