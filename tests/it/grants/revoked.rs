//! Grants that are revoked, go with their share, or have to make room.

use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::contract::convert::{read_expiry, read_opened};
use capshare::share::error::{Refusal, StorageTrouble, StoreOperation};
use capshare::share::grant::Right;
use capshare::share::limits;
use capshare::share::limits::Limit;
use capshare::testing::{Scene, run};

use super::{
    HOUR, at, create, deleted, follow, grants, in_memory, narrow_to_read, narrow_to_write, not_found, over, read,
    restore, revoke, save, settled, sync, told_the_end, unauthorized,
};
use crate::support::bucket::{Fault, dump};
use crate::support::raw::{Raw, observer, slow_observer};

/// S38: a saved capability is revoked alone: what came through it is refused on this host at once and on another when that
/// has looked, watches end, and the others go on.
#[test]
fn a_grant_is_revoked_alone_here_and_at_other_hosts() {
    run(async {
        let bucket = in_memory();
        let hosts = [1, 2].map(|seed| over(&bucket, seed).build());
        let raw = Raw::connect(hosts[0].host(), None).await;
        let (share, ..) = create(&raw).await;
        sync(&share, "0").await.unwrap();
        let token = save(&share, "to be revoked", 0).await.unwrap();
        let other = save(&share, "to stay", 0).await.unwrap();
        let mut through = Vec::new();
        for host in &hosts {
            let raw = Raw::connect(host.host(), None).await;
            let (full, stays) = (restore(&raw, token.reveal()).await.share, restore(&raw, other.reveal()).await.share);
            let (observes, told) = observer();
            let (stuck, told_stuck) = slow_observer(None);
            let (observes_other, told_other) = observer();
            let watches =
                [follow(&full, observes).await, follow(&full, stuck).await, follow(&stays, observes_other).await];
            // What was narrowed from it came through it too.
            let (writer, view) = (narrow_to_write(&full).await, narrow_to_read(&full, 0).await);
            let child = save(&view, "a child", 0).await.unwrap();
            let grandchild = save(&restore(&raw, child.reveal()).await.view, "a grandchild", 0).await.unwrap();
            let grandchild = (restore(&raw, grandchild.reveal()).await.view, grandchild);
            through.push((raw, full, stays, writer, view, grandchild, [told, told_stuck], told_other, watches));
        }
        assert_eq!(grants(&share).await.unwrap().len(), 6);
        let revoked_at = tokio::time::Instant::now();
        assert_eq!(revoke(&share, token.grant()).await, Ok(()));
        assert!(dump(bucket.as_ref()).await.iter().any(|(_, text)| text.contains(r#""type":"revoke""#)));
        for (n, (raw, full, stays, writer, view, (grandchild, its_token), told, told_other, _)) in
            through.iter().enumerate()
        {
            for told in told {
                unauthorized(Err::<(), _>(told_the_end(told).await));
            }
            let within = [Duration::from_millis(10), Duration::from_millis(1_010)][n];
            assert!(revoked_at.elapsed() <= within, "host {n}: {:?}", revoked_at.elapsed());
            unauthorized(sync(full, "revoked").await);
            unauthorized(sync(writer, "revoked").await);
            unauthorized(read(full).await);
            unauthorized(read(view).await);
            unauthorized(read(grandchild).await);
            unauthorized(follow(view, observer().0).await.map(drop));
            unauthorized(grants(full).await);
            unauthorized(revoke(full, other.grant()).await);
            unauthorized(save(full, "", 0).await);
            let response = full.narrow_to_write_request().send().promise.await.unwrap();
            unauthorized(settled(read_opened(response.get().unwrap().get_result().unwrap())));
            let response = full.narrow_to_read_request().send().promise.await.unwrap();
            unauthorized(settled(read_opened(response.get().unwrap().get_result().unwrap())));
            let response = full.remove_request().send().promise.await.unwrap();
            unauthorized(deleted(response.get().unwrap().get_result().unwrap()));
            let response = writer.set_expiry_request().send().promise.await.unwrap();
            unauthorized(settled(read_expiry(response.get().unwrap().get_result().unwrap())));
            unauthorized(restore(raw, token.reveal()).await.right);
            unauthorized(restore(raw, its_token.reveal()).await.right);
            // Nobody else is disturbed.
            assert_eq!(sync(stays, &format!("goes on {n}")).await, Ok(2 + n as u64));
            assert_eq!(restore(raw, other.reveal()).await.right, Ok(Right::Full));
            while told_other.steps.borrow().last().is_none_or(|step| step.sync_count < 2 + n as u64) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(!told_other.ended.get());
        }
        let left: Vec<_> = grants(&share).await.unwrap().iter().map(|grant| grant.id.clone()).collect();
        assert_eq!(left, [other.grant().clone()]);
        let again = revoke(&share, token.grant()).await;
        assert!(matches!(again, Err(Refusal::InvalidInput { .. })), "{again:?}");
    });
}

/// S38: a host on which nobody follows the share hears of a revocation before it lets a call through, a second later at most.
#[test]
fn a_revocation_at_another_host_stops_a_writer_whom_nobody_follows() {
    run(async {
        let bucket = in_memory();
        let hosts = [1, 2].map(|seed| over(&bucket, seed).build());
        let raws = [Raw::connect(hosts[0].host(), None).await, Raw::connect(hosts[1].host(), None).await];
        let (share, ..) = create(&raws[0]).await;
        let token = save(&narrow_to_write(&share).await, "", 0).await.unwrap();
        let reads = save(&share, "", 0).await.unwrap();
        let writer = restore(&raws[1], token.reveal()).await.writer;
        assert_eq!(sync(&writer, "1").await, Ok(1));
        // Nor does an observer keep a host from hearing of it that takes its time with what it was told.
        let third = over(&bucket, 3).build();
        let raw = Raw::connect(third.host(), None).await;
        let (stuck, told) = slow_observer(None);
        let _watch = follow(&restore(&raw, reads.reveal()).await.share, stuck).await.unwrap();
        while told.steps.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let revoked_at = tokio::time::Instant::now();
        revoke(&share, token.grant()).await.unwrap();
        revoke(&share, reads.grant()).await.unwrap();
        unauthorized(Err::<(), _>(told_the_end(&told).await));
        assert!(revoked_at.elapsed() <= Duration::from_millis(1_010), "{:?}", revoked_at.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        unauthorized(sync(&writer, "2").await);
        assert_eq!(read(&share).await.unwrap().sync_count, 1);
    });
}

/// S38: a revocation that did not get into the bucket revokes nothing.
#[test]
fn a_revocation_is_in_the_bucket_before_anybody_is_refused() {
    run(async {
        let bucket = in_memory();
        let scene = over(&bucket, 1).settings(|settings| settings.hub.poll = None).build();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, ..) = create(&raw).await;
        let token = save(&share, "", 0).await.unwrap();
        let restored = restore(&raw, token.reveal()).await.share;
        let (observes, told) = observer();
        let _watch = follow(&restored, observes).await.unwrap();
        bucket.down.store(true, Ordering::Relaxed);
        let failed = Err(Refusal::StorageFailure { operation: StoreOperation::Sync, trouble: StorageTrouble::Passing });
        assert_eq!(revoke(&share, token.grant()).await, failed);
        assert!(read(&restored).await.is_ok() && !told.ended.get());
        bucket.down.store(false, Ordering::Relaxed);
        // While it is on its way it is not in force yet.
        bucket.next_writes([Some(Fault::Slow(Duration::from_secs(4)))]);
        let revoking = {
            let (share, id) = (share.clone(), token.grant().clone());
            tokio::task::spawn_local(async move { revoke(&share, &id).await })
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(read(&restored).await.is_ok() && !told.ended.get() && !revoking.is_finished());
        assert_eq!(revoking.await.unwrap(), Ok(()));
        unauthorized(read(&restored).await);
        unauthorized(Err::<(), _>(told_the_end(&told).await));
    });
}

/// S38, S13: with the share its grants are gone, and nothing of them is left.
#[test]
fn the_grants_of_a_deleted_share_are_not_found() {
    run(async {
        let bucket = in_memory();
        let scene = over(&bucket, 1).build();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, ..) = create(&raw).await;
        let reads = save(&narrow_to_read(&share, 0).await, "a label of note", 0).await.unwrap();
        let full = save(&share, "a label of note", 0).await.unwrap();
        let restored = restore(&raw, reads.reveal()).await.view;
        let (observes, told) = observer();
        let _watch = follow(&restored, observes).await.unwrap();
        let by_token = restore(&raw, full.reveal()).await.share;
        let response = by_token.remove_request().send().promise.await.unwrap();
        assert_eq!(deleted(response.get().unwrap().get_result().unwrap()), Ok(()));
        not_found(read(&restored).await);
        not_found(sync(&by_token, "late").await);
        not_found(grants(&share).await);
        not_found(save(&share, "", 0).await);
        not_found(revoke(&share, reads.grant()).await);
        not_found(Err::<(), _>(told_the_end(&told).await));
        for host in [&scene, &over(&bucket, 2).build()] {
            let raw = Raw::connect(host.host(), None).await;
            not_found(restore(&raw, reads.reveal()).await.right);
            not_found(restore(&raw, full.reveal()).await.right);
        }
        assert!(dump(bucket.as_ref()).await.iter().all(|(_, text)| !text.contains("of note")));
    });
}

/// S74: too many grants and too long a label are refused with a named limit; what is over makes room.
#[test]
fn grants_have_a_bound_and_make_room_when_they_are_over() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, ..) = create(&raw).await;
        let most = limits::SHARE_GRANTS_MAX;
        let too_many = Err(Refusal::limit(Limit::ShareGrantsMax, most, most + 1));
        let mut first = None;
        for n in 0..most {
            let token = save(&share, "", if n < 2 { at(HOUR) } else { 0 }).await.unwrap();
            first.get_or_insert(token);
        }
        assert_eq!(save(&share, "", 0).await, too_many);
        revoke(&share, first.unwrap().grant()).await.unwrap();
        assert!(save(&share, "", 0).await.is_ok());
        assert_eq!(save(&share, "", 0).await, too_many);
        tokio::time::sleep(HOUR).await;
        assert!(save(&share, "", 0).await.is_ok());
        assert_eq!(save(&share, "", 0).await, too_many);
        assert_eq!(grants(&share).await.unwrap().len(), most);
        let (long, longest) = (limits::GRANT_LABEL_BYTES_MAX + 1, limits::GRANT_LABEL_BYTES_MAX);
        let too_long = Err(Refusal::limit(Limit::GrantLabelBytesMax, longest, long));
        assert_eq!(save(&share, &"x".repeat(long), 0).await, too_long);
        let control = save(&share, "two\nlines", 0).await;
        assert!(matches!(control, Err(Refusal::InvalidInput { .. })), "{control:?}");
        let no_id = {
            let mut request = share.revoke_grant_request();
            request.get().set_grant_id("../x");
            let response = request.send().promise.await.unwrap();
            deleted(response.get().unwrap().get_result().unwrap())
        };
        assert!(matches!(no_id, Err(Refusal::InvalidInput { .. })), "{no_id:?}");
    });
}
