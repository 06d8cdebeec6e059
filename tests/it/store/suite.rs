//! What every bucket must show.

use std::collections::BTreeSet;
use std::sync::Arc;

use capshare::__internal::store::{Appended, Claim, Created, ListCursor, Opened, StoreSettings};
use capshare::share::entry::Entry;
use capshare::share::time::Timestamp;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::{
    DELETE, about, account, append, created, entries, holding, host, host_with, is_deleted, keys, open_entry, opened,
    opening, session, share, sync,
};
use crate::support::bucket::{Fault, TestBucket};

const NOW: Timestamp = Timestamp(5);

/// Runs every behaviour, each in a part of the bucket of its own. `sorted`: the bucket lists keys in order.
pub(super) async fn all(objects: Arc<dyn ObjectStore>, sorted: bool) {
    let part = |name: &str| TestBucket::over(Arc::new(PrefixStore::new(objects.clone(), name)));
    what_was_appended_is_read_back_in_order(&part("read-back")).await;
    two_hosts_that_append_at_once_lose_nothing_and_agree(&part("two-hosts")).await;
    of_those_who_claim_at_once_one_wins_and_all_know_who(&part("claims")).await;
    of_those_who_create_at_once_one_wins_and_the_others_read_it(&part("creates")).await;
    names_of_every_allowed_character_come_back(&part("names")).await;
    a_deleted_share_leaves_nothing_of_its_content(&part("delete")).await;
    a_release_never_hits_the_next_claim(&part("release")).await;
    a_creation_that_stopped_after_the_claim_is_finished_by_the_next(&part("crash-claim")).await;
    a_deletion_that_stopped_anywhere_is_finished_by_the_next(&part("crash-delete")).await;
    the_bucket_passes_the_probe_and_is_left_clean(&part("probe")).await;
    a_listing_reads_only_the_index_and_goes_past_a_thousand(&part("listing"), sorted).await;
}

async fn what_was_appended_is_read_back_in_order(bucket: &Arc<TestBucket>) {
    let (here, there) = (host(bucket, 1), host(bucket, 2));
    let mut expected = vec![open_entry(), sync("first")];
    let mut log = created(&here, &share(1), &expected).await;
    for n in 0..20 {
        let batch = [sync(&format!("one-{n}")), sync(&format!("two-{n}"))];
        bucket.counts.reset();
        assert_eq!(log.append(&batch).await.unwrap(), Appended::Written);
        assert_eq!(bucket.counts.all(), [1, 0, 0, 0], "an append is one request");
        expected.extend(batch);
    }
    bucket.counts.reset();
    let (mut follower, entries) = opened(&there, &share(1)).await;
    assert_eq!(entries, expected);
    assert_eq!(bucket.counts.all(), [0, 1 + 21, 1, 0], "one listing, the tombstone, and each segment once");
    assert!(follower.catch_up().await.unwrap().is_empty());
    assert_eq!(log.append(&[sync("news")]).await.unwrap(), Appended::Written);
    assert_eq!(follower.catch_up().await.unwrap(), vec![sync("news")].into());
    bucket.counts.reset();
    assert!(follower.catch_up().await.unwrap().is_empty());
    assert_eq!(bucket.counts.all(), [0, 1, 0, 0], "no news is one read");
    assert!(matches!(here.open_log(&share(2)).await.unwrap(), Opened::Absent(_)));
}

async fn two_hosts_that_append_at_once_lose_nothing_and_agree(bucket: &Arc<TestBucket>) {
    let hosts = [host(bucket, 1), host(bucket, 2)];
    created(&hosts[0], &share(1), &[open_entry()]).await;
    let views = join_all(hosts.iter().zip(["left", "right"]).map(|(host, name)| async move {
        let (mut log, mut seen) = opened(host, &share(1)).await;
        for n in 0..15 {
            append(&mut log, &mut seen, &[sync(&format!("{name}-{n}"))]).await;
        }
        (log, seen)
    }))
    .await;
    let (_, whole) = opened(&host(bucket, 3), &share(1)).await;
    for (mut log, mut seen) in views {
        seen.extend(entries(log.catch_up().await.unwrap()));
        assert_eq!(seen, whole, "both hosts see one order");
    }
    assert_eq!(whole.len(), 31);
    for entry in ["left", "right"].iter().flat_map(|name| (0..15).map(move |n| sync(&format!("{name}-{n}")))) {
        assert_eq!(whole.iter().filter(|other| **other == entry).count(), 1);
    }
}

