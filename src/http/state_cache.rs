//! The documents of states: made for the first who asks, by a few threads at a time, and kept while there is room. What is kept is
//! dropped when the share was found to be gone.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::http::body_pieces::maker;
use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::id::ShareId;
use crate::share::limits::loading::{STATE_FRESH_FOR, STATES_KEPT_BYTES_MAX, STATES_KEPT_MAX, STATES_MADE_MAX};
use crate::viewer::loading::{Held, Loading};
use crate::viewer::packing::Packed;

/// Makes the documents of one host, and keeps them while there is room.
#[derive(Debug)]
pub(super) struct States {
    kept: Cache<ShareId, Made, Bytewise>,
    making: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
struct Made {
    at: Instant,
    loading: Loading,
}

#[derive(Debug, Clone)]
struct Bytewise;

impl Weighter<ShareId, Made> for Bytewise {
    fn weight(&self, _: &ShareId, Made { loading, .. }: &Made) -> u64 {
        let Loading { head, newest, rest, .. } = loading;
        // The key, the entry and the handles are about 300 bytes.
        300 + [head, newest, rest].iter().map(|packed| packed.bytes.len() as u64).sum::<u64>()
    }
}

impl Default for States {
    fn default() -> Self {
        Self {
            kept: Cache::with_weighter(STATES_KEPT_MAX, STATES_KEPT_BYTES_MAX, Bytewise),
            making: Arc::new(Semaphore::new(STATES_MADE_MAX)),
        }
    }
}

impl States {
    /// The document of a share, and what is around a message or a part of it, if there is such a one.
    pub(super) async fn of(
        &self,
        room: &Arc<Room>,
        around: Option<String>,
    ) -> Result<(Loading, Option<Packed>), Refusal> {
        let kept = || self.kept.get(room.id()).filter(|made| Self::is_good(made, room)).map(|made| made.loading);
        if let (Some(loading), None) = (kept(), &around) {
            return Ok((loading, None));
        }
        let place = maker(&self.making).await?;
        // Somebody else may have made it while we waited for a place.
        let kept = kept();
        if let (Some(loading), None) = (&kept, &around) {
            return Ok((loading.clone(), None));
        }
        let (from, is_new) = (Arc::clone(room), kept.is_none());
        let made = tokio::task::spawn_blocking(move || {
            let _place = place;
            let held = from.read(Held::of)?;
            Ok::<_, Refusal>((kept.unwrap_or_else(|| held.load()), around.and_then(|id| held.around(&id))))
        });
        let (loading, near) = made.await.map_err(|_panicked| Refusal::Unspecified {
            message: "the document could not be made: the host's log says why".into(),
        })??;
        if is_new {
            self.kept.insert(room.id().clone(), Made { at: Instant::now(), loading: loading.clone() });
        }
        Ok((loading, near))
    }

    /// Drops what is kept of a share.
    pub(super) fn forget(&self, id: &ShareId) {
        self.kept.remove(id);
    }

    fn is_good(made: &Made, room: &Room) -> bool {
        made.at.elapsed() < STATE_FRESH_FOR
            || room.read(|state| state.revision()).is_ok_and(|now| now == made.loading.revision)
    }
}
