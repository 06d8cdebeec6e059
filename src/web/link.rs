//! One connection's session, as those see it that serve its calls: calling the client back, keeping what it handed over, and
//! running something beside the calls.
//!
//! The connection's task takes frames and events out of the session; whatever else touches it stirs that task. The lock is held for
//! one step of the session and never across an await.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::capnweb::{CallId, Import, NotSent, PathPart, Session, Value};
use crate::share::limits::web::WEB_RESULT_KEPT_FOR;

/// A session that several hold.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<State>,
    /// Something was done to the session that its connection's task has to see to.
    stirred: Notify,
    /// Bytes that wait to be written: in the session, and in the socket.
    queued: Arc<AtomicU64>,
    drained: Notify,
}

struct State {
    session: Session,
    /// Who waits for the answers of calls of the client.
    waiting: HashMap<Import, oneshot::Sender<Result<Value, Value>>>,
    begun: Instant,
    /// What is to run on the connection's task. Bound: each was begun by a call, a push or a watch, which are bounded.
    spawned: Vec<BoxFuture<'static, ()>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("session", &self.session.stats()).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(session: Session) -> Arc<Self> {
        let state = State { session, waiting: HashMap::new(), begun: Instant::now(), spawned: Vec::new() };
        Arc::new(Self {
            state: Mutex::new(state),
            stirred: Notify::new(),
            queued: Arc::default(),
            drained: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one step of the session, for the connection's own task.
    pub(super) fn step<T>(&self, step: impl FnOnce(&mut Session) -> T) -> T {
        let mut state = self.lock();
        let now = state.begun.elapsed();
        state.session.set_now(now);
        step(&mut state.session)
    }

    /// Waits until the session has room for so many bytes of a result: until the client has fetched results that it holds, or they are old.
    pub(super) async fn until_room(&self, bytes: usize) {
        loop {
            let drained = self.drained.notified();
            let (is_there, dropped) = self.step(|session| {
                let before = session.stats().nodes;
                (session.has_room(bytes), session.stats().nodes < before)
            });
            if dropped {
                self.stirred.notify_one();
            }
            if is_there {
                return;
            }
            // Results become old with nothing else that happens.
            let _aged = timeout(WEB_RESULT_KEPT_FOR, drained).await;
        }
    }

    /// Resolves when the connection's task has something to see to. To be awaited by that alone.
    pub(super) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// Says that the answer of a call may need the client's help, before anything is asked of it.
    pub(super) fn awaits_peer(&self, call: CallId) {
        self.lock().session.awaits_peer(call);
        self.stirred.notify_one();
    }

    /// Calls an object of the client and asks for the answer. Dropping what this gives gives the call up.
    ///
    /// # Errors
    /// Nothing was sent: the session has ended, or has too many such calls.
    pub(super) fn ask(
        self: &Arc<Self>,
        object: Import,
        path: &[PathPart],
        args: &[Value],
    ) -> Result<AskedOfPeer, NotSent> {
        self.begin(object, path, Some(args))
    }

    /// As [`Link::ask`], for a member that is only read.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(super) fn read(self: &Arc<Self>, object: Import, path: &[PathPart]) -> Result<AskedOfPeer, NotSent> {
        self.begin(object, path, None)
    }

    fn begin(
        self: &Arc<Self>,
        object: Import,
        path: &[PathPart],
        args: Option<&[Value]>,
    ) -> Result<AskedOfPeer, NotSent> {
        let mut state = self.lock();
        let import = state.session.call(object, path, args)?;
        state.session.pull(import);
        let (tell, answer) = oneshot::channel();
        state.waiting.insert(import, tell);
        drop(state);
        self.stirred.notify_one();
        Ok(AskedOfPeer { link: Arc::clone(self), import, answer })
    }

    /// Calls an object of the client without asking for the answer.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(super) fn tell(&self, object: Import, path: &[PathPart], args: &[Value]) -> Result<(), NotSent> {
        let mut state = self.lock();
        let import = state.session.call(object, path, Some(args))?;
        state.session.release(import);
        drop(state);
        self.stirred.notify_one();
        Ok(())
    }

    /// Keeps an object of the client that is an argument of a call which is not answered yet. Dropping what this gives releases it.
    /// `None`: the client has taken it back.
    pub(super) fn keep(self: &Arc<Self>, object: Import) -> Option<Kept> {
        self.lock().session.retain(object).then(|| Kept { link: Arc::downgrade(self), object })
    }

    /// Gives the answer of a call of the client to whom it is for. What is held by a result is let go.
    pub(super) fn settled(&self, import: Import, result: Result<Value, Value>) {
        let mut state = self.lock();
        if let Ok(value) = &result {
            state.session.release_all(value);
        }
        let waiting = state.waiting.remove(&import);
        drop(state);
        if let Some(waiting) = waiting {
            let _gone = waiting.send(result);
        }
    }

    /// Runs something on the connection's task until it is done or the connection ends.
    pub(super) fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.lock().spawned.push(task);
        self.stirred.notify_one();
    }

    /// What was spawned since the last call.
    pub(super) fn take_spawned(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut self.lock().spawned)
    }

    /// The figure of bytes that wait to be written, for the registry.
    pub(super) fn queued(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.queued)
    }

    /// Notes how many bytes wait in the socket, and gives how many wait in all.
    pub(super) fn note_unsent(&self, unsent: usize) -> usize {
        let queued = self.lock().session.stats().queued_bytes + unsent;
        self.queued.store(queued as u64, Ordering::Relaxed);
        self.drained.notify_waiters();
        queued
    }

    /// Waits until at most so many bytes wait to be written.
    pub(super) async fn until_at_most(&self, bytes: usize) {
        loop {
            let drained = self.drained.notified();
            let in_session = self.lock().session.stats().queued_bytes;
            if in_session <= bytes && self.queued.load(Ordering::Relaxed) <= bytes as u64 {
                return;
            }
            drained.await;
        }
    }
}

/// A call of an object of the client, on its way. Resolves to what the client answered, or to `None` when the session has ended.
#[derive(Debug)]
pub(super) struct AskedOfPeer {
    link: Arc<Link>,
    import: Import,
    answer: oneshot::Receiver<Result<Value, Value>>,
}

impl Future for AskedOfPeer {
    type Output = Option<Result<Value, Value>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(Result::ok)
    }
}

impl Drop for AskedOfPeer {
    fn drop(&mut self) {
        let mut state = self.link.lock();
        if state.waiting.remove(&self.import).is_some() {
            state.session.release(self.import);
            drop(state);
            self.link.stirred.notify_one();
        }
    }
}

/// An object of the client that the host keeps. Dropping it releases the object.
#[derive(Debug)]
pub(super) struct Kept {
    link: Weak<Link>,
    object: Import,
}

impl Kept {
    pub(super) const fn object(&self) -> Import {
        self.object
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.lock().session.release(self.object);
            link.stirred.notify_one();
        }
    }
}
