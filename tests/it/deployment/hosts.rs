//! How hosts find each other through their bucket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::deployment::{HostFacts, Hosts, HostsSettings};
use capshare::__internal::store::{FreedKind, GcOptions, Problem};
use capshare::share::error::Refusal;
use capshare::share::host::HostUrl;
use capshare::share::limits::hosts::{HOST_LINKS_MAX, HOST_URLS_TOLD_MAX};
use capshare::share::secret::Secret;
use capshare::share::time::Timestamp;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::time::sleep;

use super::{A_WHILE, advertising, member, tended};
use crate::store::survey;
use crate::support::bucket::{TestBucket, text_of};

fn memory() -> Arc<TestBucket> {
    TestBucket::over(Arc::new(InMemory::new()))
}

fn texts(urls: &[HostUrl]) -> Vec<&str> {
    urls.iter().map(HostUrl::as_str).collect()
}

/// The object of a host.
async fn object(bucket: &TestBucket, hosts: &Hosts) -> Option<String> {
    let key = Path::from(format!("host/{}", hosts.id()));
    bucket.head(&key).await.ok()?;
    Some(text_of(bucket, &key).await)
}

#[tokio::test(start_paused = true)]
async fn hosts_over_one_bucket_know_each_other_while_they_live() {
    let bucket = memory();
    let (a, b, c) = (
        member(&bucket, 1, advertising("http://a:1")),
        member(&bucket, 2, advertising("")),
        member(&bucket, 3, advertising("https://c")),
    );
    let facts = HostFacts { draining: true, shares: 3, connections: 7 };
    let (tending_a, _b, tending_c) =
        (tended(&a, HostFacts::default()), tended(&b, HostFacts::default()), tended(&c, facts));
    sleep(A_WHILE).await;
    let mut others = b.others();
    others.sort_by_key(|other| other.urls.clone());
    assert_eq!(others, [a.own(HostFacts::default()), c.own(facts)]);
    assert_eq!(others[1].version, env!("CARGO_PKG_VERSION"));
    assert_eq!(texts(&b.urls()), ["http://a:1"], "nobody is sent to a host that drains");
    assert_eq!(b.callable().len(), 2, "which is told what is written all the same");
    assert_eq!((a.callable().len(), a.urls().len()), (1, 0));

    tending_a.abort();
    a.leave().await;
    assert_eq!(object(&bucket, &a).await, None);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(b.others(), [c.own(facts)], "it left, and is gone with the next listing");

    tending_c.abort();
    sleep(Duration::from_secs(29)).await;
    assert_eq!(b.others().len(), 1, "it may have been held up");
    sleep(Duration::from_secs(21)).await;
    assert_eq!(b.others(), [], "it was killed");
    assert!(object(&bucket, &c).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn each_round_costs_a_write_a_listing_and_a_read_for_each_other_host() {
    let bucket = memory();
    let hosts: Vec<_> = (1..4).map(|n| member(&bucket, n, advertising(&format!("http://h{n}")))).collect();
    let _tending: Vec<_> = hosts.iter().map(|hosts| tended(hosts, HostFacts::default())).collect();
    sleep(A_WHILE).await;
    bucket.counts.reset();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(bucket.counts.all(), [30, 60, 30, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_bucket_is_its_own_neither_writes_nor_lists() {
    let bucket = memory();
    let mut settings = advertising("http://a");
    settings.every = None;
    settings.others = vec!["http://b".parse().unwrap(), "http://a".parse().unwrap()];
    let hosts = member(&bucket, 1, settings);
    tended(&hosts, HostFacts::default()).await.unwrap();
    hosts.leave().await;
    assert_eq!(bucket.counts.all(), [0; 4]);
    assert_eq!(texts(&hosts.urls()), ["http://b"], "what the settings say is told, but for its own URL");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_stirred_says_anew_what_it_says_of_itself() {
    let bucket = memory();
    let hosts = member(&bucket, 1, advertising("http://a"));
    let _tending = tended(&hosts, HostFacts::default());
    sleep(Duration::from_secs(2)).await;
    assert!(object(&bucket, &hosts).await.unwrap().contains("\"beat\":1,"));
    hosts.stir();
    sleep(Duration::from_millis(1)).await;
    assert!(object(&bucket, &hosts).await.unwrap().contains("\"beat\":2,"));
    hosts.stir();
    sleep(Duration::from_millis(900)).await;
    assert!(object(&bucket, &hosts).await.unwrap().contains("\"beat\":2,"), "and not more than once a second");
}

#[tokio::test(start_paused = true)]
async fn hosts_go_on_knowing_each_other_while_their_bucket_is_away() {
    let bucket = memory();
    let (a, b) = (member(&bucket, 1, advertising("http://a")), member(&bucket, 2, HostsSettings::default()));
    let _tending = (tended(&a, HostFacts::default()), tended(&b, HostFacts::default()));
    sleep(A_WHILE).await;
    bucket.down.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(texts(&b.urls()), ["http://a"]);
    bucket.down.store(false, Ordering::Relaxed);
    for _ in 0..60 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(texts(&b.urls()), ["http://a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_take_the_first_url_go_to_different_hosts() {
    let bucket = memory();
    let hosts: Vec<_> = (1..4).map(|n| member(&bucket, n, advertising(&format!("http://h{n}")))).collect();
    let _tending: Vec<_> = hosts.iter().map(|hosts| tended(hosts, HostFacts::default())).collect();
    sleep(A_WHILE).await;
    let (one, two) = (hosts[0].urls(), hosts[0].urls());
    assert_ne!(one[0], two[0]);
    assert_eq!((one.len(), two.len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_so_many_hosts_and_no_more() {
    let mut settings = advertising("http://a");
    settings.others = (0..HOST_URLS_TOLD_MAX + 5).map(|n| format!("http://h{n}").parse().unwrap()).collect();
    assert_eq!(member(&memory(), 1, settings).urls().len(), HOST_URLS_TOLD_MAX);
}

/// The answer to a ticket.
async fn answer(host: &Hosts, ticket: &Secret) -> Result<String, String> {
    match host.admit(ticket).await {
        Ok(id) => Ok(id.to_string()),
        Err(Refusal::Unauthorized { reason }) => Err(reason.into_owned()),
        Err(other) => panic!("{other}"),
    }
}

/// A ticket is good at one host, and for nobody who cannot write to the bucket.
#[tokio::test(start_paused = true)]
async fn a_ticket_shows_who_calls_to_the_one_host_that_it_was_made_for() {
    let bucket = memory();
    let (a, b, c) = (
        member(&bucket, 1, advertising("http://a")),
        member(&bucket, 2, advertising("")),
        member(&bucket, 3, advertising("http://c")),
    );
    let unknown = Err("this is no ticket of a host of this deployment".to_owned());
    assert_eq!(answer(&a, &b.ticket_for(a.id())).await, unknown, "of a host that is not there yet");
    let _tending = [&a, &b, &c].map(|hosts| tended(hosts, HostFacts::default()));
    sleep(A_WHILE).await;
    let ticket = b.ticket_for(a.id());
    assert_eq!(answer(&a, &ticket).await, Ok(b.id().to_string()));
    assert_eq!(answer(&c, &ticket).await, unknown, "a host that was shown it can show it to no other");
    assert_eq!(answer(&c, &c.ticket_for(c.id())).await, unknown, "nobody calls itself");
    let guessed = Secret::with_prefix(&format!("caphost_{}_", b.id()), [7; 32]);
    let read = object(&bucket, &b).await.unwrap();
    let hash = read.split("tickets\":{").nth(1).unwrap().split('"').nth(3).unwrap();
    let hash = Secret::from(format!("caphost_{}_{hash}", b.id()).as_str());
    for wrong in [guessed, hash, Secret::from(""), Secret::from("caphost_"), Secret::from("captok_aaaaaaaaaaaaaaab_x")]
    {
        assert_eq!(answer(&a, &wrong).await, unknown);
    }
    let mut alone = advertising("http://d");
    alone.peers = false;
    let d = member(&bucket, 4, alone);
    let _tending = tended(&d, HostFacts::default());
    sleep(A_WHILE).await;
    assert_eq!(answer(&d, &b.ticket_for(d.id())).await, Err("this host talks to no other hosts".to_owned()));
    assert!(!object(&bucket, &d).await.unwrap().contains("tickets"), "and calls none");
}

/// Of a deployment with more hosts than one calls, a host calls none for which its record has no ticket.
#[tokio::test(start_paused = true)]
async fn a_host_calls_so_many_others_and_has_a_ticket_for_each() {
    let bucket = memory();
    let most = HOST_LINKS_MAX as u64;
    let hosts: Vec<_> = (0..most + 6).map(|n| member(&bucket, n, advertising(&format!("http://h{n}")))).collect();
    let _tending: Vec<_> = hosts.iter().map(|hosts| tended(hosts, HostFacts::default())).collect();
    // In each round a host reads ten records.
    sleep(10 * A_WHILE).await;
    let caller = &hosts[0];
    let called = caller.callable();
    assert_eq!((caller.others().len(), called.len()), (HOST_LINKS_MAX + 5, HOST_LINKS_MAX));
    for (id, _) in called {
        let host = hosts.iter().find(|host| *host.id() == id).unwrap();
        assert_eq!(answer(host, &caller.ticket_for(&id)).await, Ok(caller.id().to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_record_of_a_host_is_passed_over_and_reported() {
    let bucket = memory();
    let a = member(&bucket, 1, advertising("http://a"));
    let id = "aaaaaaaaaaaaaaaaaaaaaaaaaz";
    let large = format!("{{\"capshare\":1,\"host\":\"{id}\",\"x\":\"{}\"", "x".repeat(16 << 10));
    for wrong in ["", "nothing", "{\"capshare\":2}", &large] {
        bucket.put(&Path::from(format!("host/{id}")), PutPayload::from(wrong.to_owned())).await.unwrap();
        let tending = tended(&a, HostFacts::default());
        sleep(A_WHILE).await;
        tending.abort();
        assert_eq!(a.others(), [], "{wrong}");
    }
    bucket.put(&Path::from("host/somebody"), PutPayload::default()).await.unwrap();
    let store = survey::surveyor(&bucket, 9, true);
    let checked = survey::check(&store, false).await;
    let found: Vec<_> = checked.findings.iter().map(|finding| (finding.problem, finding.key.as_str())).collect();
    assert_eq!(
        found,
        [(Problem::Unreadable, "host/aaaaaaaaaaaaaaaaaaaaaaaaaz"), (Problem::UnknownKey, "host/somebody")]
    );
    let stats = store.stats(&|_| {}).await.unwrap();
    assert_eq!((stats.hosts.objects, stats.other.objects), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_host_left_is_cleared_when_it_is_a_day_old() {
    let bucket = memory();
    let (a, b) = (member(&bucket, 1, advertising("http://a")), member(&bucket, 2, HostsSettings::default()));
    let tending = tended(&a, HostFacts::default());
    sleep(A_WHILE).await;
    tending.abort();
    let store = survey::surveyor(&bucket, 9, true);
    let freed = || async { store.gc(&GcOptions::at(Timestamp(0), 7), &|_| {}).await.unwrap().kinds };
    bucket.age("host/", Duration::from_secs(23 * 3_600));
    assert!(freed().await.is_empty());
    bucket.age("host/", Duration::from_secs(2 * 3_600));
    assert_eq!(freed().await.get(&FreedKind::Hosts).map(|tally| tally.objects), Some(1));
    assert_eq!(object(&bucket, &a).await, None);

    // And without anybody who collects, by the hosts themselves.
    let bucket = memory();
    let (a, b) = (member(&bucket, 1, advertising("http://a")), {
        drop(b);
        member(&bucket, 2, HostsSettings::default())
    });
    let tending = tended(&a, HostFacts::default());
    sleep(A_WHILE).await;
    tending.abort();
    bucket.age(&format!("host/{}", a.id()), Duration::from_secs(25 * 3_600));
    let _tending = tended(&b, HostFacts::default());
    sleep(A_WHILE).await;
    assert_eq!((object(&bucket, &a).await, b.others()), (None, Vec::new()));
}
