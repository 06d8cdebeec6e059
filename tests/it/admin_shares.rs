//! What administrators do with everybody's shares, in process; the program's commands are in `cli::admin`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::Scopes;
use capshare::client::{Client, ClientError, CreateOptions, Items, PageRequest, Share};
use capshare::share::admin::{Erased, ShareFilter};
use capshare::share::error::Refusal;
use capshare::share::id::{AccountId, ShareId};
use capshare::share::limits::{Limit, TITLE_TEXT_BYTES_MAX};
use capshare::share::time::Timestamp;
use capshare::share::visibility::Visibility;
use capshare::testing::{Scene, SceneBuilder, run};
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::json;

use crate::support::bucket::{TestBucket, dump};
use crate::support::desk::{Desk, token};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn over(bucket: &Arc<TestBucket>, seed: u64) -> SceneBuilder {
    let desk = Desk::of([
        ("ann", token("ann", "t1", Scopes::SHARE)),
        ("bob", token("bob", "t2", Scopes::SHARE)),
        ("root", token("root", "t3", Scopes::ALL)),
    ]);
    Scene::builder().access(desk).store(Arc::clone(bucket) as _).seed(seed)
}

fn bucket() -> Arc<TestBucket> {
    TestBucket::over(Arc::new(InMemory::new()))
}

fn client(scene: &Scene, shown: &str) -> Client {
    scene.client_builder().token(shown).build_local().unwrap()
}

/// A session of this title, and with so long a text.
fn titled(title: &str, bytes: usize) -> Items {
    let mut items = Items::new();
    let session = json!({ "id": "s", "title": title, "text": "x".repeat(bytes) }).to_string();
    items.put("session", &session).unwrap();
    items
}

async fn shared(client: &Client, session: &str, items: Items) -> Share {
    client.create(&session.parse().unwrap(), Some(items)).await.unwrap()
}

async fn found(root: &Client, filter: ShareFilter) -> Vec<String> {
    let mut listing = root.admin().shares(filter);
    let mut found = Vec::new();
    while let Some(share) = listing.try_next().await.unwrap() {
        found.push(format!("{} {}", share.account, share.session));
    }
    found.sort();
    found
}

