//! Messages that are too large, beside others that are on their way.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::connections::calls::{CallContext, CallFailure};
use capshare::__internal::connections::outlet::PushError;
use capshare::__internal::connections::push::{Action, PushOptions};
use capshare::Client;
use capshare::client::{
    Answer, Builder, CallError, ClientError, Closed, Items, ListScope, Lost, PageRequest, ProbeValue, Push, Replica,
    Share, WatchFrom,
};
use capshare::host::Host;
use capshare::share::error::Refusal;
use capshare::share::limits::{ID_BYTES_MAX, ITEM_BYTES_MAX, Limit, MESSAGE_BYTES_MAX, PUSH_BYTES_MAX};
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;
use tokio::task::spawn_local;
use tokio_util::sync::CancellationToken;

use crate::support::bucket::{Fault, TestBucket};
use crate::support::line::{Lines, Strike, When};
use crate::support::sink::named;

/// A limit lower than the contract's.
const LOW: usize = 128 << 10;

/// A host over this bucket that takes messages of so many bytes, and serves a call that never ends.
fn host(bucket: &Arc<TestBucket>, message_bytes_max: usize, seed: u64) -> Scene {
    let scene = Scene::builder().store(bucket.clone()).seed(seed);
    let scene = scene.settings(|settings| settings.hub.limits.message_bytes_max = message_bytes_max).build();
    scene.host().on_call("wait", |_: CallContext, _| std::future::pending::<Result<_, CallFailure>>());
    scene
}

fn client(lines: &Arc<Lines>) -> Client {
    Builder::over(lines.clone()).seed(1).build_local().unwrap()
}

async fn share(client: &Client, session: &str) -> Share {
    client.create(&session.parse().unwrap(), None).await.unwrap()
}

/// Twenty items of 10 KB each.
fn large() -> Items {
    let mut items = Items::new();
    for n in 0..20 {
        items.put("note", &format!(r#"{{"id":"{n}","x":"{}"}}"#, "x".repeat(10_000))).unwrap();
    }
    items
}

fn small() -> Items {
    let mut items = Items::new();
    items.put("small", "1").unwrap();
    items
}

/// Waits until the host has so many calls that it has not answered.
async fn until_in_flight(host: &Host, calls: i64) {
    while host.hub().metrics().calls_in_flight.get() < calls {
        tokio::task::yield_now().await;
    }
}

fn limit(error: &ClientError) -> Option<(&str, u64)> {
    match error {
        ClientError::Refused(Refusal::LimitExceeded { limit, max, got }) if got > max => Some((limit.name(), *max)),
        _ => None,
    }
}

/// S89: 1009 with three other calls on their way: none of them is held to have been too large.
#[test]
fn a_message_that_is_too_large_for_the_host_fails_its_own_call_and_no_other() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = host(&bucket, LOW, 1);
        let lines = Lines::to(scene.host().hub());
        let client = client(&lines);
        let (innocent, guilty) = (share(&client, "ses_1").await, share(&client, "ses_2").await);
        bucket.next_writes([Some(Fault::Slow(Duration::from_secs(5)))]);
        innocent.queue(small()).await.unwrap();
        let flush = spawn_local({
            let innocent = innocent.clone();
            async move { innocent.flush().await }
        });
        let call = spawn_local({
            let client = client.clone();
            async move { client.call("wait", "1").await }
        });
        until_in_flight(scene.host(), 2).await;
        let refused = guilty.sync(large()).await.unwrap_err();
        assert_eq!(limit(&refused), Some(("messageBytesMax", LOW as u64)), "{refused:?}");
        // It must not be made twice, and nobody knows whether it was carried out.
        let lost = call.await.unwrap().unwrap_err();
        assert!(matches!(lost, CallError::Client(ClientError::Disconnected { .. })), "{lost:?}");
        // What was queued is sent again with its stamp.
        flush.await.unwrap().unwrap();
        assert_eq!(innocent.info().await.unwrap().sync_count, 1);
        innocent.sync(small()).await.unwrap();
        assert_eq!(lines.dialled(), 2);

        // The client has learnt: what is queued now goes in parts that fit.
        guilty.queue(large()).await.unwrap();
        guilty.flush().await.unwrap();
        let info = guilty.info().await.unwrap();
        assert_eq!((info.item_count, lines.dialled()), (20, 2));
        assert!(info.sync_count >= 2, "{info:?}");
    });
}

/// S89: what one host may have applied is not sent to another in parts, each of which would be applied once more.
#[test]
fn a_batch_that_may_be_applied_is_not_sent_under_new_stamps_to_a_host_that_takes_less() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let (one, two) = (host(&bucket, MESSAGE_BYTES_MAX, 1), host(&bucket, LOW, 2));
        let (lines, cut) = (Lines::to(one.host().hub()), CancellationToken::new());
        lines.strike(When::Told(cut.clone()), Strike::Cut);
        let client = client(&lines);
        let share = share(&client, "ses_1").await;
        bucket.next_writes([Some(Fault::Slow(Duration::from_secs(2)))]);
        share.queue(large()).await.unwrap();
        let flush = spawn_local({
            let share = share.clone();
            async move { share.flush().await }
        });
        until_in_flight(one.host(), 1).await;
        lines.lead_to(two.host().hub());
        cut.cancel();
        let failed = flush.await.unwrap().unwrap_err();
        let ClientError::Disconnected { cause: Lost::Refused(Refusal::LimitExceeded { limit, .. }) } = &failed else {
            panic!("{failed:?}")
        };
        assert_eq!(*limit, Limit::MessageBytesMax);
        // The first host had it all the while, and has all of it in the end, once.
        let (mut watch, mut replica) = (one.client().watch(share.id(), WatchFrom::WholeState), Replica::new());
        while replica.is_empty() {
            replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
        }
        assert_eq!((replica.sync_count(), replica.len()), (1, 20));
    });
}

