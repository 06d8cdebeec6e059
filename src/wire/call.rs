//! A call of the peer, on its way from the vat that receives it to the guard that runs it.
//!
//! capnp-rpc gives a guard no way to tell which of the peer's calls it runs, and a vat none to stop a call so that it is
//! answered. But it makes a call on a settled object while it handles the message, before it asks the vat for the next one. So
//! the vat hands the call out here, the guard takes it up, and by the time the vat is asked for another message it knows whether
//! anybody did. A call on a promise that is not resolved is made later, outside the handling of its message: no guard can take
//! that up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

thread_local! {
    /// The call whose message capnp-rpc is handling on this thread.
    static HANDED_OUT: RefCell<Option<PeerCall>> = const { RefCell::new(None) };
}

/// A call of the peer: a handle that the vat and the guard share.
#[derive(Clone, Default)]
pub(super) struct PeerCall(Rc<State>);

#[derive(Default)]
struct State {
    given_up: Cell<bool>,
    /// The task that runs the call.
    runner: Cell<Option<Waker>>,
}

impl PeerCall {
    /// Hands the call out to the guard that capnp-rpc is about to call.
    pub(super) fn hand_out(&self) {
        HANDED_OUT.set(Some(self.clone()));
    }

    /// Takes back the call that was handed out; `None` if a guard has taken it up, or if there was none.
    pub(super) fn take_back() -> Option<Self> {
        HANDED_OUT.take()
    }

    /// Takes up the call that this guard is called for; `None` if the peer did not make it just now.
    pub(super) fn take_up() -> Option<Self> {
        HANDED_OUT.take()
    }

    /// Tells the guard that the peer does not want an answer any more.
    pub(super) fn give_up(&self) {
        self.0.given_up.set(true);
        if let Some(runner) = self.0.runner.take() {
            runner.wake();
        }
    }

    /// Whether the peer gave the call up; if not, the asking task is woken when it does.
    pub(super) fn is_given_up(&self, cx: &Context<'_>) -> bool {
        if !self.0.given_up.get() {
            self.0.runner.set(Some(cx.waker().clone()));
        }
        self.0.given_up.get()
    }
}
