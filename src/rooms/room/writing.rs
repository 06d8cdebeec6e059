//! Folds, and what a listing says of a share, as they are written: beside the driver, so that the appends go on.
//!
//! All of it is derived from the log: what fails, or is lost with the host, is made up for another time.

use std::sync::{Arc, MutexGuard};

use tokio::time::Instant;

use super::agenda::Stand;
use super::driver::stand;
use super::{Inner, Room};
use crate::share::error::chain;
use crate::store::{Fold, Folded, Log, Occasion, StoreError, Summary, Superseded};

impl Room {
    /// Has the log folded if that is worth it on this occasion, and the index told of it; `describe`: also if it is not.
    pub(super) fn fold_log(
        self: &Arc<Self>,
        mut inner: MutexGuard<'_, Inner>,
        log: Option<&Log>,
        occasion: Occasion,
        describe: bool,
    ) {
        let Inner { state, agenda, .. } = &mut *inner;
        let fold = log.and_then(|log| log.fold(occasion, state));
        let summary = log.filter(|_| describe || fold.is_some());
        let summary = summary.and_then(|log| Summary::of(state, log.log_bytes(), log.segments()));
        let writes = fold.is_some() || summary.is_some();
        agenda.folds(fold.is_some(), writes, Instant::now());
        if writes {
            let stand = stand(state);
            drop(inner);
            // It ends, whatever becomes of the task, and so not under the lock. Shutdown does not wait for it.
            let ends = Ends { room: Arc::clone(self), folded: None, described: None };
            drop(tokio::spawn(write(ends, fold, summary, stand)));
        }
    }

    pub(super) fn free(&self, frees: Superseded) {
        let share = self.id.clone();
        drop(tokio::spawn(async move {
            if let Err(error) = frees.run().await {
                tracing::warn!(%share, error = %chain(&error), "superseded objects are left in the bucket");
            }
        }));
    }
}

/// Writes a fold, and what a listing says, in the background.
async fn write(mut end: Ends, fold: Option<Fold>, summary: Option<Summary>, stand: Stand) {
    let room = Arc::clone(&end.room);
    // The semaphore is never closed.
    let Ok(_permit) = room.context.folds.acquire().await else { return };
    let writing = async {
        if let Some(fold) = fold {
            // Without one the share is deleted, and there is nothing more to tell.
            let Some((folded, frees)) = fold.run().await? else { return Ok(()) };
            room.free(frees);
            end.folded = Some(folded);
        }
        if let Some(summary) = summary {
            room.context.store.describe(&room.id, &summary).await?;
            end.described = Some(stand);
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = writing.await {
        tracing::warn!(share = %room.id, error = %chain(&error), "a share was not folded, or not listed anew");
    }
}

/// However it ends, the room may fold again, or describe itself; at once only if it did.
struct Ends {
    room: Arc<Room>,
    folded: Option<Folded>,
    described: Option<Stand>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        // The driver takes note of it, if the log is with it.
        if let Some(folded) = self.folded.take() {
            inner.folded = Some(folded);
        }
        if let Some(mut log) = inner.log.take() {
            inner.note_folded(&mut log);
            inner.log = Some(log);
        }
        let upkeep = inner.agenda.written(self.described, Instant::now());
        self.room.heed(&mut inner, upkeep);
    }
}
