//! Following a share.

use std::sync::Arc;
use std::time::Duration;

use capshare::client::{ClientError, Replica, WatchFrom};
use capshare::share::error::Refusal;
use capshare::share::limits::Limits;
use capshare::share::view::Step;
use capshare::testing::Scene;

use super::queue::{client, items, share};
use super::relay::{Relay, local};
use crate::support::items::held;

/// Before a host that tells so many items of a scene in one piece.
fn in_pieces(items: usize) -> Arc<Relay> {
    // A key as other/n000, and its text of one byte.
    let bytes = |limits: &mut Limits| limits.chunk_bytes_max = items * 11;
    Relay::before(Scene::builder().settings(|settings| bytes(&mut settings.hub.limits)).build())
}

fn revisions(step: &Step) -> (u64, u64) {
    (step.base.0, step.revision.0)
}

/// S76: the client subscribes again; what it missed comes once, as one step.
#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_after_a_cut_without_gap_or_repeat() {
    local(async {
        let relay = in_pieces(2);
        let client = client(&relay);
        let share = share(&client).await;
        let other = relay.other(&share).await;
        other.sync(items(&["a 1", "b 1", "c 1", "d 1", "e 1"])).await.unwrap();
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        let mut replica = Replica::new();
        let first = watch.next().await.unwrap().unwrap();
        assert_eq!((revisions(&first), first.reset, first.more, first.changes.len()), ((0, 1), true, false, 5));
        replica.apply(&first).unwrap();
        for round in 0..5 {
            other.sync(items(&[&format!("a {round}")])).await.unwrap();
            replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
            relay.cut();
            other.sync(items(&[&format!("b {round}"), "- other/e"])).await.unwrap();
            let last = other.sync(items(&[&format!("f {round}")])).await.unwrap().revision;
            while replica.revision() < last {
                replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
            }
        }
        assert_eq!(held(&replica), held(&relay.state(share.id()).await));
        let from = relay.facts().watched_from.clone();
        assert_eq!(from.len(), 6);
        assert!(from.is_sorted() && from[1] == 2, "{from:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_amid_the_pieces_of_a_step_begins_the_step_again() {
    local(async {
        let relay = in_pieces(1);
        let client = client(&relay);
        let share = share(&client).await;
        let many: Vec<_> = (0..200).map(|n| format!("n{n:03} 1")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        relay.other(&share).await.sync(items(&many)).await.unwrap();
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        let cutting = tokio::task::spawn_local({
            let relay = relay.clone();
            async move {
                relay.until(|facts| facts.host_calls == 30).await;
                relay.cut();
            }
        });
        let step = watch.next().await.unwrap().unwrap();
        cutting.await.unwrap();
        assert_eq!(relay.facts().watched_from, [0, 0]);
        assert_eq!((step.changes.len(), revisions(&step)), (200, (0, 1)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_gets_later_and_larger_steps_and_never_two_at_once() {
    local(async {
        let relay = Relay::new();
        let client = client(&relay);
        let share = share(&client).await;
        let other = relay.other(&share).await;
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        other.sync(items(&["a 0"])).await.unwrap();
        assert_eq!(revisions(&watch.next().await.unwrap().unwrap()), (0, 1));
        for n in 1..=50 {
            other.sync(items(&[&format!("a {n}")])).await.unwrap();
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
        let relay = Relay::new();
        let client = client(&relay);
        let share = share(&client).await;
        let other = relay.other(&share).await;
        other.sync(items(&["a 1"])).await.unwrap();
        let gone = ClientError::Refused(Refusal::not_found(share.id().as_str()));
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        watch.next().await.unwrap().unwrap();
        other.delete().await.unwrap();
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
        let relay = Relay::new();
        let client = client(&relay);
        let share = share(&client).await;
        let other = relay.other(&share).await;
        other.sync(items(&["a 1"])).await.unwrap();
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        watch.next().await.unwrap().unwrap();
        assert_eq!(relay.scene.host().hub().metrics().followers.get(), 1);
        drop(watch);
        relay.until_host("nobody follows", |hub| hub.metrics().followers.get() == 0).await;
        client.ping().await.unwrap();
    })
    .await;
}
