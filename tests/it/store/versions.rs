//! Buckets of every version: they stay readable, and may be gone on with.
//!
//! `tests/data/store/buckets/<version>/` is a bucket that this version wrote, file by file as a directory has it, and
//! `<version>.json` says the ids and secrets. All come from one scene, [`lived`], and are held against it. A release adds its
//! own:
//!
//! ```text
//! CAPSHARE_TEST_WRITE_BUCKET=0.1.0 cargo nextest run store::versions
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::{Access as _, Principal, SingleAccount};
use capshare::__internal::ambient::{Ambient, SeededEntropy, TokioClock};
use capshare::__internal::hub::{Hub, HubSettings};
use capshare::__internal::rooms::{Created, Terms};
use capshare::host::storage::{self, S3Options, StoreLocation};
use capshare::share::change::{Batch, Change, Stamp};
use capshare::share::error::Refusal;
use capshare::share::secret::Secret;
use capshare::share::time::Timestamp;
use object_store::ObjectStore;
use serde_json::{Value, json};

use crate::cli::program::files;
use crate::support::raw::change;

/// Syncs before the share is left alone, which are enough to be folded while it is written to, and after it.
const BEFORE: u64 = 70;
const AFTER: u64 = 5;

/// Parts that the syncs replace, one after the other.
const PARTS: u64 = 7;

#[tokio::test(start_paused = true)]
async fn the_bucket_of_every_version_can_be_read_and_gone_on_with() {
    let buckets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store/buckets");
    if let Ok(version) = std::env::var("CAPSHARE_TEST_WRITE_BUCKET") {
        let folder = buckets.join(&version);
        assert!(!folder.exists(), "{} is there: what a version wrote is not written anew", folder.display());
        let facts = lived(directory(&folder).await).await;
        std::fs::write(buckets.join(version + ".json"), facts.to_string() + "\n").unwrap();
    }
    let mut versions = 0;
    for facts in std::fs::read_dir(&buckets).unwrap().map(|entry| entry.unwrap().path()) {
        if facts.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&facts).unwrap();
            let copy = tempfile::tempdir().unwrap();
            copy_files(&facts.with_extension(""), copy.path());
            goes_on(directory(copy.path()).await, &serde_json::from_str(&text).unwrap()).await;
            versions += 1;
        }
    }
    assert!(versions > 0, "there are none in {}", buckets.display());
}

/// The scene is one that this version goes on with, so a version that is added is right from the beginning.
#[tokio::test(start_paused = true)]
async fn the_bucket_of_this_version_can_be_read_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let facts = lived(directory(folder.path()).await).await;
    let keys = files(folder.path()).iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>();
    for part in ["/index/", "/log/", "/fold/", "/tomb/"] {
        assert!(keys.iter().any(|key| key.contains(part)), "a bucket has no {part}: {keys:?}");
    }
    goes_on(directory(folder.path()).await, &facts).await;
}

/// Writes a share that is folded and goes on, one that is deleted, and one that its session was shared as anew.
async fn lived(objects: Arc<dyn ObjectStore>) -> Value {
    let hub = hub(objects, 1);
    let sync = async |share: &Created, batch| hub.rooms().sync_room(&share.room, batch).await.unwrap();
    let live = create(&hub, "ses_live").await;
    for n in 1..=BEFORE {
        sync(&live, batch(n)).await;
    }
    // Folded, and what was folded is freed.
    tokio::time::sleep(Duration::from_secs(300)).await;
    let deleted = create(&hub, "ses_again").await;
    sync(&deleted, batch(1)).await;
    hub.rooms().delete_room(&deleted.room).await.unwrap();
    let again = create(&hub, "ses_again").await;
    sync(&again, batch(1)).await;
    for n in BEFORE + 1..=BEFORE + AFTER {
        sync(&live, batch(n)).await;
    }
    let removal = Change { key: "part/m/prt_0".parse().unwrap(), value: None };
    sync(&live, Batch { stamp: None, changes: vec![removal] }).await;
    hub.finish().await;
    let facts = |share: &Created| json!({ "id": share.id.as_str(), "secret": share.secret.reveal() });
    json!({ "live": facts(&live), "deleted": facts(&deleted), "again": facts(&again) })
}

