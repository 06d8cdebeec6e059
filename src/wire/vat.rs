//! A supervised RPC system: the future that runs one connection.
//!
//! The doors call [`serve`], the client calls [`connect`]; both work over any futures byte stream. capnp-rpc's own
//! `RpcSystem` must never be dropped with work pending: local calls would hang for ever, and the futures and objects of
//! the peer would leak. So a [`Vat`] disconnects it on every way out: when it ends, when a panic comes out of it, and when
//! the [`Vat`] is dropped or its task aborted. By then all waiting calls have failed as disconnected, the futures of all
//! running methods are dropped, and every exported object is released.
//!
//! The vat queues and counts what it has not yet written ([`VatMeter`]), because capnp-rpc bounds nothing: the queue grows
//! with every answer to a peer that does not read. The bound is [`VatLimits::queued_bytes_max`]; the policy is to take no
//! further request while more than that is waiting. Calls already running may add their answers to it.
//!
//! It also does for calls what capnp-rpc leaves undone, above all for those that their caller gives up: see its [`Ledger`].
//!
//! It refuses messages past the traversal limit (the connection ends as failed), and it does not close the stream below
//! in any polite way: see [`PipeControl::close`](super::websocket::PipeControl::close).

mod ledger;
mod meter;
mod network;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use capnp::capability::{Client, FromClientHook};
use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{Disconnector, RpcSystem};
use futures::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;

pub use self::ledger::{LastWords, Ledger};
pub use self::meter::VatMeter;
use self::network::Network;

#[cfg(fuzzing)]
pub(super) use self::network::{messages_in, reader_options_for};

/// How much one vat takes from its peer.
#[derive(Clone, Copy, Debug)]
pub struct VatLimits {
    /// Bytes of one message. A reader may traverse four times as many, so that every field can be read more than once.
    pub message_bytes_max: usize,
    /// Structs and lists inside one another in a message; capnp's own default is 64.
    pub nesting_max: u16,
    /// Bytes that may wait to be written before the vat stops taking messages; `None` for no bound. Set it on the host
    /// only: if both ends wait for the other to read, both wait for ever.
    pub queued_bytes_max: Option<u64>,
    /// Number of the peer's calls that may be open, and number of this side's calls that it gave up and the peer has not
    /// returned. Past either the vat ends with an error ([`Ledger::is_full`]), and the client makes a new connection.
    pub calls_kept_max: usize,
}

impl VatLimits {
    fn reader_options(&self) -> ReaderOptions {
        let words = self.message_bytes_max.div_ceil(size_of::<u64>());
        *ReaderOptions::new()
            .traversal_limit_in_words(Some(words.saturating_mul(4)))
            .nesting_limit(self.nesting_max.into())
    }
}

/// Makes the host's vat of a connection. The peer gets `bootstrap`, which should stand behind a
/// [`guard`](super::guard::guard). Nothing happens before the vat is polled.
pub fn serve<R, W>(reader: R, writer: W, bootstrap: Client, limits: VatLimits) -> Vat
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin + 'static,
{
    Vat::new(reader, writer, Side::Server, Some(bootstrap), limits)
}

/// Makes the client's vat of a connection, and the host's bootstrap capability. Calls may be made on the capability at once;
/// they travel when the vat is polled.
pub fn connect<R, W, C>(reader: R, writer: W, limits: VatLimits) -> (Vat, C)
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin + 'static,
    C: FromClientHook,
{
    let mut vat = Vat::new(reader, writer, Side::Client, None, limits);
    let bootstrap = match &mut vat.rpc {
        Some(rpc) => rpc.bootstrap(Side::Server),
        None => C::new(capnp_rpc::new_broken_cap(capnp::Error::disconnected("no connection".into())).hook),
    };
    (vat, bootstrap)
}

