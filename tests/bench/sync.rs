//! What does a sync cost beside the least that such a call can cost?
//!
//! **Scene.** A host over memory with one worker serves a WebSocket on loopback; a client on one thread keeps 1, 16 or 128
//! calls in flight. Each call syncs one part of 1 KiB that differs from the one before. `sync_by_capability` and `sync_by_id`
//! are bare Cap'n Proto on the client's side, `sync_linked` is [`capshare::Client`] with its thread and its channels, and
//! `echo` is the floor: bare capnp-rpc over TCP with buffers and NODELAY, whose method gives 1 KiB back to one thread.
//!
//! **Noise.** Two cores are shared by client, host and kernel: compare rows of one run, not runs. Run it by hand:
//!
//! ```text
//! cargo bench --bench sync --features bin,testing
//! ```
//!
//! Items a second are calls a second; the figure to watch is `sync_by_capability` over `echo`.
#![expect(clippy::unwrap_used, reason = "a bench that meets an error has failed")]

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use async_tungstenite::tokio::client_async_with_config;
use capnp::capability::FromClientHook as _;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side, twoparty};
use capshare::client::Items;
use capshare::contract::convert::read_synced;
use capshare::host::{Host, HostSettings};
use capshare::hub::access::SingleAccount;
use capshare::hub::ambient::Ambient;
use capshare::share_capnp::{share, share_rpc, share_writer};
use capshare::wire::vat::{self, VatLimits};
use capshare::wire::websocket::{PipeOptions, pipe, socket_config};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use futures::StreamExt as _;
use futures::io::{AsyncReadExt as _, BufReader, BufWriter};
use object_store::memory::InMemory;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

/// Calls of one sample.
const CALLS: usize = 2_000;
const IN_FLIGHT: [usize; 3] = [1, 16, 128];
const PART_BYTES: usize = 1_024;

fn main() {
    divan::main();
}

#[divan::bench(args = IN_FLIGHT, sample_count = 20, sample_size = 1)]
fn echo(bencher: Bencher<'_, '_>, in_flight: usize) {
    let address = serve_echo();
    let (runtime, local) = thread();
    let root: share_rpc::Client = local.block_on(&runtime, async {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.compat().split();
        let network = twoparty::VatNetwork::new(
            BufReader::new(reader),
            BufWriter::new(writer),
            Side::Client,
            capnp::message::ReaderOptions::new(),
        );
        let mut rpc = RpcSystem::new(Box::new(network), None);
        let root = rpc.bootstrap(Side::Server);
        tokio::task::spawn_local(rpc);
        root
    });
    let bytes = [b'x'; PART_BYTES];
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| {
        local.block_on(
            &runtime,
            window(in_flight, |_| {
                let mut request = root.probe_value_request();
                request.get().init_input().set_bytes(&bytes);
                let promise = request.send().promise;
                async move {
                    black_box(promise.await.unwrap().get().unwrap().get_output().unwrap().get_bytes().unwrap().len())
                }
            }),
        );
    });
}

#[divan::bench(args = IN_FLIGHT, sample_count = 20, sample_size = 1)]
fn sync_by_capability(bencher: Bencher<'_, '_>, in_flight: usize) {
    let scene = Scene::new();
    let share: share::Client = scene.create().0;
    let writer: share_writer::Client = share.cast_to();
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| {
        scene.local.block_on(&scene.runtime, window(in_flight, |_| {
            let mut request = writer.sync_request();
            request.get().init_data(1).get(0).set_part(part_json().as_str());
            let promise = request.send().promise;
            async move { read_synced(promise.await.unwrap().get().unwrap().get_result().unwrap()).unwrap().sync_count }
        }));
    });
}

#[divan::bench(args = IN_FLIGHT, sample_count = 20, sample_size = 1)]
fn sync_by_id(bencher: Bencher<'_, '_>, in_flight: usize) {
    let scene = Scene::new();
    let (_share, id, secret) = scene.create();
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| {
        scene.local.block_on(&scene.runtime, window(in_flight, |_| {
            let mut request = scene.root.sync_share_request();
            request.get().set_share_id(id.as_str());
            request.get().set_secret(secret.as_str());
            request.get().init_data(1).get(0).set_part(part_json().as_str());
            let promise = request.send().promise;
            async move { read_synced(promise.await.unwrap().get().unwrap().get_result().unwrap()).unwrap().sync_count }
        }));
    });
}

