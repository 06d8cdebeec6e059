//! Does a host under a mixed load for a long time stay as it was, and keep what it acknowledged?
//!
//! **Scene.** `cargo bench-peers --only soak --rounds 1`, 10 minutes: a host over a directory; 500 producers, linked clients on
//! connections of their own, each of which syncs an item of 256 bytes of its share once a second, and comes back as another client
//! every one to two minutes, a tenth of them at a second host over the directory and back; 5,000 viewers of their shares at the first, half by either door, of which 50 come and go each second, and 1 % are
//! dead: they never read, and have the smallest buffer that the kernel gives. Beside them, all the time: 200 calls a second that are
//! cancelled, on four connections that stay; 50 loads a second of unknown shares that are given up; 20 bodies that come a byte a
//! second. Then all leave, both hosts are killed (SIGKILL), and another one is started over the directory. `--quick` takes a fifth of everybody for 20 seconds.
//!
//! The time begins when each room has had the 256 changes that it remembers for those who fall behind, which are made as fast as the
//! host takes them; until then its memory grows by design.
//!
//! Asked: whether its memory (the resident set) was flat, as the mean of the last third of the time over that of the middle third;
//! whether anything is left of who came: connections, followers, calls, capabilities by its own `/metrics`, descriptors and threads
//! by the kernel; whether a living viewer was cut off; and whether each acknowledged sync is in the store, by what the second host
//! says of each share. Rooms of shares stay in memory by design, up to 10,000.
//!
//! **Noise.** Those of `fanout`; but the answers are yes or no.

mod crowd;
mod producer;
mod trouble;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use capshare::Client;
use futures::future::{join_all, try_join_all};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::task::LocalSet;
use tokio::time::{Instant, interval, sleep};

use self::crowd::{Crowd, Size};
use self::producer::{FILLING, Kept, Producer, Progress};
use self::trouble::Trouble;
use super::fanout::wait_ready;
use super::followed::host;
use crate::aims::{Aim, Bound, Pick};
use crate::context::Context;
use crate::figure::Figure;
use crate::running::Running;
use crate::scene::{Contender, Scene, System};
use crate::stats::percentile;
use crate::viewers::pool::Pool;
use crate::{kernel, metrics, report};

const NAME: &str = "capshare";
const LINE: &str = "500 producers, 5,000 viewers, 10 minutes";
const PRODUCERS: usize = 500;
/// One producer of so many goes to the second host and back.
const MOVES_ONE_OF: usize = 10;
const VIEWERS: Size = Size { living: 4_950, dead: 50, replaced: 50 };
const LASTS: Duration = Duration::from_secs(600);
/// How long after the last one has left everything must be given back: a dead viewer is found out within 40 s, a thread that
/// blocked lives for 10 s, and the kernel's own time.
const GONE_WITHIN: Duration = Duration::from_secs(90);
/// What counts who is there.
const GAUGES: [&str; 4] =
    ["capshare_connections_open", "capshare_followers", "capshare_calls_in_flight", "capshare_capabilities_held"];

const fn ours(metric: &'static str) -> Pick {
    Pick { scene: LINE, system: NAME, metric }
}

const FLAT: &str = "memory, last third/middle third";
const LEFT: &str = "connections, followers, calls, capabilities left";
const DESCRIPTORS: &str = "descriptors left";
const THREADS: &str = "threads left";
const CUT: &str = "living viewers cut off";
const MISSING: &str = "acknowledged syncs missing";

/// What must be reached.
pub(crate) const AIMS: &[Aim] = &[
    Aim { key: "soak", work: "flat memory", ours: ours(FLAT), bound: Bound::AtMost(1.05) },
    Aim { key: "soak", work: "nobody left in the host's metrics", ours: ours(LEFT), bound: Bound::AtMost(0.0) },
    Aim { key: "soak", work: "no descriptor left", ours: ours(DESCRIPTORS), bound: Bound::AtMost(0.0) },
    Aim { key: "soak", work: "no thread left", ours: ours(THREADS), bound: Bound::AtMost(0.0) },
    Aim { key: "soak", work: "no living viewer cut off", ours: ours(CUT), bound: Bound::AtMost(0.0) },
    Aim { key: "soak", work: "every acknowledged sync in the store", ours: ours(MISSING), bound: Bound::AtMost(0.0) },
];

