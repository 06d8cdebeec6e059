//! What does a call cost beside the least that it can cost, and beside other ways to call?
//!
//! **Scene.** One thread of this process calls `syncShare` with a part of 256 B to 64 KiB, keeps so many calls in flight on one
//! connection or on sixteen, and counts the answers for a second and a half after a warm-up. Each part differs from the one
//! before. Capshare applies it to a share in memory; the peers, but for the Durable Object, only count: they are floors. *In
//! flight* is for all connections together. The callback is `probeCallback`: the client hands over a capability, and the host
//! calls it before it answers. `capshare` is called by the code that the schema's compiler makes, over a WebSocket, and the floor
//! `capnp-rpc TCP` by the same code with the same messages; `capshare, linked` is the client that services link, where a
//! share has one batch in flight, so that many in flight are many shares; `capshare, Cap'n Web` is the door for TypeScript, called by the
//! client that calls the other servers of Cap'n Web.
//!
//! **Noise.** Driver, system and kernel share the cores, and the driver is most of the work for the fastest systems: compare
//! systems within a line. `cpu us/call` is the kernel's account of the system's processes alone; it bears a busy machine.

mod capnweb;
mod grpc;
mod jsonrpc;
mod linked;

use std::time::Duration;

use crate::aims::{Aim, Bound, Pick};
use crate::context::Context;
use crate::drive::caller::{Caller, Cell, Work};
use crate::drive::capnp;
use crate::figure::Figure;
use crate::running::Running;
use crate::scene::{Contender, Scene};
use crate::systems::capnweb::CapnWeb;
use crate::systems::capshare::Capshare;
use crate::systems::{Own, capnp_tcp, grpc as grpc_system, jsonrpc as jsonrpc_system};

/// The most connections of a cell.
const CONNECTIONS_MAX: usize = 16;
const KIB: usize = 1_024;
/// How long a cell counts.
const TIME: Duration = Duration::from_millis(1_500);

/// What is driven: (what, connections, in flight).
const CELLS: &[(Work, usize, usize)] = &[
    (Work::Sync(KIB), 1, 1),
    (Work::Sync(KIB), 1, 16),
    (Work::Sync(KIB), 1, 64),
    (Work::Sync(KIB), 1, 256),
    (Work::Sync(KIB), 16, 16),
    (Work::Sync(KIB), 16, 64),
    (Work::Sync(KIB), 16, 256),
    (Work::Sync(256), 1, 1),
    (Work::Sync(256), 1, 64),
    (Work::Sync(16 * KIB), 1, 1),
    (Work::Sync(16 * KIB), 1, 64),
    (Work::Sync(64 * KIB), 1, 1),
    (Work::Sync(64 * KIB), 1, 64),
    (Work::Callback, 1, 1),
    (Work::Callback, 1, 64),
];

const ONE: &str = "1 KiB, 1 in flight, 1 connection";
const MANY: &str = "1 KiB, 64 in flight, 1 connection";
const CALLBACK: &str = "callback, 64 in flight, 1 connection";

const fn rate(scene: &'static str, system: &'static str) -> Pick {
    Pick { scene, system, metric: "calls/s" }
}

const fn aim(work: &'static str, scene: &'static str, times: f64, theirs: &'static str) -> Aim {
    Aim { key: "calls", work, ours: rate(scene, "capshare"), bound: Bound::AtLeastOf(times, rate(scene, theirs)) }
}

/// What must be reached.
pub(crate) const AIMS: &[Aim] = &[
    aim("sync calls, 64 in flight", MANY, 0.9, capnp_tcp::NAME),
    aim("sync calls, 64 in flight", MANY, 2.5, "capnweb on Node"),
    aim("sync calls, 64 in flight", MANY, 200.0, "Durable Object"),
    aim("sync calls, 1 in flight", ONE, 0.85, capnp_tcp::NAME),
    aim("host-to-client callbacks, 64 in flight", CALLBACK, 0.9, capnp_tcp::NAME),
];

/// The scene.
pub(crate) fn scene(_context: &Context) -> Scene {
    let contenders = vec![
        Contender::new(Capshare::new("capshare"), |context, running| {
            cells(context, running, true, async |_| {
                capnp::Bare::web_socket(running.address, &["ses_1".to_owned()]).await
            })
        }),
        Contender::new(Capshare::new("capshare, linked"), |context, running| {
            cells(context, running, true, async |connection| linked::Linked::connect(running.address, connection).await)
        }),
        Contender::new(Capshare::new("capshare, Cap'n Web"), |context, running| {
            cells(context, running, true, async |_| capnweb::CapnWeb::capshare(running.address).await)
        }),
        Contender::new(Own(capnp_tcp::NAME), |context, running| {
            cells(context, running, true, async |_| capnp::Bare::tcp(running.address).await)
        }),
        Contender::new(Own(grpc_system::NAME), |context, running| {
            cells(context, running, false, async |_| grpc::Grpc::connect(running.address).await)
        }),
        Contender::new(Own(jsonrpc_system::NAME), |context, running| {
            cells(context, running, false, async |_| jsonrpc::JsonRpc::connect(running.address).await)
        }),
        Contender::new(CapnWeb::Node, |context, running| {
            cells(context, running, true, async |_| capnweb::CapnWeb::connect(running.address).await)
        }),
        Contender::new(CapnWeb::DurableObject, |context, running| {
            cells(context, running, true, async |_| capnweb::CapnWeb::connect(running.address).await)
        }),
    ];
    Scene { key: "calls", question: "What does a call cost?", contenders, by_default: true }
}

/// One round on one system: all cells, on connections that are made once.
fn cells<C: Caller>(
    context: &Context,
    running: &Running,
    calls_back: bool,
    connect: impl AsyncFn(usize) -> anyhow::Result<C>,
) -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut callers = Vec::new();
        for connection in 0..CONNECTIONS_MAX {
            callers.push(connect(connection).await?);
        }
        let mut figures = Vec::new();
        for &(work, connections, in_flight) in CELLS {
            if work == Work::Callback && !calls_back {
                continue;
            }
            let what = match work {
                Work::Sync(bytes) if bytes < KIB => format!("{bytes} B"),
                Work::Sync(bytes) => format!("{} KiB", bytes / KIB),
                Work::Callback => "callback".to_owned(),
            };
            let plural = if connections == 1 { "" } else { "s" };
            let line = format!("{what}, {in_flight} in flight, {connections} connection{plural}");
            if context.line.as_ref().is_some_and(|part| !line.contains(part)) {
                continue;
            }
            let cell = Cell { work, in_flight: in_flight / connections, time: context.pick(TIME, TIME / 4) };
            let measured = cell.run(&callers[..connections], running).await?;
            figures.push(Figure::higher(&line, &running.name, "calls/s", measured.per_second));
            // Of no answer there is no more to say.
            if measured.per_second > 0.0 {
                figures.push(Figure::lower(&line, &running.name, "p99 ms", measured.p99_ms));
                figures.push(Figure::lower(&line, &running.name, "cpu us/call", measured.cpu_us));
            }
        }
        Ok(figures)
    })
}
