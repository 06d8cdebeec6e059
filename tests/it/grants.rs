//! Capabilities that are narrowed, saved, restored, listed and revoked, by bare Cap'n Proto.

mod linked;
mod narrowed;
mod revoked;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use capnp::capability::FromClientHook;
use capshare::__internal::contract::convert::{read_chunk, read_opened, read_synced};
use capshare::__internal::contract::error::read_refusal;
use capshare::__internal::contract::grants::{read_grants, read_saved};
use capshare::__internal::contract::read_error::ReadError;
use capshare::__internal::share_capnp::{
    delete_result, restore_result, saved, share, share_view, share_writer, watch, watch_result,
};
use capshare::share::error::Refusal;
use capshare::share::grant::{GrantInfo, GrantToken, Right};
use capshare::share::id::{GrantId, ShareId};
use capshare::share::secret::Secret;
use capshare::share::view::Chunk;
use capshare::testing::{BEGINNING, Scene, SceneBuilder};
use object_store::memory::InMemory;

use crate::support::bucket::TestBucket;
use crate::support::raw::{Raw, Told, change, sync_request};

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
    let capshare::__internal::share_capnp::create_result::Which::Created(created) =
        results.get_result().unwrap().which().unwrap()
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
    observer: capshare::__internal::share_capnp::observer::Client,
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
