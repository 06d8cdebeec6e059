//! Capabilities that are narrowed, saved, restored, listed and revoked, by bare Cap'n Proto.

mod linked;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capnp::any_pointer;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capshare::access::{Scopes, SharedKeys};
use capshare::ambient::TokioClock;
use capshare::contract::convert::{ReadError, read_chunk, read_expiry, read_opened, read_synced};
use capshare::contract::error::read_refusal;
use capshare::contract::grants::{read_grants, read_saved};
use capshare::share::error::{Refusal, StorageTrouble, StoreOperation};
use capshare::share::grant::{GrantInfo, GrantToken, Right};
use capshare::share::id::{GrantId, ShareId};
use capshare::share::limits;
use capshare::share::limits::Limit;
use capshare::share::secret::Secret;
use capshare::share::time::Timestamp;
use capshare::share::view::Chunk;
use capshare::share_capnp::{
    admin, delete_result, restore_result, saved, share, share_rpc, share_view, share_writer, watch, watch_result,
};
use capshare::testing::{BEGINNING, Scene, SceneBuilder, run};
use object_store::memory::InMemory;

use crate::support::bucket::{Fault, TestBucket, dump};
use crate::support::door::{ANNS_KEY, BOBS_KEY, keys};
use crate::support::raw::{Raw, Told, change, observer, slow_observer, sync_request, view};

type Answer<T> = Result<T, Refusal>;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn settled<T>(read: Result<T, ReadError>) -> Answer<T> {
    read.map_err(|error| match error {
        ReadError::Refused(refusal) => refusal,
        ReadError::Fault(fault) => panic!("{fault}"),
    })
}

fn unauthorized<T: std::fmt::Debug>(answer: Answer<T>) {
    assert!(matches!(answer, Err(Refusal::Unauthorized { .. })), "{answer:?}");
}

fn not_found<T: std::fmt::Debug>(answer: Answer<T>) {
    assert!(matches!(answer, Err(Refusal::NotFound { .. })), "{answer:?}");
}

fn at(since_beginning: Duration) -> i64 {
    BEGINNING.0 + since_beginning.as_millis() as i64
}

fn in_memory() -> Arc<TestBucket> {
    TestBucket::over(Arc::new(InMemory::new()))
}

fn over(bucket: &Arc<TestBucket>, seed: u64) -> SceneBuilder {
    Scene::builder().store(Arc::clone(bucket) as _).seed(seed)
}

async fn create(raw: &Raw) -> (share::Client, ShareId, Secret) {
    let mut request = raw.root.create_share_request();
    request.get().set_session_id("ses_1");
    let response = request.send().promise.await.unwrap();
    let results = response.get().unwrap();
    let capshare::share_capnp::create_result::Which::Created(created) = results.get_result().unwrap().which().unwrap()
    else {
        panic!("refused")
    };
    let text = |text: capnp::Result<capnp::text::Reader<'_>>| text.unwrap().to_string().unwrap();
    let (id, secret) = (text(created.get_id()).parse().unwrap(), Secret::from(text(created.get_secret()).as_str()));
    (results.get_share().unwrap(), id, secret)
}

async fn save(of: &impl FromClientHookClone, label: &str, expires_at: i64) -> Answer<GrantToken> {
    let mut request = of.to::<saved::Client>().save_request();
    request.get().set_label(label);
    request.get().set_expires_at(expires_at);
    let response = request.send().promise.await.unwrap();
    settled(read_saved(response.get().unwrap().get_result().unwrap()))
}

/// The same object, taken for another interface.
trait FromClientHookClone {
    fn to<C: FromClientHook>(&self) -> C;
}

impl<C: FromClientHook + Clone> FromClientHookClone for C {
    fn to<D: FromClientHook>(&self) -> D {
        self.clone().cast_to()
    }
}

struct Restored {
    right: Answer<Right>,
    share: share::Client,
    writer: share_writer::Client,
    view: share_view::Client,
}

async fn restore(raw: &Raw, token: &str) -> Restored {
    let mut request = raw.root.restore_request();
    request.get().set_token(token);
    let response = request.send().promise.await.unwrap();
    let results = response.get().unwrap();
    let right = match results.get_result().unwrap().which().unwrap() {
        restore_result::Which::Share(()) => Ok(Right::Full),
        restore_result::Which::Writer(()) => Ok(Right::Write),
        restore_result::Which::View(()) => Ok(Right::Read),
        restore_result::Which::Refused(refusal) => Err(read_refusal(refusal.unwrap()).unwrap()),
    };
    Restored {
        right,
        share: results.get_share().unwrap(),
        writer: results.get_writer().unwrap(),
        view: results.get_view().unwrap(),
    }
}