async fn of_those_who_claim_at_once_one_wins_and_all_know_who(bucket: &Arc<TestBucket>) {
    let (who, what) = (account("a"), session("s"));
    let answers = join_all((1..=6).map(|n| {
        let host = host(bucket, n);
        let (who, what) = (&who, &what);
        async move { host.claim(who, what, &share(n), NOW).await.unwrap() }
    }))
    .await;
    let winners: Vec<_> = (1..=6).filter(|n| answers[*n as usize - 1] == Claim::Ours).collect();
    let [winner] = winners[..] else { panic!("{answers:?}") };
    assert_eq!(answers.iter().filter(|answer| **answer == Claim::Theirs(share(winner))).count(), 5);
    let again = host(bucket, 9).claim(&who, &what, &share(winner), NOW).await.unwrap();
    assert_eq!(again, Claim::Ours, "the winner may ask again");
    for (who, what) in [("a", "other"), ("other", "s")] {
        let other = host(bucket, 9).claim(&account(who), &session(what), &share(50), NOW).await.unwrap();
        assert_eq!(other, Claim::Ours, "another's session is another claim");
    }
}

async fn of_those_who_create_at_once_one_wins_and_the_others_read_it(bucket: &Arc<TestBucket>) {
    let answers = join_all((1..=4).map(|n| async move {
        match host(bucket, n).create_log(&share(1), &[open_entry(), sync(&n.to_string())]).await.unwrap() {
            Created::New(_) => (true, vec![open_entry(), sync(&n.to_string())]),
            Created::Exists(_, news) => (false, entries(news)),
            Created::Deleted => panic!("nobody deleted it"),
        }
    }))
    .await;
    assert_eq!(answers.iter().filter(|(new, _)| *new).count(), 1);
    assert!(answers.iter().all(|(_, entries)| *entries == answers[0].1));
}

async fn names_of_every_allowed_character_come_back(bucket: &Arc<TestBucket>) {
    let host = host(bucket, 1);
    let (who, what) = (account("aZ09_.@-"), session("sZ09_.:@=+~-"));
    assert_eq!(host.claim(&who, &what, &share(1), NOW).await.unwrap(), Claim::Ours);
    assert_eq!(host.claim(&who, &session("s"), &share(2), NOW).await.unwrap(), Claim::Ours);
    let first = host.list(Some(&who), None, 1).await.unwrap();
    let cursor: ListCursor = first.next.unwrap().to_string().parse().unwrap();
    let second = host.list(None, Some(&cursor), 1).await.unwrap();
    let listed: Vec<_> = first.claims.into_iter().chain(second.claims).map(|c| (c.account, c.session, c.at)).collect();
    assert_eq!(listed, [(who.clone(), session("s"), NOW), (who, what, NOW)]);
    assert_eq!(second.next, None);
}

