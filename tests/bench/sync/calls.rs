//! The calls, and what they took.

use std::fmt;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use capnp::capability::FromClientHook as _;
use capshare::__internal::contract::convert::read_synced;
use capshare::__internal::share_capnp::{probe_callback, share_rpc, share_writer};
use capshare::client::{Items, Share};
use futures::StreamExt as _;
use futures::future::join_all;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::{floor, hosts};

/// Calls of one measurement.
const CALLS: usize = 2_000;
const PART_BYTES: usize = 1_024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Probe,
    Callback,
    SyncById,
    Sync,
    Linked,
}

pub(crate) const KINDS: [Kind; 5] = [Kind::Probe, Kind::Callback, Kind::SyncById, Kind::Sync, Kind::Linked];

impl Kind {
    /// The linked client has one connection.
    pub(crate) fn takes(self, connections: usize) -> bool {
        self != Self::Linked || connections == 1
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "probe",
            Self::Callback => "callback",
            Self::SyncById => "sync by id",
            Self::Sync => "sync",
            Self::Linked => "linked",
        })
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) calls_per_second: f64,
    /// Of both ends.
    pub(crate) cpu_us: f64,
}

/// What makes the `n`th call.
type Call = Box<dyn Fn(usize) -> Pin<Box<dyn Future<Output = ()>>>>;

/// One thread, its connections and their calls.
pub(crate) struct Calls {
    runtime: Runtime,
    local: LocalSet,
    call: Call,
}

impl Calls {
    pub(crate) fn of_floor(kind: Kind, connections: usize) -> Self {
        let (runtime, local) = hosts::thread();
        let address = floor::serve();
        let call = local.block_on(&runtime, async {
            let roots = join_all((0..connections).map(|_| floor::connect(address))).await;
            match kind {
                Kind::Probe | Kind::Callback => bare(kind, roots),
                Kind::SyncById | Kind::Sync | Kind::Linked => {
                    by_id(roots.into_iter().map(|root| (root, "0".repeat(22), "0".repeat(43))).collect())
                }
            }
        });
        Self { runtime, local, call }
    }

    pub(crate) fn of_host(kind: Kind, connections: usize, in_flight: usize) -> Self {
        let (runtime, local) = hosts::thread();
        let address = hosts::serve();
        let call = local.block_on(&runtime, async {
            if kind == Kind::Linked {
                let client = capshare::Client::builder(format!("ws://{address}")).build().unwrap();
                let shares = (0..in_flight).map(|n| {
                    let client = client.clone();
                    async move { client.create(&format!("ses_{n}").parse().unwrap(), None).await.unwrap() }
                });
                return linked(join_all(shares).await);
            }
            let roots = join_all((0..connections).map(|_| hosts::connect(address))).await;
            if matches!(kind, Kind::Probe | Kind::Callback) {
                return bare(kind, roots);
            }
            let mut shares = Vec::new();
            for (n, root) in roots.into_iter().enumerate() {
                let created = hosts::create(&root, &format!("ses_{n}")).await;
                shares.push((root, created));
            }
            if kind == Kind::SyncById {
                by_id(shares.into_iter().map(|(root, (_, id, secret))| (root, id, secret)).collect())
            } else {
                by_capability(shares.into_iter().map(|(_, (share, ..))| share.cast_to()).collect())
            }
        });
        Self { runtime, local, call }
    }

    /// Makes all calls, so many at a time.
    pub(crate) fn measure(&self, in_flight: usize) -> Figure {
        self.local.block_on(&self.runtime, async {
            let (cpu, begun) = (cpu_ns(), Instant::now());
            let calls = futures::stream::iter((0..CALLS).map(&self.call));
            calls.buffer_unordered(in_flight).for_each(|()| async {}).await;
            let (cpu, took) = (cpu_ns() - cpu, begun.elapsed());
            Figure { calls_per_second: CALLS as f64 / took.as_secs_f64(), cpu_us: cpu as f64 / 1_000.0 / CALLS as f64 }
        })
    }
}

fn bare(kind: Kind, roots: Vec<share_rpc::Client>) -> Call {
    let callback: probe_callback::Client = capnp_rpc::new_client(Callback);
    let bytes = [b'x'; PART_BYTES];
    Box::new(move |n| {
        let root = &roots[n % roots.len()];
        if kind == Kind::Callback {
            let mut request = root.probe_callback_request();
            request.get().set_callback(callback.clone());
            let promise = request.send().promise;
            return Box::pin(async move {
                black_box(promise.await.unwrap().get().unwrap().get_reply().unwrap().len());
            });
        }
        let mut request = root.probe_value_request();
        request.get().init_input().set_bytes(&bytes);
        let promise = request.send().promise;
        Box::pin(async move {
            black_box(promise.await.unwrap().get().unwrap().get_output().unwrap().get_bytes().unwrap().len());
        })
    })
}

struct Callback;

impl probe_callback::Server for Callback {
    async fn call(
        self: Rc<Self>,
        params: probe_callback::CallParams,
        mut results: probe_callback::CallResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_reply(params.get()?.get_message()?);
        Ok(())
    }
}

fn by_id(shares: Vec<(share_rpc::Client, String, String)>) -> Call {
    Box::new(move |n| {
        let (root, id, secret) = &shares[n % shares.len()];
        let mut request = root.sync_share_request();
        request.get().set_share_id(id.as_str());
        request.get().set_secret(secret.as_str());
        request.get().init_data(1).get(0).set_part(part_json().as_str());
        let promise = request.send().promise;
        Box::pin(async move {
            black_box(read_synced(promise.await.unwrap().get().unwrap().get_result().unwrap()).unwrap());
        })
    })
}

fn by_capability(shares: Vec<share_writer::Client>) -> Call {
    Box::new(move |n| {
        let mut request = shares[n % shares.len()].sync_request();
        request.get().init_data(1).get(0).set_part(part_json().as_str());
        let promise = request.send().promise;
        Box::pin(async move {
            black_box(read_synced(promise.await.unwrap().get().unwrap().get_result().unwrap()).unwrap());
        })
    })
}

/// One batch of a share is in flight at a time, so many in flight are many shares.
fn linked(shares: Vec<Share>) -> Call {
    Box::new(move |n| {
        let share = shares[n % shares.len()].clone();
        let mut items = Items::new();
        items.put("part", &part_json()).unwrap();
        Box::pin(async move {
            black_box(share.sync(items).await.unwrap());
        })
    })
}

/// A part that differs from every other.
fn part_json() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let head = format!(r#"{{"id":"prt_{}","messageID":"msg_1","n":"{n:012}","text":""#, n % 500);
    format!("{head}{}\"}}", "x".repeat(PART_BYTES - head.len() - 2))
}

/// Processor time of this process so far, the kernel's for it with it.
fn cpu_ns() -> u64 {
    let of = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or_default()
    };
    std::fs::read_dir("/proc/self/task").unwrap().map(|task| of(task.unwrap())).sum()
}