/// The scene.
pub(crate) fn scene(_context: &Context) -> Scene {
    Scene {
        key: "soak",
        question: "After a long mixed load, is a host as it was, and all that it acknowledged there?",
        contenders: vec![Contender::new(OnDisk, run)],
        by_default: false,
    }
}

/// A host over a directory of its own.
#[derive(Debug)]
struct OnDisk;

impl System for OnDisk {
    fn name(&self) -> &str {
        NAME
    }

    fn install(&self, context: &Context) -> anyhow::Result<()> {
        host(NAME).install(context)
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let folder = TempDir::new_in(&context.out)?;
        Ok(start_over(context, folder.path())?.with_folder(folder))
    }
}

fn folder(running: &Running) -> anyhow::Result<&Path> {
    Ok(running.folder.as_ref().context("no folder")?.path())
}

fn start_over(context: &Context, folder: &Path) -> anyhow::Result<Running> {
    host(NAME).flags(["--store", folder.to_str().context("a folder with a name that is no text")?]).start(context)
}

fn run(context: &Context, running: &Running) -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, soak(context, running))
}

async fn soak(context: &Context, running: &Running) -> anyhow::Result<Vec<Figure>> {
    let part = context.pick(1, 5);
    let size = Size { living: VIEWERS.living / part, dead: VIEWERS.dead / part, replaced: VIEWERS.replaced / part };
    let lasts = context.pick(LASTS, Duration::from_secs(20));
    sleep(Duration::from_secs(1)).await;
    let (descriptors, threads) = (kernel::descriptors(running), kernel::threads(running));

    let filling = context.pick(FILLING, 0);
    let second = start_over(context, folder(running)?)?;
    let urls = [running.address, second.address].map(|address| format!("ws://{address}"));
    let producers: Vec<_> = (0..PRODUCERS / part)
        .map(|number| {
            let visited = if number % MOVES_ONE_OF == 0 { 2 } else { 1 };
            Rc::new(Producer { urls: urls[..visited].to_vec(), number, filling })
        })
        .collect();
    let begun = stream::iter(&producers).map(|producer| producer.create()).buffered(32);
    let begun: Vec<_> = begun.try_collect().await.context("the shares could not be created")?;
    let shares: Vec<_> = begun.iter().map(|(.., kept)| kept.id.clone()).collect();
    let pool = Arc::new(Pool::start()?);
    let mut crowd = Crowd::new(&pool, running, &shares);
    crowd.come(size.living, false);
    crowd.come(size.dead, true);
    wait_ready(&pool, size.living + size.dead).await?;

    let progress = Rc::<Progress>::default();
    let working = producers.iter().zip(begun).map(|(producer, begun)| {
        let (producer, pool, progress) = (Rc::clone(producer), Arc::clone(&pool), Rc::clone(&progress));
        tokio::task::spawn_local(async move { producer.run(begun, &pool, &progress).await })
    });
    let handles: Vec<_> = working.collect();
    let mut working = Box::pin(try_join_all(handles.into_iter().map(async |handle| handle.await?)));
    let trouble = Rc::<Trouble>::default();
    let resident = tokio::select! {
        ended = &mut working => bail!("the producers have ended too soon: {:?}", ended.err()),
        () = crowd.churn(size) => Vec::new(),
        made = Rc::clone(&trouble).make(running.address, &shares) => bail!("nobody makes trouble any more: {:?}", made.err()),
        resident = async {
            while progress.filled.get() < producers.len() {
                sleep(Duration::from_millis(10)).await;
            }
            pool.latencies();
            watch(running, lasts).await
        } => resident,
    };
    progress.stopping.set(true);
    let kept: Vec<Kept> = working.await?;
    let cut = pool.lost();
    if cut > 0 {
        report::say(&format!("{cut} viewers were cut off: {}", pool.why()));
    }
    let mut took: Vec<f64> = pool.latencies().into_iter().map(|micros| f64::from(micros) / 1_000.0).collect();
    pool.close_all()?;
    ensure!(pool.is_empty(), "viewers are still there");

    let left = gone(running, descriptors, threads).await?;
    end(running).await?;
    end(&second).await?;
    let again = start_over(context, folder(running)?)?;
    let missing = missing(&again, &kept).await?;
    let acknowledged: u64 = kept.iter().map(|kept| kept.acknowledged).sum();
    let thirds = mean_of_thirds(&resident);
    Ok(vec![
        lower(FLAT, thirds[2] / thirds[1]),
        lower("memory at the end, MB", thirds[2] / 1e6),
        lower("memory when all have left, MB", left.resident as f64 / 1e6),
        lower(LEFT, left.counted),
        lower(DESCRIPTORS, left.descriptors as f64),
        lower(THREADS, left.threads as f64),
        lower(CUT, cut as f64),
        lower(MISSING, missing as f64),
        Figure::higher(LINE, NAME, "acknowledged syncs", acknowledged as f64),
        Figure::higher(LINE, NAME, "deliveries/s", took.len() as f64 / lasts.as_secs_f64()),
        Figure::higher(LINE, NAME, "viewers that came", crowd.came() as f64),
        Figure::higher(LINE, NAME, "calls cancelled", trouble.cancelled.get() as f64),
        Figure::higher(LINE, NAME, "loads given up", trouble.given_up.get() as f64),
        Figure::higher(LINE, NAME, "slow bodies ended by the host", trouble.ended.get() as f64),
        lower("p99 ms", percentile(&mut took, 99.0)),
    ])
}

