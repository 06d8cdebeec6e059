//! What does an event cost that thousands see, and when do they see it?
//!
//! **Scene.** Viewers follow one topic, or ten each of a thousand topics, through sockets of this process, which know no more of
//! the protocol than they must ([`viewers`](crate::viewers)). A producer publishes events of [`EVENT_BYTES`] at a steady rate, not
//! waiting for one to be answered before the next. An event has the time in it at which it was made, so that each viewer can tell
//! what it took. The rates are such that the three large scenes have 20,000 deliveries a second: 10,000 viewers of 20 events a
//! second would be more than two cores can do for any of the systems, and figures of a queue that grows say nothing.
//!
//! Asked: the processor time of the server's processes for each delivery, what the producer's requests cost it included; p50 and
//! p99 of what deliveries took; and which part of them came at all.
//!
//! **Noise.** Viewers and producer run on the same cores as the server, so that what deliveries take is an upper bound,
//! and mostly waiting for a turn; the processor time is steadier. With one viewer it holds the server's clocks and wake-ups, for 20
//! deliveries a second. nginx has one worker; what it does for a delivery is no less with two. Durable Streams writes to the disk,
//! and capshare to memory here; how syncs do on a disk and in a bucket is asked elsewhere.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::followed::{self, Followed};
use crate::aims::{Aim, Bound, Pick};
use crate::context::Context;
use crate::figure::Figure;
use crate::kernel::Cpu;
use crate::publish::Publisher;
use crate::running::Running;
use crate::scene::Scene;
use crate::stats::percentile;
use crate::viewers::connection::Wanted;
use crate::viewers::mark;
use crate::viewers::pool::Pool;

/// An event, as JSON.
const EVENT_BYTES: usize = 256;
/// Viewers that come from one address: below what systems limit by address.
const OF_AN_ADDRESS: usize = 500;
/// Addresses of the loopback that viewers come from.
const ADDRESSES: usize = 120;
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long after the last arrival nothing more is expected.
const SILENCE: Duration = Duration::from_secs(5);
/// Requests of the producer on their way at once; past it the producer is late.
const PUBLISHING_MAX: usize = 512;

/// One line of the table.
#[derive(Clone, Copy, Debug)]
struct Line {
    name: &'static str,
    topics: usize,
    viewers_each: usize,
    /// To all topics together, a second.
    events: f64,
}

const THOUSAND: &str = "1,000 viewers, 20 events/s";

const LINES: [Line; 5] = [
    Line { name: "1 viewer, 20 events/s", topics: 1, viewers_each: 1, events: 20.0 },
    Line { name: "100 viewers, 20 events/s", topics: 1, viewers_each: 100, events: 20.0 },
    Line { name: THOUSAND, topics: 1, viewers_each: 1_000, events: 20.0 },
    Line { name: "10,000 viewers, 2 events/s", topics: 1, viewers_each: 10_000, events: 2.0 },
    Line { name: "1,000 shares of 10 viewers, 2 events/s each", topics: 1_000, viewers_each: 10, events: 2_000.0 },
];

const CPU: &str = "cpu us/delivery";
const P99: &str = "p99 ms";

/// What must be reached.
pub(crate) const AIMS: &[Aim] = &[
    Aim {
        key: "fanout",
        work: "processor time of a delivery to 1,000 viewers, beside nchan",
        ours: Pick { scene: THOUSAND, system: Followed::Capshare.name(), metric: CPU },
        bound: Bound::AtMostOf(0.5, Pick { scene: THOUSAND, system: Followed::Nchan.name(), metric: CPU }),
    },
    Aim {
        key: "fanout",
        work: "the same of server-sent events",
        ours: Pick { scene: THOUSAND, system: Followed::CapshareEvents.name(), metric: CPU },
        bound: Bound::AtMostOf(0.5, Pick { scene: THOUSAND, system: Followed::NchanEvents.name(), metric: CPU }),
    },
    Aim {
        key: "fanout",
        work: "p99 of a delivery to 1,000 viewers, beside nchan",
        ours: Pick { scene: THOUSAND, system: Followed::Capshare.name(), metric: P99 },
        bound: Bound::AtMostOf(1.0, Pick { scene: THOUSAND, system: Followed::Nchan.name(), metric: P99 }),
    },
    Aim {
        key: "fanout",
        work: "the same of server-sent events",
        ours: Pick { scene: THOUSAND, system: Followed::CapshareEvents.name(), metric: P99 },
        bound: Bound::AtMostOf(1.0, Pick { scene: THOUSAND, system: Followed::NchanEvents.name(), metric: P99 }),
    },
];

/// The scene.
pub(crate) fn scene(_context: &Context) -> Scene {
    Scene {
        key: "fanout",
        question: "What does an event cost that many see, and when do they see it?",
        contenders: followed::ALL.map(|system| system.contender(run)).into(),
        by_default: true,
    }
}