async fn a_deleted_share_leaves_nothing_of_its_content(bucket: &Arc<TestBucket>) {
    let (here, there) = (host(bucket, 1), host(bucket, 2));
    let (who, what) = (account("a"), session("s"));
    here.claim(&who, &what, &share(1), NOW).await.unwrap();
    let mut log = created(&here, &share(1), &[open_entry(), sync("precious")]).await;
    let (mut stale, _) = opened(&there, &share(1)).await;
    here.describe(&share(1), &about(&who, &what, "precious")).await.unwrap();
    for n in 0..3 {
        log.append(&[sync(&format!("precious-{n}"))]).await.unwrap();
    }
    assert!(log.erase(&who, &what).await.unwrap().is_none(), "what is not deleted is not erased");
    assert_eq!(holding(bucket, "precious").await.len(), 5, "four segments and a companion");
    assert_eq!(log.append(&[DELETE]).await.unwrap(), Appended::Written);
    let freeing = log.erase(&who, &what).await.unwrap();
    assert!(freeing.is_some());

    assert_eq!(holding(bucket, "precious").await, [] as [&str; 0]);
    assert_eq!(holding(bucket, "\"session\"").await, [] as [&str; 0]);
    there.describe(&share(1), &about(&who, &what, "precious")).await.unwrap();
    assert_eq!(holding(bucket, "precious").await, [] as [&str; 0], "nor is it described any more");
    assert!(is_deleted(&there, &share(1)).await);
    assert!(matches!(there.create_log(&share(1), &[open_entry()]).await.unwrap(), Created::Deleted));
    let Appended::Behind(met) = stale.append(&[sync("precious-too")]).await.unwrap() else { panic!("it was written") };
    assert!(matches!(met.entries[..], [Entry::Delete { .. }]));
    assert!(matches!(stale.append(&[sync("precious-too")]).await.unwrap(), Appended::Behind(_)));
    assert!(matches!(log.append(&[sync("precious-too")]).await.unwrap(), Appended::Behind(_)));
    assert_eq!(holding(bucket, "precious").await, [] as [&str; 0]);

    assert_eq!(there.list(None, None, 10).await.unwrap().claims, []);
    assert_eq!(there.claim(&who, &what, &share(2), NOW).await.unwrap(), Claim::Ours);
    created(&there, &share(2), &[open_entry()]).await;
    assert_eq!(opened(&here, &share(2)).await.1, [open_entry()]);
    let listed = here.list(Some(&who), None, 10).await.unwrap().claims;
    assert_eq!(listed.iter().map(|claim| &claim.share).collect::<Vec<_>>(), [&share(2)]);
}

async fn a_release_never_hits_the_next_claim(bucket: &Arc<TestBucket>) {
    let (who, what) = (account("a"), session("s"));
    let (here, there) = (host(bucket, 1), host(bucket, 2));
    for n in 1..5 {
        assert_eq!(here.claim(&who, &what, &share(n), NOW).await.unwrap(), Claim::Ours);
        here.release(&who, &what, &share(n)).await.unwrap();
        assert_eq!(there.claim(&who, &what, &share(n + 1), NOW).await.unwrap(), Claim::Ours);
        here.release(&who, &what, &share(n)).await.unwrap();
        let holder = here.claim(&who, &what, &share(99), NOW).await.unwrap();
        assert_eq!(holder, Claim::Theirs(share(n + 1)), "a second release of a share frees nothing of another's");
        there.release(&who, &what, &share(n + 1)).await.unwrap();
    }
    here.release(&account("nobody"), &what, &share(1)).await.unwrap();
}

async fn a_creation_that_stopped_after_the_claim_is_finished_by_the_next(bucket: &Arc<TestBucket>) {
    let (who, what) = (account("a"), session("s"));
    host(bucket, 1).claim(&who, &what, &share(1), NOW).await.unwrap();
    let next = host(bucket, 2);
    assert_eq!(next.claim(&who, &what, &share(2), NOW).await.unwrap(), Claim::Theirs(share(1)));
    assert!(matches!(next.open_log(&share(1)).await.unwrap(), Opened::Absent(_)));
    created(&next, &share(1), &[open_entry()]).await;
    assert_eq!(opened(&next, &share(1)).await.1, [open_entry()]);
}

async fn a_deletion_that_stopped_anywhere_is_finished_by_the_next(bucket: &Arc<TestBucket>) {
    // After the entry, the tombstone, the release, and one of two segments: so many writes of the deletion are done.
    for writes_done in 0..4_u128 {
        let name = format!("s{writes_done}");
        let (who, what, id) = (account("a"), session(&name), share(100 + writes_done));
        let host = host(bucket, 10 + writes_done);
        host.claim(&who, &what, &id, NOW).await.unwrap();
        let mut log = created(&host, &id, &[opening(&who, &what), sync("precious")]).await;
        host.describe(&id, &about(&who, &what, "precious")).await.unwrap();
        log.append(&[DELETE]).await.unwrap();
        if writes_done > 0 {
            let lost = std::iter::repeat_n(Some(Fault::LostRequest), 3);
            bucket.next_writes(std::iter::repeat_n(None, writes_done as usize).chain(lost));
            assert!(log.erase(&who, &what).await.unwrap_err().is_transient());
            bucket.next_writes_are_over();
        }

        let next = super::host(bucket, 20 + writes_done);
        assert!(is_deleted(&next, &id).await, "stopped after {writes_done} writes");
        assert_eq!(holding(bucket, "precious").await, [] as [&str; 0], "stopped after {writes_done} writes");
        assert_eq!(keys(bucket, &format!("tomb/{id}")).await.len(), 1);
        let again = next.claim(&who, &what, &share(200 + writes_done), NOW).await.unwrap();
        assert_eq!(again, Claim::Ours, "stopped after {writes_done} writes");
    }
}

