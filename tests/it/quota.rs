//! Quotas: what an account may keep and send.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::Principal;
use capshare::__internal::hub::Hub;
use capshare::__internal::rooms::quota::Quota;
use capshare::__internal::rooms::{Created, Terms};
use capshare::share::change::{Batch, Change, Stamp};
use capshare::share::error::Refusal;
use capshare::share::id::ProducerId;
use capshare::share::item::{ItemKey, Payload};
use capshare::share::limits::Limit;
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;

use crate::support::bucket::{Fault, TestBucket};
use crate::support::door::{ANNS_KEY, BOBS_KEY, keys};

fn limited(quota: Quota) -> Scene {
    Scene::builder().settings(|settings| settings.hub.quotas.default = quota).build()
}

/// A batch of so many bytes, key and text.
fn batch(id: &str, bytes: usize) -> Batch {
    let key = ItemKey::message(id).unwrap();
    let text = "x".repeat(bytes - key.as_str().len() - 2);
    let value = Some(Payload::from_checked_json(&format!("\"{text}\"")));
    Batch { stamp: None, changes: vec![Change { key, value }] }
}

fn removal(id: &str) -> Batch {
    Batch { stamp: None, changes: vec![Change { key: ItemKey::message(id).unwrap(), value: None }] }
}

async fn who(hub: &Hub) -> Principal {
    hub.access().authenticate(None).await.unwrap()
}

async fn create(hub: &Hub, session: &str, initial: Option<Batch>) -> Result<Created, Refusal> {
    hub.rooms().create(&who(hub).await, &session.parse().unwrap(), initial, Terms::default()).await
}

#[track_caller]
fn past<T: std::fmt::Debug>(answer: Result<T, Refusal>, name: &str, max: u64, got: u64, advice: &str) {
    let refusal = answer.unwrap_err();
    assert_eq!(refusal, Refusal::LimitExceeded { limit: Limit::named(name.to_owned()), max, got });
    assert!(refusal.to_string().contains(advice), "{refusal}");
}

#[test]
fn an_account_has_no_more_shares_than_its_quota() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        bucket.roll(|| Some(Fault::Slow(Duration::from_millis(10))));
        let scene = Scene::builder().store(Arc::clone(&bucket) as _);
        let scene = scene.settings(|settings| settings.hub.quotas.default.shares_max = Some(3)).build();
        let hub = scene.host().hub();
        let first = create(hub, "ses_0", None).await.unwrap();
        // At once, they cannot pass it together.
        let sessions: Vec<_> = (1..=8).map(|n| format!("ses_{n}")).collect();
        let created = futures::future::join_all(sessions.iter().map(|session| create(hub, session, None))).await;
        assert_eq!(created.iter().filter(|created| created.is_ok()).count(), 2, "{created:?}");
        for refused in created.into_iter().filter(Result::is_err) {
            past(refused, "accountSharesMax", 3, 4, "delete a share, or ask the host's operator");
        }
        assert!(create(hub, "ses_0", None).await.unwrap().existed, "what is shared already is no new share");
        // What other hosts created counts too.
        let other = Scene::builder().store(Arc::clone(scene.store())).seed(2);
        let other = other.settings(|settings| settings.hub.quotas.default.shares_max = Some(3)).build();
        past(create(other.host().hub(), "ses_9", None).await, "accountSharesMax", 3, 4, "");
        hub.rooms().delete_room(&first.room).await.unwrap();
        create(other.host().hub(), "ses_9", None).await.unwrap();
    });
}

