//! Connections without a credential, and how little they keep from those with one.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::Way;
use capshare::__internal::connections::close::CloseReason;
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::__internal::connections::registry::{Caps, Registry};
use capshare::Client;
use capshare::host::HostSettings;
use capshare::share::time::Timestamp;
use object_store::memory::InMemory;

use super::until;
use crate::support::door::{ANNS_KEY, Served, close_frame, keys, next_json};

/// So long that it does not come in a scene.
const NEVER: Duration = Duration::from_secs(3_600);

const IN_BAND: &str = "/rpc/share?auth=inband";

async fn served(change: impl FnOnce(&mut HostSettings)) -> Served {
    Served::over(Arc::new(InMemory::new()), keys(), change).await
}

fn in_band(served: &Served) -> Client {
    Client::builder(served.url("")).token(ANNS_KEY).in_band().build().unwrap()
}

/// S125: a connection that came to authenticate in-band and does not is closed with a code and a reason; one that has is not.
#[tokio::test]
async fn who_came_to_authenticate_and_does_not_is_closed() {
    let served = served(|settings| settings.rpc.authenticate_within = Duration::from_millis(500)).await;
    let client = in_band(&served);
    assert_eq!(client.hello().await.unwrap().account, "ann");
    let mut silent = served.knock(IN_BAND, &[]).await.unwrap();
    assert_eq!(
        close_frame(&mut silent).await,
        (1008, "no credential was shown in time: call authenticate as soon as you are connected".to_owned())
    );
    let closed = served.host.hub().connections().registry().connections();
    assert_eq!(closed.len(), 1, "{closed:?}");
    client.ping().await.unwrap();
}

/// S125: where others without a credential have taken every place, whoever has one comes in, by a header and in-band, and the
/// oldest of the others is told to come back. Who has none is told that the host is full.
#[tokio::test]
async fn with_a_credential_one_comes_in_where_others_fill_the_host() {
    let served = served(|settings| {
        settings.hub.connections_max = 4;
        settings.rpc.authenticate_within = NEVER;
    })
    .await;
    let registry = served.host.hub().connections().registry();
    let owner = served.client(Some(ANNS_KEY));
    let share = owner.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let path = format!("/ws/{}", share.id());
    let mut viewers = Vec::new();
    for _ in 0..3 {
        let mut viewer = served.knock(&path, &[]).await.unwrap();
        assert_eq!(next_json(&mut viewer).await["event"], "snapshot");
        viewers.push(viewer);
    }
    let (status, body) = served.refused(&path, &[]).await;
    assert_eq!((status, body["error"]["limit"].as_str()), (429, Some("connectionsMax")));

    let by_header = served.client(Some(ANNS_KEY));
    by_header.hello().await.unwrap();
    let by_token = in_band(&served);
    assert_eq!(by_token.hello().await.unwrap().account, "ann");
    for mut viewer in viewers.drain(..2) {
        assert_eq!(next_json(&mut viewer).await["event"], "ready");
        assert_eq!(close_frame(&mut viewer).await.0, 1013);
    }
    until(|| registry.count() == 4).await;
    // The third goes for one that is going to authenticate, and that one, since a tenth of the places waits, for the next.
    let mut waiting = served.knock(IN_BAND, &[]).await.unwrap();
    assert_eq!(next_json(&mut viewers[0]).await["event"], "ready");
    assert_eq!(close_frame(&mut viewers[0]).await.0, 1013);
    let _next = served.knock(IN_BAND, &[]).await.unwrap();
    assert_eq!(close_frame(&mut waiting).await.0, 1013);
    for client in [&owner, &by_header, &by_token] {
        client.ping().await.unwrap();
    }
}

/// S125: a host that is full of connections with a credential is full for everybody.
#[tokio::test]
async fn nobody_with_a_credential_is_displaced() {
    let served = served(|settings| settings.hub.connections_max = 2).await;
    let (one, other) = (served.client(Some(ANNS_KEY)), in_band(&served));
    one.hello().await.unwrap();
    other.hello().await.unwrap();
    let bearer = format!("Bearer {ANNS_KEY}");
    for (path, headers) in [("/rpc/share", vec![("Authorization", bearer.as_str())]), (IN_BAND, vec![])] {
        let (status, body) = served.refused(path, &headers).await;
        assert_eq!((status, body["error"]["limit"].as_str()), (429, Some("connectionsMax")), "{path}");
    }
    one.ping().await.unwrap();
    other.ping().await.unwrap();
}

/// S125: the connections without a credential of one address are counted together at every door, and past their number the
/// oldest goes; those with one are not among them.
#[tokio::test]
async fn an_address_has_so_many_connections_without_a_credential() {
    let served = served(|settings| {
        settings.hub.address_connections_max = NonZeroUsize::new(2);
        settings.rpc.authenticate_within = NEVER;
    })
    .await;
    let owner = served.client(Some(ANNS_KEY));
    let share = owner.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let another = in_band(&served);
    another.hello().await.unwrap();
    let registry = served.host.hub().connections().registry();
    let mut rpc = served.knock(IN_BAND, &[]).await.unwrap();
    until(|| registry.count() == 3).await;
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    until(|| registry.count() == 4).await;
    let mut events = crate::support::sse::Sse::open(&served, share.id().as_str(), &[]).await;
    events.until("ready").await;
    assert_eq!(close_frame(&mut rpc).await, (4004, CloseReason::ADDRESS_FULL.reason.to_owned()));
    let _newest = served.knock(IN_BAND, &[]).await.unwrap();
    assert_eq!(next_json(&mut viewer).await["event"], "snapshot");
    assert_eq!(next_json(&mut viewer).await["event"], "ready");
    assert_eq!(close_frame(&mut viewer).await.0, 4004);
    owner.ping().await.unwrap();
    another.ping().await.unwrap();
}

/// The registry's own bounds: an address is a /64, places that were given away come back once, and so many say goodbye at once.
#[test]
fn addresses_are_networks_and_what_is_displaced_is_bounded() {
    let caps = Caps { account: None, address: NonZeroUsize::new(1) };
    let registry = Registry::new(1, 2, caps);
    let come = |address: &str| {
        let comer = Comer::new(Door::Viewer, None, Some(address.parse().unwrap()), Way::Relayed);
        registry.register(comer, Timestamp(0)).unwrap().admit().unwrap()
    };
    let first = come("2001:db8::1");
    let second = come("2001:db8::2");
    assert_eq!((first.close_reason(), second.close_reason()), (Some(&CloseReason::ADDRESS_FULL), None));
    drop(first);
    let third = come("2001:db8:0:1::2");
    assert_eq!(second.close_reason(), None);

    let comer = || Comer::new(Door::Rpc, None, None, Way::Relayed);
    let (fourth, fifth) = (registry.register(comer(), Timestamp(0)), registry.register(comer(), Timestamp(0)));
    assert_eq!(second.close_reason(), Some(&CloseReason::DISPLACED));
    assert_eq!(third.close_reason(), None, "of those who wait to authenticate, one may be");
    assert_eq!(registry.taken(), 4);
    assert!(registry.register(comer(), Timestamp(0)).is_err(), "two say goodbye already");
    drop((second, third, fourth, fifth));
    assert_eq!((registry.taken(), registry.count(), registry.count_pending()), (0, 0, 0));
    drop((come("192.0.2.1"), come("192.0.2.2")));
}