async fn narrow_to_write(share: &share::Client) -> share_writer::Client {
    let response = share.narrow_to_write_request().send().promise.await.unwrap();
    settled(read_opened(response.get().unwrap().get_result().unwrap())).unwrap();
    response.get().unwrap().get_writer().unwrap()
}

async fn narrow_to_read(share: &share::Client, until: i64) -> share_view::Client {
    let mut request = share.narrow_to_read_request();
    request.get().set_until(until);
    let response = request.send().promise.await.unwrap();
    settled(read_opened(response.get().unwrap().get_result().unwrap())).unwrap();
    response.get().unwrap().get_view().unwrap()
}

async fn sync(to: &impl FromClientHookClone, text: &str) -> Answer<u64> {
    let response = sync_request(&to.to(), &change("p", text)).send().promise.await.unwrap();
    settled(read_synced(response.get().unwrap().get_result().unwrap())).map(|synced| synced.sync_count)
}

async fn read(of: &impl FromClientHookClone) -> Answer<Chunk> {
    let response = of.to::<share_view::Client>().read_request().send().promise.await.unwrap();
    settled(read_chunk(response.get().unwrap().get_result().unwrap()))
}

async fn follow(
    of: &impl FromClientHookClone,
    observer: capshare::share_capnp::observer::Client,
) -> Answer<watch::Client> {
    let mut request = of.to::<share_view::Client>().watch_request();
    request.get().set_observer(observer);
    let response = request.send().promise.await.unwrap();
    let results = response.get().unwrap();
    match results.get_result().unwrap().which().unwrap() {
        watch_result::Which::Watching(_) => Ok(results.get_watch().unwrap()),
        watch_result::Which::Refused(refusal) => Err(read_refusal(refusal.unwrap()).unwrap()),
    }
}

async fn grants(share: &share::Client) -> Answer<Vec<GrantInfo>> {
    let response = share.grants_request().send().promise.await.unwrap();
    settled(read_grants(response.get().unwrap().get_result().unwrap()))
}

async fn revoke(share: &share::Client, id: &GrantId) -> Answer<()> {
    let mut request = share.revoke_grant_request();
    request.get().set_grant_id(id.as_str());
    let response = request.send().promise.await.unwrap();
    deleted(response.get().unwrap().get_result().unwrap())
}

fn deleted(from: delete_result::Reader<'_>) -> Answer<()> {
    match from.which().unwrap() {
        delete_result::Which::Deleted(()) => Ok(()),
        delete_result::Which::Refused(refusal) => Err(read_refusal(refusal.unwrap()).unwrap()),
    }
}

async fn told_the_end(told: &Told) -> Refusal {
    let told_it = async {
        while !told.ended.get() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told_it).await.expect("to be told the end");
    told.reason.borrow().clone().unwrap()
}

/// Every method of every interface that a client could take the capability for, and how many it may call of each.
async fn only_serves(of: capnp::capability::Client, serves: &[u64]) {
    for (interface, methods) in [
        (saved::Client::TYPE_ID, 1),
        (share_writer::Client::TYPE_ID, 3),
        (share_view::Client::TYPE_ID, 3),
        (share::Client::TYPE_ID, 5),
        (share_rpc::Client::TYPE_ID, 13),
        (admin::Client::TYPE_ID, 5),
    ] {
        for method in 0..methods {
            let call = of.new_call::<any_pointer::Owned, any_pointer::Owned>(interface, method, None);
            let unimplemented =
                call.send().promise.await.err().is_some_and(|error| error.kind == capnp::ErrorKind::Unimplemented);
            assert_eq!(unimplemented, !serves.contains(&interface), "method {method} of {interface:x}");
        }
    }
}

/// S38: a share can be narrowed to writing and to reading, and a narrowed one cannot be widened, also not by taking it for
/// what it was.
#[test]
fn a_narrowed_capability_serves_its_own_interface_and_no_other() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, ..) = create(&raw).await;
        let (writer, view) = (narrow_to_write(&share).await, narrow_to_read(&share, 0).await);
        assert_eq!(sync(&writer, "through the narrowed one").await, Ok(1));
        assert_eq!(read(&view).await.unwrap().changes.len(), 1);
        let writes = [saved::Client::TYPE_ID, share_writer::Client::TYPE_ID];
        let reads = [saved::Client::TYPE_ID, share_view::Client::TYPE_ID];
        only_serves(writer.client.clone(), &writes).await;
        only_serves(view.client.clone(), &reads).await;
        // Nor by way of a token: what is saved of it is what it is.
        for (saved, right, serves) in
            [(save(&writer, "", 0).await, Right::Write, writes), (save(&view, "", 0).await, Right::Read, reads)]
        {
            let restored = restore(&raw, saved.unwrap().reveal()).await;
            assert_eq!(restored.right, Ok(right));
            let client = if right == Right::Write { restored.writer.client } else { restored.view.client };
            only_serves(client, &serves).await;
        }
        // Deletes it in passing.
        let all = [saved::Client::TYPE_ID, share_writer::Client::TYPE_ID, share_view::Client::TYPE_ID];
        only_serves(share.client.clone(), &[&all[..], &[share::Client::TYPE_ID]].concat()).await;
    });
}

