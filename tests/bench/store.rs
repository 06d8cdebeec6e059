//! What does the store cost beside the bucket that it writes to?
//!
//! **Scenes.** Batches go into a hub ([`Rooms::sync_room`](crate::rooms::Rooms::sync_room)), without a wire, over three buckets: memory in which each request
//! takes 20 ms, as S3 does; a directory with fsync, as `capshare serve` opens it; and, with `--s3`, moto, as the tests start
//! it. Each sync replaces one part of 1 KiB, whose text is from the recorded session so that it packs as text does.
//!
//! | scene | what happens |
//! |---|---|
//! | W1 | one share, 500 keys, 64 syncs in flight |
//! | W1b | the same, and each sync has a key of its own |
//! | W1s | one share, one sync at a time; between any two a bare PUT of the same size |
//! | W2 | 200 shares, each one sync at a time; before and after it bare PUTs, 200 in flight |
//! | two hosts | two hubs write one share, in turn and then at once |
//! | open | a fresh hub opens a share of so many syncs, right away and after a minute in which nobody used it |
//! | recording | the recorded OpenCode session, sync by sync |
//! | linger | one share, 20 syncs a second for ten minutes of virtual time, each request 30 ms |
//!
//! **Noise.** Two cores are shared by the hub and, in `--s3`, the server. Wanted figures are counts, or ratios of two
//! measurements of one run, except W1's rate: it is held against that of a prototype on a machine like the one it was
//! measured on, and says little on another. Requests are what S3 charges for: PUT, GET, and LIST in pages of 1,000 keys.
//!
//! ```text
//! cargo bench --bench store --features bin,testing                        # two minutes, three on a busy machine
//! cargo bench --bench store --features bin,testing -- --s3
//! cargo bench --bench store --features bin,testing --profile dev -- --quick
//! ```
#![expect(clippy::unwrap_used, reason = "a bench that meets an error has failed")]

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::{Access as _, SingleAccount};
use capshare::__internal::ambient::Ambient;
use capshare::__internal::contract::sync_data::read_item;
use capshare::__internal::hub::{Hub, HubSettings};
use capshare::__internal::rooms::room::Room;
use capshare::__internal::rooms::{Created, Terms};
use capshare::host::storage::{self, S3Options};
use capshare::share::change::Batch;
use object_store::ObjectStore;
use object_store::memory::InMemory;

#[path = "store/bucket.rs"]
mod bucket;
#[path = "store/flow.rs"]
mod flow;
#[path = "store/life.rs"]
mod life;
/// The part of the tests' support that starts a server.
#[path = "../it/support"]
mod support {
    pub(crate) mod install;
    #[expect(dead_code, reason = "the tests use all of it")]
    pub(crate) mod moto;
}
#[path = "store/table.rs"]
mod table;

use bucket::Metered;

const RECORDING: &str = include_str!("../data/opencode-recording.jsonl");
const PART_BYTES: usize = 1_024;

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let scale = if has("--quick") { Scale::QUICK } else { Scale::FULL };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();

    let memory = Bed::new("memory + 20 ms", Arc::new(InMemory::new()), 2_462.0);
    memory.bucket.delays(Duration::from_millis(20));
    runtime.block_on(flow::all(&memory, &scale));
    let objects = runtime.block_on(open(directory.path().to_str().unwrap(), &S3Options::default()));
    runtime.block_on(flow::all(&Bed::new("directory + fsync", objects, 64_390.0), &scale));
    if has("--s3") {
        let moto = support::moto::Moto::start();
        let objects = runtime.block_on(open("s3://shares/bench", &moto.options()));
        // No prototype was measured on moto: this is RustFS's, which is quicker.
        runtime.block_on(flow::all(&Bed::new("moto", objects, 6_586.0), &Scale { many_syncs: 10, ..scale }));
    }
    life::open(&scale);
    life::recording();
    life::linger(&scale);
}

/// How much of each scene is run.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// W1 and W1b.
    in_flight: usize,
    /// W1s.
    one_by_one: usize,
    /// W2, for each of 200 shares.
    many_syncs: usize,
    /// Two hosts.
    two_hosts: usize,
    open: [usize; 3],
    linger_minutes: u64,
}

impl Scale {
    const FULL: Self = Self {
        in_flight: 10_000,
        one_by_one: 300,
        many_syncs: 50,
        two_hosts: 100,
        open: [100, 10_000, 100_000],
        linger_minutes: 10,
    };
    const QUICK: Self = Self {
        in_flight: 1_000,
        one_by_one: 50,
        many_syncs: 5,
        two_hosts: 20,
        open: [100, 500, 2_000],
        linger_minutes: 1,
    };
}

/// A bucket, and what a prototype did on one of its kind.
struct Bed {
    name: &'static str,
    bucket: Arc<Metered>,
    /// Acknowledgements a second in W1 (design (b)).
    prototype: f64,
}

impl Bed {
    fn new(name: &'static str, objects: Arc<dyn ObjectStore>, prototype: f64) -> Self {
        Self { name, bucket: Metered::over(objects), prototype }
    }
}

async fn open(location: &str, options: &S3Options) -> Arc<dyn ObjectStore> {
    let location = location.parse().unwrap();
    storage::open(&location, options).await.unwrap()
}

/// A hub of its own; no other is asked for news unless a write meets it.
fn hub(bucket: &Arc<Metered>) -> Arc<Hub> {
    let mut settings = HubSettings::default();
    settings.poll = None;
    hub_with(bucket, settings)
}

fn hub_with(bucket: &Arc<Metered>, settings: HubSettings) -> Arc<Hub> {
    Hub::new(bucket.clone(), Arc::new(access()), Ambient::system(), settings).unwrap()
}

fn access() -> SingleAccount {
    SingleAccount::new("bench".parse().unwrap())
}

async fn create(hub: &Hub, session: &str) -> Created {
    hub.rooms().create(&access().anonymous().unwrap(), &session.parse().unwrap(), None, Terms::default()).await.unwrap()
}

/// One sync, acknowledged.
async fn sync(hub: &Hub, room: &Arc<Room>, batch: Batch) {
    hub.rooms().sync_room(room, batch).await.unwrap();
}

/// The `n`th batch: one part, under this key, that differs from every other.
fn batch(key: usize, n: usize) -> Batch {
    static WORDS: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| RECORDING.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').collect());
    let head = format!(r#"{{"id":"prt_{key}","messageID":"msg_1","type":"text","n":"{n:012}","text":""#);
    let length = PART_BYTES - head.len() - 2;
    let from = n.wrapping_mul(7_919) % (WORDS.len() - length);
    let json = format!("{head}{}\"}}", &WORDS[from..from + length]);
    let mut changes = Vec::new();
    read_item("part", &json, &Default::default(), &mut changes).unwrap();
    Batch { stamp: None, changes }
}

/// Bytes of keys and values.
fn byte_count(batch: &Batch) -> usize {
    let sizes = batch.changes.iter().map(|c| c.key.as_str().len() + c.value.as_ref().map_or(0, |v| v.as_str().len()));
    sizes.sum()
}

/// What this share of the durations stays within.
fn quantile(durations: &mut [Duration], part: f64) -> Duration {
    durations.sort_unstable();
    durations[((durations.len() - 1) as f64 * part) as usize]
}
