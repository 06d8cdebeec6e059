//! Creates without a credential: what a share shows, and its link, give nobody a secret of it, a write or a deletion.

use std::sync::Arc;

use capshare::__internal::access::{Access, SingleAccount};
use capshare::client::ClientError;
use capshare::host::HostSettings;
use capshare::share::error::Refusal;
use capshare::share::visibility::Visibility;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use super::http::{Api, Shared, part};
use crate::support::door::{ANNS_KEY, Served, keys};
use crate::support::items;

fn session_item(session: &str) -> Value {
    json!({ "type": "session", "data": { "id": session, "title": "The owner's" } })
}

fn guests_are_anns(settings: &mut HostSettings) {
    settings.doors.opencode.account = Some("ann".parse().unwrap());
}

/// A host that wants a credential, and takes guests of OpenCode's for ann.
async fn with_guests(store: Arc<dyn ObjectStore>) -> Served {
    Served::over(store, keys(), guests_are_anns).await
}

/// Hosts at which one may create a share without a credential.
async fn hosts() -> [Served; 3] {
    let everybody = || Arc::new(SingleAccount::new("local".parse().unwrap())) as Arc<dyn Access>;
    [
        with_guests(Arc::new(InMemory::new())).await,
        Served::over(Arc::new(InMemory::new()), everybody(), |_| {}).await,
        Served::over(Arc::new(InMemory::new()), everybody(), |settings| {
            guests_are_anns(settings);
            settings.hub.visibility = Visibility::Link;
        })
        .await,
    ]
}

