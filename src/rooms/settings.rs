//! What the rooms of a host are told of its settings.

use std::time::Duration;

use crate::rooms::quota::QuotaSettings;
use crate::share::visibility::Visibility;

/// How the rooms of a host behave; each field but the last five is that of [`HubSettings`](crate::hub::HubSettings),
/// or of its `limits`.
#[derive(Debug)]
pub(crate) struct RoomsSettings {
    pub(crate) chunk_bytes_max: usize,
    pub(crate) poll: Option<Duration>,
    pub(crate) poll_rested: Option<Duration>,
    pub(crate) poll_hinted: Duration,
    pub(crate) linger: Duration,
    pub(crate) fold_after: Duration,
    pub(crate) visibility: Visibility,
    pub(crate) share_ttl: Option<Duration>,
    pub(crate) share_ttl_max: Option<Duration>,
    pub(crate) quotas: QuotaSettings,
    pub(crate) idle_rooms_max: usize,
    pub(crate) idle_bytes_max: usize,
    /// [`Mutation::AcknowledgeBeforePut`](crate::store::Mutation::AcknowledgeBeforePut) is planted.
    pub(crate) answers_early: bool,
    /// [`Mutation::BelieveHost`](crate::store::Mutation::BelieveHost) is planted.
    pub(crate) believes_hosts: bool,
    /// [`Mutation::ReadBeforeSubscribe`](crate::store::Mutation::ReadBeforeSubscribe) is planted.
    pub(crate) reads_early: bool,
    /// [`Mutation::LookBeforeFollow`](crate::store::Mutation::LookBeforeFollow) is planted.
    pub(crate) follows_late: bool,
    /// [`Mutation::NoFloor`](crate::store::Mutation::NoFloor) is planted.
    pub(crate) has_no_floor: bool,
}

impl RoomsSettings {
    /// How long a new share lives if its producer does not say; never longer than the host grants. `None`: until it is deleted.
    pub(super) fn share_ttl_default(&self) -> Option<Duration> {
        match (self.share_ttl, self.share_ttl_max) {
            (Some(ttl), Some(most)) => Some(ttl.min(most)),
            (ttl, _) => ttl,
        }
    }
}
