//! Tokens: who may restore a capability by one, where, and who learns of it.

use std::time::Duration;

use capshare::__internal::access::{Scopes, SharedKeys};
use capshare::__internal::ambient::TokioClock;
use capshare::__internal::contract::convert::{read_chunk, read_synced};
use capshare::__internal::share_capnp::share_writer;
use capshare::share::grant::{GrantToken, Right};
use capshare::share::id::{GrantId, ShareId};
use capshare::share::secret::Secret;
use capshare::share::time::Timestamp;
use capshare::testing::{Scene, run};

use super::{
    FromClientHookClone, HOUR, at, create, grants, in_memory, narrow_to_read, narrow_to_write, not_found, over, read,
    restore, revoke, save, settled, sync, unauthorized,
};
use crate::support::bucket::dump;
use crate::support::door::{ANNS_KEY, BOBS_KEY, keys};
use crate::support::raw::{Raw, change, sync_request, view};

/// S38: a capability is saved as a token that gives it again: to other connections, of other accounts, at other hosts, also
/// after the connection that saved it has gone; and only that one.
#[test]
fn a_token_gives_its_capability_on_any_connection_and_host() {
    run(async {
        let bucket = in_memory();
        let hosts = [1, 2].map(|seed| over(&bucket, seed).access(keys().as_ref().clone()).build());
        let raw = Raw::connect(hosts[0].host(), Some(ANNS_KEY)).await;
        let (share, ..) = create(&raw).await;
        let (writer, view) = (narrow_to_write(&share).await, narrow_to_read(&share, 0).await);
        let full = save(&share, "full", 0).await.unwrap();
        let write = save(&writer, "write", at(HOUR)).await.unwrap();
        let reads = save(&view, "read", 0).await.unwrap();
        assert!(full.reveal().len() == 93 && full.reveal().starts_with("capgr_"), "{full}");
        let listed = grants(&share).await.unwrap();
        let listed: Vec<_> = listed
            .iter()
            .map(|grant| (grant.id.clone(), grant.label.as_str(), grant.right, grant.expires_at))
            .collect();
        assert_eq!(
            listed,
            [
                (full.grant().clone(), "full", Right::Full, None),
                (write.grant().clone(), "write", Right::Write, Some(Timestamp(at(HOUR)))),
                (reads.grant().clone(), "read", Right::Read, None),
            ]
        );
        drop((share, writer, view));
        raw.cut();
        let mut count = 0;
        for host in &hosts {
            let bob = Raw::connect(host.host(), Some(BOBS_KEY)).await;
            let [full, write, reads] = [
                restore(&bob, full.reveal()).await,
                restore(&bob, write.reveal()).await,
                restore(&bob, reads.reveal()).await,
            ];
            assert_eq!(
                [&full.right, &write.right, &reads.right],
                [&Ok(Right::Full), &Ok(Right::Write), &Ok(Right::Read)]
            );
            for writes in [full.share.to::<share_writer::Client>(), write.writer.clone()] {
                count += 1;
                assert_eq!(sync(&writes, &count.to_string()).await, Ok(count));
            }
            assert_eq!(read(&reads.view).await.unwrap().sync_count, count);
            assert_eq!(grants(&full.share).await.unwrap().len(), 3);
            // The others that come with the answer refuse.
            for other in [full.writer.to::<share_writer::Client>(), reads.writer, reads.share.to(), write.share.to()] {
                unauthorized(sync(&other, "not through this").await);
            }
            for other in [full.view, write.view] {
                unauthorized(read(&other).await);
            }
        }
    });
}