/// S89: a proxy that closes with 1009 and does not say how much it takes.
#[test]
fn a_proxy_that_takes_less_and_does_not_say_how_much_gets_smaller_batches() {
    run(async {
        let scene = Scene::new();
        let lines = Lines::to(scene.host().hub());
        lines.take_at_most(60_000);
        let client = client(&lines);
        let (share, other) = (share(&client, "ses_1").await, share(&client, "ses_2").await);
        other.queue(small()).await.unwrap();
        share.queue(large()).await.unwrap();
        share.flush().await.unwrap();
        other.flush().await.unwrap();
        let info = share.info().await.unwrap();
        assert_eq!(info.item_count, 20);
        assert_eq!(other.info().await.unwrap().sync_count, 1);
        // 200 KB are refused once, and then halves of halves are not.
        assert_eq!(lines.dialled(), 2);
    });
}

/// S89: whatever a caller hands over that is too large is refused before it is sent, and the connection goes on.
#[test]
fn nothing_that_is_larger_than_a_message_is_sent() {
    run(async {
        let scene = Scene::new();
        scene.host().on_call("wait", |_: CallContext, _| std::future::pending::<Result<_, CallFailure>>());
        let lines = Lines::to(scene.host().hub());
        let client = client(&lines);
        let call = spawn_local({
            let client = client.clone();
            async move { client.call("wait", "1").await }
        });
        until_in_flight(scene.host(), 1).await;
        let huge = "x".repeat(5 << 20);
        let of_message = Some(("messageBytesMax", MESSAGE_BYTES_MAX as u64));
        let listed = client.list_page(ListScope::OwnAccount, PageRequest::at(huge.as_str())).await.unwrap_err();
        assert_eq!(limit(&listed), of_message, "{listed:?}");
        let value = ProbeValue { bytes: huge.clone().into_bytes(), ..ProbeValue::default() };
        let probed = client.probe_value(value).await.unwrap_err();
        assert_eq!(limit(&probed), of_message, "{probed:?}");
        let reply = huge.clone();
        let called_back = client.probe_callback(move |_| reply).await.unwrap_err();
        assert_eq!(limit(&called_back), Some(("itemBytesMax", ITEM_BYTES_MAX as u64)), "{called_back:?}");
        let Err(CallError::Client(called)) = client.call(&huge, "1").await else { panic!("a refusal") };
        assert_eq!(limit(&called), Some(("idBytesMax", ID_BYTES_MAX as u64)), "{called:?}");
        // The largest that may be goes through.
        let largest = "x".repeat(ITEM_BYTES_MAX);
        let echoed = client.probe_value(ProbeValue { bytes: largest.into_bytes(), ..ProbeValue::default() }).await;
        assert_eq!(echoed.unwrap().value.bytes.len(), ITEM_BYTES_MAX);
        assert!(!call.is_finished());
        assert_eq!(lines.dialled(), 1);

        let shown = Builder::over(lines.clone()).token(huge).in_band().build_local().unwrap();
        let refused = shown.hello().await.unwrap_err();
        assert!(matches!(&refused, ClientError::Closed(Closed::Refused(Refusal::LimitExceeded { .. }))), "{refused:?}");
    });
}

/// S89: a handler's answer, or its error, that is too large for a push: the host is told, and the connection goes on.
#[test]
fn an_answer_to_a_push_is_checked_before_it_is_sent() {
    run(async {
        let scene = Scene::new();
        let lines = Lines::to(scene.host().hub());
        let client = client(&lines);
        let answer = |push| async move {
            match push {
                Push::Custom { data, .. } if data == "\"large\"" => {
                    Ok(Answer::custom(format!("\"{}\"", "x".repeat(5 << 20))))
                }
                Push::Custom { data, .. } if data == "\"throw\"" => Err("é".repeat(3 << 20)),
                _ => Ok(Answer::custom("1")),
            }
        };
        client.on_push(answer).await.unwrap();
        let id = named(scene.host(), &client.hello().await.unwrap().connection_id);
        let push = |data: &str| scene.host().push(&id, Action::custom("a", data), PushOptions::default());
        let Err(PushError::ClientError(text)) = push("\"large\"").await else { panic!("the client's error") };
        assert!(text.starts_with("past the limit pushBytesMax"), "{text}");
        let Err(PushError::ClientError(text)) = push("\"throw\"").await else { panic!("the client's error") };
        assert_eq!(text, "é".repeat(PUSH_BYTES_MAX / 2));
        assert_eq!(push("2").await, Ok(Answer::custom("1")));
        assert_eq!(lines.dialled(), 1);
        assert_eq!(scene.host().hub().connections().registry().connections().len(), 1);
    });
}