#[divan::bench(args = IN_FLIGHT, sample_count = 20, sample_size = 1)]
fn sync_linked(bencher: Bencher<'_, '_>, in_flight: usize) {
    let (_host, address) = serve();
    let (runtime, local) = thread();
    let client = capshare::Client::builder(format!("ws://{address}")).build().unwrap();
    // One batch of a share is in flight at a time, so many in flight are many shares.
    let shares: Vec<_> = local.block_on(&runtime, async {
        let shares = (0..in_flight).map(|n| {
            let client = client.clone();
            async move { client.create(&format!("ses_{n}").parse().unwrap(), None).await.unwrap() }
        });
        futures::future::join_all(shares).await
    });
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| {
        local.block_on(
            &runtime,
            window(in_flight, |n| {
                let share = shares[n % in_flight].clone();
                let mut items = Items::new();
                items.put("part", &part_json()).unwrap();
                async move { share.sync(items).await.unwrap().sync_count }
            }),
        );
    });
}

/// Makes all calls, so many at a time.
async fn window<F: Future<Output: Sized>>(in_flight: usize, call: impl FnMut(usize) -> F) {
    futures::stream::iter((0..CALLS).map(call)).buffer_unordered(in_flight).for_each(|_| async {}).await;
}

/// A part that differs from every other.
fn part_json() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let head = format!(r#"{{"id":"prt_{}","messageID":"msg_1","n":"{n:012}","text":""#, n % 500);
    format!("{head}{}\"}}", "x".repeat(PART_BYTES - head.len() - 2))
}

/// A bare connection to a host, from one thread.
struct Scene {
    _host: Host,
    runtime: Runtime,
    local: LocalSet,
    root: share_rpc::Client,
}

impl Scene {
    fn new() -> Self {
        let (host, address) = serve();
        let (runtime, local) = thread();
        let root = local.block_on(&runtime, async {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let url = format!("ws://{address}/rpc/share");
            let (socket, _) = client_async_with_config(url, stream, Some(socket_config(4 << 20))).await.unwrap();
            let options = PipeOptions { message_bytes_max: 4 << 20, close_within: std::time::Duration::from_secs(1) };
            let (reader, writer, control) = pipe(socket, options);
            let limits = VatLimits { message_bytes_max: 4 << 20, nesting_max: 64, queued_bytes_max: None };
            let (vat, root) = vat::connect(reader, writer, limits);
            tokio::task::spawn_local(async move {
                let _control = control;
                vat.await
            });
            root
        });
        Self { _host: host, runtime, local, root }
    }

    fn create(&self) -> (share::Client, String, String) {
        self.local.block_on(&self.runtime, async {
            let mut request = self.root.create_share_request();
            request.get().set_session_id("ses_1");
            let response = request.send().promise.await.unwrap();
            let results = response.get().unwrap();
            let capshare::share_capnp::create_result::Which::Created(created) =
                results.get_result().unwrap().which().unwrap()
            else {
                panic!("refused")
            };
            let text = |text: capnp::text::Reader<'_>| text.to_string().unwrap();
            (results.get_share().unwrap(), text(created.get_id().unwrap()), text(created.get_secret().unwrap()))
        })
    }
}

fn thread() -> (Runtime, LocalSet) {
    (tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), LocalSet::new())
}

/// A host with one worker, on threads of its own.
fn serve() -> (Host, SocketAddr) {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (runtime, local) = thread();
        local.block_on(&runtime, async move {
            let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
            let mut settings = HostSettings::default();
            settings.workers = 1;
            settings.hub.poll = None;
            let host = Host::new(Arc::new(InMemory::new()), access, Ambient::system(), settings).unwrap();
            let address = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
            sender.send((host, address)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// An echo on a thread of its own.
fn serve_echo() -> SocketAddr {
    struct Echo;
    impl share_rpc::Server for Echo {
        async fn probe_value(
            self: Rc<Self>,
            params: share_rpc::ProbeValueParams,
            mut results: share_rpc::ProbeValueResults,
        ) -> Result<(), capnp::Error> {
            results.get().set_output(params.get()?.get_input()?)
        }
    }
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (runtime, local) = thread();
        local.block_on(&runtime, async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (reader, writer) = stream.compat().split();
                let network = twoparty::VatNetwork::new(
                    BufReader::new(reader),
                    BufWriter::new(writer),
                    Side::Server,
                    capnp::message::ReaderOptions::new(),
                );
                let root: share_rpc::Client = capnp_rpc::new_client(Echo);
                tokio::task::spawn_local(RpcSystem::new(Box::new(network), Some(root.client)));
            }
        });
    });
    receiver.recv().unwrap()
}
