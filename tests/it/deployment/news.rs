//! What is written at one host is seen at another: by its news, and without them.

use std::time::Duration;

use capshare::client::WatchFrom;
use capshare::share::revision::Revision;
use tokio::time::{Instant, sleep};

use super::peers::{Member, connected, free_port, memory, seen, until};
use crate::support::door::ANNS_KEY;
use crate::support::items::part;
use crate::support::patience::within;

fn milliseconds(of: &[Duration], part: f64) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort();
    sorted[((sorted.len() - 1) as f64 * part) as usize].as_secs_f64() * 1_000.0
}

/// S99: a viewer at one host has what was acknowledged at another long before its own host would look. The figures of a machine that
/// does nothing else are in `src/docs/many-hosts.md`; here the machine runs other tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_at_one_host_is_seen_at_another_at_once() {
    let bucket = memory();
    let (a, b) = (Member::new(&bucket).await, Member::new(&bucket).await);
    connected(&[&a, &b]).await;
    let share = a.share("s").await;
    let mut watch = b.watch(share.id());
    seen(&mut watch, Revision(0)).await;
    let mut took = Vec::new();
    for n in 0..200 {
        let synced = share.sync(part("p", &n.to_string())).await.unwrap();
        let acknowledged = Instant::now();
        seen(&mut watch, synced.revision).await;
        took.push(acknowledged.elapsed());
    }
    let (half, most) = (milliseconds(&took, 0.5), milliseconds(&took, 0.99));
    assert!(half < 100.0 && most < 500.0, "{half} and {most} ms: the room's own look comes after 500 and 1,000");
}

/// S101: what rests costs the looks that the settings say, here one in twenty seconds for each share, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_that_rest_are_hardly_looked_at_while_the_hosts_hear_each_other() {
    const SHARES: usize = 100;
    let (bucket, own) = (memory(), free_port().await);
    let a = Member::new(&bucket).await;
    let b = Member::at(&bucket, own, Some(own), |settings| settings.hub.poll_hinted = Duration::from_secs(20)).await;
    connected(&[&a, &b]).await;
    let (writer, reader) = (a.client(ANNS_KEY), b.client(ANNS_KEY));
    let mut watches = Vec::new();
    for n in 0..SHARES {
        let share = writer.create(&format!("s{n}").parse().unwrap(), None).await.unwrap();
        let mut watch = reader.watch(share.id(), WatchFrom::WholeState);
        seen(&mut watch, Revision(0)).await;
        watches.push(watch);
    }
    // The looks after 1 and 5 s, which belong to a beginning.
    sleep(Duration::from_secs(7)).await;
    bucket.counts.reset();
    sleep(Duration::from_secs(10)).await;
    let looks = bucket.counts.touched().iter().filter(|key| key.starts_with("share/")).count();
    assert!((1..=SHARES * 3 / 4).contains(&looks), "{looks} requests");
}

/// A host that nobody can call hears all the same, and is heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_say_where_it_is_calls_the_others() {
    let bucket = memory();
    let a = Member::new(&bucket).await;
    let b = Member::at(&bucket, free_port().await, None, |_| {}).await;
    connected(&[&a, &b]).await;
    for (writer, reader, session) in [(&a, &b, "there"), (&b, &a, "back")] {
        let share = writer.share(session).await;
        let mut watch = reader.watch(share.id());
        seen(&mut watch, Revision(0)).await;
        let began = Instant::now();
        for n in 0..20 {
            seen(&mut watch, share.sync(part("p", &n.to_string())).await.unwrap().revision).await;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}: without news it takes ten", began.elapsed());
    }
    let c = Member::at(&bucket, free_port().await, None, |_| {}).await;
    until("a connection", || a.hub().peers().is_linked(c.hub().hosts().id())).await;
    sleep(Duration::from_secs(1)).await;
    assert!(!c.hub().peers().is_linked(b.hub().hosts().id()), "neither of them can be called");
    assert!(!c.hub().hints().is_connected() && !b.hub().hints().is_connected(), "so both look by themselves");
    assert!(a.hub().hints().is_connected());
}

/// S99: while one host is gone, the others do not count on hearing everything; but what they write they still have from each other at
/// once, long before they look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_are_connected_hear_each_other_while_another_is_gone() {
    let (bucket, own) = (memory(), free_port().await);
    let (a, c) = (Member::new(&bucket).await, Member::new(&bucket).await);
    let poll = Some(Duration::from_secs(600));
    let b = Member::at(&bucket, own, Some(own), |settings| settings.hub.poll = poll).await;
    connected(&[&a, &b, &c]).await;
    let share = a.share("s").await;
    let mut watch = b.watch(share.id());
    seen(&mut watch, share.sync(part("p", "0")).await.unwrap().revision).await;
    drop(c);
    until("that it is gone", || !a.hub().hints().is_connected() && !b.hub().hints().is_connected()).await;
    for n in 1..20 {
        seen(&mut watch, share.sync(part("p", &n.to_string())).await.unwrap().revision).await;
    }
    assert!(!a.hub().hints().is_connected() && !b.hub().hints().is_connected());
}

/// S104: a share that is deleted at one host is gone at every other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_reaches_every_host_at_once() {
    let bucket = memory();
    let (a, b) = (Member::new(&bucket).await, Member::new(&bucket).await);
    connected(&[&a, &b]).await;
    let share = a.share("s").await;
    let mut watch = b.watch(share.id());
    seen(&mut watch, share.sync(part("p", "1")).await.unwrap().revision).await;
    let began = Instant::now();
    share.delete().await.unwrap();
    let ending = async { while let Some(Ok(_)) = watch.next().await {} };
    within("the end of a watch", ending).await;
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
}
