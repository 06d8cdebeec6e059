//! The queue of a share: what collapses, what waits, what is told.

use std::sync::Arc;
use std::time::Duration;

use capshare::Client;
use capshare::client::{Builder, ClientError, Items, Share};
use capshare::share::change::Batch;
use capshare::share::error::Refusal;
use capshare::share::limits::Limit;
use capshare::testing::Scene;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::relay::{Act, Kind, Pipe, Relay, local};
use crate::support::items::held;

pub(super) fn client(relay: &Arc<Relay>) -> Client {
    Builder::over(Arc::new(Pipe(relay.clone()))).seed(1).build_local().expect("the settings are right")
}

pub(super) async fn share(client: &Client) -> Share {
    client.create(&"ses_1".parse().expect("a session"), None).await.expect("the host creates it")
}

/// Items from `type json` lines; `- key` removes.
pub(super) fn items(lines: &[&str]) -> Items {
    let mut items = Items::new();
    for line in lines {
        match line.split_once(' ').expect("two words") {
            ("-", key) => items.remove(key),
            (kind, json) => items.put(kind, json),
        }
        .expect("an item");
    }
    items
}

/// A batch as `key=text` and `-key`.
pub(super) fn said(batch: &Batch) -> Vec<String> {
    let change = |change: &capshare::share::change::Change| match &change.value {
        Some(value) => format!("{}={}", change.key, value.as_str()),
        None => format!("-{}", change.key),
    };
    batch.changes.iter().map(change).collect()
}

/// S77: updates queued within the window collapse to the newest per key.
#[tokio::test(start_paused = true)]
async fn a_window_is_sent_a_second_after_its_first_item_with_the_newest_value_of_each_key() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        let begin = Instant::now();
        share.queue(items(&["a 1", "b 1"])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        share.queue(items(&["a 2"])).await.unwrap();
        share.try_queue(items(&["a 3", "c 1"])).unwrap();
        relay.until(|facts| !facts.seen.is_empty()).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(1));
        share.flush().await.unwrap();
        assert_eq!(relay.facts().seen.len(), 1);
        assert_eq!(said(&relay.facts().seen[0].1), ["other/a=3", "other/b=1", "other/c=1"]);

        // The next window begins with its own first item.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begin = Instant::now();
        share.queue(items(&["a 4"])).await.unwrap();
        relay.until(|facts| facts.seen.len() == 2).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(1));
    })
    .await;
}

/// S77: a removal is never lost.
#[tokio::test(start_paused = true)]
async fn a_removal_stays_and_what_came_after_it_stays_behind_it() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        let message = r#"message {"id":"m"}"#;
        let part = r#"part {"id":"p","messageID":"m"}"#;
        share.queue(items(&["a 1", message, part, "- message/m", "- other/a"])).await.unwrap();
        share.flush().await.unwrap();
        assert_eq!(said(&relay.facts().seen[0].1), ["-message/m", "-other/a"]);

        share
            .queue(items(&[message, part, "- message/m", "b 1", message, "- message/m", message, part]))
            .await
            .unwrap();
        share.flush().await.unwrap();
        assert_eq!(
            said(&relay.facts().seen[1].1),
            ["-message/m", "other/b=1", r#"message/m={"id":"m"}"#, r#"part/m/p={"id":"p","messageID":"m"}"#]
        );
    })
    .await;
}

/// S77: the queue is bounded.
#[tokio::test(start_paused = true)]
async fn past_its_bound_the_queue_refuses_or_waits_and_a_newer_value_of_a_key_still_has_room() {
    local(async {
        let relay = Relay::new();
        let pipe = Arc::new(Pipe(relay.clone()));
        let client = Builder::over(pipe).queue_bounds(3, 10_000).build_local().unwrap();
        let share = share(&client).await;
        relay.next(Kind::Sync, [Act::Hold]);
        share.queue(items(&["a 1", "b 1"])).await.unwrap();
        relay.until(|facts| facts.held == 1).await;
        // What is on its way counts.
        share.queue(items(&["a 2"])).await.unwrap();
        assert!(matches!(share.try_queue(items(&["c 1"])), Err(ClientError::QueueFull { items: 3, .. })));
        share.queue(items(&["a 3"])).await.unwrap();
        let waiting = spawn_local({
            let share = share.clone();
            async move { share.queue(items(&["c 1"])).await }
        });
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!waiting.is_finished());
        relay.release();
        waiting.await.unwrap().unwrap();
        share.flush().await.unwrap();
        let big = format!("big \"{}\"", "x".repeat(9_990));
        share.queue(items(&["a 4"])).await.unwrap();
        assert!(matches!(share.try_queue(items(&[&big])), Err(ClientError::QueueFull { .. })));
        share.flush().await.unwrap();
        assert_eq!(held(&relay.state(share.id()).await)[0], ("other/a".to_owned(), "4".to_owned()));
    })
    .await;
}

