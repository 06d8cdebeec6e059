//! The other hosts of the deployment, as clients are told of them: by their URLs. Connections only ask for them.

use std::fmt;

use crate::connections::Connections;
use crate::share::host::HostUrl;

/// Who knows where clients reach the other hosts.
pub(crate) struct Others(Box<dyn Fn() -> Vec<HostUrl> + Send + Sync>);

impl Others {
    /// Asks `source` whenever a client is told. It must not block, and gives at most
    /// [`HOST_URLS_TOLD_MAX`](crate::share::limits::hosts::HOST_URLS_TOLD_MAX), not always with the same first.
    pub(crate) fn of(source: impl Fn() -> Vec<HostUrl> + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Others").finish_non_exhaustive()
    }
}

impl Connections {
    /// URLs of other hosts, for a client that is to know where else it can go. Empty if none is known.
    #[must_use]
    pub fn other_urls(&self) -> Vec<HostUrl> {
        (self.others.0)()
    }
}
