//! Following a share.

use std::time::Duration;

use capshare::client::{ClientError, Replica, WatchFrom};
use capshare::share::error::Refusal;
use capshare::share::view::Step;

use super::host::{Host, local};
use super::queue::{client, share};

fn revisions(step: &Step) -> (u64, u64) {
    (step.base, step.revision)
}

/// S76: the client subscribes again; what it missed comes once, as one step.
#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_after_a_cut_without_gap_or_repeat() {
    local(async {
        let host = Host::with_pieces(2);
        let client = client(&host);
        let share = share(&client).await;
        host.sync(share.id(), &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")]);
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        let mut replica = Replica::new();
        let first = watch.next().await.unwrap().unwrap();
        assert_eq!((revisions(&first), first.reset, first.more, first.changes.len()), ((0, 1), true, false, 5));
        replica.apply(&first).unwrap();
        for round in 0..5 {
            host.sync(share.id(), &[("a", &round.to_string())]);
            replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
            host.cut();
            host.sync(share.id(), &[("b", &round.to_string()), ("remove", r#""other/e""#)]);
            host.sync(share.id(), &[("f", &round.to_string())]);
            while replica.revision() < host.facts().shares[share.id()].1.revision() {
                replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
            }
        }
        let items: Vec<_> = replica.iter().map(|(key, value)| (key.to_string(), value.as_str().to_owned())).collect();
        assert_eq!(items, host.items(share.id()));
        let from = host.facts().watched_from.clone();
        assert_eq!(from.len(), 6);
        assert!(from.is_sorted() && from[1] == 2, "{from:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_amid_the_pieces_of_a_step_begins_the_step_again() {
    local(async {
        let host = Host::with_pieces(1);
        let client = client(&host);
        let share = share(&client).await;
        let many: Vec<_> = (0..200).map(|n| format!("n{n}")).collect();
        let items: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
        host.sync(share.id(), &items);
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        let cutting = tokio::task::spawn_local({
            let host = host.clone();
            async move {
                host.until(|facts| facts.watches == 1).await;
                for _ in 0..30 {
                    tokio::task::yield_now().await;
                }
                host.cut();
            }
        });
        let step = watch.next().await.unwrap().unwrap();
        cutting.await.unwrap();
        assert_eq!((step.changes.len(), revisions(&step)), (200, (0, 1)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_gets_later_and_larger_steps_and_never_two_at_once() {
    local(async {
        let host = Host::new();
        let client = client(&host);
        let share = share(&client).await;
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        host.sync(share.id(), &[("a", "0")]);
        assert_eq!(revisions(&watch.next().await.unwrap().unwrap()), (0, 1));
        for n in 1..=50 {
            host.sync(share.id(), &[("a", &n.to_string())]);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // One lies ready, and the rest comes merged into one.
        assert_eq!(revisions(&watch.next().await.unwrap().unwrap()), (1, 2));
        let rest = watch.next().await.unwrap().unwrap();
        assert_eq!((revisions(&rest), rest.changes.len()), ((2, 51), 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_the_reason_when_the_share_is_deleted_or_was_never_there() {
    local(async {
        let host = Host::new();
        let client = client(&host);
        let share = share(&client).await;
        host.sync(share.id(), &[("a", "1")]);
        let gone = ClientError::Refused(Refusal::not_found(share.id().as_str()));
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        watch.next().await.unwrap().unwrap();
        host.delete(share.id());
        assert_eq!(watch.next().await.unwrap().unwrap_err(), gone);
        assert!(watch.next().await.is_none());
        let mut late = client.watch(share.id(), WatchFrom::WholeState);
        assert_eq!(late.next().await.unwrap().unwrap_err(), gone);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropping_a_watch_ends_it_on_the_host() {
    local(async {
        let host = Host::new();
        let client = client(&host);
        let share = share(&client).await;
        host.sync(share.id(), &[("a", "1")]);
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        watch.next().await.unwrap().unwrap();
        assert_eq!(host.facts().watches, 1);
        drop(watch);
        host.until(|facts| facts.watches == 0).await;
        client.ping().await.unwrap();
    })
    .await;
}