/// S36: calls through a restored capability are applied in the order in which they were made, also where the first has to
/// look into the bucket.
#[test]
fn calls_through_a_restored_capability_keep_their_order() {
    run(async {
        let bucket = in_memory();
        let hosts = [1, 2].map(|seed| over(&bucket, seed).build());
        let raws = [Raw::connect(hosts[0].host(), None).await, Raw::connect(hosts[1].host(), None).await];
        let (share, ..) = create(&raws[0]).await;
        let token = save(&share, "", 0).await.unwrap();
        let restored = restore(&raws[1], token.reveal()).await.share;
        for round in 0..5 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let calls: Vec<_> = (1..=20)
                .map(|n| sync_request(&restored, &change("p", &format!("{round} {n}"))).send().promise)
                .collect();
            let sees_them = view(&restored).read_request().send().promise;
            for (n, call) in (1..).zip(calls) {
                let response = call.await.unwrap();
                let synced = settled(read_synced(response.get().unwrap().get_result().unwrap())).unwrap();
                assert_eq!(synced.sync_count, round * 20 + n);
            }
            let response = sees_them.await.unwrap();
            let chunk = settled(read_chunk(response.get().unwrap().get_result().unwrap())).unwrap();
            assert_eq!(chunk.sync_count, (round + 1) * 20);
        }
    });
}

/// S38: a token that is wrong is refused, and costs no more than loading the share.
#[test]
fn a_wrong_token_is_refused_and_costs_one_load_at_most() {
    run(async {
        let bucket = in_memory();
        // What a host tells of itself is not counted here.
        let over = |seed| over(&bucket, seed).settings(|settings| settings.hub.hosts.every = None);
        let first = over(1).build();
        let raw = Raw::connect(first.host(), None).await;
        let (share, id, _) = create(&raw).await;
        let token = save(&share, "", 0).await.unwrap();
        let wrong_secret = GrantToken::from_bytes(id.clone(), token.grant().clone(), [7; 32]);
        let wrong_grant = token.reveal().replace(token.grant().as_str(), GrantId::from_bits(5).as_str());

        let second = over(2).build();
        let raw = Raw::connect(second.host(), None).await;
        bucket.counts.reset();
        for shapeless in ["", "capgr_", "capsec_x", &"é".repeat(300), &token.reveal()[..92]] {
            unauthorized(restore(&raw, shapeless).await.right);
        }
        assert_eq!(bucket.counts.all(), [0; 4]);
        view(&share);
        let loaded = over(3).build();
        loaded.host().hub().rooms().view(id.as_str()).await.unwrap();
        let a_load: u64 = bucket.counts.all().iter().sum();
        bucket.counts.reset();
        unauthorized(restore(&raw, wrong_secret.reveal()).await.right);
        let cost: u64 = bucket.counts.all().iter().sum();
        assert!(cost <= a_load + 1, "{cost} requests, a load is {a_load}");
        for wrong in [wrong_secret.reveal(), &wrong_grant] {
            bucket.counts.reset();
            let restored = restore(&raw, wrong).await;
            unauthorized(restored.right);
            unauthorized(read(&restored.view).await);
            assert!(bucket.counts.all().iter().sum::<u64>() <= 2, "{:?}", bucket.counts.all());
        }
        let elsewhere = GrantToken::from_bytes(ShareId::from_bits(1), token.grant().clone(), [7; 32]);
        not_found(restore(&raw, elsewhere.reveal()).await.right);
        assert_eq!(restore(&raw, token.reveal()).await.right, Ok(Right::Full));
    });
}

/// S38: who may restore: nobody without a credential where one is needed, and to write only one that may write.
#[test]
fn a_token_gives_no_more_than_the_connection_may() {
    run(async {
        let reader = Scopes { write: false, read: true, admin: false };
        let access = SharedKeys::new([
            ("ann".parse().unwrap(), Secret::from(ANNS_KEY), Scopes::SHARE),
            ("bob".parse().unwrap(), Secret::from(BOBS_KEY), reader),
        ]);
        let scene = Scene::builder().access(access).build();
        let ann = Raw::connect(scene.host(), Some(ANNS_KEY)).await;
        let (share, id, _) = create(&ann).await;
        let full = save(&share, "", 0).await.unwrap();
        let reads = save(&narrow_to_read(&share, 0).await, "", 0).await.unwrap();
        let (nobody, bob) = (Raw::connect(scene.host(), None).await, Raw::connect(scene.host(), Some(BOBS_KEY)).await);
        unauthorized(restore(&nobody, reads.reveal()).await.right);
        unauthorized(restore(&bob, full.reveal()).await.right);
        assert_eq!(restore(&bob, reads.reveal()).await.right, Ok(Right::Read));
        // Whoever has but the link cannot use up the share's grants.
        let mut request = bob.root.view_share_request();
        request.get().set_share_id(id.as_str());
        let by_id = request.send().pipeline.get_view();
        assert!(read(&by_id).await.is_ok());
        unauthorized(save(&by_id, "", 0).await);
        assert_eq!(grants(&share).await.unwrap().len(), 2);
    });
}