/// What anybody reads of a share who has its link: its data, its facts and its documents.
async fn shown(served: &Served, share: &Shared) -> String {
    let mut shown = served
        .host
        .hub()
        .rooms()
        .info(&served.host.hub().rooms().view(&share.id).await.unwrap())
        .unwrap()
        .session
        .to_string();
    for path in [format!("/api/share/{}/data", share.id), format!("/share/{}.json", share.id)] {
        let answer = Api::at(served.address).send("GET", &path, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        shown.push_str(&answer.text);
    }
    shown
}

/// S124: whoever read a session's id in a share, and creates with it, gets a share of its own: it can neither write nor delete the
/// other, however often it asks, and the other's secret stays good.
#[tokio::test]
async fn whoever_creates_with_a_session_that_a_share_shows_gets_a_share_of_its_own() {
    for served in hosts().await {
        let api = Api::at(served.address);
        let share = api.create("ses_1").await;
        api.sync(&share, json!([session_item("ses_1")])).await.ok();
        assert!(shown(&served, &share).await.contains("ses_1"));
        // More often than a share has secrets: none of its own is displaced.
        for _ in 0..34 {
            let other = api.create("ses_1").await;
            assert!(other.id != share.id && other.secret != share.secret);
            api.sync(&other, json!([part("p", "a stranger's")])).await.ok();
            let crossed = Shared { secret: other.secret.clone(), ..share.clone() };
            api.sync(&crossed, json!([part("p", "a stranger's")])).await.refused(403, "InvalidSecret");
            api.delete(&crossed).await.refused(403, "InvalidSecret");
            api.delete(&other).await.ok();
        }
        assert_eq!(api.data(&share).await.ok(), json!([session_item("ses_1")]));
        api.sync(&share, json!([part("p", "the owner's")])).await.ok();
        api.delete(&share).await.ok();
    }
}

/// S124: after a deletion the session is known to whoever saw the share, so nobody meets anybody under it any more.
#[tokio::test]
async fn a_session_whose_share_was_deleted_is_shared_apart() {
    for served in hosts().await {
        let api = Api::at(served.address);
        let share = api.create("ses_1").await;
        api.delete(&share).await.ok();
        let (one, other) = tokio::join!(api.create("ses_1"), api.create("ses_1"));
        assert!(one.id != share.id && one.id != other.id && one.secret != other.secret);
        api.delete(&other).await.ok();
        api.sync(&one, json!([])).await.ok();
    }
}

/// S124: whoever shows a credential and whoever shows none do not meet under a session, in whichever order they come: neither
/// gets a secret of what the other writes to.
#[tokio::test]
async fn those_with_a_credential_and_those_without_do_not_share_a_share() {
    let store = Arc::new(InMemory::new());
    let served = with_guests(store.clone()).await;
    let (guest, ann) = (Api::at(served.address), Api::at(served.address).bearing(ANNS_KEY));
    let anns = ann.create("ses_1").await;
    let guests = guest.create("ses_1").await;
    assert_ne!(anns.id, guests.id);
    ann.delete(&anns).await.ok();
    // The session is free, and a guest is first.
    let guests = [guests, guest.create("ses_1").await];
    let again = ann.create("ses_1").await;
    let by_rpc = served.client(Some(ANNS_KEY)).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    assert_eq!(by_rpc.id().as_str(), again.id, "with a credential it is the same share again");
    for guests in guests {
        assert_ne!(guests.id, again.id);
        let crossed = Shared { secret: guests.secret, ..again.clone() };
        guest.sync(&crossed, json!([])).await.refused(403, "InvalidSecret");
    }
    // The host's next start knows it as well.
    served.host.shutdown().await;
    let served = with_guests(store).await;
    let guests = Api::at(served.address).create("ses_1").await;
    assert!(guests.id != again.id);
}

/// S124: a session's id opens nothing in the place of a share's, and the names that the host makes for such shares are nobody's
/// to ask for, at either door.
#[tokio::test]
async fn sessions_and_the_hosts_own_names_open_nothing() {
    let served = Served::open().await;
    let (api, client) = (Api::at(served.address), served.client(None));
    let share = api.create("ses_1").await;
    let by_session = Shared { id: "ses_1".to_owned(), ..share.clone() };
    api.sync(&by_session, json!([])).await.refused(404, "NotFound");
    api.delete(&by_session).await.refused(404, "NotFound");
    let name =
        served.host.hub().rooms().info(&served.host.hub().rooms().view(&share.id).await.unwrap()).unwrap().session;
    assert!(name.as_str().starts_with('~') && !name.as_str().contains("ses_1"), "{name}");
    for name in [name.to_string(), format!("{name}~{}", share.id)] {
        let answer = api.send("POST", "/api/share", json!({ "sessionID": name }).to_string()).await;
        let error = answer.refused(400, "InvalidInput");
        assert!(error["message"].as_str().unwrap().contains("choose another"), "{error}");
        let refused = client.create(&name.parse().unwrap(), None).await;
        assert!(matches!(refused, Err(ClientError::Refused(Refusal::InvalidInput { .. }))), "{refused:?}");
    }
}

/// S124: `createShare` of a caller without a credential joins nothing either; the share is gone on with by its secret.
#[tokio::test]
async fn a_create_by_rpc_without_a_credential_is_a_share_of_its_own() {
    let served = Served::open().await;
    let session = "ses_1".parse().unwrap();
    let (client, api) = (served.client(None), Api::at(served.address));
    let share = client.create(&session, Some(items::part("p", "the owner's"))).await.unwrap();
    let again = client.create(&session, Some(items::part("p", "a stranger's"))).await.unwrap();
    let elsewhere = served.client(None);
    let (one, other) = tokio::join!(client.create(&session, None), elsewhere.create(&session, None));
    let by_http = api.create("ses_1").await;
    let others =
        [again.id().clone(), one.unwrap().id().clone(), other.unwrap().id().clone(), by_http.id.parse().unwrap()];
    for (at, id) in others.iter().enumerate() {
        assert!(id != share.id() && !others[..at].contains(id));
    }
    assert!(!again.existed() && share.info().await.unwrap().sync_count == 1);
    let opened = client.open(share.id(), share.secret().unwrap()).await.unwrap();
    assert_eq!(opened.sync(items::part("q", "more")).await.unwrap().sync_count, 2);
}

/// S9, S124: the two creates that OpenCode sends of a new session get one answer. Another address does not, nor does whoever asks
/// when the share shows something, though it was another host that took it in.
#[tokio::test]
async fn the_two_creates_of_a_new_session_meet_until_the_share_shows_something() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (here, there) = (with_guests(Arc::clone(&store)).await, with_guests(store).await);
    let api = Api::at(here.address);
    let (one, two) = tokio::join!(api.create("ses_1"), api.create("ses_1"));
    assert_eq!(one, two);
    assert_eq!(api.create("ses_1").await, one);
    assert_ne!(Api::from("127.0.0.2", here.address).create("ses_1").await.id, one.id);
    assert_ne!(Api::at(there.address).create("ses_1").await.id, one.id);
    Api::at(there.address).sync(&one, json!([session_item("ses_1")])).await.ok();
    let late = api.create("ses_1").await;
    assert!(late.id != one.id && late.secret != one.secret);
}
