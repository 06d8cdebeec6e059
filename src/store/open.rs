//! Opening a share's log, and creating it.

use tokio::time::Instant;

use super::Store;
use super::error::StoreError;
use super::log::{Appended, Log, News};
use crate::share::entry::Entry;
use crate::share::id::ShareId;

/// What [`Store::open_log`] found.
#[derive(Debug)]
pub enum Opened {
    /// The log is there; with all that it holds.
    Open(Log, News),
    /// There is no log: the share was never created, or its creation got no further than the claim. The host that holds the
    /// claim may create the log, by appending to this one or by [`Store::create_log`].
    Absent(Log),
    /// The share was deleted, and its id is never used again.
    Deleted,
}

/// What [`Store::create_log`] did.
#[derive(Debug)]
pub enum Created {
    /// The log was created with the given entries, and holds nothing else.
    New(Log),
    /// There was a log already; with all that it holds. Nothing was written.
    Exists(Log, News),
    /// The share was deleted; nothing was written. Claim the session again, for a new share.
    Deleted,
}

impl Store {
    /// Creates a log with its first entries, of which the first one opens the share. Of several callers at once one creates it,
    /// and the others get what that one wrote.
    ///
    /// # Errors
    /// The bucket failed. The log may have been created all the same: call again.
    pub async fn create_log(&self, id: &ShareId, entries: &[Entry]) -> Result<Created, StoreError> {
        // The append looks first: after a deletion the first number is free again in the end, and must not be taken.
        let mut log = Log::at_start(self.clone(), id.clone());
        match log.append(entries).await? {
            Appended::Written => Ok(Created::New(log)),
            Appended::Behind(found) if log.ended.is_none() => Ok(Created::Exists(log, found)),
            Appended::Behind(found) => self.finish_deletion(&log, &found).await.map(|()| Created::Deleted),
        }
    }

    /// Opens a log and reads it: one listing together with a look for the tombstone, then the runs and the segments after
    /// them, sixteen at a time. If its deletion was begun and not finished, finishes it first.
    ///
    /// # Errors
    /// The bucket failed, or an object cannot be read.
    pub async fn open_log(&self, id: &ShareId) -> Result<Opened, StoreError> {
        let issued = Instant::now();
        let mut log = Log::at_start(self.clone(), id.clone());
        let look = log.look().await?;
        let news = log.accept(look);
        tracing::debug!(share = %id, segments = log.tail.seq, elapsed_ms = issued.elapsed().as_millis(), "looked for a log");
        if log.ended.is_some() {
            self.finish_deletion(&log, &news).await?;
            Ok(Opened::Deleted)
        } else if log.tail.seq == 0 {
            Ok(Opened::Absent(log))
        } else {
            Ok(Opened::Open(log, news))
        }
    }
}