async fn the_bucket_passes_the_probe_and_is_left_clean(bucket: &Arc<TestBucket>) {
    let host = host(bucket, 1);
    host.ready().await.unwrap();
    host.probe_conditional_writes().await.unwrap();
    assert_eq!(keys(bucket, "").await, [] as [&str; 0]);
}

async fn a_listing_reads_only_the_index_and_goes_past_a_thousand(bucket: &Arc<TestBucket>, sorted: bool) {
    let mut settings = StoreSettings::default();
    settings.sorted_listings = sorted;
    let host = host_with(bucket, 1, settings);
    let (one, other, gone) = (account("one"), account("other"), session("gone"));
    let (passed, folded) = (|n: u128| n.is_multiple_of(7), |n: u128| !n.is_multiple_of(3));
    let claims =
        (0..1_100_u128).map(|n| (if n % 10 == 0 { &other } else { &one }, session(&format!("s{n}")), share(n)));
    let expected: BTreeSet<_> = claims.clone().map(|(who, what, id)| (who.to_string(), what.to_string(), id)).collect();
    // Put there as objects: to claim each would take a server as many listings.
    let objects = claims.zip(0..).flat_map(|((who, what, id), n)| {
        let key = |number: u8, name: &str| Path::from(format!("index/{who}/{what}/{number:012}{name}"));
        let claim = format!("\"account\":\"{who}\",\"session\":\"{what}\",\"share\":\"{id}\",\"at\":5");
        let about = format!("\"updated\":6,\"title\":\"title {n}\",\"syncs\":1,\"items\":2,\"bytes\":3,\"logBytes\":4");
        let newest = 1 + u8::from(passed(n));
        let mut objects = vec![(key(newest, ""), format!("{{\"capshare\":1,{claim}}}\n"))];
        if passed(n) {
            objects.push((key(1, ""), String::new()));
            objects.push((key(1, "-about"), format!("{{\"capshare\":1,{claim},\"title\":\"old\",{about}}}\n")));
        }
        if folded(n) {
            objects.push((key(newest, "-about"), format!("{{\"capshare\":1,{claim},{about}}}\n")));
        }
        objects
    });
    stream::iter(objects)
        .map(|(key, text)| async move { bucket.put(&key, text.into()).await })
        .buffer_unordered(32)
        .try_for_each(|_| async { Ok(()) })
        .await
        .unwrap();
    host.claim(&one, &gone, &share(5_000), NOW).await.unwrap();
    host.release(&one, &gone, &share(5_000)).await.unwrap();

    for (who, limit, pages) in [(None, 300, 4), (Some(&one), 300, 4), (Some(&other), 109, 2), (None, 1_100, 1)] {
        bucket.counts.reset();
        let (mut listed, mut cursor, mut asked) = (Vec::new(), None, 0);
        loop {
            let page = host.list(who, cursor.as_ref(), limit).await.unwrap();
            asked += 1;
            for line in page.claims {
                let n: u128 = line.session.as_str()[1..].parse().unwrap();
                let title = line.summary.map(|about| (about.title.unwrap(), about.updated_at, about.log_bytes));
                assert_eq!(title, folded(n).then(|| (format!("title {n}"), Timestamp(6), 4)), "of {n}");
                listed.push((line.account.to_string(), line.session.to_string(), line.share));
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let theirs: Vec<_> =
            expected.iter().filter(|(name, ..)| who.is_none_or(|who| name == who.as_str())).cloned().collect();
        let mut sorted_by_name = listed.clone();
        sorted_by_name.sort();
        assert_eq!(sorted_by_name, theirs, "each once, and nobody else's");
        assert_eq!(asked, pages);
        assert_eq!(bucket.counts.all(), [0, theirs.len() as u64, pages, 0], "a listing a page, a read a line");
        assert!(bucket.counts.touched().iter().all(|key| key == "index" || key.starts_with("index/")));
    }
}