fn run(context: &Context, running: &Running, system: Followed) -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut figures = Vec::new();
    for (at, line) in LINES.iter().enumerate() {
        let measured = LocalSet::new().block_on(&runtime, measure(context, running, system, line, at));
        figures.extend(measured.with_context(|| line.name)?);
    }
    Ok(figures)
}

async fn measure(
    context: &Context,
    running: &Running,
    system: Followed,
    line: &Line,
    at: usize,
) -> anyhow::Result<Vec<Figure>> {
    let publisher: Rc<dyn Publisher> = system.publisher(running, &format!("line{at}"), line.topics).await?.into();
    let pool = Arc::new(Pool::start()?);
    let topics = publisher.topics().iter().flat_map(|topic| std::iter::repeat_n(topic, line.viewers_each));
    pool.open(wanted(system, running, topics, 0));
    wait_ready(&pool, line.topics * line.viewers_each).await?;
    // Until what is announced to those who are there is over, and until each code path was taken once.
    sleep(context.pick(Duration::from_millis(1_500), Duration::from_millis(500))).await;
    let warm = publish(&pool, &publisher, line, Duration::from_secs(1)).await?;
    arrivals(&pool, warm * line.viewers_each).await;
    pool.latencies();

    let (heard, before) = (pool.heard(), Cpu::of(running));
    let window = context.pick(Duration::from_secs(5), Duration::from_secs(1));
    let expected = publish(&pool, &publisher, line, window).await? * line.viewers_each;
    arrivals(&pool, usize::try_from(heard)? + expected).await;
    let cpu = Cpu::of(running).since(before);
    let mut took: Vec<f64> = pool.latencies().into_iter().map(|micros| f64::from(micros) / 1_000.0).collect();
    if took.is_empty() {
        bail!("no event arrived; {} viewers were lost: {}", pool.lost(), pool.why());
    }
    let name = system.name();
    Ok(vec![
        Figure::lower(line.name, name, CPU, cpu.as_secs_f64() * 1e6 / took.len() as f64),
        Figure::lower(line.name, name, "p50 ms", percentile(&mut took, 50.0)),
        Figure::lower(line.name, name, P99, percentile(&mut took, 99.0)),
        Figure::higher(line.name, name, "arrived %", took.len() as f64 * 100.0 / expected as f64),
    ])
}

/// Viewers of these topics, from enough addresses; so many are there already.
pub(crate) fn wanted<'a>(
    system: Followed,
    running: &Running,
    topics: impl Iterator<Item = &'a String>,
    there: usize,
) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    let mut last: Option<(&String, Arc<_>)> = None;
    for (at, topic) in topics.enumerate() {
        let script = match &last {
            Some((same, script)) if *same == topic => Arc::clone(script),
            Some(_) | None => Arc::new(system.script(topic)),
        };
        last = Some((topic, Arc::clone(&script)));
        all.push(Wanted { to: system.address(running), from: address(there + at), script, dead: false });
    }
    all
}

/// The address that the viewer of this number comes from.
pub(crate) fn address(viewer: usize) -> Ipv4Addr {
    let last = (viewer / OF_AN_ADDRESS % ADDRESSES) as u8;
    Ipv4Addr::new(127, 0, 1, last + 1)
}

/// Waits until all are ready, while the producer's connection is kept alive.
pub(crate) async fn wait_ready(pool: &Arc<Pool>, count: usize) -> anyhow::Result<()> {
    let pool = Arc::clone(pool);
    tokio::task::spawn_blocking(move || pool.wait_ready(count, READY_WITHIN)).await?
}

/// Publishes for so long, the topics in turn; gives how many events.
async fn publish(
    pool: &Arc<Pool>,
    publisher: &Rc<dyn Publisher>,
    line: &Line,
    window: Duration,
) -> anyhow::Result<usize> {
    let count = (window.as_secs_f64() * line.events).ceil() as usize;
    let mut ticks = interval(Duration::from_secs_f64(1.0 / line.events));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut publishing = tokio::task::JoinSet::new();
    for event in 0..count {
        ticks.tick().await;
        while publishing.len() >= PUBLISHING_MAX {
            if let Some(done) = publishing.join_next().await {
                done??;
            }
        }
        let (publisher, topic) = (Rc::clone(publisher), event % line.topics);
        let event = mark::item(pool.now(), EVENT_BYTES);
        publishing.spawn_local(async move { publisher.publish(topic, event).await });
    }
    while let Some(done) = publishing.join_next().await {
        done??;
    }
    Ok(count)
}

/// Waits until so many marks were heard of all, or nothing comes any more.
async fn arrivals(pool: &Pool, expected: usize) {
    let (mut heard, mut since) = (pool.heard(), Instant::now());
    while usize::try_from(heard).is_ok_and(|heard| heard < expected) && since.elapsed() < SILENCE {
        sleep(Duration::from_millis(5)).await;
        if pool.heard() != heard {
            (heard, since) = (pool.heard(), Instant::now());
        }
    }
}
