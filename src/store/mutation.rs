//! Bugs on purpose, for the tests that show that the simulation finds them (`tests/it/simulation.rs`).
//!
//! Only with the feature `__mutations` can one be asked for; without it [`StoreSettings::is_wrong`] is a constant, and nothing
//! of them is left in the program.

use super::StoreSettings;

/// A bug that somebody might write, which a store can be told to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "__mutations"), expect(unreachable_pub, reason = "it is public with its feature"))]
pub enum Mutation {
    /// A create writes over what is there.
    SkipConditional,
    /// A room answers before it appends.
    AcknowledgeBeforePut,
    /// A fold forgets the producers' last batches.
    DropProducers,
    /// A deletion leaves neither a tombstone nor empty objects in the place of what it deletes.
    ForgetTombstone,
    /// A follower reads the state first, and subscribes later.
    ReadBeforeSubscribe,
    /// A lease is as old as the clock of timers says, which stands still while a machine sleeps.
    TrustInstant,
    /// A hint is taken for the segments that it tells of.
    TrustHint,
    /// A hint of what is known already renews the lease.
    RenewByHint,
    /// A room that is told by hints never looks without one.
    NoFloor,
    /// A room looks for news first, and follows them later.
    LookBeforeFollow,
    /// A room believes another host that it appended what it was handed.
    BelieveHost,
    /// A listing that passed over what runs cover goes on one segment too late.
    ResumeTooLate,
}

impl StoreSettings {
    /// Whether this bug was asked for.
    #[cfg(feature = "__mutations")]
    pub(crate) fn is_wrong(&self, how: Mutation) -> bool {
        self.mutation == Some(how)
    }

    /// Whether this bug was asked for: never.
    #[cfg(not(feature = "__mutations"))]
    #[expect(clippy::unused_self, reason = "the other one, with the feature, looks")]
    pub(crate) const fn is_wrong(&self, _: Mutation) -> bool {
        false
    }
}
