//! Tokens of the store, at hosts over one bucket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::access::{AnyOf, Scopes};
use capshare::__internal::ambient::{Ambient, SeededEntropy};
use capshare::__internal::hub::{Hub, HubSettings};
use capshare::client::{ClientError, Closed, ListScope, PageRequest};
use capshare::share::error::Refusal;
use capshare::share::secret::Secret;
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;
use tokio::time::Instant;

use super::{Hand, bearer, somebody};
use crate::support::bucket::{Fault, TestBucket, text_of};
use crate::support::door::{ANNS_KEY, Served, close_frame, keys};

async fn host(bucket: &Arc<TestBucket>) -> Served {
    Served::over(bucket.clone(), keys(), |settings| settings.hub.stored_tokens = true).await
}

fn bucket() -> Arc<TestBucket> {
    TestBucket::over(Arc::new(InMemory::new()))
}

/// A hub that lets nobody in but by tokens.
fn hub(bucket: &Arc<TestBucket>, clock: &Hand, seed: u64) -> Arc<Hub> {
    let ambient = Ambient { clock: Arc::new(clock.clone()), entropy: Arc::new(SeededEntropy::new(seed)) };
    let mut settings = HubSettings::default();
    settings.stored_tokens = true;
    Hub::new(bucket.clone(), Arc::new(AnyOf::new([])), ambient, settings).unwrap()
}

/// A token of `ann`, made by an administrator.
async fn anns(hub: &Hub, scopes: Scopes, ttl: Option<Duration>) -> (String, Secret) {
    let made =
        hub.access().create_token(&somebody("root", Scopes::ALL), &"ann".parse().unwrap(), scopes, "a test", ttl).await;
    let (record, token) = made.unwrap();
    (record.id.to_string(), token)
}

async fn stored(bucket: &Arc<TestBucket>, id: &str) -> String {
    text_of(bucket.as_ref(), &format!("token/{id}").into()).await
}

fn is_unauthorized<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> bool {
    matches!(answer, Err(Refusal::Unauthorized { .. }))
}

/// S3: a token made at one host lets in at another over the same bucket, at once, with its own rights and no more; one
/// character off it gets 401 and nobody is registered.
#[tokio::test]
async fn a_token_lets_in_at_every_host_over_its_bucket() {
    let bucket = bucket();
    let (one, two) = (host(&bucket).await, host(&bucket).await);
    let (id, token) = anns(one.host.hub(), Scopes { write: false, ..Scopes::SHARE }, None).await;
    let token = token.reveal();
    assert!(token.starts_with(&format!("captok_{id}_")) && token.len() == "captok_".len() + 16 + 1 + 43, "{token}");

    let client = two.client(Some(token));
    assert_eq!(client.hello().await.unwrap().account, "ann");
    let refused = client.create(&"ses_1".parse().unwrap(), None).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::Unauthorized { .. })), "{refused:?}");
    client.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap();
    drop(client);
    while two.host.hub().connections().registry().count() > 0 {
        tokio::task::yield_now().await;
    }

    let last = if token.ends_with('A') { "B" } else { "A" };
    let off = format!("{}{last}", &token[..token.len() - 1]);
    let no_such = token.replace(&id, "aaaaaaaaaaaaaaaa");
    for wrong in
        [off.as_str(), &no_such, &token[..token.len() - 1], "captok_", "captok__", &format!("captok_{id}"), &id]
    {
        let (status, body) = two.refused("/rpc/share", &[("Authorization", &bearer(wrong))]).await;
        assert_eq!((status, body["error"]["code"].as_str()), (401, Some("Unauthorized")), "{wrong}");
    }
    assert_eq!(two.host.hub().connections().registry().count(), 0);
    // The other kind of credential goes on beside it.
    drop(two.knock("/rpc/share", &[("Authorization", &bearer(ANNS_KEY))]).await.unwrap());
}

/// What lies in the bucket of a token: everything but itself.
#[tokio::test]
async fn the_bucket_holds_no_token() {
    let bucket = bucket();
    let clock = Hand::at(1_796_000_000_000);
    let (id, token) = anns(&hub(&bucket, &clock, 1), Scopes::SHARE, Some(Duration::from_secs(60))).await;
    let text = stored(&bucket, &id).await;
    let secret = token.reveal().rsplit_once(&format!("{id}_")).unwrap().1;
    assert!(!text.contains(secret), "{text}");
    let record: serde_json::Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
    let expected = serde_json::json!({
        "capshare": 1, "id": id, "account": "ann", "hash": record["hash"], "scopes": ["share:write", "share:read"],
        "label": "a test", "createdAt": 1_796_000_000_000_i64, "expires": 1_796_000_060_000_i64,
    });
    assert_eq!(record, expected);
}