#[test]
fn an_accounts_shares_hold_no_more_bytes_than_its_quota() {
    run(async {
        let scene = limited(Quota { bytes_max: Some(10_000), ..Quota::default() });
        let hub = scene.host().hub();
        past(create(hub, "ses_0", Some(batch("m", 10_001))).await, "accountBytesMax", 10_000, 10_001, "remove items");
        let one = create(hub, "ses_1", Some(batch("m", 4_000))).await.unwrap();
        let two = create(hub, "ses_2", None).await.unwrap();
        hub.rooms().sync_room(&two.room, batch("m", 4_000)).await.unwrap();
        past(
            hub.rooms().sync_room(&two.room, batch("n", 2_001)).await,
            "accountBytesMax",
            10_000,
            10_001,
            "delete shares",
        );
        // The same again, larger by as much as there is room for, and smaller: what counts is what is held.
        hub.rooms().sync_room(&one.room, batch("m", 6_000)).await.unwrap();
        past(hub.rooms().sync_room(&one.room, batch("m", 6_001)).await, "accountBytesMax", 10_000, 10_001, "");
        // A reading that is older than five minutes is made again, and knows no less of what is in memory.
        tokio::time::sleep(Duration::from_secs(600)).await;
        hub.rooms().sync_room(&one.room, batch("m", 6_000)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        past(hub.rooms().sync_room(&one.room, batch("n", 1_000)).await, "accountBytesMax", 10_000, 11_000, "");
        hub.rooms().sync_room(&one.room, removal("m")).await.unwrap();
        hub.rooms().sync_room(&two.room, batch("n", 6_000)).await.unwrap();
        past(hub.rooms().sync_room(&one.room, batch("m", 100)).await, "accountBytesMax", 10_000, 10_100, "");
        hub.rooms().delete_room(&two.room).await.unwrap();
        hub.rooms().sync_room(&one.room, batch("m", 10_000)).await.unwrap();
    });
}

/// A share that leaves memory and comes back at once is there twice for a moment, and counts once.
#[test]
fn a_share_that_comes_back_while_it_leaves_memory_counts_once() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = Scene::builder().store(Arc::clone(&bucket) as _).settings(|settings| {
            settings.hub.idle_rooms_max = 0;
            settings.hub.quotas.default.bytes_max = Some(10_000);
        });
        let scene = scene.build();
        let hub = scene.host().hub();
        let Created { id, secret, .. } = create(hub, "ses_0", Some(batch("m", 6_000))).await.unwrap();
        for n in 1..64 {
            create(hub, &format!("ses_{n}"), None).await.unwrap();
        }
        // It leaves, slowly, and is asked for.
        bucket.roll(|| Some(Fault::Slow(Duration::from_secs(1))));
        create(hub, "ses_64", None).await.unwrap();
        let room = hub.rooms().open(id.as_str(), &secret).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        hub.rooms().sync_room(&room, batch("n", 1_000)).await.unwrap();
        past(hub.rooms().sync_room(&room, batch("o", 3_001)).await, "accountBytesMax", 10_000, 10_001, "");
        hub.rooms().sync_room(&room, batch("o", 3_000)).await.unwrap();
    });
}

/// A host that has just started knows what the account holds before it takes a batch for what is shared already.
#[test]
fn creating_what_is_shared_already_passes_no_quota() {
    run(async {
        let scene = limited(Quota { bytes_max: Some(10_000), ..Quota::default() });
        create(scene.host().hub(), "ses_1", Some(batch("m", 9_000))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(65)).await;
        let other = Scene::builder().store(Arc::clone(scene.store())).seed(2);
        let other = other.settings(|settings| settings.hub.quotas.default.bytes_max = Some(10_000)).build();
        let again = create(other.host().hub(), "ses_1", Some(batch("n", 9_000))).await;
        past(again, "accountBytesMax", 10_000, 18_000, "");
    });
}

