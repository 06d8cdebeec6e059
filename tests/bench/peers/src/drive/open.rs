//! What does it take a fresh host to open a share that was synced often?
//!
//! **Scene.** A host over a bucket of this process gets three shares, of 100, 10,000 and 100,000 syncs of one part of 1 KiB with
//! one of a hundred ids, so that they have the same state; at most 128 are in flight. Each round puts what the bucket held right
//! after that, or after a minute in which nobody used the share (not with `--quick`), into another bucket, whose reads take 20 ms,
//! starts a host over it, connects, and asks to see the share and read it in one round trip. *Reads* are the requests (GET, HEAD,
//! LIST) that come of it, and the time is until the first chunk of the state is here.
//!
//! **Noise.** Almost none in counts. The time is some reads of 20 ms and the work of host and bucket.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use capshare::__internal::share_capnp::read_result;
use futures::StreamExt as _;

use crate::aims::{Aim, Bound, Pick};
use crate::context::Context;
use crate::drive::caller::{Caller as _, part};
use crate::drive::capnp::Bare;
use crate::figure::Figure;
use crate::running::Running;
use crate::s3::{Objects, S3};
use crate::scene::{Contender, Scene, System as _};
use crate::systems::capshare::Capshare;

/// How many syncs, and the lines right after them and a minute later.
const SYNCS: [(usize, &str, &str); 3] = [
    (100, "after 100 syncs", "after 100 syncs and a minute"),
    (10_000, "after 10,000 syncs", "after 10,000 syncs and a minute"),
    (100_000, "after 100,000 syncs", "after 100,000 syncs and a minute"),
];
const READ: Duration = Duration::from_millis(20);
const PARTS: u64 = 100;
const PART_BYTES: usize = 1_024;
const IN_FLIGHT: usize = 128;
/// How long a filled share is left alone: folds that were begun end in it.
const SETTLE: Duration = Duration::from_secs(2);
/// More than the minute after which a share counts as idle, and the fold of it then.
const IDLE: Duration = Duration::from_secs(75);

const fn ours(scene: &'static str, metric: &'static str) -> Pick {
    Pick { scene, system: "capshare", metric }
}

/// What must be reached.
pub(crate) const AIMS: &[Aim] = &[
    Aim {
        key: "open",
        work: "reads to open after 100,000 syncs and a minute",
        ours: ours(SYNCS[2].2, "reads"),
        bound: Bound::AtMost(3.0),
    },
    Aim {
        key: "open",
        work: "time to the first byte, after 100,000 syncs and a minute beside after 100",
        ours: ours(SYNCS[2].2, "ms"),
        bound: Bound::AtMostOf(1.2, ours(SYNCS[0].2, "ms")),
    },
    Aim {
        key: "open",
        work: "the same right after them",
        ours: ours(SYNCS[2].1, "ms"),
        bound: Bound::AtMostOf(1.2, ours(SYNCS[0].1, "ms")),
    },
];

/// A line, a share's id, and what the bucket held.
type Filled = Vec<(&'static str, String, Objects)>;

/// The scene.
pub(crate) fn scene(_context: &Context) -> Scene {
    let (filled, fresh) = (S3::new(), S3::new());
    let known: RefCell<Option<Filled>> = RefCell::new(None);
    let contender = Contender::new(Capshare::new("capshare").over(filled.clone()), move |context, running| {
        let mut known = known.borrow_mut();
        let known = match &mut *known {
            Some(known) => known,
            none => none.insert(fill(context, running, &filled)?),
        };
        round(context, known, &fresh)
    });
    Scene {
        key: "open",
        question: "What does a fresh host read to open a share?",
        contenders: vec![contender],
        by_default: true,
    }
}

/// Syncs, once a run.
fn fill(context: &Context, running: &Running, bucket: &Arc<S3>) -> anyhow::Result<Filled> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (mut filled, mut later) = (Vec::new(), Vec::new());
        for (syncs, at_once, idle) in SYNCS {
            let host = Bare::web_socket(running.address, &[format!("ses_{syncs}")]).await?;
            let calls = (0..context.pick(syncs, syncs / 50)).map(|_| host.sync(0, part(PART_BYTES, PARTS)));
            let mut calls = futures::stream::iter(calls).buffer_unordered(IN_FLIGHT);
            while let Some(answered) = calls.next().await {
                answered?;
            }
            tokio::time::sleep(SETTLE).await;
            filled.push((at_once, host.id().to_owned(), bucket.snapshot()));
            later.push((idle, host.id().to_owned()));
        }
        if !context.quick {
            tokio::time::sleep(IDLE).await;
            filled.extend(later.into_iter().map(|(line, id)| (line, id, bucket.snapshot())));
        }
        Ok(filled)
    })
}

fn round(context: &Context, filled: &Filled, bucket: &Arc<S3>) -> anyhow::Result<Vec<Figure>> {
    let system = Capshare::new("capshare").over(bucket.clone());
    let mut figures = Vec::new();
    for (line, id, objects) in filled {
        bucket.delay(Duration::ZERO, Duration::ZERO);
        let running = system.start(context)?;
        bucket.restore(objects.clone());
        bucket.delay(Duration::ZERO, READ);
        let took = first_byte(&running, id)?;
        figures.push(Figure::lower(*line, "capshare", "reads", bucket.take_counts().reads as f64));
        figures.push(Figure::lower(*line, "capshare", "ms", took.as_secs_f64() * 1_000.0));
    }
    Ok(figures)
}

/// Asks for the share's state on a connection that is there, and waits for its first chunk.
fn first_byte(running: &Running, id: &str) -> anyhow::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let host = Bare::web_socket(running.address, &[]).await?;
        // The connection is there, and the host has answered on it.
        host.root().probe_value_request().send().promise.await?;
        let began = Instant::now();
        let mut request = host.root().view_share_request();
        request.get().set_share_id(id);
        let read = request.send().pipeline.get_view().read_request().send();
        let response = read.promise.await?;
        let took = began.elapsed();
        match response.get()?.get_result()?.which()? {
            read_result::Which::Chunk(chunk) if !chunk.get_changes()?.is_empty() => Ok(took),
            read_result::Which::Chunk(_) => bail!("the share is empty"),
            read_result::Which::Refused(refused) => bail!("refused: {}", refused?.get_message()?.to_str()?),
        }
    })
}
