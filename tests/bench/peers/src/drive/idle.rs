//! What does a connection take that waits?
//!
//! **Scene.** Viewers come to one topic and stay, up to 18,000 of them; at each of [`STEPS`] the server's memory is read once it does
//! not change any more, and what it had before the first came is taken off. At the RPC door the connections are linked clients'
//! ([`capshare::Client`]), each of which has been greeted and made one call. Nothing is published. Before that, the memory of a host
//! that has just started.
//!
//! Memory is what the processes wrote to and share with nobody ([`written_bytes`]), not the resident set, in which the page cache has
//! a part; the base is all that nobody shares ([`private_bytes`]). What the kernel keeps for a socket is in neither, and the same for
//! everybody.
//!
//! **Noise.** Little: an allocator gives memory back late, and doubles tables; so a figure at 1,000 says less than one at 18,000.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use capshare::Client;
use capshare::client::{ConnectionState, ProbeValue};
use futures::stream::{self, StreamExt as _};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use super::fanout::{wait_ready, wanted};
use super::followed::{self, Followed};
use crate::aims::{Aim, Bound, Pick};
use crate::context::Context;
use crate::figure::Figure;
use crate::kernel::{private_bytes, written_bytes};
use crate::running::Running;
use crate::scene::{Contender, Scene};
use crate::viewers::pool::Pool;

const MOST: &str = "18,000 connections";

/// Connections, in lines of the table. A process may have 20,000 descriptors here, and this one has the other ends.
static STEPS: [(usize, &str); 4] =
    [(1_000, "1,000 connections"), (5_000, "5,000 connections"), (10_000, "10,000 connections"), (18_000, MOST)];
static QUICK: [(usize, &str); 1] = [(1_000, "1,000 connections")];
const BASE: &str = "no connection";
const EACH: &str = "bytes/connection";
const ALONE: &str = "private MB";
const RPC: &str = "capshare RPC";

/// Linked clients that connect at once.
const CONNECTING: usize = 64;
/// Clients behind one address, as the proxy says that they are: a sixth of what may come from one in a minute.
const OF_AN_ADDRESS: usize = 1_000;

/// What must be reached.
pub(crate) const AIMS: &[Aim] = &[
    Aim {
        key: "idle",
        work: "memory of a WebSocket viewer, bytes",
        ours: Pick { scene: MOST, system: Followed::Capshare.name(), metric: EACH },
        bound: Bound::AtMost(6_000.0),
    },
    Aim {
        key: "idle",
        work: "memory of a viewer by server-sent events, bytes",
        ours: Pick { scene: MOST, system: Followed::CapshareEvents.name(), metric: EACH },
        bound: Bound::AtMost(2_000.0),
    },
    Aim {
        key: "idle",
        work: "memory of an RPC connection, bytes",
        ours: Pick { scene: MOST, system: RPC, metric: EACH },
        bound: Bound::AtMost(14_000.0),
    },
    Aim {
        key: "idle",
        work: "memory of a host without connections, MB",
        ours: Pick { scene: BASE, system: Followed::Capshare.name(), metric: ALONE },
        bound: Bound::AtMost(12.0),
    },
];

/// The scene.
pub(crate) fn scene(_context: &Context) -> Scene {
    let mut contenders: Vec<_> = followed::ALL.map(|system| system.contender(viewers)).into();
    contenders.insert(2, Contender::new(followed::host(RPC), callers));
    Scene { key: "idle", question: "What does a connection take that waits?", contenders, by_default: true }
}

fn viewers(context: &Context, running: &Running, system: Followed) -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut figures = base(context, running, system.name()).await?;
        let publisher = system.publisher(running, "idle", 1).await?;
        let pool = Arc::new(Pool::start()?);
        let before = settled(context, running).await?;
        let mut there = 0;
        for &(count, line) in steps(context) {
            let topics = std::iter::repeat_n(&publisher.topics()[0], count - there);
            pool.open(wanted(system, running, topics, there));
            there = count;
            wait_ready(&pool, count).await?;
            let bytes = settled(context, running).await?.saturating_sub(before);
            // Of those who come back now and then, some may be on their way.
            if pool.lost() > 0 || pool.ready() < count * 95 / 100 {
                bail!("only {} of {count} viewers are still there: {}", pool.ready(), pool.why());
            }
            figures.push(Figure::lower(line, system.name(), EACH, bytes as f64 / count as f64));
        }
        Ok(figures)
    })
}

fn callers(context: &Context, running: &Running) -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut figures = Vec::new();
        let mut clients: Vec<Client> = Vec::new();
        let before = settled(context, running).await?;
        for &(count, line) in steps(context) {
            let more = stream::iter(clients.len()..count).map(|at| connect(running, at)).buffer_unordered(CONNECTING);
            for client in more.collect::<Vec<_>>().await {
                clients.push(client?);
            }
            let bytes = settled(context, running).await?.saturating_sub(before);
            let lost = clients
                .iter()
                .filter(|client| !matches!(*client.state().borrow(), ConnectionState::Connected(_)))
                .count();
            if lost > 0 {
                bail!("{lost} of {count} clients have lost their connections");
            }
            figures.push(Figure::lower(line, RPC, EACH, bytes as f64 / count as f64));
        }
        Ok(figures)
    })
}

/// A client that has made one call.
async fn connect(running: &Running, at: usize) -> anyhow::Result<Client> {
    let host = at / OF_AN_ADDRESS + 1;
    let client = Client::builder(format!("ws://{}", running.address))
        .header("X-Forwarded-For", format!("10.0.0.{host}"))
        .build_local()?;
    client.probe_value(ProbeValue::default()).await?;
    Ok(client)
}

fn steps(context: &Context) -> &'static [(usize, &'static str)] {
    context.pick(STEPS.as_slice(), QUICK.as_slice())
}

/// The memory of a system that nobody has come to.
async fn base(context: &Context, running: &Running, name: &str) -> anyhow::Result<Vec<Figure>> {
    settled(context, running).await?;
    Ok(vec![Figure::lower(BASE, name, ALONE, private_bytes(running)? as f64 / 1e6)])
}

/// Waits until the memory written to is the same, within 1 in 200, for so many seconds in a row; or gives up waiting.
async fn settled(context: &Context, running: &Running) -> anyhow::Result<u64> {
    let (calm, most) = context.pick((3, Duration::from_secs(40)), (1, Duration::from_secs(5)));
    let (began, mut last, mut same) = (Instant::now(), written_bytes(running)?, 0);
    while same < calm && began.elapsed() < most {
        sleep(Duration::from_secs(1)).await;
        let now = written_bytes(running)?;
        same = if now.abs_diff(last) <= last / 200 { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}
