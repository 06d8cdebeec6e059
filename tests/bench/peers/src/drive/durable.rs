//! How long does an acknowledgement take that means "it is in the bucket", and what does it cost there?
//!
//! **Scene.** A bucket of this process ([`S3`]) whose writes take 20 ms, or 50 ms; its reads take no time. Parts of 512 B are
//! synced to one share one at a time, to one share 64 at once, and to 200 shares eight at once each, over four connections.
//! s2-lite does the same with one record for an append, each lane over an HTTP connection of its own, 200 streams. Times are in
//! *PUTs*: how long a bare PUT of 512 B to the same bucket took before the round, in the median of twenty. The recorded session is
//! played into capshare sync by sync, with the linked client; bytes written are held against those that were new in it.
//!
//! **Noise.** The bucket and the driver are in this process and share the cores with the system; at thousands of PUTs a second
//! they are most of the work. Counts (PUTs, bytes) have no noise in lines where one sync waits for another, and little else. What
//! is written when nobody syncs, such as a fold a minute later, is not in them; `store.rs` beside this package counts that.

mod recording;
mod streams;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::aims::{Aim, Bound, Pick};
use crate::context::Context;
use crate::drive::caller::{Caller, Cell, Work, part};
use crate::drive::capnp::Bare;
use crate::drive::http::Http;
use crate::figure::Figure;
use crate::running::Running;
use crate::s3::{BUCKET, S3};
use crate::scene::{Contender, Scene};
use crate::stats::percentile;
use crate::systems::capshare::Capshare;
use crate::systems::s2::S2;

const PUT_MS: [u64; 2] = [20, 50];
const PART_BYTES: usize = 512;
/// Shares in all, and on how many connections.
const SHARES: usize = 200;
const CONNECTIONS: usize = 4;
/// In flight on each of them: eight for each of fifty shares, below what a connection may have.
const IN_FLIGHT: usize = 400;

const ALONE: &str = "20 ms PUT, 1 share, 1 at a time";
const TOGETHER: &str = "20 ms PUT, 1 share, 64 in flight";
const SPREAD: &str = "20 ms PUT, 200 shares, 8 in flight each";

const fn ours(scene: &'static str, metric: &'static str) -> Pick {
    Pick { scene, system: "capshare", metric }
}

const fn aim(work: &'static str, ours: Pick, bound: Bound) -> Aim {
    Aim { key: "durable", work, ours, bound }
}

/// What must be reached.
pub(crate) const AIMS: &[Aim] = &[
    aim("durable sync, 1 at a time, p50, PUTs", ours(ALONE, "p50 PUTs"), Bound::AtMost(1.2)),
    aim("durable sync, 1 at a time, p99, PUTs", ours(ALONE, "p99 PUTs"), Bound::AtMost(2.2)),
    aim("durable sync, 64 in flight, p99, PUTs", ours(TOGETHER, "p99 PUTs"), Bound::AtMost(2.2)),
    aim("durable syncs a second over 200 shares", ours(SPREAD, "syncs/s"), Bound::AtLeast(10_000.0)),
    aim("bytes written for each new byte", ours(recording::LINE, "bytes/new byte"), Bound::AtMost(1.3)),
];

/// The scene.
pub(crate) fn scene(_context: &Context) -> Scene {
    let bucket = S3::new();
    let (over, beside) = (bucket.clone(), bucket.clone());
    let contenders = vec![
        Contender::new(Capshare::new("capshare").over(bucket.clone()), move |context, running| {
            let mut figures = round(context, running, &over, async |connection: usize, shares| {
                let sessions: Vec<_> = (0..shares).map(|n| format!("ses_{shares}_{connection}_{n}")).collect();
                Bare::web_socket(running.address, &sessions).await
            })?;
            figures.extend(recording::play(context, running, &over)?);
            Ok(figures)
        }),
        Contender::new(S2(bucket), move |context, running| {
            round(context, running, &beside, async |connection, shares| {
                streams::Streams::connect(running.address, connection, shares).await
            })
        }),
    ];
    Scene { key: "durable", question: "How long until a sync is in the bucket?", contenders, by_default: true }
}

/// All cells on one system; `connect` is told which connection it is of how many shares.
fn round<C: Caller>(
    context: &Context,
    running: &Running,
    bucket: &Arc<S3>,
    connect: impl AsyncFn(usize, usize) -> anyhow::Result<C>,
) -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        bucket.delay(Duration::ZERO, Duration::ZERO);
        let one = [connect(0, 1).await?];
        let mut many = Vec::new();
        for connection in 0..CONNECTIONS {
            many.push(connect(connection, SHARES / CONNECTIONS).await?);
        }
        let mut figures = Vec::new();
        for put_ms in PUT_MS {
            bucket.delay(Duration::from_millis(put_ms), Duration::ZERO);
            let bare_ms = bare_put_ms(bucket).await?;
            for (shares, callers, in_flight) in [
                ("1 share, 1 at a time", &one[..], 1),
                ("1 share, 64 in flight", &one[..], 64),
                ("200 shares, 8 in flight each", &many[..], IN_FLIGHT),
            ] {
                let cell = Cell { work: Work::Sync(PART_BYTES), in_flight, time: context.seconds(5.0) };
                bucket.take_counts();
                let measured = cell.run(callers, running).await?;
                let calls = measured.answered.max(1) as f64;
                let counts = bucket.take_counts();
                let line = format!("{put_ms} ms PUT, {shares}");
                let name = &running.name;
                figures.extend([
                    Figure::lower(&line, name, "p50 PUTs", measured.p50_ms / bare_ms),
                    Figure::lower(&line, name, "p99 PUTs", measured.p99_ms / bare_ms),
                    Figure::higher(&line, name, "syncs/s", measured.per_second),
                    Figure::lower(&line, name, "PUTs/sync", counts.puts as f64 / calls),
                    Figure::lower(&line, name, "bytes/sync", counts.put_bytes as f64 / calls),
                    Figure::lower(&line, name, "cpu us/sync", measured.cpu_us),
                ]);
            }
        }
        Ok(figures)
    })
}

/// What a PUT takes, request to answer, in the median of twenty.
async fn bare_put_ms(bucket: &Arc<S3>) -> anyhow::Result<f64> {
    let mut http = Http::connect(bucket.address()?).await?;
    let (path, body) = (format!("/{BUCKET}/bare"), part(PART_BYTES, 1));
    let mut times = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        let (status, _) = http.request("PUT", &path, "", &body).await?;
        ensure!(status == 200, "a bare PUT was answered {status}");
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(percentile(&mut times, 50.0))
}
