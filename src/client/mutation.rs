//! Bugs on purpose: for the tests that show that the simulation would find them (`tests/it/simulation/linked.rs`).
//!
//! Only with the feature `__mutations` can a client be built with one ([`Builder::mutation`](crate::client::Builder::mutation));
//! without it [`Planted::is`] is a constant, and nothing of them is left in the program.

/// A bug that somebody might write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "__mutations"), expect(unreachable_pub, reason = "it is public with its feature"))]
pub enum Mutation {
    /// A snapshot that is told with its last chunk to begin again keeps only what comes after.
    ForgetReset,
    /// A message that is too large for the host is held against every call that was on its way.
    BlameEveryCall,
    /// A batch that the host refuses for its size is sent again in parts, though it may have been applied before.
    SendAgainInParts,
    /// A handler's answer to a push is sent however large it is.
    UncheckedAnswer,
}

/// The bug that a client was built with, if any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Planted {
    /// Which.
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
