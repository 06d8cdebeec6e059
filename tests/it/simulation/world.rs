//! What all hosts of a history share: the bucket's objects, the weather, chance, and the trace of what happened.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;
use std::io::Write as _;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use capshare::share::time::Timestamp;
use capshare::testing::BEGINNING;
use futures::{FutureExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    GetOptions, GetResult, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::Instant;

use super::carrier::{Manners, Post};
use super::dice::Dice;
use super::handing::Handing;
use super::weather::Weather;

/// The bucket, seen from inside, and what goes on around it.
#[derive(Debug)]
pub(super) struct World {
    objects: InMemory,
    /// When each object was written, by the bucket's own clock, which is tokio's: `InMemory` knows only the machine's.
    written: Mutex<BTreeMap<Path, SystemTime>>,
    /// What was written first under each key, also of what was freed since: the log as it came about.
    first: Mutex<BTreeMap<Path, PutPayload>>,
    pub(super) dice: Dice,
    weather: Mutex<Weather>,
    /// Answers say what time it is.
    pub(super) tells_time: bool,
    /// No object can be written.
    pub(super) full: AtomicBool,
    /// Runs that were written.
    pub(super) folds: AtomicU64,
    /// What brings news from host to host.
    pub(super) post: Post,
    /// Where hosts hand each other batches.
    pub(super) handing: Handing,
    begun: Instant,
    trace: Mutex<Trace>,
}

/// What happened, as a number that differs if anything differs.
#[derive(Debug, Default)]
struct Trace {
    hash: DefaultHasher,
    /// Somebody reads it too.
    told: bool,
    requests: u64,
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather, manners: Manners, told: bool) -> Self {
        Self {
            objects: InMemory::new(),
            written: Mutex::default(),
            first: Mutex::default(),
            dice: Dice::new(seed, 1),
            weather: Mutex::new(weather),
            tells_time: weather.tells_time,
            full: AtomicBool::new(false),
            folds: AtomicU64::new(0),
            post: Post::new(seed, manners),
            handing: Handing::new(seed, manners),
            begun: Instant::now(),
            trace: Mutex::new(Trace { told, ..Trace::default() }),
        }
    }

    pub(super) fn weather(&self) -> Weather {
        *lock(&self.weather)
    }

    /// From here on every request is answered.
    pub(super) fn calm_down(&self) {
        *lock(&self.weather) = Weather::CALM;
        self.full.store(false, Ordering::Relaxed);
        self.tell(format_args!("the weather is calm"));
    }

    /// Milliseconds since the history began.
    pub(super) fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// Writes a line of the trace.
    pub(super) fn tell(&self, what: std::fmt::Arguments<'_>) {
        let mut trace = lock(&self.trace);
        let mut line = format!("{:>7} {what}", self.now());
        line.push('\n');
        trace.hash.write(line.as_bytes());
        if trace.told {
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    }

    pub(super) fn next_request(&self) -> u64 {
        let mut trace = lock(&self.trace);
        trace.requests += 1;
        trace.requests
    }

    /// What happened, as a number.
    pub(super) fn trace(&self) -> u64 {
        lock(&self.trace).hash.finish()
    }

    pub(super) fn put(&self, key: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let result = at_once(self.objects.put_opts(key, payload.clone(), opts));
        if result.is_ok() {
            lock(&self.first).entry(key.clone()).or_insert(payload);
            lock(&self.written).insert(key.clone(), self.time());
            self.folds.fetch_add(u64::from(key.as_ref().contains("/fold/")), Ordering::Relaxed);
        }
        result
    }

    pub(super) fn get(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = at_once(self.objects.get_opts(key, options))?;
        self.date(&mut got.meta);
        Ok(got)
    }

    pub(super) fn delete(&self, key: &Path) -> Result<()> {
        lock(&self.written).remove(key);
        at_once(self.objects.delete(key))
    }

    /// The objects under a prefix whose place in this order is after `place`, at most `limit`, with their places.
    pub(super) fn page<K: Ord>(
        &self,
        prefix: Option<&Path>,
        place_of: impl Fn(&Path) -> K,
        place: Bound<&K>,
        limit: usize,
    ) -> Vec<(K, ObjectMeta)> {
        let listed: Vec<_> = at_once(self.objects.list(prefix).try_collect()).unwrap_or_default();
        let mut placed: Vec<(K, ObjectMeta)> =
            listed.into_iter().map(|meta| (place_of(&meta.location), meta)).collect();
        placed.retain(|(of, _)| match place {
            Bound::Excluded(after) => of > after,
            Bound::Included(from) => of >= from,
            Bound::Unbounded => true,
        });
        placed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        placed.truncate(limit);
        placed.iter_mut().for_each(|(_, meta)| self.date(meta));
        placed
    }

    /// Every object: key and bytes.
    pub(super) fn everything(&self) -> Vec<(String, Bytes)> {
        let keys = lock(&self.written).keys().cloned().collect::<Vec<_>>();
        keys.into_iter()
            .map(|key| {
                let bytes = at_once(async { self.objects.get(&key).await?.bytes().await });
                (key.to_string(), bytes.unwrap_or_default())
            })
            .collect()
    }

    /// What was written first under each key that begins like this.
    pub(super) fn first_written(&self, begins: &str) -> Vec<(Path, PutPayload)> {
        let first = lock(&self.first);
        let of = first.iter().filter(|(key, _)| key.as_ref().starts_with(begins));
        of.map(|(key, payload)| (key.clone(), payload.clone())).collect()
    }

    fn date(&self, meta: &mut ObjectMeta) {
        if let Some(written) = lock(&self.written).get(&meta.location) {
            meta.last_modified = (*written).into();
        }
    }

    /// The bucket's time as an answer says it: to the second.
    pub(super) fn now_dated(&self) -> Timestamp {
        Timestamp(BEGINNING.0 + self.begun.elapsed().as_secs() as i64 * 1_000)
    }

    fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(BEGINNING.0 as u64) + self.begun.elapsed()
    }
}

/// Memory answers at once.
fn at_once<T>(asked: impl Future<Output = T>) -> T {
    asked.now_or_never().unwrap()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
