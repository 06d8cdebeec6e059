//! The rooms of a host that are in memory: loaded when they are needed, dropped when nobody needs them.
//!
//! A room that is held by a caller or a follower, or has work to do, stays. The others stay within bounds of number and
//! bytes; those used longest ago go first, and come back from the bucket when they are asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::id::ShareId;

/// Number of rooms that come in between two checks of those that are idle.
const IDLE_CHECK_EVERY: usize = 64;

type Cell = Arc<OnceCell<Arc<Room>>>;

/// A caller who loads a room, waits for another that does, or puts one there. Dropping it takes the cell out of the map if it is still
/// empty and nobody else is at it: so a load that failed or was given up leaves nothing.
struct Visit<'a> {
    cache: &'a Cache,
    id: ShareId,
    /// A clone of the map's. It is made under the map's lock, and counted under it below.
    cell: Cell,
}

#[derive(Debug)]
pub(super) struct Cache {
    cells: Mutex<HashMap<ShareId, Cell>>,
    idle_rooms_max: usize,
    idle_bytes_max: usize,
    /// Number of rooms that were loaded or created.
    come: AtomicUsize,
}

impl Cache {
    pub(super) fn new(idle_rooms_max: usize, idle_bytes_max: usize) -> Self {
        Self { cells: Mutex::default(), idle_rooms_max, idle_bytes_max, come: AtomicUsize::new(1) }
    }

    /// The room of a share, by `load` if it is not here. Many may ask at once: one loads. If all of them give up, or `load`
    /// fails, nothing stays behind.
    pub(super) async fn get<F>(&self, id: &ShareId, load: impl FnOnce() -> F) -> Result<Arc<Room>, Refusal>
    where
        F: Future<Output = Result<Arc<Room>, Refusal>>,
    {
        if let Some(room) = self.here(id) {
            return Ok(room);
        }
        let visit = self.visit(id);
        let load = async || {
            // Boxed, because every call on a share has room for this, and hardly one needs it.
            let room = Box::pin(load()).await?;
            self.drop_idle();
            Ok(room)
        };
        visit.cell.get_or_try_init(load).await.cloned()
    }

    /// Keeps a room that was just created, unless somebody has loaded it already: then that one counts.
    pub(super) async fn place(&self, room: Arc<Room>) -> Arc<Room> {
        self.drop_idle();
        let visit = self.visit(&room.id().clone());
        Arc::clone(visit.cell.get_or_init(async || room).await)
    }

    /// The room of a share, if it is in memory.
    pub(super) fn here(&self, id: &ShareId) -> Option<Arc<Room>> {
        self.cells().get(id).and_then(|cell| cell.get()).cloned()
    }

    /// All rooms that are in memory, in the order of their ids.
    pub(super) fn all(&self) -> Vec<Arc<Room>> {
        let mut rooms: Vec<_> = self.cells().values().filter_map(|cell| cell.get()).cloned().collect();
        rooms.sort_unstable_by(|one, other| one.id().cmp(other.id()));
        rooms
    }

    /// Number of shares that are in memory or are being loaded.
    pub(super) fn count(&self) -> usize {
        self.cells().len()
    }

    /// Enters the cell of a share, empty if the share is not here.
    fn visit(&self, id: &ShareId) -> Visit<'_> {
        let cell = Arc::clone(self.cells().entry(id.clone()).or_default());
        Visit { cache: self, id: id.clone(), cell }
    }

    /// Drops the rooms used longest ago, of those that nobody holds and that have nothing to do, until the rest is within
    /// its bounds.
    fn drop_idle(&self) {
        // Once for each so many rooms that come: the check looks at every room there is.
        if !self.come.fetch_add(1, Ordering::Relaxed).is_multiple_of(IDLE_CHECK_EVERY) {
            return;
        }
        let mut rooms = self.cells();
        let mut idle: Vec<_> = rooms
            .iter()
            .filter_map(|(id, cell)| {
                let room = cell.get()?;
                let (used_at, byte_count) = room.idle()?;
                (Arc::strong_count(cell) == 1 && Arc::strong_count(room) == 1)
                    .then(|| (used_at, byte_count, id.clone()))
            })
            .collect();
        idle.sort_by_key(|(used_at, ..)| std::cmp::Reverse(*used_at));
        let (mut room_count, mut byte_count, mut leaving) = (0, 0, Vec::<Arc<Room>>::new());
        for (_, bytes, id) in idle {
            room_count += 1;
            byte_count += bytes;
            if (room_count > self.idle_rooms_max || byte_count > self.idle_bytes_max)
                && let Some(room) = rooms.remove(&id).and_then(|cell| cell.get().cloned())
            {
                leaving.push(room);
            }
        }
        drop(rooms);
        leaving.iter().for_each(Room::upkeep_before_leaving);
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<ShareId, Cell>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut cells = self.cache.cells();
        // Let go of under the lock, so that of two who leave at once the second sees that it is the last.
        self.cell = Cell::default();
        if cells.get(&self.id).is_some_and(|cell| cell.get().is_none() && Arc::strong_count(cell) == 1) {
            cells.remove(&self.id);
        }
    }
}
