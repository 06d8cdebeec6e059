//! What callers may choose when they create a share.

use std::time::Duration;

use crate::share::visibility::Visibility;

/// How a share is created.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    /// How long it is to live. Default `None`: as the host has it for a new share, and no change for one that was shared
    /// before.
    pub ttl: Option<Duration>,
    /// Who may see it. Default `None`: likewise.
    pub visibility: Option<Visibility>,
}

impl CreateOptions {
    /// For a share that is to live so long.
    #[must_use]
    pub fn ttl(ttl: Duration) -> Self {
        Self { ttl: Some(ttl), visibility: None }
    }

    /// For a share that these may see.
    #[must_use]
    pub fn visible_to(visibility: Visibility) -> Self {
        Self { ttl: None, visibility: Some(visibility) }
    }
}
