//! Who may see a share: by its link, with an account, or by a grant; at the doors of viewers and of clients.

mod said;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::access::{Scopes, SharedKeys, SingleAccount};
use capshare::__internal::hub::Hub;
use capshare::__internal::rooms::Terms;
use capshare::__internal::rooms::pass::Pass;
use capshare::__internal::rooms::room::Room;
use capshare::__internal::rooms::visibility::Viewing;
use capshare::client::{ClientError, CreateOptions, WatchFrom};
use capshare::host::HostSettings;
use capshare::share::change::{Batch, Change};
use capshare::share::error::Refusal;
use capshare::share::grant::{Label, Right};
use capshare::share::id::SessionId;
use capshare::share::item::{ItemKey, Payload};
use capshare::share::revision::Revision;
use capshare::share::secret::Secret;
use capshare::share::time::Timestamp;
use capshare::share::visibility::Visibility;
use capshare::testing::{BEGINNING, Scene, SceneBuilder, run};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::json;

use crate::support::door::{ANNS_KEY, BOBS_KEY, Served, close_frame, keys, next_json};
use crate::support::items::part;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// The key of an account that may write and not read.
const CAROLS_KEY: &str = "carols-key-0123456789";

fn session() -> SessionId {
    "ses_1".parse().unwrap()
}

/// `ann` and `bob`, who may write and read, and `carol`, who may only write.
fn people() -> Arc<SharedKeys> {
    let only_write = Scopes { write: true, ..Scopes::NONE };
    let people =
        [("ann", ANNS_KEY, Scopes::SHARE), ("bob", BOBS_KEY, Scopes::SHARE), ("carol", CAROLS_KEY, only_write)];
    Arc::new(SharedKeys::new(people.map(|(name, key, scopes)| (name.parse().unwrap(), Secret::from(key), scopes))))
}

fn scene_over(store: &Arc<dyn ObjectStore>, seed: u64) -> SceneBuilder {
    Scene::builder().store(Arc::clone(store)).seed(seed).access(SharedKeys::new([
        ("ann".parse().unwrap(), Secret::from(ANNS_KEY), Scopes::SHARE),
        ("bob".parse().unwrap(), Secret::from(BOBS_KEY), Scopes::SHARE),
    ]))
}

fn unauthorized<T: std::fmt::Debug>(answer: Result<T, Refusal>) {
    assert!(matches!(answer, Err(Refusal::Unauthorized { .. })), "{answer:?}");
}

/// A token of a share.
async fn token(hub: &Hub, room: &Arc<Room>, right: Right, expires_at: Option<Timestamp>) -> String {
    let pass = Pass::OWNER.narrowed(right, None);
    hub.rooms().grant(room, &pass, Label::default(), expires_at).await.unwrap().reveal().to_owned()
}

/// What each who comes shows, by a word for them.
async fn visitors(hub: &Hub, room: &Arc<Room>, of_another: String) -> BTreeMap<&'static str, Option<String>> {
    let revoked = token(hub, room, Right::Read, None).await;
    let id = hub.rooms().grants(room).await.unwrap().pop().unwrap().id;
    hub.rooms().revoke_grant(room, &id).await.unwrap();
    let now = hub.ambient().clock.now();
    let expired = token(hub, room, Right::Read, Some(Timestamp(now.0 + 20))).await;
    while hub.ambient().clock.now().0 <= now.0 + 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    BTreeMap::from([
        ("nobody", None),
        ("owner", Some(ANNS_KEY.to_owned())),
        ("another account", Some(BOBS_KEY.to_owned())),
        ("another account that may not read", Some(CAROLS_KEY.to_owned())),
        ("a token that reads", Some(token(hub, room, Right::Read, None).await)),
        ("a token for everything", Some(token(hub, room, Right::Full, None).await)),
        ("a token that writes", Some(token(hub, room, Right::Write, None).await)),
        ("a token that was revoked", Some(revoked)),
        ("a token that has expired", Some(expired)),
        ("a token of another share", Some(of_another)),
        ("a token with a wrong end", Some(format!("{}AAAA", &token(hub, room, Right::Read, None).await[..86]))),
    ])
}

