//! The session machine under any sequence of steps.

use proptest::prelude::*;

use crate::support::fuzzed;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_sequence_of_steps_breaks_a_session(steps in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzed::session::run(&steps);
    }
}
