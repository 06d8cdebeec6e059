//! The expiry of shares: what a host grants, and changing it.
//!
//! A producer says how long a share is to live, never until when: so only hosts' clocks count. What happens when the time
//! is over is the [room](crate::rooms::room)'s part.

use std::sync::Arc;
use std::time::Duration;

use crate::rooms::Rooms;
use crate::rooms::room::Room;
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation};
use crate::share::limits::{Limit, SHARE_TTL_MS_MAX};
use crate::share::state::Outcome;
use crate::share::time::Timestamp;

impl Rooms {
    /// Gives a share that the caller has opened so long to live from now on, or, with `None`, as long as the host grants
    /// any. Gives when it will be gone; `None`: it stays. As [`Rooms::sync_room`], it is queued when this returns.
    ///
    /// # Errors
    /// The host grants no such time, the share is gone, or the bucket failed.
    pub fn set_expiry(
        &self,
        room: &Arc<Room>,
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<Option<Timestamp>, Refusal>> + Send + use<> {
        let at = self.ambient.clock.now();
        let queued = self
            .expires_at(at, ttl)
            .map(|expires_at| (expires_at, room.append(Entry::Expiry { at, expires_at }, StoreOperation::Sync)));
        let id = room.id().clone();
        async move {
            let (expires_at, outcome) = queued?;
            match outcome.await? {
                Outcome::Opened => Ok(expires_at),
                Outcome::Void
                | Outcome::Deleted
                | Outcome::Synced { .. }
                | Outcome::Duplicate { .. }
                | Outcome::Refused(_) => Err(Refusal::not_found(id.as_str())),
            }
        }
    }

    /// From when on a share is gone that was given so long to live at this moment; `None`: it is to stay.
    pub(super) fn expires_at(&self, at: Timestamp, ttl: Option<Duration>) -> Result<Option<Timestamp>, Refusal> {
        let most = self.settings.share_ttl_max.map_or(SHARE_TTL_MS_MAX, |most| millis(most).min(SHARE_TTL_MS_MAX));
        let ttl = match ttl.map(millis) {
            Some(ttl) if ttl > most => {
                return Err(Refusal::LimitExceeded { limit: Limit::ShareTtlMsMax, max: most, got: ttl });
            }
            None if self.settings.share_ttl_max.is_some() => Some(most),
            ttl => ttl,
        };
        // A hundred years fit in.
        Ok(ttl.map(|ttl| Timestamp(at.0.saturating_add_unsigned(ttl))))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
