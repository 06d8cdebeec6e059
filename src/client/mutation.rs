//! Bugs that are planted on purpose, for tests that show that the simulation finds them (`tests/it/simulation/linked.rs`).
//!
//! Only with the feature `__mutations` can a client be built with one ([`Builder::mutation`](crate::client::Builder::mutation));
//! without it [`Planted::is`] is a constant, and nothing of them is left in the program.

/// A bug that can be planted into a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "__mutations"), expect(unreachable_pub, reason = "it is public with its feature"))]
pub enum Mutation {
    /// A snapshot whose last chunk says that it must begin again keeps only the items that come after.
    ForgetReset,
    /// A message that is too large for the host is held against every call that was on its way.
    BlameEveryCall,
    /// A batch that the host refuses for its size is sent again in parts, though it may have been applied before.
    SendAgainInParts,
    /// A handler's answer to a push is sent however large it is.
    UncheckedAnswer,
    /// A batch that was on its way to a host that is lost is sent to the next under a new stamp.
    NewStampElsewhere,
}

/// The bug that a client was built with, if any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Planted {
    /// The planted bug, if any.
    #[cfg(feature = "__mutations")]
    pub(crate) mutation: Option<Mutation>,
}

impl Planted {
    /// Whether this bug was asked for.
    #[cfg(feature = "__mutations")]
    pub(crate) fn is(self, how: Mutation) -> bool {
        self.mutation == Some(how)
    }

    /// Whether this bug was asked for: never.
    #[cfg(not(feature = "__mutations"))]
    #[expect(clippy::unused_self, reason = "the other one, with the feature, looks")]
    pub(crate) const fn is(self, _: Mutation) -> bool {
        false
    }
}
