//! The rooms of a hub: loaded when they are needed, dropped when nobody needs them.
//!
//! A room that is held by a caller or a follower, or has work to do, stays. The others stay within bounds of number and
//! bytes; those used longest ago go first, and come back from the bucket when they are asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::hub::room::Room;
use crate::share::error::Refusal;
use crate::share::id::ShareId;

/// Rooms come in between two checks of those that are idle.
const IDLE_CHECK_EVERY: usize = 64;

type Cell = Arc<OnceCell<Arc<Room>>>;

#[derive(Debug)]
pub(super) struct Rooms {
    cells: Mutex<HashMap<ShareId, Cell>>,
    idle_rooms_max: usize,
    idle_bytes_max: usize,
    /// Rooms that were loaded or created.
    come: AtomicUsize,
}

impl Rooms {
    pub(super) fn new(idle_rooms_max: usize, idle_bytes_max: usize) -> Self {
        Self { cells: Mutex::default(), idle_rooms_max, idle_bytes_max, come: AtomicUsize::new(1) }
    }

    /// The room of a share, by `load` if it is not here. Many may ask at once: one loads.
    pub(super) async fn get<F>(&self, id: &ShareId, load: impl FnOnce() -> F) -> Result<Arc<Room>, Refusal>
    where
        F: Future<Output = Result<Arc<Room>, Refusal>>,
    {
        if let Some(room) = self.cells().get(id).and_then(|cell| cell.get()) {
            return Ok(Arc::clone(room));
        }
        let cell = Arc::clone(self.cells().entry(id.clone()).or_default());
        let load = async || {
            // Boxed, because every call on a share has room for this, and hardly one needs it.
            let room = Box::pin(load()).await?;
            self.drop_idle();
            Ok(room)
        };
        let room = cell.get_or_try_init(load).await.cloned();
        if room.is_err() {
            // An id that is not there must not take up room, unless somebody else is at it.
            let mut cells = self.cells();
            if cells.get(id).is_some_and(|cell| Arc::strong_count(cell) <= 2 && cell.get().is_none()) {
                cells.remove(id);
            }
        }
        room
    }

    /// Keeps a room that was just created, unless somebody has loaded it already: then that one counts.
    pub(super) async fn place(&self, room: Arc<Room>) -> Arc<Room> {
        self.drop_idle();
        let cell = Arc::clone(self.cells().entry(room.id().clone()).or_default());
        Arc::clone(cell.get_or_init(async || room).await)
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
        leaving.iter().for_each(Room::tend_now);
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<ShareId, Cell>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