fn lower(metric: &'static str, value: f64) -> Figure {
    Figure::lower(LINE, NAME, metric, value)
}

/// The resident set, each second of the time.
async fn watch(running: &Running, lasts: Duration) -> Vec<u64> {
    let (began, mut ticks, mut resident) = (Instant::now(), interval(Duration::from_secs(1)), Vec::new());
    while began.elapsed() < lasts {
        ticks.tick().await;
        resident.push(kernel::resident_bytes(running));
    }
    resident
}

fn mean_of_thirds(values: &[u64]) -> [f64; 3] {
    let third = values.len() / 3;
    [0, 1, 2].map(|at| {
        let values = &values[at * third..(at + 1) * third];
        values.iter().sum::<u64>() as f64 / values.len() as f64
    })
}

/// What a host still had when there was nobody any more.
#[derive(Clone, Copy, Debug)]
struct Left {
    counted: f64,
    descriptors: usize,
    threads: usize,
    resident: u64,
}

/// Waits until nothing is left, or long enough.
async fn gone(running: &Running, descriptors: usize, threads: usize) -> anyhow::Result<Left> {
    let began = Instant::now();
    loop {
        sleep(Duration::from_secs(1)).await;
        let counted = metrics::read(running.address)?;
        let counted = GAUGES.iter().map(|name| counted.get(*name).copied().with_context(|| format!("no {name}")));
        let left = Left {
            counted: counted.sum::<anyhow::Result<f64>>()?,
            descriptors: kernel::descriptors(running).saturating_sub(descriptors),
            threads: kernel::threads(running).saturating_sub(threads),
            resident: kernel::resident_bytes(running),
        };
        let is_gone = left.counted == 0.0 && left.descriptors == 0 && left.threads == 0;
        if is_gone || began.elapsed() > GONE_WITHIN {
            return Ok(left);
        }
    }
}

/// Kills the host, as if the machine had lost power but for what the kernel keeps.
async fn end(running: &Running) -> anyhow::Result<()> {
    let pid = Pid::from_raw(i32::try_from(running.pid())?).context("no process")?;
    kill_process(pid, Signal::KILL)?;
    while std::net::TcpStream::connect(running.address).is_ok() {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// How many acknowledged syncs the host does not have.
async fn missing(again: &Running, kept: &[Kept]) -> anyhow::Result<u64> {
    let client = Client::builder(format!("ws://{}", again.address)).build_local()?;
    let counts = join_all(kept.iter().map(|kept| Producer::missing(&client, kept))).await;
    client.close().await;
    counts.into_iter().sum()
}
