//! What all objects of one connection share: the hub, who calls, what the connection may use, and which objects the client holds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::capnweb::{CallId, Fault, Stub, Target, Value};
use crate::connections::entry::Entry;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::share::error::Refusal;
use crate::share::limits::Limit;
use crate::share::limits::web::WEB_HELD_BYTES_MAX;
use crate::web::limits;
use crate::web::link::{Kept, Link};
use crate::web::stranger::Stranger;

/// What a method comes to.
pub(super) type Answer<T> = Result<T, Fault>;

/// A call of a method that runs.
pub(super) type Running = BoxFuture<'static, Answer<Value>>;

/// An object that the client may call.
pub(super) trait Served: Send + Sync {
    /// Calls a method; `None` if there is none of this name. Nothing is done before what this gives is polled. Gives also whether
    /// the method has nothing left to do when its caller has given its answer up.
    fn call(&self, context: Context, name: &str, args: Vec<Value>) -> Option<(Running, bool)>;
}

/// A call, as its method sees it.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) caller: Arc<Caller>,
    /// The call's name in the session.
    pub(super) call: CallId,
}

/// What all objects of one connection share.
pub(super) struct Caller {
    pub(super) hub: Arc<Hub>,
    /// The connection's entry in the registry.
    pub(super) entry: Arc<Entry>,
    pub(super) link: Arc<Link>,
    pub(super) stranger: Arc<Stranger>,
    objects: Mutex<Objects>,
    held: Arc<AtomicUsize>,
    /// Calls that may have to wait before they stand in a share's queue pass one by one until they do, so that they are applied in
    /// the order in which they were made.
    turn: Semaphore,
    /// Lets calls make large answers one at a time.
    large_answers: Semaphore,
    /// Lets watches tell their steps one at a time.
    steps: Semaphore,
    /// The function through which the host pushes, if the client offered one.
    sink: Mutex<Option<Arc<Kept>>>,
}

#[derive(Default)]
struct Objects {
    by_target: HashMap<Target, Arc<dyn Served>>,
    /// The number of the next object; the main object has 0.
    next: u64,
}

impl Caller {
    pub(super) fn new(hub: Arc<Hub>, entry: Arc<Entry>, link: Arc<Link>, stranger: Arc<Stranger>) -> Arc<Self> {
        Arc::new(Self {
            hub,
            entry,
            link,
            stranger,
            objects: Mutex::default(),
            held: Arc::default(),
            turn: Semaphore::new(1),
            large_answers: Semaphore::new(1),
            steps: Semaphore::new(1),
            sink: Mutex::default(),
        })
    }

    /// It is known who the client is: from now on it may send as much as any.
    pub(super) fn becomes_known(&self) {
        if self.stranger.is_stranger() {
            self.link.step(|session| session.set_limits(limits::of(&self.hub.settings().limits)));
            self.stranger.is_known_now();
        }
    }

    /// The address that the connection comes from; `None`: from within the process.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.entry.address
    }

    /// Lets the client call an object, and gives what stands for it in an answer. The answer has to be given to the session next:
    /// that tells when nothing holds the object any more.
    pub(super) fn serve(&self, object: Arc<dyn Served>) -> Value {
        let mut objects = lock(&self.objects);
        let target = Target(objects.next);
        objects.next += 1;
        objects.by_target.insert(target, object);
        Stub::Local(target).into()
    }

    /// An object that the client holds.
    pub(super) fn object(&self, target: Target) -> Option<Arc<dyn Served>> {
        lock(&self.objects).by_target.get(&target).cloned()
    }

    /// The client does not hold this object any more.
    pub(super) fn forget(&self, target: Target) {
        // Dropped with nothing locked: it may let go of something of the client's.
        let _object = lock(&self.objects).by_target.remove(&target);
    }

    /// Takes a place for an object that is about to be handed out.
    ///
    /// # Errors
    /// The connection holds as many objects as it may.
    pub(super) fn hold(&self) -> Result<Held, Refusal> {
        let max = self.hub.settings().limits.capabilities_held_max;
        let more = |held: usize| (held < max).then_some(held + 1);
        match self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => {
                let metrics = Arc::clone(self.hub.metrics());
                metrics.capabilities_held.inc();
                Ok(Held { metrics, held: Arc::clone(&self.held) })
            }
            Err(held) => Err(Refusal::limit(Limit::CapabilitiesHeldMax, max, held + 1)),
        }
    }

    /// The function that the client offered last to be pushed to.
    pub(super) fn sink(&self) -> Option<Arc<Kept>> {
        lock(&self.sink).clone()
    }

    /// Sets the function to push to.
    pub(super) fn set_sink(&self, sink: Option<Arc<Kept>>) {
        let _before = std::mem::replace(&mut *lock(&self.sink), sink);
    }

    /// Waits for the turn of a call that may have to wait before it stands in a share's queue.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.turn.acquire().await.ok()
    }

    /// Waits until no more than a chunk waits to be written, and for whoever waits for that already. What makes large answers
    /// calls this first, and keeps what it gives until it has answered.
    pub(super) async fn until_a_chunk_fits(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.large_answers.acquire().await.ok();
        self.until_at_most_a_chunk().await;
        // A result holds its chunk, and what it is made of, until the client asks for it.
        let chunk = self.hub.settings().limits.chunk_bytes_max;
        self.link.until_room((4 * chunk).min(WEB_HELD_BYTES_MAX / 4)).await;
        turn
    }

    /// Waits until no more than a chunk waits to be written, and for the watches that wait for that already. A watch calls this before
    /// each step, and keeps what it gives until the step is on its way: so a client that reads is never told more than it can take.
    pub(super) async fn until_a_step_fits(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.steps.acquire().await.ok();
        self.until_at_most_a_chunk().await;
        turn
    }

    /// Waits until no more than a chunk waits to be written.
    pub(super) async fn until_at_most_a_chunk(&self) {
        self.link.until_at_most(self.hub.settings().limits.chunk_bytes_max).await;
    }

    /// Lets go of everything that the connection had.
    pub(super) fn end(&self) {
        self.entry.outlet.end();
        self.set_sink(None);
        let _objects = std::mem::take(&mut lock(&self.objects).by_target);
        let _spawned = self.link.take_spawned();
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("connection", &self.entry.id).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of an object that the client holds; dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Held {
    metrics: Arc<Metrics>,
    held: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.metrics.capabilities_held.dec();
    }
}
