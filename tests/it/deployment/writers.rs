//! Two hosts that write one share: what they hand to each other, and, run by hand because it measures, how fast they are beside one.

use std::cell::Cell;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use capshare::client::Share;
use capshare::host::storage::{S3Options, StoreLocation, open};
use capshare::share::limits::hosts::HANDED_BYTES_MAX;
use futures::future::{join_all, try_join_all};
use tokio::time::Instant;

use super::peers::{Member, connected, free_port, memory, until};
use crate::support::bucket::{Fault, TestBucket};
use crate::support::door::ANNS_KEY;
use crate::support::items::part;
use crate::support::patience::within;

/// Producers, spread over the hosts.
const WRITERS: usize = 6;

/// Two hosts that reach each other, unless they are to be deaf, over this bucket; or one.
async fn members(bucket: &Arc<TestBucket>, count: usize, peers: bool) -> Vec<Member> {
    let mut members = Vec::new();
    for _ in 0..count {
        let own = free_port().await;
        members.push(Member::at(bucket, own, Some(own), |settings| settings.hub.hosts.peers = peers).await);
    }
    if peers {
        connected(&members.iter().collect::<Vec<_>>()).await;
    }
    members
}

/// One share, as each of the producers has it.
async fn producers(members: &[Member]) -> Vec<Share> {
    let share = members[0].share("s").await;
    let (id, secret) = (share.id().clone(), share.secret().unwrap().clone());
    let opening = (0..WRITERS).map(|writer| {
        let (client, id, secret) = (members[writer % members.len()].client(ANNS_KEY), id.clone(), secret.clone());
        async move { client.open(&id, &secret).await }
    });
    try_join_all(opening).await.unwrap()
}

/// Batches that each producer got acknowledged, one after the other, until it is told to stop.
async fn write(shares: &[Share], goes_on: impl Fn() -> bool) -> Vec<u64> {
    join_all(shares.iter().enumerate().map(|(writer, share)| {
        let goes_on = &goes_on;
        async move {
            let mut acknowledged = 0;
            while goes_on() {
                let synced = share.sync(part(&writer.to_string(), &acknowledged.to_string())).await.unwrap();
                assert!(!synced.duplicate, "a batch that was handed over is told for a new one");
                acknowledged += 1;
            }
            acknowledged
        }
    }))
    .await
}

fn counted(member: &Member, metric: &str) -> u64 {
    let text = member.hub().metrics().render();
    let of = |line: &str| line.strip_prefix(metric)?.strip_prefix(' ').map(|count| count.parse().unwrap());
    text.lines().find_map(of).unwrap_or(0)
}

fn handed(member: &Member, reason: &str) -> u64 {
    counted(member, &format!("capshare_batches_handed_total{{reason=\"{reason}\"}}"))
}

fn calls(member: &Member) -> u64 {
    counted(member, "capshare_calls_total")
}

/// S15: whoever loses races hands its batches to the other host, and each is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_too_late_twice_hands_its_batches_to_the_other() {
    let bucket = memory();
    let members = members(&bucket, 2, true).await;
    let shares = producers(&members).await;
    // A write that takes a while is one that others meet.
    bucket.roll(|| Some(Fault::Slow(Duration::from_millis(5))));
    let far_enough = || members.iter().map(|member| handed(member, "appended")).sum::<u64>() >= 100;
    let acknowledged = within("a hundred batches that were handed over", write(&shares, || !far_enough())).await;
    // Only one of them does.
    assert!(members.iter().any(|member| handed(member, "appended") + handed(member, "failed") == 0));
    // More than is handed over at once: whoever gives way writes it itself, and holds nothing against the other host.
    let both = || ["appended", "failed"].map(|reason| members.iter().map(|member| handed(member, reason)).sum::<u64>());
    let before = both();
    let large = "x".repeat(HANDED_BYTES_MAX);
    join_all(shares.iter().map(|share| async { share.sync(part("large", &large)).await.unwrap() })).await;
    assert_eq!(both(), before);
    // What is read may be a second old where others wrote; a sync counts all that is in the log.
    let last = shares[0].sync(part("last", "")).await.unwrap();
    assert_eq!(last.sync_count, acknowledged.iter().sum::<u64>() + WRITERS as u64 + 1);
}

