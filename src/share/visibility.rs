//! Visibility: who may see a share.
//!
//! It is part of a share's state, set when it is created and changed by an entry of its log, so that all hosts of a bucket
//! answer alike. The hub's doors ask it of everybody who comes to look. Who may write is another matter, and no visibility
//! changes it.

use std::fmt;

/// Who may see a share, besides those who hold its secret or a capability on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Visibility {
    /// Whoever knows its id: the id is the link.
    #[default]
    Link,
    /// Whoever shows a credential of any account that the host takes.
    Account,
    /// The account that owns it, and whoever shows a token that gives reading.
    Grant,
}

impl Visibility {
    /// All of them, from the widest to the narrowest.
    pub const ALL: [Self; 3] = [Self::Link, Self::Account, Self::Grant];

    /// Its name in the log, in settings and in listings.
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

/// A text names no visibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a visibility is link, account or grant")]
pub struct BadVisibility;

impl std::str::FromStr for Visibility {
    type Err = BadVisibility;

    fn from_str(text: &str) -> Result<Self, BadVisibility> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == text).ok_or(BadVisibility)
    }
}
