//! Sessions at both ends, in any order.

use proptest::prelude::*;

use super::ends;

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// Whatever the embedders of two sessions do, and whenever frames arrive, both ends are exact, and nothing is left.
    #[test]
    fn two_sessions_are_exact_in_any_order(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        ends::play(&bytes);
    }
}
