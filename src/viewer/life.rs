//! A viewer's life, from its admission until its socket is closed. It is in one of three states:
//!
//! ```text
//!           nothing left to do             told that it is over
//!   ┌──────────────────────────┐   ┌────────────────────────────────▶ leaving
//!   ▼                          │   │
//! parked ───────────────────▶ served ◀── admitted
//!    heard, closed, due, or its
//!    socket takes no more
//! ```
//!
//! - *Served*, a viewer has a task of its own, in which its commands are answered and it is told what it does not know
//!   (`life/served.rs`).
//! - *Parked*, a viewer has been told all there is, and nothing of it is under way. It costs no task: one task for each share
//!   looks after all its parked viewers, and writes what is new right into their sockets (`life/parked.rs`).
//! - *Leaving*, a viewer is told why, and its socket is closed so that it hears that (`life/leaving.rs`).
//!
//! The states know nothing of one another; what leads from one to the next is here. Dropping a viewer in any state gives back all of
//! its places.
//!
//! Bound: the viewers that the registry admits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::hub::Hub;
use crate::rooms::room::Room;
use crate::viewer::ViewerSettings;
use crate::viewer::life::parked::{Arrivals, Parked};
use crate::viewer::life::viewer::Viewer;

pub(super) mod leaving;
mod parked;
mod served;
pub(super) mod viewer;

/// What the host holds of each viewer that is parked, besides its socket and its entries: bytes.
pub const PARKED_BYTES: usize = size_of::<Viewer>();

/// The viewers of one host, and how they are kept.
#[derive(Debug)]
pub struct Viewers {
    hub: Arc<Hub>,
    settings: Arc<ViewerSettings>,
    /// The shares that have parked viewers, by the address of the room, which its arrivals keep: a share that left memory and came
    /// back has another.
    parked: Mutex<HashMap<usize, Arc<Arrivals>>>,
}

impl Viewers {
    /// The viewers of a host that has none yet.
    #[must_use]
    pub fn new(hub: Arc<Hub>, settings: ViewerSettings) -> Arc<Self> {
        Arc::new(Self { hub, settings: Arc::new(settings), parked: Mutex::default() })
    }

    /// The hub whose shares they watch.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// How they are kept.
    #[must_use]
    pub fn settings(&self) -> &Arc<ViewerSettings> {
        &self.settings
    }

    /// Serves a viewer until there is nothing to do for it, and parks it then; or until it ends, and sees it off.
    pub(super) async fn serve(self: Arc<Self>, viewer: Box<Viewer>) {
        match served::serve(viewer).await {
            (viewer, Ok(())) => self.park(viewer),
            (viewer, Err(ended)) => leaving::leave(viewer, ended).await,
        }
    }

    /// Parks a viewer that there is nothing to do for.
    fn park(self: &Arc<Self>, viewer: Box<Viewer>) {
        let room = Arc::clone(viewer.channel.member().presence.room());
        let mut parked = self.parked();
        let arrivals = parked.entry(address(&room)).or_insert_with(|| {
            let arrivals = Arc::new(Arrivals::new(room));
            tokio::spawn(Arc::clone(self).keep(Arc::clone(&arrivals)));
            arrivals
        });
        arrivals.push(viewer);
    }

    /// Keeps the parked viewers of one share until there are none: gives a task to each that needs one.
    async fn keep(self: Arc<Self>, arrivals: Arc<Arrivals>) {
        let _kept = Kept(Arc::clone(&self), Arc::clone(&arrivals));
        let mut parked = Parked::new(&arrivals);
        loop {
            let viewer = parked.next().await;
            tokio::spawn(Arc::clone(&self).serve(viewer));
            if parked.is_empty() && self.shut(&arrivals) {
                return;
            }
        }
    }

    /// Whether nobody has come meanwhile; then the next to come is kept anew.
    fn shut(&self, arrivals: &Arrivals) -> bool {
        let mut parked = self.parked();
        let is_empty = arrivals.is_empty();
        if is_empty {
            parked.remove(&address(arrivals.room()));
        }
        is_empty
    }

    fn parked(&self) -> MutexGuard<'_, HashMap<usize, Arc<Arrivals>>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(room: &Arc<Room>) -> usize {
    Arc::as_ptr(room).addr()
}

/// The parked viewers of a share, while they are kept. Dropping it lets go of those that came meanwhile as well.
struct Kept(Arc<Viewers>, Arc<Arrivals>);

impl Drop for Kept {
    fn drop(&mut self) {
        let Self(viewers, arrivals) = self;
        viewers.parked().retain(|_, other| !Arc::ptr_eq(other, arrivals));
        let _late = arrivals.take();
    }
}