/// A running RPC system. Poll it on the thread that made it; it ends when the connection does.
///
/// `Ok` means that the peer, the stream or this side disconnected. `Err` means that the peer broke the protocol or a
/// limit, or that a panic came out of the RPC system ("internal error"). Either way nothing of the connection is left.
#[must_use = "a vat does nothing unless polled, and ends its connection when dropped"]
pub struct Vat {
    rpc: Option<RpcSystem<Side>>,
    disconnector: Disconnector<Side>,
    /// The runtime that it was made in, if it was made in one: whoever drops the vat may be outside of it, and calls that go on then
    /// make timers.
    runtime: Option<Handle>,
    meter: VatMeter,
    ledger: Ledger,
}

impl Vat {
    fn new<R, W>(reader: R, writer: W, side: Side, bootstrap: Option<Client>, limits: VatLimits) -> Self
    where
        R: AsyncRead + Unpin + 'static,
        W: AsyncWrite + Unpin + 'static,
    {
        let meter = VatMeter::new();
        let ledger = Ledger::new(limits.calls_kept_max);
        let network = Network::new(reader, writer, side, limits, &meter, &ledger);
        let rpc = RpcSystem::new(Box::new(network), bootstrap);
        let runtime = Handle::try_current().ok();
        Self { disconnector: rpc.get_disconnector(), rpc: Some(rpc), runtime, meter, ledger }
    }

    /// Tells how much waits to be written. The meter may outlive the vat.
    pub fn meter(&self) -> VatMeter {
        self.meter.clone()
    }

    /// Tells which calls are open, and what the peer said when it ended the connection. The ledger may outlive the vat.
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// Runs what is ready, without waiting for the peer. After it, the answers of all methods that have returned are in the
    /// queue; [`VatMeter::until_at_most`] with 0 then waits until they are out.
    pub fn settle(&mut self) {
        let Some(rpc) = &mut self.rpc else { return };
        if catch_unwind(AssertUnwindSafe(|| wind_down(rpc))).is_err() {
            tracing::error!("a panic came out of an RPC system; its connection ends");
            self.disconnect();
        }
    }

    /// Ends the connection now. Destructors of server objects run in here, so that their panics are contained too.
    fn disconnect(&mut self) {
        let Some(mut rpc) = self.rpc.take() else { return };
        let _inside = self.runtime.as_ref().map(Handle::enter);
        self.meter.close();
        let finished = catch_unwind(AssertUnwindSafe(|| {
            let mut nobody = Context::from_waker(Waker::noop());
            // The first poll disconnects before it returns, and rejects all questions.
            let _farewell = Pin::new(&mut self.disconnector).poll(&mut nobody);
            // The answers of calls that also have a pipeline go through tasks of the RPC system.
            wind_down(&mut rpc);
            drop(rpc);
            // Now that the queue is gone, this lets go of the connection that the farewell holds.
            let _farewell = Pin::new(&mut self.disconnector).poll(&mut nobody);
        }));
        if finished.is_err() {
            tracing::error!("a panic came out of a connection's objects while it was taken down");
        }
    }
}

/// Runs what is ready in an RPC system, without waiting. A system that is disconnected has nothing left to do after this.
fn wind_down(rpc: &mut RpcSystem<Side>) {
    const ROUNDS_MAX: u32 = 1000; // Each takes at least one task off a list that nothing lengthens any more.
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    for _ in 0..ROUNDS_MAX {
        // Also after it is ready: it may have met its end before the tasks that tell the callers.
        let _end = Pin::new(&mut *rpc).poll(&mut Context::from_waker(&waker));
        if !woken.0.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Future for Vat {
    type Output = Result<(), capnp::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(rpc) = &mut self.rpc else { return Poll::Ready(Ok(())) };
        let output = match catch_unwind(AssertUnwindSafe(|| Pin::new(rpc).poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => output.map_err(network::as_fault),
            Err(_panic) => {
                tracing::error!("a panic came out of an RPC system; its connection ends");
                Err(capnp::Error::failed("internal error".into()))
            }
        };
        self.disconnect();
        Poll::Ready(output)
    }
}

impl Drop for Vat {
    fn drop(&mut self) {
        self.disconnect();
    }
}

impl std::fmt::Debug for Vat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vat")
            .field("ended", &self.rpc.is_none())
            .field("meter", &self.meter)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}
