//! The store, over every kind of bucket.
//!
//! `suite` is what any bucket must show, run by `backends`; `folds` is what becomes of a log as it grows, and `opening` what it takes to open it; `summaries` is the
//! companions of claims; `survey` is what checks and counts a whole bucket, `garbage` what clears it, and `over` what that makes of shares that ended; `damage` is what anybody makes of
//! shares that are damaged, `conditions` a bucket that stops honouring them; `faults` and `seeds` are what happens when
//! requests and answers go astray; `format` pins the stored bytes, `round_trips` reads back what was written, and `versions` reads what versions wrote; `clocks` is about writers that slept; `buckets` is about
//! buckets that are full, closed, down or careless; `id` is the id that all hosts of a bucket agree on.

use std::sync::Arc;

use capshare::__internal::ambient::TokioClock;
use capshare::__internal::store::{Appended, Created, Log, News, Opened, Store, StoreSettings, Summary, WriterId};
use capshare::share::change::{Batch, Change};
use capshare::share::entry::Entry;
use capshare::share::id::{AccountId, SessionId, ShareId};
use capshare::share::item::{ItemKey, Payload};
use capshare::share::secret::SecretHash;
use capshare::share::time::Timestamp;
use capshare::testing::BEGINNING;
use futures::TryStreamExt as _;
use object_store::ObjectStore as _;

use crate::support::bucket::{TestBucket, text_of};

mod backends;
mod buckets;
mod clocks;
mod conditions;
mod damage;
mod faults;
mod folds;
mod format;
mod garbage;
mod id;
mod opening;
mod over;
mod round_trips;
mod seeds;
mod suite;
mod summaries;
pub(crate) mod survey;
mod versions;

/// A store of the host with this number.
fn host(bucket: &Arc<TestBucket>, writer: u128) -> Store {
    host_with(bucket, writer, StoreSettings::default())
}

fn host_with(bucket: &Arc<TestBucket>, writer: u128, settings: StoreSettings) -> Store {
    Store::new(bucket.clone(), settings, WriterId(writer), Arc::new(TokioClock::from(BEGINNING)))
}

fn share(n: u128) -> ShareId {
    ShareId::from_bits(n)
}

fn account(name: &str) -> AccountId {
    name.parse().unwrap()
}

fn session(name: &str) -> SessionId {
    name.parse().unwrap()
}

fn opening(account: &AccountId, session: &SessionId) -> Entry {
    let (account, session) = (account.clone(), session.clone());
    Entry::Open { at: Timestamp(1), account, session, secret: SecretHash([7; 32]), expires_at: None }
}

/// Of account `a`, session `s`.
fn open_entry() -> Entry {
    opening(&account("a"), &session("s"))
}

/// A sync that nobody else makes.
fn sync(label: &str) -> Entry {
    let value = Payload::from_checked_json(&format!("{{\"text\":\"{label}\"}}"));
    let change = Change { key: ItemKey::message(label).unwrap(), value: Some(value) };
    Entry::Sync { at: Timestamp(2), batch: Batch { stamp: None, changes: vec![change] } }
}

/// What a listing says of a share of one sync.
fn about(account: &AccountId, session: &SessionId, title: &str) -> Summary {
    Summary {
        account: account.clone(),
        session: session.clone(),
        created_at: Timestamp(1),
        updated_at: Timestamp(2),
        title: Some(title.to_owned()),
        sync_count: 1,
        item_count: 1,
        byte_count: 20,
        log_bytes: 400,
        segments: 2,
        expires_at: None,
    }
}

const DELETE: Entry = Entry::Delete { at: Timestamp(9) };

/// News of a log that was not folded.
fn entries(news: News) -> Vec<Entry> {
    assert!(news.state.is_none());
    news.entries
}

async fn created(store: &Store, id: &ShareId, entries: &[Entry]) -> Log {
    match store.create_log(id, entries).await.unwrap() {
        Created::New(log) => log,
        other @ (Created::Exists(..) | Created::Deleted) => panic!("{other:?}"),
    }
}

async fn opened(store: &Store, id: &ShareId) -> (Log, Vec<Entry>) {
    match store.open_log(id).await.unwrap() {
        Opened::Open(log, news) => (log, entries(news)),
        other @ (Opened::Absent(_) | Opened::Deleted) => panic!("{other:?}"),
    }
}

async fn is_deleted(store: &Store, id: &ShareId) -> bool {
    matches!(store.open_log(id).await.unwrap(), Opened::Deleted)
}

/// Appends, folding what others append first onto `seen`, until it is written.
async fn append(log: &mut Log, seen: &mut Vec<Entry>, entries: &[Entry]) {
    while let Appended::Behind(others) = log.append(entries).await.unwrap() {
        seen.extend(self::entries(others));
    }
    seen.extend_from_slice(entries);
}

/// The keys of all objects that hold these bytes.
async fn holding(bucket: &TestBucket, needle: &str) -> Vec<String> {
    let objects: Vec<_> = bucket.list(None).try_collect().await.unwrap();
    let mut holding = Vec::new();
    for meta in objects {
        if text_of(bucket, &meta.location).await.contains(needle) {
            holding.push(meta.location.to_string());
        }
    }
    holding.sort();
    holding
}

/// The keys that begin like this.
async fn keys(bucket: &TestBucket, begins: &str) -> Vec<String> {
    let objects: Vec<_> = bucket.list(None).try_collect().await.unwrap();
    let mut keys: Vec<_> = objects.into_iter().map(|meta| meta.location.to_string()).collect();
    keys.retain(|key| key.starts_with(begins));
    keys.sort();
    keys
}
