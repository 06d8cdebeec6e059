//! Shares of one's own, by the account's credential and without their secrets.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::{AnyOf, Credential, Principal, Scopes, SingleAccount};
use capshare::client::{ClientError, Closed, CreateOptions, ListScope, Share, WatchFrom};
use capshare::host::HostSettings;
use capshare::share::error::Refusal;
use capshare::share::grant::Label;
use capshare::share::id::ShareId;
use capshare::share::visibility::Visibility;
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;

use crate::support::desk::{Desk, token};
use crate::support::door::{Served, next_json};
use crate::support::items::{held, part};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Ann twice, once without the scope to write; Bob; and an administrator of an account of its own.
fn desk() -> Desk {
    let reads = Scopes { write: false, ..Scopes::SHARE };
    Desk::of([
        ("ann", token("ann", "t1", Scopes::SHARE)),
        ("ann reads", token("ann", "t2", reads)),
        ("bob", token("bob", "t3", Scopes::SHARE)),
        ("root", token("root", "t4", Scopes::ALL)),
    ])
}

async fn private(scene: &Scene, shown: &str) -> Share {
    let options = CreateOptions::new().visible_to(Visibility::Grant);
    let client = scene.client_builder().token(shown).build_local().unwrap();
    client.create_with(&"ses_1".parse().unwrap(), Some(part("p", "x")), options).await.unwrap()
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Refusal {
    match answer {
        Err(ClientError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// S87: an account reads, writes, hides, expires, hands on and deletes its share by its credential alone, at another host than
/// the one it was created at; what it did holds at both.
#[test]
fn an_account_does_with_its_share_what_its_secret_lets_do() {
    run(async {
        let here = Scene::builder().access(desk()).build();
        let there = Scene::builder().access(desk()).store(Arc::clone(here.store())).seed(2).build();
        let created = private(&here, "ann").await;
        let client = there.client_builder().token("ann").build_local().unwrap();
        let listed = client.list(ListScope::OwnAccount).try_next().await.unwrap().unwrap();
        assert_eq!(&listed.id, created.id());

        let own = client.own_share(&listed.id).await.unwrap();
        assert_eq!((own.id(), own.url(), own.secret()), (created.id(), listed.url.as_str(), None));
        assert_eq!(own.info().await.unwrap().visibility, Visibility::Grant);
        assert_eq!(own.sync(part("q", "y")).await.unwrap().sync_count, 2);
        own.queue(part("r", "z")).await.unwrap();
        own.flush().await.unwrap();
        // The host that was not told looks once a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let seen = created.narrow_to_read(None);
        assert_eq!(seen.info().await.unwrap().sync_count, 3);
        own.set_visibility(Visibility::Link).await.unwrap();
        assert!(own.set_expiry(Some(HOUR)).await.unwrap().is_some());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(seen.info().await.unwrap().visibility, Visibility::Link);

        let reads = own.narrow_to_read(None);
        assert_eq!(held(&reads.snapshot().await.unwrap()).len(), 3);
        let label: Label = "for Bob".parse().unwrap();
        let (full, read) = (own.save(&label, None).await.unwrap(), reads.save(&label, None).await.unwrap());
        own.narrow_to_write().await.unwrap().sync(part("s", "w")).await.unwrap();
        assert_eq!(own.grants().await.unwrap().len(), 2);
        own.revoke_grant(read.grant()).await.unwrap();
        assert_eq!(created.grants().await.unwrap().iter().map(|grant| &grant.id).collect::<Vec<_>>(), [full.grant()]);
        let printed = format!("{own:?}");
        assert!(printed.contains(own.id().as_str()), "{printed}");

        own.delete().await.unwrap();
        assert_eq!(refusal(created.sync(part("t", "v")).await), Refusal::not_found(own.id().as_str()));
        assert_eq!(refusal(client.own_share(own.id()).await), Refusal::not_found(own.id().as_str()));
    });
}

/// S87: another account's credential, one that may not write, the token of a share and none at all get nothing, are told no more of
/// a share that is there than of one that is not, and change nothing.
#[test]
fn whoever_is_not_its_account_gets_no_share_and_does_not_learn_that_there_is_one() {
    run(async {
        let scene = Scene::builder().access(desk()).build();
        let share = private(&scene, "ann").await;
        let absent: ShareId = "a".repeat(26).parse().unwrap();
        let client = |shown: &str| scene.client_builder().token(shown).build_local().unwrap();
        for shown in ["bob", "root"] {
            for id in [share.id(), &absent] {
                let refused = refusal(client(shown).own_share(id).await);
                assert_eq!(refused, Refusal::not_found(id.as_str()), "{shown}");
            }
        }
        let of_both = |one: Refusal, other: Refusal| {
            assert!(matches!(one, Refusal::Unauthorized { .. }), "{one:?}");
            assert_eq!(one, other);
        };
        let reader = client("ann reads");
        of_both(refusal(reader.own_share(share.id()).await), refusal(reader.own_share(&absent).await));

        // What was saved of a share is good for that and is no credential of its account.
        let label: Label = "".parse().unwrap();
        for saved in
            [share.save(&label, None).await.unwrap(), share.narrow_to_read(None).save(&label, None).await.unwrap()]
        {
            let refused = client(saved.reveal()).own_share(share.id()).await;
            let refused = matches!(refused, Err(ClientError::Closed(Closed::Refused(Refusal::Unauthorized { .. }))));
            assert!(refused, "a token of a share let in");
        }
        let info = share.info().await.unwrap();
        assert_eq!((info.sync_count, info.visibility, info.expires_at), (1, Visibility::Grant, None));

        // Where everybody is let in nobody owns anything, and on a host for its own machine that machine does.
        let everybody = Scene::builder().access(SingleAccount::new("local".parse().unwrap())).build();
        let share = everybody.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let stranger = everybody.client();
        of_both(refusal(stranger.own_share(share.id()).await), refusal(stranger.own_share(&absent).await));
        let machine = SingleAccount::of_this_machine("local".parse().unwrap());
        let machine = Scene::builder().access(machine).store(Arc::clone(everybody.store())).seed(2).build();
        machine.client().own_share(share.id()).await.unwrap().delete().await.unwrap();
    });
}

/// S87: when a credential is revoked, what it opened is over: its share, the views of that, and the way to another.
#[tokio::test]
async fn a_revoked_credential_loses_its_own_shares_at_once() {
    let with_tokens = |settings: &mut HostSettings| settings.hub.stored_tokens = true;
    let served = Served::over(Arc::new(InMemory::new()), Arc::new(AnyOf::new([])), with_tokens).await;
    let hub = served.host.hub();
    let root = Principal {
        account: "root".parse().unwrap(),
        credential: Credential::Key,
        scopes: Scopes::ALL,
        expires_at: None,
    };
    let (record, shown) =
        hub.access().create_token(&root, &"ann".parse().unwrap(), Scopes::SHARE, "a test", None).await.unwrap();
    let client = served.client(Some(shown.reveal()));
    let id = client.create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap().id().clone();
    let own = client.own_share(&id).await.unwrap();
    let mut watch = own.narrow_to_read(None).watch(WatchFrom::WholeState);
    watch.next().await.unwrap().unwrap();
    assert_eq!(hub.connections().revoke_token(&root, record.id.as_str()).await.unwrap(), 1);

    let is_over = |error: &ClientError| matches!(error, ClientError::Closed(Closed::Revoked(_)));
    let refused = own.set_visibility(Visibility::Link).await.unwrap_err();
    assert!(is_over(&refused), "{refused}");
    while let Some(step) = watch.next().await {
        if let Err(error) = step {
            assert!(is_over(&error), "{error}");
            break;
        }
    }
    let again = served.client(Some(shown.reveal())).own_share(&id).await.unwrap_err();
    assert!(matches!(again, ClientError::Closed(Closed::Refused(Refusal::Unauthorized { .. }))), "{again}");
    // The share is as it was, for whoever may see it.
    let mut viewer = served.knock(&format!("/ws/{id}"), &[]).await.unwrap();
    assert_eq!(next_json(&mut viewer).await["event"], "snapshot");
}
