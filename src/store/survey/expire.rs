//! Ends shares that have expired, or whose deletion a host began and did not finish. They end as any host would end them, and
//! only if their own logs say so.

use super::super::bucket::Listed;
use super::super::error::StoreError;
use super::super::log::{Appended, Log};
use super::super::records::Summary;
use super::gc::{Collection, FreedKind};
use crate::share::entry::Entry;
use crate::share::id::ShareId;
use crate::share::time::Timestamp;

/// Number of times that the deletion of an expired share is tried, if other hosts write to the share at the same time.
const DELETES_MAX: usize = 8;

impl Collection<'_> {
    /// Whether a share has expired; never if this machine's clock is wrong.
    pub(super) fn has_expired(&self, expires_at: Option<Timestamp>) -> bool {
        self.freed.clock_wrong_by_ms.is_none() && expires_at.is_some_and(|at| at <= self.options.now)
    }

    /// Reads a share, and ends it if it has expired or its deletion was begun. Returns whether the share lasts; a share that cannot
    /// be read is left as it is, and does not count as lasting.
    pub(super) async fn end_if_over(&mut self, id: &ShareId, listed: &[Listed]) -> Result<bool, StoreError> {
        // Looked at and not opened: a dry run finishes no deletion that was begun.
        let mut log = Log::at_start(self.store.clone(), id.clone());
        let news = match log.look().await {
            Ok(look) => log.accept(look),
            Err(StoreError::Corrupt { .. }) => {
                self.freed.passed_over += 1;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if log.ended.is_some() {
            // Its host may be about to.
            if listed.iter().all(|listed| self.is_over(listed)) {
                self.count(FreedKind::Deleted, listed);
                if !self.options.dry_run {
                    self.store.finish_deletion(&log, &news).await?;
                }
            }
            return Ok(false);
        }
        let mut state = news.into_state();
        for _ in 0..DELETES_MAX {
            let Some(summary) = Summary::of(&state, 0, 0).filter(|summary| self.has_expired(summary.expires_at)) else {
                return Ok(true);
            };
            if !self.options.dry_run {
                match log.append(&[Entry::Delete { at: self.options.now }]).await? {
                    // Its empty objects are freed by a later collection.
                    Appended::Written => drop(log.erase(&summary.account, &summary.session).await?),
                    Appended::Behind(news) => {
                        if let Some(anew) = news.state {
                            state = *anew;
                        }
                        for entry in &news.entries {
                            state.apply(entry);
                        }
                        continue;
                    }
                }
            }
            self.freed.expired_shares += 1;
            self.count(FreedKind::Expired, listed);
            return Ok(false);
        }
        Ok(false)
    }
}
