//! How many connections an account may have, and how often it may come.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use capshare::__internal::access::{Scopes, Way};
use capshare::__internal::connections::close::CloseReason;
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::__internal::connections::registry::{Caps, Registry};
use capshare::client::{Client, ClientError, Closed};
use capshare::share::time::Timestamp;
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;

use super::{ended, until, viewer_socket};
use crate::support::desk::{Desk, token};
use crate::support::door::{Served, close_frame};
use crate::support::items::part;
use crate::support::raw::Raw;

fn desk() -> Desk {
    Desk::of([("ann", token("ann", "t1", Scopes::SHARE)), ("bob", token("bob", "t2", Scopes::SHARE))])
}

async fn served(max: usize) -> Served {
    Served::over(Arc::new(InMemory::new()), Arc::new(desk()), |settings| {
        settings.hub.account_connections_max = NonZeroUsize::new(max);
    })
    .await
}

/// S50: past an account's cap the oldest connection is closed with 4004 and the new one is admitted; the client takes it as
/// final, and says so to what it had queued. Viewers that show a credential count.
#[tokio::test]
async fn past_its_cap_an_account_loses_its_oldest_connection() {
    let served = served(2).await;
    let registry = served.host.hub().connections().registry();
    let oldest = served.client(Some("ann"));
    let share = oldest.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let bob = served.client(Some("bob"));
    bob.hello().await.unwrap();
    let mut viewer = viewer_socket(&served, share.id().as_str(), Some("ann")).await;
    until(|| registry.count() == 3).await;
    let newest = served.client(Some("ann"));
    newest.hello().await.unwrap();
    assert!(matches!(ended(&oldest).await, Closed::TooManyConnections(_)));
    let error = share.sync(part("p", "x")).await.unwrap_err();
    assert!(matches!(error, ClientError::Closed(Closed::TooManyConnections(_))), "{error:?}");
    let another = served.client(Some("ann"));
    another.hello().await.unwrap();
    assert_eq!(close_frame(&mut viewer).await.0, 4004);
    assert_eq!(registry.count(), 3, "two of ann's and bob's");
    for client in [&newest, &another, &bob] {
        client.ping().await.unwrap();
    }
}

/// S50, S5: a connection that authenticates in-band counts from then on, and is counted out like any other; the connection
/// that puts an account over its cap stays, also where it is of another account already.
#[tokio::test]
async fn what_authenticates_in_band_is_under_its_accounts_cap() {
    let served = served(1).await;
    let in_band = |token: &str| Client::builder(served.url("")).token(token).in_band().build().unwrap();
    let by_header = served.client(Some("ann"));
    by_header.hello().await.unwrap();
    let first = in_band("ann");
    assert_eq!(first.hello().await.unwrap().account, "ann");
    assert!(matches!(ended(&by_header).await, Closed::TooManyConnections(_)));
    let second = in_band("ann");
    second.hello().await.unwrap();
    assert!(matches!(ended(&first).await, Closed::TooManyConnections(_)));
    let bob = in_band("bob");
    bob.hello().await.unwrap();
    second.ping().await.unwrap();
    let newest = served.client(Some("ann"));
    newest.hello().await.unwrap();
    assert!(matches!(ended(&second).await, Closed::TooManyConnections(_)));
    bob.ping().await.unwrap();
    newest.ping().await.unwrap();
    assert_eq!(served.host.hub().connections().registry().count(), 2);
}

/// S50: the cap is looked at only when a connection is admitted: one that is pending, or is refused after all, costs nobody
/// his.
#[test]
fn a_pending_connection_evicts_nobody() {
    run(async {
        let desk = desk();
        let scene = Scene::builder()
            .access(desk.clone())
            .settings(|settings| settings.hub.account_connections_max = NonZeroUsize::new(1))
            .build();
        let hub = scene.host().hub();
        let first = Raw::connect(scene.host(), Some("ann")).await;
        desk.hold();
        let (host, token) = (scene.host().clone(), "ann".into());
        let second = tokio::task::spawn_local(async move { host.connect(Some(&token), false).await.map(drop) });
        desk.looked(2).await;
        assert_eq!((hub.connections().registry().count(), hub.connections().registry().count_pending()), (1, 1));
        desk.revoke("ann");
        desk.release();
        assert!(second.await.unwrap().is_err());
        first.root.probe_value_request().send().promise.await.unwrap();
    });
}

/// S50: who is pending is not the oldest yet, and is evicted by nobody; admitted, it counts as the newest.
#[test]
fn a_pending_connection_is_evicted_by_nobody() {
    let registry = Registry::new(1, 10, Caps { account: NonZeroUsize::new(1), address: None });
    let come = || {
        registry
            .register(Comer::new(Door::Rpc, Some(token("ann", "t1", Scopes::SHARE)), None, Way::Direct), Timestamp(0))
            .unwrap()
    };
    let (first, second) = (come(), come());
    let second = second.admit().unwrap();
    assert_eq!((registry.count(), registry.count_pending()), (1, 1));
    let first = first.admit().unwrap();
    assert_eq!((first.close_reason(), second.close_reason()), (None, Some(&CloseReason::TOO_MANY)));
    assert_eq!(registry.count(), 1);
}

/// On a host that needs no credential everybody is one account, and nobody's connection costs another's.
#[test]
fn where_no_credential_is_needed_the_cap_counts_nobody() {
    run(async {
        let scene =
            Scene::builder().settings(|settings| settings.hub.account_connections_max = NonZeroUsize::new(1)).build();
        let _first = Raw::connect(scene.host(), None).await;
        let _second = Raw::connect(scene.host(), None).await;
        assert_eq!(scene.host().hub().connections().registry().count(), 2);
    });
}

/// S8: more upgrades of an account than it may make, from whatever addresses, get 429 with `Retry-After`; others' do not.
#[tokio::test]
async fn an_account_that_comes_too_often_gets_429() {
    let served = Served::over(Arc::new(InMemory::new()), Arc::new(desk()), |settings| {
        settings.doors.account_upgrades_per_minute = NonZeroU32::new(2).unwrap();
    })
    .await;
    let ann = [("Authorization", "Bearer ann")];
    for _ in 0..2 {
        drop(served.knock("/rpc/share", &ann).await.unwrap());
    }
    let response = served.knock("/rpc/share", &ann).await.expect_err("a refusal");
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "30"));
    drop(served.knock("/rpc/share", &[("Authorization", "Bearer bob")]).await.unwrap());
}