#[tokio::test]
async fn each_visibility_lets_in_whom_it_says_and_nobody_else() {
    let many = NonZeroU32::new(10_000).unwrap();
    let change = |settings: &mut HostSettings| settings.hub.failed_credentials_per_minute = many;
    let served = Served::over(Arc::new(InMemory::new()), people(), change).await;
    let hub = served.host.hub();
    let client = served.client(Some(ANNS_KEY));
    let share = client.create(&session(), Some(part("p", "x"))).await.unwrap();
    let other = client.create(&"ses_2".parse().unwrap(), None).await.unwrap();
    let other = hub.rooms().open(other.id().as_str(), other.secret().unwrap()).await.unwrap();
    let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
    let of_another = token(hub, &other, Right::Read, None).await;
    let visitors = visitors(hub, &room, of_another).await;
    let path = format!("/ws/{}?auth=inband", share.id());
    let always = ["owner", "a token that reads", "a token for everything"];
    for (visibility, besides) in [
        (Visibility::Link, &["nobody", "another account", "another account that may not read"][..]),
        (Visibility::Account, &["another account"]),
        (Visibility::Grant, &[]),
    ] {
        share.set_visibility(visibility).await.unwrap();
        for (who, shows) in &visitors {
            let bearer = shows.as_ref().map(|shown| format!("Bearer {shown}"));
            let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
            let may = always.contains(who) || besides.contains(who);
            let is_open = visibility == Visibility::Link;
            match served.knock(&path, &headers).await {
                // Who shows nothing at the door of what is not for everybody is to show it inside.
                Ok(mut viewer) if shows.is_none() && !is_open => {
                    viewer.send(Message::text(r#"{"id":1,"procedure":"share.info","input":{}}"#)).await.unwrap();
                    assert_eq!(next_json(&mut viewer).await["error"]["code"], "Unauthorized");
                    assert_eq!(close_frame(&mut viewer).await.0, 4001);
                }
                Ok(mut viewer) => {
                    assert!(may, "{who} sees what is visible by {visibility}");
                    assert_eq!(next_json(&mut viewer).await["event"], "snapshot");
                }
                Err(answer) => {
                    assert!(!may && answer.status() == 401, "{who} at {visibility}: {answer:?}");
                    let body = String::from_utf8(answer.body().clone().unwrap()).unwrap();
                    assert!(body.contains("Unauthorized") && !body.contains("capgr_"), "{body}");
                }
            }
            if let Some(shown) = shows.as_ref().filter(|_| !is_open) {
                let mut viewer = served.knock(&path, &[]).await.unwrap();
                let shows = json!({ "id": 1, "procedure": "share.authenticate", "input": { "token": shown } });
                viewer.send(Message::text(shows.to_string())).await.unwrap();
                assert_eq!(next_json(&mut viewer).await["ok"], may, "{who} at {visibility}");
                if may {
                    assert_eq!(next_json(&mut viewer).await["event"], "snapshot");
                } else {
                    assert_eq!(close_frame(&mut viewer).await.0, 4001);
                }
            }
            let shown = bearer.map(|bearer| format!("\r\nAuthorization: {bearer}")).unwrap_or_default();
            let answer = served.request(&format!("GET /share/{}.json HTTP/1.1{shown}", share.id())).await;
            let status = if may { "HTTP/1.1 200 " } else { "HTTP/1.1 401 " };
            assert!(answer.starts_with(status), "{who} at {visibility}: {answer}");
            // And by RPC, with what a connection can show.
            if let Some(key) = shows.as_deref().filter(|shown| !shown.starts_with("capgr_")) {
                let client = served.client(Some(key));
                match client.info(share.id()).await {
                    Ok(info) => assert!(may && info.visibility == visibility, "{who} at {visibility}: {info:?}"),
                    Err(ClientError::Refused(Refusal::Unauthorized { .. })) => assert!(!may, "{who} at {visibility}"),
                    Err(error) => panic!("{error}"),
                }
                assert_eq!(client.snapshot(share.id()).await.is_ok(), may, "{who} at {visibility}");
            }
        }
    }
    // Whoever may not see a share learns no less of one that is not there.
    assert_eq!(served.refused("/ws/abcdefghijklmnopqrstuvwxyz", &[]).await.0, 404);
    let query = format!("/ws/{}?grant={}", share.id(), visitors["a token that reads"].as_ref().unwrap());
    let (status, body) = served.refused(&query, &[]).await;
    assert_eq!((status, body["error"]["message"].as_str().unwrap().contains("URL")), (401, true), "{body}");
}

/// The revisions that a watch tells, until it ends.
async fn told(mut watch: capshare::client::Watch) -> (Revision, Refusal) {
    let mut revision = Revision::EMPTY;
    loop {
        match watch.next().await {
            Some(Ok(step)) => revision = step.revision,
            Some(Err(ClientError::Refused(refusal))) => return (revision, refusal),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn those_who_may_not_see_it_any_more_are_told_so_and_nothing_else() {
    let served = Served::with_keys().await;
    let (ann, bob) = (served.client(Some(ANNS_KEY)), served.client(Some(BOBS_KEY)));
    let share = ann.create(&session(), Some(part("p", "for all"))).await.unwrap();
    let room = served.host.hub().rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
    let path = format!("/ws/{}", share.id());
    let bearer = format!("Bearer {}", token(served.host.hub(), &room, Right::Read, None).await);
    let bobs_key = format!("Bearer {BOBS_KEY}");
    let mut nobody = served.knock(&path, &[]).await.unwrap();
    let mut bobs = served.knock(&path, &[("Authorization", &bobs_key)]).await.unwrap();
    let mut granted = served.knock(&path, &[("Authorization", &bearer)]).await.unwrap();
    for viewer in [&mut nobody, &mut bobs, &mut granted] {
        assert_eq!(next_json(viewer).await["event"], "snapshot");
        assert_eq!(next_json(viewer).await["event"], "ready");
    }
    let (anns_watch, bobs_watch) =
        (ann.watch(share.id(), WatchFrom::WholeState), bob.watch(share.id(), WatchFrom::WholeState));
    let (anns_watch, bobs_watch) = (tokio::spawn(told(anns_watch)), tokio::spawn(told(bobs_watch)));

    share.set_visibility(Visibility::Account).await.unwrap();
    share.sync(part("p", "for accounts")).await.unwrap();
    let error = next_json(&mut nobody).await;
    assert_eq!((&error["event"], &error["payload"]["code"]), (&"__error".into(), &"Unauthorized".into()), "{error}");
    assert_eq!(close_frame(&mut nobody).await.0, 4001);
    for viewer in [&mut bobs, &mut granted] {
        assert_eq!(next_json(viewer).await["payload"]["changes"][0]["value"]["text"], "for accounts");
    }

    while !bob.info(share.id()).await.is_ok_and(|info| info.revision == Revision(2)) {}
    share.set_visibility(Visibility::Grant).await.unwrap();
    share.sync(part("p", "for few")).await.unwrap();
    let error = next_json(&mut bobs).await;
    assert_eq!((&error["event"], &error["payload"]["code"]), (&"__error".into(), &"Unauthorized".into()), "{error}");
    assert_eq!(next_json(&mut granted).await["payload"]["changes"][0]["value"]["text"], "for few");
    let (revision, refusal) = bobs_watch.await.unwrap();
    assert!(revision <= Revision(2) && matches!(refusal, Refusal::Unauthorized { .. }), "{revision} {refusal}");
    unauthorized(bob.info(share.id()).await.map_err(|error| error.refusal().cloned().unwrap()));

    // And back: what was closed may be opened again.
    share.set_visibility(Visibility::Link).await.unwrap();
    let mut nobody = served.knock(&path, &[]).await.unwrap();
    assert_eq!(next_json(&mut nobody).await["payload"]["revision"], 3);
    share.delete().await.unwrap();
    let (revision, refusal) = anns_watch.await.unwrap();
    assert!(
        revision == Revision(3) && matches!(refusal, Refusal::NotFound { .. }),
        "its owner saw all of it: {revision} {refusal}"
    );
}

#[test]
fn another_host_knows_it_within_one_look_and_whoever_is_let_in_is_so_at_once() {
    run(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let hosts = [1, 2].map(|seed| scene_over(&store, seed).build());
        let (here, there) = (hosts[0].host().hub(), hosts[1].host().hub());
        let ann = here.access().authenticate(Some(&Secret::from(ANNS_KEY))).await.unwrap();
        let created = here.rooms().create(&ann, &session(), None, Terms::default()).await.unwrap();
        let id = created.id.as_str();
        let Viewing { room, pass } = there.rooms().enter(id, None, None).await.unwrap();
        let mut feed = there.rooms().follow(&room, Revision::EMPTY).await.unwrap().within(pass.clone());
        feed.next().await.unwrap();
        let owner = there.rooms().enter(id, Some(&ann), None).await.unwrap();
        let mut owners = there.rooms().follow(&owner.room, Revision::EMPTY).await.unwrap().within(owner.pass.clone());
        owners.next().await.unwrap();

        here.rooms().set_visibility(&created.room, Visibility::Grant).await.unwrap();
        let asked = tokio::time::Instant::now();
        unauthorized(feed.next().await.map(drop));
        unauthorized(feed.next().await.map(drop));
        assert!(asked.elapsed() <= Duration::from_secs(2), "{:?}", asked.elapsed());
        unauthorized(there.rooms().check_pass(&room, &pass).await);
        unauthorized(there.rooms().view(id).await.map(drop));
        there.rooms().check_pass(&room, &owner.pass).await.unwrap();
        let change = Change { key: ItemKey::session(), value: Some(Payload::from_checked_json("{}")) };
        let batch = Batch { stamp: None, changes: vec![change] };
        here.rooms().sync_room(&created.room, batch).await.unwrap();
        assert_eq!(owners.next().await.unwrap().step().revision, Revision(1));

        // Wider: nobody waits for the next look.
        here.rooms().set_visibility(&created.room, Visibility::Link).await.unwrap();
        there.rooms().view(id).await.unwrap();

        // One that was opened, closed and is loaded anew by a host that comes later.
        here.rooms().set_visibility(&created.room, Visibility::Grant).await.unwrap();
        let read = token(here, &created.room, Right::Read, None).await;
        let third = scene_over(&store, 3).build();
        unauthorized(third.host().hub().rooms().view(id).await.map(drop));
        third.host().hub().rooms().enter(id, Some(&ann), None).await.unwrap();
        third.host().hub().rooms().enter(id, None, Some(&Secret::from(read.as_str()))).await.unwrap();
    });
}

#[test]
fn a_viewer_by_a_token_sees_it_until_that_expires_or_is_revoked() {
    run(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let scene = scene_over(&store, 1).build();
        let hub = scene.host().hub();
        let ann = hub.access().authenticate(Some(&Secret::from(ANNS_KEY))).await.unwrap();
        let terms = Terms { visibility: Some(Visibility::Grant), ..Terms::default() };
        let created = hub.rooms().create(&ann, &session(), None, terms).await.unwrap();
        let until = Timestamp(BEGINNING.0 + HOUR.as_millis() as i64);
        let mut feeds = Vec::new();
        for expires_at in [Some(until), None] {
            let token = Secret::from(token(hub, &created.room, Right::Full, expires_at).await.as_str());
            let Viewing { room, pass } = hub.rooms().enter(created.id.as_str(), None, Some(&token)).await.unwrap();
            assert_eq!(pass.right(), Right::Read, "also of a token for everything");
            let mut feed = hub.rooms().follow(&room, Revision::EMPTY).await.unwrap().within(pass);
            feed.next().await.unwrap();
            feeds.push(feed);
        }
        let asked = tokio::time::Instant::now();
        unauthorized(feeds[0].next().await.map(drop));
        assert_eq!(asked.elapsed().as_secs(), HOUR.as_secs());
        let left = hub.rooms().grants(&created.room).await.unwrap();
        assert_eq!(left.len(), 1);
        let (ended, revoked) = tokio::join!(feeds[1].next(), hub.rooms().revoke_grant(&created.room, &left[0].id));
        revoked.unwrap();
        unauthorized(ended.map(drop));
    });
}

#[test]
fn what_was_begun_to_be_told_is_not_told_to_its_end() {
    run(async {
        let scene = Scene::new();
        let hub = scene.host().hub();
        let share = scene.client().create(&session(), None).await.unwrap();
        for n in 0..8 {
            share.sync(part(&format!("p{n}"), &"x".repeat(100_000))).await.unwrap();
        }
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        let Viewing { room: viewed, pass } = hub.rooms().enter(share.id().as_str(), None, None).await.unwrap();
        let mut feed = hub.rooms().follow(&viewed, Revision::EMPTY).await.unwrap().within(pass);
        assert!(feed.next().await.unwrap().step().more, "it comes in pieces");
        hub.rooms().set_visibility(&room, Visibility::Account).await.unwrap();
        unauthorized(feed.next().await.map(drop));
    });
}

/// Where everybody is the one account, that account sees its own; whoever shows nothing does not.
#[tokio::test]
async fn a_host_without_credentials_keeps_out_viewers_who_show_nothing() {
    let served = Served::open().await;
    let client = served.client(None);
    let options = CreateOptions::new().visible_to(Visibility::Grant);
    let share = client.create_with(&session(), Some(part("p", "x")), options).await.unwrap();
    assert_eq!(share.info().await.unwrap().visibility, Visibility::Grant);
    let answer = served.request(&format!("GET /share/{}.json HTTP/1.1", share.id())).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    // Nor is it another account's that kept its shares in the same bucket.
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let anns = Served::over(Arc::clone(&store), keys(), |_| {}).await;
    let private = CreateOptions::new().visible_to(Visibility::Account);
    let share = anns.client(Some(ANNS_KEY)).create_with(&session(), None, private).await.unwrap();
    let open = SingleAccount::new("local".parse().unwrap());
    let open = Served::over(store, Arc::new(open), |_| {}).await;
    let refused = open.client(None).info(share.id()).await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::Unauthorized { .. })), "{refused}");
}
