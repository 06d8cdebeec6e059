//! What the client's face promises beside its calls: streams, options that are chained, and calls by types.

use std::time::Duration;

use capshare::__internal::connections::calls::CallContext;
use capshare::client::{CallError, CreateOptions, ListScope, Replica, WatchFrom};
use capshare::share::error::Refusal;
use capshare::share::limits::CALLS_IN_FLIGHT_MAX;
use capshare::share::visibility::Visibility;
use capshare::testing::{Scene, run};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::items::{held, part};

/// A watch is a stream: by the trait and by its own method one gets one run of steps, and after the error that ends it nothing.
#[test]
fn a_watch_is_a_stream_of_steps_that_ends_after_its_error() {
    run(async {
        let scene = Scene::new();
        let (owner, follower) = (scene.client(), scene.client());
        let share = owner.create(&"ses_1".parse().unwrap(), Some(part("p", "1"))).await.unwrap();
        let (mut watch, mut replica) = (follower.watch(share.id(), WatchFrom::WholeState), Replica::new());
        // A poll that is given up loses nothing.
        assert!(futures::poll!(Box::pin(StreamExt::next(&mut watch))).is_pending());
        replica.apply(&StreamExt::next(&mut watch).await.unwrap().unwrap()).unwrap();
        share.sync(part("p", "2")).await.unwrap();
        replica.apply(&watch.try_next().await.unwrap().unwrap()).unwrap();
        assert!(held(&replica)[0].1.contains(r#""text":"2""#), "{replica:?}");

        let mut later = follower.watch(share.id(), WatchFrom::After(replica.revision()));
        share.sync(part("q", "3")).await.unwrap();
        let step = later.next().await.unwrap().unwrap();
        assert!(!step.reset && step.base == replica.revision(), "{step:?}");

        share.delete().await.unwrap();
        let rest: Vec<_> = tokio::time::timeout(Duration::from_secs(60), later.collect()).await.unwrap();
        let ends: Vec<_> = rest.iter().filter(|step| step.is_err()).collect();
        assert!(ends.len() == 1 && rest.last().unwrap().is_err(), "{rest:?}");
    });
}

/// A listing is a stream over its pages, also for who collects it; a refusal is its end.
#[test]
fn a_listing_is_a_stream_of_lines_that_ends_after_its_error() {
    run(async {
        let scene = Scene::new();
        let client = scene.client();
        for n in 0..3 {
            client.create(&format!("ses_{n}").parse().unwrap(), None).await.unwrap();
        }
        let lines: Vec<_> = client.list(ListScope::OwnAccount).collect().await;
        assert_eq!(lines.iter().flatten().count(), 3, "{lines:?}");
        assert_eq!(client.list(ListScope::OwnAccount).into_vec().await.unwrap().len(), 3);

        let refused: Vec<_> = client.list(ListScope::EveryAccount).collect().await;
        assert!(matches!(&refused[..], [Err(error)] if matches!(error.refusal(), Some(Refusal::Unauthorized { .. }))));
        let refused: Vec<_> = client.admin().connections().collect().await;
        assert!(matches!(&refused[..], [Err(error)] if matches!(error.refusal(), Some(Refusal::Unauthorized { .. }))));
    });
}

/// A stream that was polled once and then left alone keeps no place among the calls of its client: the others go on.
#[test]
fn a_stream_that_is_left_alone_holds_up_no_call() {
    run(async {
        let scene = Scene::new();
        let client = scene.client();
        client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let mut left = Vec::new();
        // More than a client may have on their way at once.
        for _ in 0..CALLS_IN_FLIGHT_MAX {
            let mut listing = client.list(ListScope::OwnAccount);
            assert!(futures::poll!(Box::pin(listing.next())).is_pending());
            left.push(listing);
            // Its call goes out, and is answered.
            tokio::time::timeout(Duration::from_secs(60), client.ping()).await.expect("a place for the call").unwrap();
        }
        assert!(left.pop().unwrap().next().await.unwrap().is_ok());
    });
}

/// Options are chained, and each of them holds.
#[test]
fn options_of_a_new_share_combine() {
    run(async {
        let scene = Scene::new();
        let client = scene.client();
        let options = CreateOptions::new().ttl(Duration::from_secs(60)).visible_to(Visibility::Account);
        let share = client.create_with(&"ses_1".parse().unwrap(), None, options).await.unwrap();
        let info = share.info().await.unwrap();
        assert_eq!(info.visibility, Visibility::Account);
        assert_eq!(info.expires_at.unwrap().0 - info.created_at.0, 60_000);
    });
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Sum {
    of: Vec<u32>,
    is: u32,
}

/// An argument that has no form in JSON.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no form"))
    }
}

/// A call by types writes its argument and reads its answer; each of the two can fail, and says which of them did.
#[test]
fn a_call_by_types_writes_its_argument_and_reads_its_answer() {
    run(async {
        let scene = Scene::new();
        scene.host().on_call("sum", async |_: CallContext, data: Value| {
            let is: u64 = data.as_array().unwrap().iter().filter_map(Value::as_u64).sum();
            Ok(json!({ "of": data, "is": is }))
        });
        let client = scene.client();
        let sum: Sum = client.call_as("sum", &[1, 2, 3]).await.unwrap();
        assert_eq!(sum, Sum { of: vec![1, 2, 3], is: 6 });
        let unlike = client.call_as::<Vec<Sum>>("sum", &[1]).await.unwrap_err();
        assert!(matches!(&unlike, CallError::Answer { name, .. } if name == "sum"), "{unlike}");
        let unsent = client.call_as::<Sum>("sum", &Unwritable).await.unwrap_err();
        assert!(
            matches!(&unsent, CallError::Argument { name, message } if name == "sum" && message == "no form"),
            "{unsent}"
        );
    });
}