fn of(account: &str) -> Option<AccountId> {
    Some(account.parse().unwrap())
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Refusal {
    match answer {
        Err(ClientError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// S88: an administrator finds anybody's shares by account, age, size and title, at a host that has never read them, and page by
/// page.
#[test]
fn an_administrator_finds_shares_by_account_age_size_and_title() {
    run(async {
        let bucket = bucket();
        let scene = over(&bucket, 1).build();
        let (ann, bob) = (client(&scene, "ann"), client(&scene, "bob"));
        shared(&ann, "old", titled("The Rocket", 10)).await;
        tokio::time::advance(2 * HOUR).await;
        shared(&ann, "new", titled("Ärger mit Rockets", 5_000)).await;
        shared(&bob, "old", titled("A plan", 5_000)).await;
        shared(&bob, "empty", Items::new()).await;

        let cold = over(&bucket, 2).build();
        let now = scene.host().hub().ambient().clock.now();
        tokio::time::advance(Duration::from_millis(
            u64::try_from(now.0 - cold.host().hub().ambient().clock.now().0).unwrap(),
        ))
        .await;
        let root = client(&cold, "root");
        let all = ["ann new", "ann old", "bob empty", "bob old"];
        assert_eq!(found(&root, ShareFilter::default()).await, all);
        for (filter, right) in [
            (ShareFilter { account: of("ann"), ..ShareFilter::default() }, &all[..2]),
            (ShareFilter { account: of("nobody"), ..ShareFilter::default() }, &[]),
            (ShareFilter { older_than: Some(HOUR), ..ShareFilter::default() }, &["ann old"]),
            (ShareFilter { larger_than: Some(4_999), ..ShareFilter::default() }, &["ann new", "bob old"]),
            (ShareFilter { larger_than: Some(1 << 30), ..ShareFilter::default() }, &[]),
            (ShareFilter { title: Some("rocket".to_owned()), ..ShareFilter::default() }, &["ann new", "ann old"]),
            (ShareFilter { title: Some("ÄRGER".to_owned()), ..ShareFilter::default() }, &["ann new"]),
            (
                ShareFilter {
                    account: of("bob"),
                    older_than: None,
                    larger_than: Some(100),
                    title: Some("plan".to_owned()),
                },
                &["bob old"],
            ),
        ] {
            assert_eq!(found(&root, filter.clone()).await, right, "{filter:?}");
        }

        let rockets = ShareFilter { title: Some("rocket".to_owned()), ..ShareFilter::default() };
        let (mut next, mut pages) = (PageRequest::first(), Vec::new());
        loop {
            let page = root.admin().shares_page(&rockets, next.limit(1)).await.unwrap();
            pages.push(page.shares.len());
            match page.next_cursor {
                Some(cursor) => next = PageRequest::at(cursor),
                None => break,
            }
        }
        assert_eq!((pages.len(), pages.iter().sum::<usize>()), (4, 2), "one was looked at in each: {pages:?}");

        let too_long = ShareFilter { title: Some("x".repeat(TITLE_TEXT_BYTES_MAX + 1)), ..ShareFilter::default() };
        let limit = Refusal::limit(Limit::TitleTextBytesMax, TITLE_TEXT_BYTES_MAX, TITLE_TEXT_BYTES_MAX + 1);
        assert_eq!(refusal(root.admin().shares_page(&too_long, PageRequest::first()).await), limit);
        let bad = root.admin().shares_page(&rockets, PageRequest::at("no cursor")).await;
        assert!(matches!(refusal(bad), Refusal::InvalidInput { .. }));
        let too_many = root.admin().shares_page(&rockets, PageRequest::first().limit(1_001)).await;
        assert_eq!(refusal(too_many), Refusal::limit(Limit::ListPageMax, 1_000, 1_001));
    });
}

/// S88: more shares than a page may have are listed all the same; one that was never folded is found by its title, and one that cannot
/// be read takes no other along.
#[test]
fn an_administrator_sees_past_a_thousand_shares_and_past_a_damaged_one() {
    run(async {
        let bucket = bucket();
        let scene = over(&bucket, 1).build();
        let ann = client(&scene, "ann");
        let damaged = shared(&ann, "damaged", titled("One of many", 0)).await;
        shared(&ann, "whole", titled("One of many", 0)).await;
        let store = scene.host().hub().rooms().store();
        for n in 0..1_100 {
            let id = ShareId::from_bits(n);
            store.claim(&of("bob").unwrap(), &format!("s{n}").parse().unwrap(), &id, Timestamp(0)).await.unwrap();
        }
        spoil(&bucket, damaged.id()).await;
        let cold = over(&bucket, 2).build();
        let root = client(&cold, "root");
        assert_eq!(found(&root, ShareFilter::default()).await.len(), 1_102);
        assert_eq!(found(&root, ShareFilter { account: of("bob"), ..ShareFilter::default() }).await.len(), 1_100);
        let many = ShareFilter { title: Some("many".to_owned()), ..ShareFilter::default() };
        assert_eq!(found(&root, many).await, ["ann whole"]);
    });
}

/// Makes a share's log unreadable.
async fn spoil(bucket: &Arc<TestBucket>, id: &ShareId) {
    let keys: Vec<_> = dump(bucket.as_ref()).await.into_iter().map(|(key, _)| key).collect();
    for key in keys.iter().filter(|key| key.starts_with(&format!("share/{id}/"))) {
        bucket.put(&Path::from(key.as_str()), "spoilt".into()).await.unwrap();
    }
}

/// S88: an administrator hides anybody's share from whoever has no more than its link, and deletes it.
#[test]
fn an_administrator_hides_and_deletes_anybodys_share() {
    run(async {
        let bucket = bucket();
        let (here, there) = (over(&bucket, 1).build(), over(&bucket, 2).build());
        let (ann, bob, root) = (client(&here, "ann"), client(&here, "bob"), client(&there, "root"));
        let share = shared(&ann, "ses_1", titled("A title", 0)).await;
        assert_eq!(bob.info(share.id()).await.unwrap().visibility, Visibility::Link);
        root.admin().hide_share(share.id()).await.unwrap();
        let elsewhere = client(&there, "bob");
        assert!(matches!(refusal(elsewhere.info(share.id()).await), Refusal::Unauthorized { .. }));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(matches!(refusal(bob.info(share.id()).await), Refusal::Unauthorized { .. }));
        assert_eq!(ann.info(share.id()).await.unwrap().visibility, Visibility::Grant);
        root.admin().hide_share(share.id()).await.unwrap();
        share.set_visibility(Visibility::Link).await.unwrap();

        root.admin().delete_share(share.id()).await.unwrap();
        let gone = Refusal::not_found(share.id().as_str());
        assert_eq!(refusal(share.sync(titled("Another", 0)).await), gone);
        assert_eq!(refusal(root.admin().delete_share(share.id()).await), gone);
        assert_eq!(refusal(root.admin().hide_share(share.id()).await), gone);
        let absent: ShareId = "a".repeat(26).parse().unwrap();
        assert_eq!(refusal(root.admin().delete_share(&absent).await), Refusal::not_found(absent.as_str()));
        assert_eq!(found(&root, ShareFilter::default()).await, [""; 0]);
    });
}

/// Erases an account once through, and gives what each call came to.
async fn run_through(root: &Client, account: &str) -> Vec<Erased> {
    let (account, mut calls) = (of(account).unwrap(), Vec::<Erased>::new());
    loop {
        let cursor = calls.last().and_then(|last| last.next_cursor.clone());
        calls.push(root.admin().erase_account(&account, cursor.as_deref()).await.unwrap());
        if calls.last().unwrap().next_cursor.is_none() {
            return calls;
        }
    }
}

/// S88: an account is erased in calls of at most a hundred, past a share that is damaged, and again for what came meanwhile; nobody
/// else loses anything.
#[test]
fn an_account_is_erased_page_by_page_and_again_for_what_came_meanwhile() {
    run(async {
        let bucket = bucket();
        let (here, there) = (over(&bucket, 1).build(), over(&bucket, 2).build());
        let (ann, bob, root) = (client(&here, "ann"), client(&here, "bob"), client(&there, "root"));
        for n in 100..220 {
            shared(&ann, &format!("s{n}"), titled("of Ann", 0)).await;
        }
        let kept = shared(&bob, "s150", titled("of Bob", 0)).await;
        let damaged = ann.create(&"s219".parse().unwrap(), None).await.unwrap();
        spoil(&bucket, damaged.id()).await;

        let first = root.admin().erase_account(&of("ann").unwrap(), None).await.unwrap();
        assert_eq!((first.deleted, first.failed.len()), (100, 0));
        // Before the cursor.
        let late = shared(&ann, "s000", titled("of Ann", 0)).await;
        let rest = root.admin().erase_account(&of("ann").unwrap(), first.next_cursor.as_deref()).await.unwrap();
        assert_eq!(rest, Erased { deleted: 19, failed: vec![damaged.id().clone()], next_cursor: None });
        assert_eq!(late.info().await.unwrap().sync_count, 1);
        let again = run_through(&root, "ann").await;
        assert_eq!(again.iter().map(|call| call.deleted).sum::<u64>(), 1);
        assert_eq!(again.iter().flat_map(|call| &call.failed).collect::<Vec<_>>(), [damaged.id()]);
        let once_more = run_through(&root, "ann").await;
        assert_eq!(once_more.iter().map(|call| call.deleted).sum::<u64>(), 0, "there is nothing left to delete");

        // The host that was not told looks once a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(refusal(ann.info(late.id()).await), Refusal::not_found(late.id().as_str()));
        assert_eq!(kept.info().await.unwrap().sync_count, 1);
        let listed: BTreeSet<_> = found(&root, ShareFilter::default()).await.into_iter().collect();
        assert_eq!(listed, BTreeSet::from(["ann s219".to_owned(), "bob s150".to_owned()]));
        assert_eq!(run_through(&root, "nobody").await, [Erased::default()]);
    });
}

/// S88: over a slow bucket a call begins nothing more after three seconds, so that it answers before its caller gives up, and the next
/// goes on where it was.
#[test]
fn a_call_over_a_slow_bucket_answers_in_time_and_the_next_goes_on() {
    run(async {
        let bucket = bucket();
        let here = over(&bucket, 1).build();
        let ann = client(&here, "ann");
        for n in 10..40 {
            shared(&ann, &format!("s{n}"), titled("of Ann", 0)).await;
        }
        let cold = over(&bucket, 2).build();
        let root = client(&cold, "root");
        root.hello().await.unwrap();
        bucket.takes(Duration::from_millis(700));
        let calls = run_through(&root, "ann").await;
        assert_eq!(calls.iter().map(|call| call.deleted).sum::<u64>(), 30);
        assert!(calls.len() > 2 && calls.iter().all(|call| call.failed.is_empty()), "{calls:?}");
    });
}

/// S88: whoever has not the scope does none of it.
#[test]
fn whoever_is_no_administrator_finds_hides_and_deletes_nothing_of_others() {
    run(async {
        let bucket = bucket();
        let scene = over(&bucket, 1).build();
        let (ann, bob) = (client(&scene, "ann"), client(&scene, "bob"));
        let options = CreateOptions::new().visible_to(Visibility::Account);
        let share = ann.create_with(&"ses_1".parse().unwrap(), Some(titled("A title", 0)), options).await.unwrap();
        let admin = bob.admin();
        for refused in [
            admin.shares_page(&ShareFilter::default(), PageRequest::first()).await.map(drop),
            admin.hide_share(share.id()).await,
            admin.delete_share(share.id()).await,
            admin.erase_account(&of("ann").unwrap(), None).await.map(drop),
            ann.admin().delete_share(share.id()).await,
        ] {
            assert!(matches!(refusal(refused), Refusal::Unauthorized { .. }));
        }
        let info = bob.info(share.id()).await.unwrap();
        assert_eq!((info.visibility, info.sync_count), (Visibility::Account, 1));
    });
}