#[test]
fn an_account_syncs_no_more_bytes_in_a_day_than_its_quota_and_a_batch_sent_again_costs_nothing() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let quota = Quota { bytes_per_day_max: Some(24_000), ..Quota::default() };
        let builder = Scene::builder().store(Arc::clone(&bucket) as _);
        let scene = builder.settings(|settings| settings.hub.quotas.default = quota).build();
        let hub = scene.host().hub();
        let share = create(hub, "ses_1", Some(batch("m", 4_000))).await.unwrap();
        let stamp = Stamp { producer: ProducerId::from_bits(1), epoch: 1, sequence: 1 };
        let stamped = Batch { stamp: Some(stamp), ..batch("m", 10_000) };
        // Twice on its way and once after: charged once.
        let (first, again) = tokio::join!(
            hub.rooms().sync_room(&share.room, stamped.clone()),
            hub.rooms().sync_room(&share.room, stamped.clone())
        );
        assert!(!first.unwrap().duplicate && again.unwrap().duplicate);
        assert!(hub.rooms().sync_room(&share.room, stamped).await.unwrap().duplicate);
        // What the bucket did not take is not charged either.
        bucket.next_writes(std::iter::repeat_n(Some(Fault::LostRequest), 100));
        hub.rooms().sync_room(&share.room, batch("m", 10_000)).await.unwrap_err();
        bucket.next_writes_are_over();
        let used = |hub: &Arc<Hub>| hub.rooms().sync_room(&share.room, batch("m", 10_000));
        used(hub).await.unwrap();
        // Some twenty seconds have passed, in which 6 bytes came back.
        let refused = used(hub).await.unwrap_err();
        assert!(
            matches!(&refused, Refusal::LimitExceeded { limit, max: 24_000, got: 33_980..34_000 }
            if *limit == Limit::AccountBytesPerDayMax),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("come back in 10 h 0 min"), "{refused}");
        // 1,000 bytes an hour come back.
        tokio::time::sleep(Duration::from_secs(9 * 3_600 + 3_000)).await;
        used(hub).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(600)).await;
        used(hub).await.unwrap();
        used(hub).await.unwrap_err();
        // One that is larger than a day's passes when nothing is used up.
        tokio::time::sleep(Duration::from_secs(25 * 3_600)).await;
        hub.rooms().sync_room(&share.room, batch("m", 30_000)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10 * 3_600)).await;
        used(hub).await.unwrap_err();
    });
}

/// A batch that was not committed costs nothing though its caller has left, and one that was committed costs what it costs.
#[test]
fn who_leaves_before_the_answer_pays_for_what_was_committed_and_for_nothing_else() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let quota = Quota { bytes_per_day_max: Some(24_000), ..Quota::default() };
        let builder = Scene::builder().store(Arc::clone(&bucket) as _);
        let scene = builder.settings(|settings| settings.hub.quotas.default = quota).build();
        let hub = scene.host().hub();
        let share = create(hub, "ses_1", None).await.unwrap();
        let (failures, syncs) = (&hub.metrics().storage_failures, || share.room.read(|state| state.sync_count()));
        bucket.next_writes(std::iter::repeat_n(Some(Fault::LostRequest), 100));
        drop(hub.rooms().sync_room(&share.room, batch("m", 20_000)));
        while failures.get() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bucket.next_writes_are_over();
        drop(hub.rooms().sync_room(&share.room, batch("m", 14_000)));
        while syncs().unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        past_a_day(hub.rooms().sync_room(&share.room, batch("n", 11_000)).await);
        hub.rooms().sync_room(&share.room, batch("n", 10_000)).await.unwrap();
    });
}

#[track_caller]
fn past_a_day(answer: Result<impl std::fmt::Debug, Refusal>) {
    let refusal = answer.unwrap_err();
    assert!(
        matches!(&refusal, Refusal::LimitExceeded { limit, .. } if *limit == Limit::AccountBytesPerDayMax),
        "{refusal:?}"
    );
}

#[test]
fn an_account_may_have_a_quota_of_its_own() {
    run(async {
        let builder = Scene::builder().access(keys().as_ref().clone()).settings(|settings| {
            settings.hub.quotas.default.shares_max = Some(1);
            settings.hub.quotas.accounts.insert("bob".parse().unwrap(), Quota::default());
        });
        let scene = builder.build();
        for (key, may) in [(ANNS_KEY, 1), (BOBS_KEY, 3)] {
            let client = scene.client_builder().token(key).build_local().unwrap();
            let mut created = 0;
            for n in 0..3 {
                created += usize::from(client.create(&format!("ses_{n}").parse().unwrap(), None).await.is_ok());
            }
            assert_eq!(created, may);
        }
    });
}
