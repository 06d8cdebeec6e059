//! What a call costs, counted: allocations, and writes to the socket. Counts are the same on every machine, whatever else it
//! does, so a change that makes calls dearer is seen here and not only on a bench. A binary of its own, because what counts
//! allocations is the whole binary's allocator.
//!
//! A bound is what was counted when it was last lowered and a few more, for what a library may change. Whoever makes calls
//! cheaper lowers it.
#![expect(clippy::unwrap_used, reason = "a scene that meets an error has failed")]

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use allocation_counter::measure;
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::Role;
use capshare::__internal::share_capnp::share_rpc;
use capshare::__internal::wire::guard::{Budget, guard};
use capshare::__internal::wire::vat::{self, VatLimits};
use capshare::__internal::wire::websocket::{PipeOptions, pipe, socket_config};
use capshare::client::Items;
use capshare::testing::Scene;
use futures::future::join_all;
use futures::{AsyncRead, AsyncWrite};
use tokio::io::DuplexStream;
use tokio::runtime::Runtime;
use tokio::task::{LocalSet, spawn_local};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

mod capnweb;
mod waiting;

const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Calls in flight at once, as the benches have it.
const AT_ONCE: usize = 64;
const ROUNDS: usize = 10;

/// Allocations of a call and its answer, of both ends together: counted 99, most of them capnp-rpc's.
const CALL_ALLOCATIONS_MAX: u64 = 103;
/// Allocations of a sync of one item through the linked client, the client's, the host's and the memory store's together:
/// counted 151.
const SYNC_ALLOCATIONS_MAX: u64 = 156;
/// Calls that one write carries at least, and answers, when so many are made at once.
const CALLS_A_WRITE_MIN: usize = 6;

#[test]
fn a_call_takes_few_allocations() {
    let (runtime, local) = thread();
    let (rpc, _writes) = local.block_on(&runtime, async { connect().await });
    let round = || local.block_on(&runtime, calls(&rpc));
    round(); // The buffers have their size after it.
    let counted = measure(|| (0..ROUNDS).for_each(|_| round()));
    let each = counted.count_total / (ROUNDS * AT_ONCE) as u64;
    assert!(each <= CALL_ALLOCATIONS_MAX, "{each} allocations a call");
}

#[test]
fn a_sync_takes_few_allocations() {
    let (runtime, local) = thread();
    let (_scene, share) = local.block_on(&runtime, async {
        let scene = Scene::builder().build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        (scene, share)
    });
    let sync = |n: usize| {
        let mut items = Items::new();
        items.put("part", &format!(r#"{{"id":"prt_{}","messageID":"msg_1","text":"{n}"}}"#, n % 10)).unwrap();
        local.block_on(&runtime, async {
            share.sync(items).await.unwrap();
        });
    };
    (0..100).for_each(sync);
    let counted = measure(|| (100..200).for_each(sync));
    let each = counted.count_total / 100;
    assert!(each <= SYNC_ALLOCATIONS_MAX, "{each} allocations a sync");
}

#[test]
fn calls_that_are_made_at_once_share_their_writes() {
    let (runtime, local) = thread();
    local.block_on(&runtime, async {
        let (rpc, writes) = connect().await;
        calls(&rpc).await;
        for written in &writes {
            written.set(0);
        }
        calls(&rpc).await;
        for written in writes {
            let written = written.get();
            assert!(written * CALLS_A_WRITE_MIN <= AT_ONCE, "{written} writes for {AT_ONCE} calls or answers");
        }
    });
}

fn thread() -> (Runtime, LocalSet) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    (runtime, LocalSet::new())
}

async fn calls(rpc: &share_rpc::Client) {
    let calls = (0..AT_ONCE).map(|_| {
        let mut request = rpc.probe_value_request();
        request.get().init_input().set_bytes(&[7; 256]);
        request.send().promise
    });
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().get().unwrap().get_output().unwrap().get_bytes().unwrap().len(), 256);
    }
}

struct Root;

impl share_rpc::Server for Root {
    async fn probe_value(
        self: Rc<Self>,
        params: share_rpc::ProbeValueParams,
        mut results: share_rpc::ProbeValueResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_output(params.get()?.get_input()?)
    }
}

/// A host and a client on a WebSocket in memory, both running, and how often each wrote.
async fn connect() -> (share_rpc::Client, [Rc<Cell<usize>>; 2]) {
    let (host, client) = tokio::io::duplex(256 * 1024);
    let limits = VatLimits {
        message_bytes_max: MESSAGE_BYTES_MAX,
        nesting_max: 64,
        queued_bytes_max: None,
        calls_kept_max: 10_000,
    };
    let options = PipeOptions { message_bytes_max: MESSAGE_BYTES_MAX, close_within: Duration::from_secs(2) };
    let (host, host_writes) = socket(host, Role::Server).await;
    let (client, client_writes) = socket(client, Role::Client).await;
    let (reader, writer, control) = pipe(host, options);
    let budget = Budget::new(1024, 1024);
    let root: share_rpc::Client = guard(capnp_rpc::new_client(Root), &budget);
    let host = vat::serve(reader, writer, root.client, limits);
    let (reader, writer, client_control) = pipe(client, options);
    let (client, rpc) = vat::connect(reader, writer, limits);
    for (vat, control) in [(host, control), (client, client_control)] {
        spawn_local(async move {
            let _open = control;
            vat.await
        });
    }
    (rpc, [host_writes, client_writes])
}

async fn socket(end: DuplexStream, role: Role) -> (WebSocketStream<Counted>, Rc<Cell<usize>>) {
    let writes = Rc::<Cell<usize>>::default();
    let counted = Counted { inner: end.compat(), writes: Rc::clone(&writes) };
    (WebSocketStream::from_raw_socket(counted, role, Some(socket_config(MESSAGE_BYTES_MAX))).await, writes)
}

/// A stream whose writes are counted: each is a system call on a socket.
struct Counted {
    inner: Compat<DuplexStream>,
    writes: Rc<Cell<usize>>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.set(self.writes.get() + 1);
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