/// S38: grants and revocations outlive folds and hosts.
#[test]
fn a_grant_made_before_a_fold_works_after_it_and_after_a_restart() {
    run(async {
        let bucket = in_memory();
        let scene = over(&bucket, 1).build();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, ..) = create(&raw).await;
        let writes = save(&narrow_to_write(&share).await, "kept over folds", at(24 * HOUR)).await.unwrap();
        let revoked = save(&share, "revoked before the fold", 0).await.unwrap();
        let parent = save(&share, "a parent", 0).await.unwrap();
        let child = save(&restore(&raw, parent.reveal()).await.share, "its child", 0).await.unwrap();
        revoke(&share, revoked.grant()).await.unwrap();
        for n in 1..=70 {
            assert_eq!(sync(&share, &n.to_string()).await, Ok(n));
        }
        let before = grants(&share).await.unwrap();
        // Folded when it is left alone, and what was folded is freed.
        while dump(bucket.as_ref()).await.iter().any(|(_, text)| text.contains(r#""type":"open""#)) {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        drop((share, raw, scene));
        let clock = TokioClock::from(Timestamp(at(2 * HOUR)));
        let later = over(&bucket, 2).clock(clock).build();
        let raw = Raw::connect(later.host(), None).await;
        let restored = restore(&raw, writes.reveal()).await;
        assert_eq!(restored.right, Ok(Right::Write));
        assert_eq!(sync(&restored.writer, "after").await, Ok(71));
        unauthorized(restore(&raw, revoked.reveal()).await.right);
        let full = restore(&raw, parent.reveal()).await.share;
        assert_eq!(grants(&full).await.unwrap(), before);
        // The child is still the child of its parent.
        assert_eq!(restore(&raw, child.reveal()).await.right, Ok(Right::Full));
        revoke(&full, parent.grant()).await.unwrap();
        unauthorized(restore(&raw, child.reveal()).await.right);
        unauthorized(grants(&full).await);
    });
}

/// S38: neither the bucket nor anybody who reads the share learns a token, nor a reader its hash or its label.
#[test]
fn a_token_is_nowhere_but_with_whom_it_was_given_to() {
    run(async {
        let bucket = in_memory();
        let scene = over(&bucket, 1).build();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, id, _) = create(&raw).await;
        let token = save(&share, "a label of note", 0).await.unwrap();
        let secret = token.reveal().rsplit_once(token.grant().as_str()).unwrap().1;
        let stored = dump(bucket.as_ref()).await;
        assert!(stored.iter().any(|(_, text)| text.contains("a label of note")));
        assert!(stored.iter().all(|(_, text)| !text.contains(secret)), "the bucket has the token");
        let view = scene.host().hub().rooms().view(id.as_str()).await.unwrap();
        let hash = capshare::__internal::access::hash(token.secret()).to_hex();
        let seen = format!("{:?} {:?}", read(&share).await, scene.host().hub().rooms().info(&view));
        for hidden in [secret, hash.as_str(), "of note", token.grant().as_str()] {
            assert!(!seen.contains(hidden), "{seen}");
        }
        assert!(stored.iter().any(|(_, text)| text.contains(&hash)), "or this test sees nothing");
    });
}
