//! Visibility: who may see a share.
//!
//! It is part of a share's state, set when it is created and changed by an entry of its log, so that all hosts of a bucket
//! answer alike. The doors ask for it before they show a share. Who may write to the share does not depend on it.

use std::fmt;

/// Who may see a share, besides those who hold its secret or a capability on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Visibility {
    /// Anybody who knows the share's id, which is in its link.
    #[default]
    Link,
    /// Anybody who shows a valid credential, of any account.
    Account,
    /// The account that owns the share, and anybody who shows a token of a grant.
    Grant,
}

impl Visibility {
    /// All visibilities, from the widest to the narrowest.
    pub const ALL: [Self; 3] = [Self::Link, Self::Account, Self::Grant];

    /// The visibility's name in the log, in settings and in listings: `link`, `account` or `grant`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Account => "account",
            Self::Grant => "grant",
        }
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not the name of a visibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid visibility: it must be link, account or grant")]
pub struct BadVisibility;

impl std::str::FromStr for Visibility {
    type Err = BadVisibility;

    fn from_str(text: &str) -> Result<Self, BadVisibility> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == text).ok_or(BadVisibility)
    }
}