/// A queue without room is sent before its window is over, whatever its bounds are.
#[tokio::test(start_paused = true)]
async fn whoever_waits_for_room_does_not_wait_for_the_window() {
    local(async {
        for bounds in [(3, 100_000), (100, 10_000)] {
            let relay = Relay::new();
            let client = Builder::over(Arc::new(Pipe(relay.clone()))).queue_bounds(bounds.0, bounds.1).build_local();
            let share = share(&client.unwrap()).await;
            let begin = Instant::now();
            let lines: Vec<_> = (0..10).map(|n| format!("item{n} \"{}\"", "x".repeat(3_000))).collect();
            share.queue(items(&lines.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap();
            assert_eq!(begin.elapsed(), Duration::ZERO, "{bounds:?}");
            let sent =
                |relay: &Relay| relay.facts().seen.iter().map(|(_, batch)| batch.changes.len()).collect::<Vec<_>>();
            assert_eq!(sent(&relay), [3, 3, 3], "{bounds:?}");
            // With room again the rest has its time.
            relay.until(|facts| facts.seen.len() == 4).await;
            assert_eq!(begin.elapsed(), Duration::from_secs(1));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_the_answer_to_what_was_queued_before_it_and_for_nothing_else() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        relay.next(Kind::Sync, [Act::Hold]);
        share.queue(items(&["a 1"])).await.unwrap();
        let begin = Instant::now();
        let flush = spawn_local({
            let share = share.clone();
            async move { share.flush().await }
        });
        relay.until(|facts| facts.held == 1).await;
        assert_eq!(begin.elapsed(), Duration::ZERO, "a flush does not wait for the window");
        share.queue(items(&["b 1"])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!flush.is_finished());
        relay.release();
        flush.await.unwrap().unwrap();
        assert_eq!(relay.facts().seen.len(), 1, "what was queued later waits for its own time");
        assert_eq!(share.progress().borrow().sync_count, 1);
    })
    .await;
}

/// S77: the queue is flushed on close.
#[tokio::test(start_paused = true)]
async fn closing_a_share_sends_what_is_queued_and_so_does_dropping_it() {
    local(async {
        let relay = Relay::new();
        let client = client(&relay);
        let one = share(&client).await;
        let id = one.id().clone();
        one.queue(items(&["a 1"])).await.unwrap();
        one.clone().close().await.unwrap();
        assert_eq!(relay.state(&id).await.len(), 1);

        let secret = one.secret().unwrap().clone();
        let two = client.open(&id, &secret).await.unwrap();
        two.queue(items(&["b 1"])).await.unwrap();
        drop((one, two, client));
        relay.until(|facts| facts.connections == 0).await;
        assert_eq!(relay.state(&id).await.len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn more_than_one_message_holds_goes_in_several_syncs() {
    local(async {
        let relay = Relay::new();
        let client = client(&relay);
        let mut many = Items::new();
        for n in 0..4_500 {
            many.put("note", &format!(r#"{{"id":"{n}"}}"#)).unwrap();
        }
        let share = client.create(&"ses_1".parse().unwrap(), Some(many.clone())).await.unwrap();
        let lens = |relay: &Relay| relay.facts().seen.iter().map(|(_, batch)| batch.changes.len()).collect::<Vec<_>>();
        assert_eq!(lens(&relay), [2_000, 2_000, 500]);
        assert_eq!(relay.state(share.id()).await.len(), 4_500);

        // By bytes as well: five items of 1 MiB.
        let mut big = Items::new();
        for n in 0..5 {
            big.put_value("big", &serde_json::json!({"id": n.to_string(), "x": "x".repeat(1 << 20)})).unwrap();
        }
        assert!(matches!(
            share.sync(big.clone()).await,
            Err(ClientError::Refused(Refusal::LimitExceeded { limit, .. })) if limit == Limit::MessageBytesMax
        ));
        share.queue(big).await.unwrap();
        share.flush().await.unwrap();
        assert_eq!(lens(&relay)[3..], [3, 2]);

        assert_eq!(relay.facts().dialled.len(), 1);

        // A host with a lower limit is believed.
        let scene = Scene::builder().settings(|settings| settings.hub.limits.sync_items_max = 800).build();
        let relay = Relay::before(scene);
        let share = self::share(&self::client(&relay)).await;
        share.queue(many).await.unwrap();
        share.flush().await.unwrap();
        assert_eq!(lens(&relay), [2_000, 800, 800, 400, 800, 800, 800, 100]);
        assert_eq!(relay.facts().dialled.len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_too_large_or_none_is_refused_before_it_is_sent() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        let mut items = Items::new();
        let large = format!("\"{}\"", "x".repeat(4 << 20));
        assert!(matches!(
            items.put("note", &large),
            Err(Refusal::LimitExceeded { limit, max: 4_128_768, got }) if limit == Limit::ItemBytesMax && got == large.len() as u64
        ));
        items.put("note", "1").unwrap();
        assert!(matches!(items.put("message", "{}"), Err(Refusal::InvalidInput { index: 1, .. })));
        assert!(matches!(items.sync_data(r#"{"type":"part"}"#), Err(Refusal::InvalidInput { index: 1, .. })));
        assert!(matches!(items.remove("nothing/x"), Err(Refusal::InvalidInput { index: 1, .. })));
        // An item of the very largest size passes, and the connection is the one from before.
        items.put("other_note", &format!("\"{}\"", "x".repeat(4_128_768 - 2))).unwrap();
        share.queue(items).await.unwrap();
        share.flush().await.unwrap();
        assert_eq!(relay.facts().dialled.len(), 1);
        assert_eq!(relay.state(share.id()).await.len(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_final_refusal_is_told_to_flush_and_to_whoever_queues_later() {
    local(async {
        let relay = Relay::new();
        let share = share(&client(&relay)).await;
        relay.other(&share).await.delete().await.unwrap();
        share.queue(items(&["a 1"])).await.unwrap();
        let gone = Err(ClientError::Refused(Refusal::not_found(share.id().as_str())));
        assert_eq!(share.flush().await, gone);
        assert_eq!(share.queue(items(&["a 2"])).await, gone);
        assert_eq!(share.try_queue(items(&["a 2"])), gone);
        assert_eq!(share.clone().close().await, gone);
        assert_eq!(relay.facts().seen.len(), 1);
    })
    .await;
}