/// S5: in-band as well, by the same token.
#[test]
fn a_client_without_headers_shows_its_token_in_band() {
    run(async {
        let scene = Scene::builder().access(AnyOf::new([])).settings(|s| s.hub.stored_tokens = true).build();
        let (_, token) = anns(scene.host().hub(), Scopes::SHARE, None).await;
        let raw = crate::support::raw::Raw::connect(scene.host(), None).await;
        let mut request = raw.root.authenticate_request();
        request.get().set_token(token.reveal());
        let mut hello = request.send().pipeline.get_rpc().hello_request();
        hello.get().set_contract_version(1);
        let response = hello.send().promise.await.unwrap();
        let result = response.get().unwrap().get_result().unwrap();
        let capshare::__internal::share_capnp::hello_result::Which::Welcome(welcome) = result.which().unwrap() else {
            panic!("refused")
        };
        assert_eq!(welcome.get_account().unwrap(), "ann");
    });
}

/// S51: closing by token closes its connections and no others. S56: after it is durably gone.
#[tokio::test]
async fn a_revoked_token_closes_its_connections_here_and_at_other_hosts() {
    let bucket = bucket();
    let (one, two) = (host(&bucket).await, host(&bucket).await);
    let root = somebody("root", Scopes::ALL);
    let (id, token) = anns(one.host.hub(), Scopes::SHARE, None).await;
    let (_, other) = anns(one.host.hub(), Scopes::SHARE, None).await;
    let shown = [("Authorization", bearer(token.reveal())), ("Authorization", bearer(other.reveal()))];
    let shown = shown.each_ref().map(|(name, value)| [(*name, value.as_str())]);
    let mut here = one.knock("/rpc/share", &shown[0]).await.unwrap();
    let mut there = two.knock("/rpc/share", &shown[0]).await.unwrap();
    let _another = one.knock("/rpc/share", &shown[1]).await.unwrap();
    // An upgrade is answered before its connection is admitted.
    while (one.host.hub().connections().registry().count(), two.host.hub().connections().registry().count()) != (2, 1) {
        tokio::task::yield_now().await;
    }

    // A revocation that fails closes nothing, and may be made again.
    bucket.next_writes([Some(Fault::Status503)]);
    let failed = one.host.hub().connections().revoke_token(&root, &id).await.unwrap_err();
    assert!(matches!(failed, Refusal::StorageFailure { .. }), "{failed:?}");
    assert_eq!(two.host.hub().connections().look_at_tokens().await, 0);
    assert_eq!(
        (one.host.hub().connections().registry().count(), two.host.hub().connections().registry().count()),
        (2, 1)
    );

    assert_eq!(one.host.hub().connections().revoke_token(&root, &id).await.unwrap(), 1);
    assert!(stored(&bucket, &id).await.contains("\"revoked\":"));
    assert_eq!(close_frame(&mut here).await.0, 4001);
    assert_eq!(two.host.hub().connections().look_at_tokens().await, 1);
    assert_eq!(close_frame(&mut there).await.0, 4001);
    for host in [&one, &two] {
        let (status, body) = host.refused("/rpc/share", &shown[0]).await;
        assert_eq!(status, 401, "{body}");
    }
    while one.host.hub().connections().registry().count() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(one.host.hub().connections().revoke_token(&root, &id).await.unwrap(), 0);
}

/// A revocation at another host is found by this host's own look, and closes with 4001.
#[tokio::test]
async fn a_host_finds_out_by_itself_what_was_revoked_elsewhere() {
    let bucket = bucket();
    let served = host(&bucket).await;
    let clock = Hand::at(0);
    let elsewhere = hub(&bucket, &clock, 2);
    let (id, token) = anns(&elsewhere, Scopes::SHARE, None).await;
    let mut socket = served.knock("/rpc/share", &[("Authorization", &bearer(token.reveal()))]).await.unwrap();
    elsewhere.connections().revoke_token(&somebody("root", Scopes::ALL), &id).await.unwrap();
    let began = Instant::now();
    assert_eq!(close_frame(&mut socket).await.0, 4001);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let client = served.client(Some(token.reveal()));
    let refused = client.hello().await.unwrap_err();
    let (ClientError::Refused(refusal) | ClientError::Closed(Closed::Refused(refusal))) = refused else {
        panic!("{refused:?}")
    };
    assert!(matches!(refusal, Refusal::Unauthorized { .. }), "{refusal:?}");
}

/// S24: an expired token lets nobody in, and does not survive a second look.
#[tokio::test]
async fn an_expired_token_is_worth_nothing() {
    let (bucket, clock) = (bucket(), Hand::at(1_000));
    let hub = hub(&bucket, &clock, 1);
    let (_, token) = anns(&hub, Scopes::SHARE, Some(Duration::from_millis(500))).await;
    let who = hub.access().authenticate(Some(&token)).await.unwrap();
    assert_eq!(who.expires_at.unwrap().0, 1_500);
    clock.set(1_499);
    hub.access().recheck(&who).await.unwrap();
    clock.set(1_500);
    assert!(is_unauthorized(hub.access().authenticate(Some(&token)).await));
    assert!(is_unauthorized(hub.access().recheck(&who).await));
}