/// S15: without the other host each writes by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_whose_neighbour_is_gone_writes_by_itself() {
    let bucket = memory();
    let mut members = members(&bucket, 2, true).await;
    let shares = producers(&members).await;
    bucket.roll(|| Some(Fault::Slow(Duration::from_millis(5))));
    let handing = |members: &[Member]| members.iter().position(|member| handed(member, "appended") > 0);
    let found = Cell::new(None);
    let writing = write(&shares, || {
        found.set(handing(&members));
        found.get().is_none()
    });
    within("a host that hands its batches over", writing).await;
    let other = 1 - found.get().unwrap();
    let own: Vec<_> = shares.into_iter().enumerate().filter(|(n, _)| n % 2 != other).map(|(_, share)| share).collect();
    let gone = members.remove(other);
    gone.host.shutdown().await;
    until("the end of the connection", || !members[0].hub().peers().is_linked(gone.hub().hosts().id())).await;
    let (left, begun) = (Cell::new(20_u32), calls(&members[0]));
    let acknowledged = write(&own, || left.replace(left.get().saturating_sub(1)) > 0).await;
    assert!(handed(&members[0], "failed") > 0, "nothing was handed to the host that is gone");
    // A client calls again where no answer came; it need not.
    assert_eq!(calls(&members[0]) - begun, acknowledged.iter().sum::<u64>());
}

/// What some hosts came to.
struct Measured {
    rate: f64,
    /// Writes and reads of the bucket for each hundred that were acknowledged.
    puts: f64,
    gets: f64,
}

const LASTS: Duration = Duration::from_secs(8);

async fn measure(hosts: usize, peers: bool, slow: Duration) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let location = StoreLocation::Directory(folder.path().into());
    let bucket = TestBucket::over(open(&location, &S3Options::default()).await.unwrap());
    let members = members(&bucket, hosts, peers).await;
    let shares = producers(&members).await;
    if !slow.is_zero() {
        bucket.roll(move || Some(Fault::Slow(slow)));
    }
    // Until they have found out how they go on.
    let warm = Instant::now();
    write(&shares, || warm.elapsed() < Duration::from_secs(1)).await;
    bucket.counts.reset();
    let begun = Instant::now();
    let acknowledged: u64 = write(&shares, || begun.elapsed() < LASTS).await.into_iter().sum();
    let [puts, gets, ..] = bucket.counts.all();
    let hundreds = acknowledged as f64 / 100.0;
    Measured {
        rate: acknowledged as f64 / begun.elapsed().as_secs_f64(),
        puts: puts as f64 / hundreds,
        gets: gets as f64 / hundreds,
    }
}

/// Each write of the log carries what waits at one host: with six producers at one host six batches, with three at each of two hosts three, unless
/// one of the hosts hands its batches to the other.
#[test]
#[ignore = "it measures, for two minutes"]
fn two_hosts_that_write_one_share_beside_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for slow in [Duration::ZERO, Duration::from_millis(20)] {
        let mut all = Vec::new();
        for (hosts, peers) in [(1, false), (2, false), (2, true)] {
            all.push(runtime.block_on(measure(hosts, peers, slow)));
        }
        let mut line = format!("requests that take {slow:?} more:");
        for (what, of) in ["one host", "two without peers", "two with peers"].iter().zip(&all) {
            let Measured { rate, puts, gets } = of;
            let part = rate / all[0].rate;
            line += &format!(" {what} {rate:.0}/s ({part:.2}), {puts:.0} puts and {gets:.0} gets for 100;");
        }
        line.push('\n');
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}
