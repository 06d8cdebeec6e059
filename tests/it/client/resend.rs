//! Batches whose connection was lost: sent again, applied once, in order.

use std::time::Duration;

use capshare::client::{Builder, ClientError};
use capshare::share::error::{Refusal, StorageTrouble, StoreOperation};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::queue::{client, items, said, share};
use super::relay::{Act, Kind, Pipe, Relay, local};
use crate::support::items::held;

/// S76: what was pending is sent again, whether the connection was cut before or after the host applied it.
#[tokio::test(start_paused = true)]
async fn a_batch_whose_connection_is_cut_is_sent_again_with_its_stamp_and_applied_once() {
    for act in [Act::CutBefore, Act::CutAfter] {
        local(async {
            let relay = Relay::new();
            let share = share(&client(&relay)).await;
            relay.next(Kind::Sync, [act.clone(), act]);
            share.queue(items(&["a 1", "b 1"])).await.unwrap();
            share.flush().await.unwrap();
            let seen: Vec<_> = relay.facts().seen.iter().map(|(_, batch)| batch.clone()).collect();
            assert_eq!(seen.len(), 3);
            assert!(seen[0].stamp.is_some() && seen.iter().all(|batch| *batch == seen[0]));
            assert_eq!(relay.state(share.id()).await.sync_count(), 1);
            assert_eq!(share.progress().borrow().sync_count, 1);

            // The next batch of the same producer has the next number.
            let synced = share.sync(items(&["a 2"])).await.unwrap();
            assert_eq!((synced.sync_count, synced.duplicate), (2, false));
            let stamps: Vec<_> = relay.facts().seen.iter().filter_map(|(_, batch)| batch.stamp.clone()).collect();
            assert_eq!((stamps[0].sequence, stamps[3].sequence), (1, 2));
            assert_eq!(stamps[0].producer, stamps[3].producer);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_value_waits_for_the_older_one_and_is_not_overwritten_by_it() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        relay.next(Kind::Sync, [Act::CutAfter, Act::CutBefore]);
        share.queue(items(&["a 1"])).await.unwrap();
        relay.until(|facts| facts.seen.len() == 1).await;
        share.queue(items(&["a 2", "- other/b"])).await.unwrap();
        let synced = share.sync(items(&["a 3"])).await.unwrap();
        share.queue(items(&["a 4"])).await.unwrap();
        share.flush().await.unwrap();
        assert_eq!(synced.sync_count, 3);
        assert_eq!(held(&relay.state(share.id()).await), [("other/a".to_owned(), "4".to_owned())]);
        let seen: Vec<_> = relay.facts().seen.iter().map(|(_, batch)| said(batch)).collect();
        let texts = ["other/a=1", "other/a=1", "other/a=1", "other/a=2 -other/b", "other/a=3", "other/a=4"];
        assert_eq!(seen.iter().map(|batch| batch.join(" ")).collect::<Vec<_>>(), texts);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_transient_refusal_is_met_again_with_the_same_stamp_and_growing_delays() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        let refused =
            Act::Refuse(Refusal::StorageFailure { operation: StoreOperation::Sync, trouble: StorageTrouble::Passing });
        relay.next(Kind::Sync, [refused.clone(), refused.clone(), refused]);
        assert_eq!(share.sync(items(&["a 1"])).await.unwrap().sync_count, 1);
        let seen = relay.facts().seen.clone();
        assert_eq!(seen.len(), 4);
        assert!(seen.windows(2).all(|pair| pair[0].1 == pair[1].1));
        let delays: Vec<_> = seen.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(delays[0] >= Duration::from_millis(200) && delays[2] >= Duration::from_millis(800), "{delays:?}");
        assert_eq!(relay.facts().dialled.len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sync_gives_up_after_the_call_timeout_and_a_queued_batch_does_not() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        relay.next(Kind::Sync, [Act::Hold, Act::Hold]);
        let begin = Instant::now();
        let timed_out = share.sync(items(&["a 1"])).await;
        assert_eq!(timed_out, Err(ClientError::Timeout { after: Duration::from_secs(30) }));
        assert_eq!(begin.elapsed(), Duration::from_secs(30));
        // Giving up cancelled the call on the host.
        relay.until(|facts| facts.held == 0).await;
        share.queue(items(&["b 1"])).await.unwrap();
        share.flush().await.unwrap();
        assert_eq!(held(&relay.state(share.id()).await), [("other/b".to_owned(), "1".to_owned())]);
        let seen = relay.facts().seen.clone();
        assert_eq!(seen[1].1, seen[2].1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_minutes_loses_nothing_that_was_queued() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        let down = || capshare::client::DialError::unreachable("down");
        relay.set(|facts| facts.dials.extend(std::iter::repeat_with(down).take(30)));
        relay.cut();
        for n in 0..100 {
            share.queue(items(&[&format!("a {n}"), &format!("n{n} {n}")])).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // Calls meanwhile say that the host could not be reached, and why.
        let error = share.info().await.unwrap_err();
        assert!(matches!(&error, ClientError::Unreachable { cause, .. } if cause.to_string() == "down"), "{error:?}");
        assert!(error.is_transient());
        share.flush().await.unwrap();
        assert_eq!(held(&relay.state(share.id()).await).len(), 101);
        assert!(held(&relay.state(share.id()).await).contains(&("other/a".to_owned(), "99".to_owned())));
        assert!(relay.facts().seen.len() <= 2, "an outage collapses as a window does");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_cancels_it_on_the_host() {
    local(async {
        let relay = Relay::new();
        let client = client(&relay);
        relay.next(Kind::Probe, [Act::Hold]);
        let call = spawn_local({
            let client = client.clone();
            async move { client.ping().await }
        });
        relay.until(|facts| facts.held == 1).await;
        call.abort();
        relay.until(|facts| facts.held == 0).await;

        let share = share(&client).await;
        relay.next(Kind::Sync, [Act::Hold]);
        let sync = spawn_local(async move { share.sync(items(&["a 1"])).await });
        relay.until(|facts| facts.held == 1).await;
        sync.abort();
        relay.until(|facts| facts.held == 0).await;
        client.ping().await.unwrap();
    })
    .await;
}

/// S76: what was pending fails or is sent again, as its policy says.
#[tokio::test(start_paused = true)]
async fn a_lost_call_is_made_again_unless_it_must_not_happen_twice() {
    local(async {
        let relay = Relay::new();
        let client = Builder::over(std::sync::Arc::new(Pipe(relay.clone()))).build_local().unwrap();
        relay.next(Kind::Probe, [Act::CutBefore, Act::CutAfter]);
        client.ping().await.unwrap();
        assert_eq!(relay.facts().dialled.len(), 3);

        relay.next(Kind::Probe, [Act::CutAfter]);
        let error = client.probe_callback(|message| format!("{message}!")).await.unwrap_err();
        assert!(matches!(error, ClientError::Disconnected { .. }), "{error:?}");
        let answer = client.probe_callback(|message| format!("{message}!")).await.unwrap();
        assert_eq!(answer.value, "server-called!");
    })
    .await;
}