/// S38: a view that was narrowed until a time answers until then and not after; its watches end, and what was saved of it
/// ends no later.
#[test]
fn a_view_until_a_time_ends_then_with_its_watches_and_tokens() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let (share, ..) = create(&raw).await;
        sync(&share, "before").await.unwrap();
        let view = narrow_to_read(&share, at(HOUR)).await;
        let (quick, told) = observer();
        let watch = follow(&view, quick).await.unwrap();
        let longer = save(&view, "longer", at(2 * HOUR)).await.unwrap();
        let endless = save(&view, "endless", 0).await.unwrap();
        let shorter = save(&view, "shorter", at(HOUR / 2)).await.unwrap();
        let expiries: Vec<_> = grants(&share).await.unwrap().iter().map(|grant| grant.expires_at.unwrap().0).collect();
        assert_eq!(expiries, [at(HOUR), at(HOUR), at(HOUR / 2)]);
        let restored = restore(&raw, longer.reveal()).await;

        tokio::time::sleep(HOUR - Duration::from_secs(1)).await;
        assert!(read(&view).await.is_ok() && read(&restored.view).await.is_ok());
        unauthorized(restore(&raw, shorter.reveal()).await.right);
        let (stuck, told_stuck) = slow_observer(None);
        let stuck_watch = follow(&view, stuck).await.unwrap();
        assert!(!told.ended.get());
        tokio::time::sleep(Duration::from_secs(1)).await;
        unauthorized(read(&view).await);
        unauthorized(read(&restored.view).await);
        unauthorized(follow(&view, observer().0).await.map(drop));
        unauthorized(save(&view, "", 0).await);
        unauthorized(save(&restored.view, "", 0).await);
        let response = view.info_request().send().promise.await.unwrap();
        unauthorized(settled(read_opened(response.get().unwrap().get_result().unwrap())));
        for token in [&longer, &endless] {
            unauthorized(restore(&raw, token.reveal()).await.right);
        }
        let ended = tokio::time::Instant::now();
        unauthorized(Err::<(), _>(told_the_end(&told).await));
        unauthorized(Err::<(), _>(told_the_end(&told_stuck).await));
        assert!(ended.elapsed() < Duration::from_millis(100), "{:?}", ended.elapsed());
        let steps = told.steps.borrow().len();
        sync(&share, "after").await.unwrap();
        assert!(read(&share).await.is_ok(), "the share itself goes on");
        drop((watch, stuck_watch));
        assert_eq!(told.steps.borrow().len(), steps);
        assert!(grants(&share).await.unwrap().is_empty(), "what has expired is not listed");
        let past = save(&share, "", at(HOUR)).await;
        assert!(matches!(past, Err(Refusal::InvalidInput { .. })), "{past:?}");
    });
}

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

/// S38: a token that is wrong is refused, and costs no more than loading the share.
#[test]
fn a_wrong_token_is_refused_and_costs_one_load_at_most() {
    run(async {
        let bucket = in_memory();
        let first = over(&bucket, 1).build();
        let raw = Raw::connect(first.host(), None).await;
        let (share, id, _) = create(&raw).await;
        let token = save(&share, "", 0).await.unwrap();
        let wrong_secret = GrantToken::from_bytes(id.clone(), token.grant().clone(), [7; 32]);
        let wrong_grant = token.reveal().replace(token.grant().as_str(), GrantId::from_bits(5).as_str());

        let second = over(&bucket, 2).build();
        let raw = Raw::connect(second.host(), None).await;
        bucket.counts.reset();
        for shapeless in ["", "capgr_", "capsec_x", &"é".repeat(300), &token.reveal()[..92]] {
            unauthorized(restore(&raw, shapeless).await.right);
        }
        assert_eq!(bucket.counts.all(), [0; 4]);
        view(&share);
        let loaded = over(&bucket, 3).build();
        loaded.host().hub().view(id.as_str()).await.unwrap();
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
        let view = scene.host().hub().view(id.as_str()).await.unwrap();
        let hash = capshare::access::hash(token.secret()).to_hex();
        let seen = format!("{:?} {:?}", read(&share).await, scene.host().hub().info(&view));
        for hidden in [secret, hash.as_str(), "of note", token.grant().as_str()] {
            assert!(!seen.contains(hidden), "{seen}");
        }
        assert!(stored.iter().any(|(_, text)| text.contains(&hash)), "or this test sees nothing");
    });
}