/// Reads what [`lived`] wrote, goes on with it, and reads that.
async fn goes_on(objects: Arc<dyn ObjectStore>, facts: &Value) {
    let first = hub(objects.clone(), 2);
    let refused = open(&first, &facts["deleted"]).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotFound { .. }), "{refused:?}");
    let listed = first.rooms().list(&who(), false, "", 10).await.unwrap().shares;
    let mut listed: Vec<_> = listed.iter().map(|line| (line.session.as_str(), line.id.as_str())).collect();
    listed.sort_unstable();
    let id = |share: &str| facts[share]["id"].as_str().unwrap();
    assert_eq!(listed, [("ses_again", id("again")), ("ses_live", id("live"))]);

    let live = open(&first, &facts["live"]).await.unwrap();
    let last = BEFORE + AFTER;
    let mut parts: Vec<_> = (last - PARTS + 1..=last).filter(|n| n % PARTS != 0).map(part).collect();
    parts.sort_unstable();
    assert_eq!(live.read(|state| state.sync_count()).unwrap(), last + 1);
    assert_eq!(items(&live), parts);
    // The producers that it has heard are known: a batch that is sent again counts once.
    let again = first.rooms().sync_room(&live, batch(last)).await.unwrap();
    assert_eq!((again.sync_count, again.duplicate), (last, true));
    let next = first.rooms().sync_room(&live, batch(last + 2)).await.unwrap();
    assert_eq!((next.sync_count, next.duplicate), (last + 2, false));

    let second = hub(objects, 3);
    let live = open(&second, &facts["live"]).await.unwrap();
    parts.retain(|(key, _)| *key != part(last + 2).0);
    parts.push(part(last + 2));
    parts.sort_unstable();
    assert_eq!((live.read(|state| state.sync_count()).unwrap(), items(&live)), (last + 2, parts));
    let again = open(&second, &facts["again"]).await.unwrap();
    assert_eq!(items(&again), [part(1)]);
}

fn batch(n: u64) -> Batch {
    let stamp = Stamp { producer: "laptop-1".parse().unwrap(), epoch: 1, sequence: n };
    Batch { stamp: Some(stamp), changes: change(&format!("prt_{}", n % PARTS), &format!("text {n}")) }
}

/// The item that the `n`th sync writes.
fn part(n: u64) -> (String, String) {
    let Change { key, value } = batch(n).changes.remove(0);
    (key.to_string(), value.unwrap().as_str().to_owned())
}

fn items(room: &capshare::__internal::rooms::room::Room) -> Vec<(String, String)> {
    let read = |state: &capshare::share::state::State| {
        state.items().map(|(key, value)| (key.to_string(), value.as_str().to_owned())).collect::<Vec<_>>()
    };
    let mut items = room.read(read).unwrap();
    items.sort_unstable();
    items
}

async fn create(hub: &Hub, session: &str) -> Created {
    hub.rooms().create(&who(), &session.parse().unwrap(), None, Terms::default()).await.unwrap()
}

async fn open(hub: &Hub, share: &Value) -> Result<Arc<capshare::__internal::rooms::room::Room>, Refusal> {
    hub.rooms().open(share["id"].as_str().unwrap(), &Secret::from(share["secret"].as_str().unwrap())).await
}

fn account() -> SingleAccount {
    SingleAccount::of_this_machine("ann@example.org".parse().unwrap())
}

fn who() -> Principal {
    account().anonymous().unwrap()
}

/// A host with a clock of its own, that draws the same each time.
fn hub(objects: Arc<dyn ObjectStore>, seed: u64) -> Arc<Hub> {
    let clock = Arc::new(TokioClock::from(Timestamp(1_796_000_000_000)));
    let ambient = Ambient { clock, entropy: Arc::new(SeededEntropy::new(seed)) };
    Hub::new(objects, Arc::new(account()), ambient, HubSettings::default()).unwrap()
}

async fn directory(path: &Path) -> Arc<dyn ObjectStore> {
    storage::open(&StoreLocation::Directory(path.to_owned()), &S3Options::default()).await.unwrap()
}

fn copy_files(from: &Path, to: &Path) {
    for file in files(from) {
        let copy: PathBuf = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(file, copy).unwrap();
    }
}
