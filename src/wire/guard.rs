//! The interceptor before every object that a peer may call.
//!
//! Instead of an object, `guard(client, &budget)` is exported: for the root, and for every capability that a method returns. A call through the guard
//!
//! 1. asks the [`CallObserver`] whether it may begin: on a revoked connection it may not;
//! 2. takes a permit of the connection's [`Budget`], or answers overloaded with the name of the limit;
//! 3. runs, and if it panics, its caller gets "internal error" and the connection goes on. If the peer gives the call up, it is
//!    stopped and fails, so that the vat can return it.
//!
//! The permit comes back when the call returns, fails, panics or is cancelled. The guard shows itself as a settled object
//! of this side, so capnp-rpc never shortens the path around it; objects stay recognisable to a `CapabilityServerSet`.
//! The guard holds its object for as long as anybody holds the guard, and it refuses nothing by itself. Calls from this side
//! pass it like the peer's.

mod budget;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;

use capnp::any_pointer::Owned;
use capnp::capability::{FromClientHook, Promise, RemotePromise, Request, Response};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, RequestHook, ResultsHook};
use capnp::{Error, MessageSize, any_pointer};
use futures::FutureExt as _;

use self::budget::Permit;
pub use self::budget::{Budget, CallObserver, CallOutcome, HeldGuard};
use crate::wire::call::PeerCall;

/// Puts `client` behind a guard that takes permits from `budget`.
pub fn guard<C: FromClientHook>(client: C, budget: &Rc<Budget>) -> C {
    C::new(Box::new(Guard { inner: client.into_client_hook(), budget: budget.clone() }))
}

struct Guard {
    inner: Box<dyn ClientHook>,
    budget: Rc<Budget>,
}

impl ClientHook for Guard {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self { inner: self.inner.add_ref(), budget: self.budget.clone() })
    }

    fn new_call(&self, interface_id: u64, method_id: u16, size: Option<MessageSize>) -> Request<Owned, Owned> {
        let inner = self.inner.new_call(interface_id, method_id, size).hook;
        Request::new(Box::new(GuardedRequest { inner, interface_id, method_id, budget: self.budget.clone() }))
    }

    fn call(
        &self,
        interface_id: u64,
        method_id: u16,
        params: Box<dyn ParamsHook>,
        results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        let call = PeerCall::take_up();
        match self.budget.admit(interface_id, method_id) {
            Ok(permit) => watch(permit, call, || self.inner.call(interface_id, method_id, params, results)),
            Err(refusal) => Promise::err(refusal),
        }
    }

    fn get_brand(&self) -> usize {
        0 // Of no connection: the guard is an object of this side, even before a capability that came from a peer.
    }

    fn get_ptr(&self) -> usize {
        self.inner.get_ptr()
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        Promise::ok(())
    }
}

/// A call that this side makes through a guard. It takes its permit when it is sent, not when it is built.
struct GuardedRequest {
    inner: Box<dyn RequestHook>,
    interface_id: u64,
    method_id: u16,
    budget: Rc<Budget>,
}

impl RequestHook for GuardedRequest {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        self.inner.get()
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn send(self: Box<Self>) -> RemotePromise<Owned> {
        let permit = match self.budget.admit(self.interface_id, self.method_id) {
            Ok(permit) => permit,
            Err(refusal) => return broken_send(refusal),
        };
        match catch_unwind(AssertUnwindSafe(|| self.inner.send())) {
            Ok(RemotePromise { promise, pipeline }) => {
                RemotePromise { promise: watch::<Response<Owned>>(permit, None, || promise), pipeline }
            }
            Err(_panic) => broken_send(permit.panicked()),
        }
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        match self.budget.admit(self.interface_id, self.method_id) {
            Ok(permit) => watch(permit, None, || self.inner.send_streaming()),
            Err(refusal) => Promise::err(refusal),
        }
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None // As a tail call it would leave the guard behind; callers then send it as an ordinary one.
    }
}

/// Begins a call and sees it to its end, or until the peer gives it up. The permit lives in the promise, so dropping that gives it
/// back.
fn watch<T: 'static>(
    permit: Permit,
    call: Option<PeerCall>,
    begin: impl FnOnce() -> Promise<T, Error>,
) -> Promise<T, Error> {
    // Begun here and not at the first poll: calls on one object must start in the order in which they were made.
    let Ok(running) = catch_unwind(AssertUnwindSafe(begin)) else {
        return Promise::err(permit.panicked());
    };
    Promise::from_future(async move {
        let mut running = AssertUnwindSafe(running).catch_unwind();
        let ended = poll_fn(|cx| match &call {
            Some(call) if call.is_given_up(cx) => Poll::Ready(None),
            Some(_) | None => running.poll_unpin(cx).map(Some),
        });
        match ended.await {
            Some(Ok(result)) => {
                permit.returned(result.as_ref().err());
                result
            }
            Some(Err(_panic)) => Err(permit.panicked()),
            None => Err(Error::failed("the caller gave this call up".into())),
        }
    })
}

fn broken_send(error: Error) -> RemotePromise<Owned> {
    capnp_rpc::new_broken_cap(error).hook.new_call(0, 0, None).hook.send()
}
