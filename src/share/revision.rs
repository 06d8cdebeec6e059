//! Revisions: which state of a share somebody stands at.

use std::fmt;
use std::str::FromStr;

/// The number of a share's state. [`Revision::EMPTY`], which is 0, is the state of a share that nobody has synced to; each sync that
/// changes anything raises the number by one, and a sync that changes nothing leaves it as it is. Two copies of one share that stand
/// at one revision hold equal items. Revisions of two shares have nothing to do with each other.
///
/// A revision counts states, and a sync count counts syncs: they are two numbers. A greater revision is a later one. It is shown,
/// parsed, stored and sent as the number, in decimal.
///
/// ```
/// use capshare::share::revision::Revision;
///
/// let held: Revision = "7".parse()?;
/// assert!(held > Revision::EMPTY);
/// assert_eq!(held.next().to_string(), "8");
/// # Ok::<(), capshare::share::revision::BadRevision>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// A text is no revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid revision: write a whole number, such as 7; 0 is the empty state of a share")]
pub struct BadRevision;

impl Revision {
    /// The state of a share that nobody has synced to: it has no item. To ask for what came after it is to ask for the whole state.
    pub const EMPTY: Self = Self(0);

    /// The greatest number that a revision can have. No share comes to it.
    pub const MAX: Self = Self(u64::MAX);

    /// The revision after this one.
    ///
    /// # Panics
    /// This is [`Revision::MAX`], in builds that check arithmetic.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The revision before this one; [`Revision::EMPTY`] has none, and gives itself.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Revision {
    type Err = BadRevision;

    fn from_str(text: &str) -> Result<Self, BadRevision> {
        text.parse().map(Self).map_err(|_| BadRevision)
    }
}

impl From<u64> for Revision {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<Revision> for u64 {
    fn from(revision: Revision) -> Self {
        revision.0
    }
}