/// Coming in costs one read of the bucket at most, right or wrong; a second look always asks.
#[tokio::test(start_paused = true)]
async fn coming_in_costs_a_read_at_most_and_a_second_look_sees_what_is() {
    let (bucket, clock) = (bucket(), Hand::at(0));
    let (one, two) = (hub(&bucket, &clock, 1), hub(&bucket, &clock, 2));
    let (id, token) = anns(&one, Scopes::SHARE, None).await;
    let unknown = Secret::from(token.reveal().replace(&id, "aaaaaaaaaaaaaaaa").as_str());
    bucket.counts.reset();
    let mut who = None;
    for _ in 0..3 {
        who = Some(two.access().authenticate(Some(&token)).await.unwrap());
        assert!(is_unauthorized(two.access().authenticate(Some(&unknown)).await));
    }
    assert_eq!(bucket.counts.all(), [0, 2, 0, 0], "one for each");
    two.access().recheck(who.as_ref().unwrap()).await.unwrap();
    assert_eq!(bucket.counts.all(), [0, 3, 0, 0]);

    one.connections().revoke_token(&somebody("root", Scopes::ALL), &id).await.unwrap();
    // Remembered as it was, and found out by the second look, which the next that comes profits from.
    let who = two.access().authenticate(Some(&token)).await.unwrap();
    assert!(is_unauthorized(two.access().recheck(&who).await));
    assert!(is_unauthorized(two.access().authenticate(Some(&token)).await));

    // Without a second look it is remembered for a few seconds.
    let (id, token) = anns(&one, Scopes::SHARE, None).await;
    two.access().authenticate(Some(&token)).await.unwrap();
    one.connections().revoke_token(&somebody("root", Scopes::ALL), &id).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(is_unauthorized(two.access().authenticate(Some(&token)).await));
}

/// Whatever comes late or twice, what was revoked stays revoked.
#[tokio::test]
async fn nothing_brings_a_revoked_token_back() {
    let (bucket, clock) = (bucket(), Hand::at(7));
    let hub = hub(&bucket, &clock, 1);
    let root = somebody("root", Scopes::ALL);
    let (record, token) =
        hub.access().create_token(&root, &"ann".parse().unwrap(), Scopes::SHARE, "", None).await.unwrap();
    let id = record.id.to_string();
    hub.connections().revoke_token(&root, &id).await.unwrap();
    let revoked = stored(&bucket, &id).await;
    // The create again, as a client's retry would make it, and the revocation again, later.
    assert!(hub.rooms().store().create_token(&record).await.is_err());
    clock.set(9);
    hub.connections().revoke_token(&root, &id).await.unwrap();
    assert_eq!(stored(&bucket, &id).await, revoked);
    assert!(is_unauthorized(hub.access().authenticate(Some(&token)).await));
}

/// A bucket that is down lets nobody in whom nobody remembers, and says that it is the bucket.
#[tokio::test(start_paused = true)]
async fn while_the_bucket_is_down_a_token_is_not_wrong() {
    let (bucket, clock) = (bucket(), Hand::at(0));
    let hub = hub(&bucket, &clock, 1);
    let (_, token) = anns(&hub, Scopes::SHARE, None).await;
    bucket.down.store(true, Ordering::Relaxed);
    let refusal = hub.access().authenticate(Some(&token)).await.unwrap_err();
    assert!(matches!(refusal, Refusal::StorageFailure { .. }), "{refusal:?}");
}

/// An account sees and revokes its own tokens; making them, and all else, is for administrators.
#[tokio::test]
async fn an_account_has_its_own_tokens_and_no_others() {
    let (bucket, clock) = (bucket(), Hand::at(0));
    let hub = hub(&bucket, &clock, 1);
    let (id, token) = anns(&hub, Scopes::SHARE, None).await;
    let ann = hub.access().authenticate(Some(&token)).await.unwrap();
    let bob = somebody("bob", Scopes::SHARE);
    let account = &ann.account;
    assert!(is_unauthorized(hub.access().create_token(&ann, account, Scopes::SHARE, "", None).await));
    assert!(is_unauthorized(hub.access().list_tokens(&ann, None).await));
    assert!(is_unauthorized(hub.access().list_tokens(&bob, Some(account)).await));
    assert!(matches!(hub.connections().revoke_token(&bob, &id).await, Err(Refusal::NotFound { .. })));
    let listed = hub.access().list_tokens(&ann, Some(account)).await.unwrap();
    assert_eq!(listed.iter().map(|token| token.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert_eq!(hub.connections().revoke_token(&ann, &id).await.unwrap(), 0);
    assert!(is_unauthorized(hub.access().authenticate(Some(&token)).await));
    let all = hub.access().list_tokens(&somebody("root", Scopes::ALL), None).await.unwrap();
    assert!(all[0].revoked_at.is_some());
}
