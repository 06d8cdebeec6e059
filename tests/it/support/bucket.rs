//! A bucket that counts what it is asked, and that fails as it is told: in front of any real one.

use std::collections::VecDeque;
use std::io::Read as _;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use capshare::__internal::ambient::Clock;
use capshare::__internal::store::answered_at;
use capshare::share::time::Timestamp;
use futures::TryFutureExt as _;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::watch;

mod counts;

pub(crate) use counts::Counts;

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never arrives.
    LostRequest,
    /// It is done, and its answer is lost.
    LostAnswer,
    /// The server cannot just now.
    Status503,
    /// "There is one already", though there is none: S3 means "ask again".
    BareExists,
    /// It is done, answered 503, and asked again by the client, which then meets its own object.
    MetItself,
    /// It is done a while after its answer was given up.
    LandsLate(Duration),
    /// It is done, slowly.
    Slow(Duration),
}

/// Objects in one page of a listing, as S3 has it.
pub(crate) const PAGE: usize = 1_000;

type Dice = Box<dyn FnMut() -> Option<Fault> + Send>;

/// The bucket.
pub(crate) struct TestBucket {
    inner: Arc<dyn ObjectStore>,
    pub(crate) counts: Arc<Counts>,
    /// Faults of the writes to come, in order.
    script: Mutex<VecDeque<Option<Fault>>>,
    /// Asked for each write when the script is over.
    dice: Mutex<Option<Dice>>,
    /// Answer 503 to everything.
    pub(crate) down: AtomicBool,
    /// Take every create as an overwrite.
    pub(crate) careless: AtomicBool,
    /// Answer each write with a version, as a bucket with versioning does.
    pub(crate) versioned: AtomicBool,
    /// What is shown as older than it is: keys that begin like this, by so much.
    aged: Arc<Mutex<Vec<(String, Duration)>>>,
    /// Answer 503 to reads and listings by the dice too, and delay them.
    reads_too: AtomicBool,
    /// List in no order.
    pub(crate) shuffled: AtomicBool,
    /// How long each read and each page of a listing takes.
    latency: Mutex<Duration>,
    /// While this is true every request waits.
    asleep: watch::Sender<bool>,
    /// Each answer says what time it is by this.
    clock: Mutex<Option<Arc<dyn Clock>>>,
}

impl TestBucket {
    pub(crate) fn over(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            counts: Arc::default(),
            script: Mutex::default(),
            dice: Mutex::default(),
            down: AtomicBool::new(false),
            careless: AtomicBool::new(false),
            versioned: AtomicBool::new(false),
            aged: Arc::default(),
            reads_too: AtomicBool::new(false),
            shuffled: AtomicBool::new(false),
            latency: Mutex::default(),
            asleep: watch::Sender::new(false),
            clock: Mutex::default(),
        })
    }

    /// The next writes fare like this.
    pub(crate) fn next_writes(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.script.lock().unwrap().extend(faults);
    }

    /// Forgets what was scripted.
    pub(crate) fn next_writes_are_over(&self) {
        self.script.lock().unwrap().clear();
    }

    pub(crate) fn roll(&self, dice: impl FnMut() -> Option<Fault> + Send + 'static) {
        *self.dice.lock().unwrap() = Some(Box::new(dice));
        self.reads_too.store(true, Ordering::Relaxed);
    }

    pub(crate) fn calm(&self) {
        *self.dice.lock().unwrap() = None;
        self.reads_too.store(false, Ordering::Relaxed);
    }

    /// Listings and reads show what begins like this as so much older than it is.
    pub(crate) fn age(&self, begins: &str, by: Duration) {
        self.aged.lock().unwrap().push((begins.to_owned(), by));
    }

    /// From here on each read and each page of a listing takes this long.
    pub(crate) fn takes(&self, latency: Duration) {
        *self.latency.lock().unwrap() = latency;
    }

    /// Whoever asks it hears nothing until it [wakes](Self::wakes) up.
    pub(crate) fn sleeps(&self) {
        self.asleep.send_replace(true);
    }

    pub(crate) fn wakes(&self) {
        self.asleep.send_replace(false);
    }

    /// From here on its answers say what time it is, to the second.
    pub(crate) fn tells_time(&self, clock: impl Clock + 'static) {
        *self.clock.lock().unwrap() = Some(Arc::new(clock));
    }

    /// Waits until it is awake.
    async fn awake(&self) {
        // The sender is here.
        let _ = self.asleep.subscribe().wait_for(|asleep| !asleep).await;
    }

    fn tell_time(&self) {
        if let Some(clock) = &*self.clock.lock().unwrap() {
            answered_at(Timestamp(clock.now().0 / 1_000 * 1_000));
        }
    }

    /// A listing in pages, each of which is asked for when its first object is.
    fn pages(
        &self,
        prefix: Option<&Path>,
        listing: impl FnOnce() -> BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (counts, prefix) = (self.counts.clone(), prefix.map_or_else(String::new, Path::to_string));
        counts.count(&counts.lists, &prefix);
        if let Err(error) = self.up() {
            return stream::iter([Err(error)]).boxed();
        }
        let mut listing = listing();
        if self.shuffled.load(Ordering::Relaxed) {
            let in_order = listing.try_collect::<Vec<_>>();
            let shuffled = in_order.map_ok(|mut all| {
                all.sort_by_cached_key(|meta| shuffled(&meta.location));
                stream::iter(all).map(Ok)
            });
            listing = shuffled.try_flatten_stream().boxed();
        }
        let latency = *self.latency.lock().unwrap();
        let (mut asleep, clock) = (self.asleep.subscribe(), self.clock.lock().unwrap().clone());
        let begins = stream::once(async move {
            let _ = asleep.wait_for(|asleep| !asleep).await;
            if let Some(clock) = clock {
                answered_at(Timestamp(clock.now().0 / 1_000 * 1_000));
            }
        });
        let listing = begins.flat_map(move |()| std::mem::replace(&mut listing, stream::empty().boxed()));
        let paged = listing.enumerate().then(move |(n, meta)| {
            if n > 0 && n % PAGE == 0 {
                counts.touch(&prefix);
            }
            async move {
                if n % PAGE == 0 && !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
                meta
            }
        });
        self.aged(paged.boxed())
    }

    fn aged(&self, listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let aged = self.aged.clone();
        listing
            .map(move |meta| {
                let mut meta = meta?;
                for (begins, by) in aged.lock().unwrap().iter() {
                    if meta.location.as_ref().starts_with(begins) {
                        meta.last_modified -= *by;
                    }
                }
                Ok(meta)
            })
            .boxed()
    }

    fn write_fault(&self) -> Option<Fault> {
        match self.script.lock().unwrap().pop_front() {
            Some(scripted) => scripted,
            None => self.dice.lock().unwrap().as_mut().and_then(|dice| dice()),
        }
    }

    async fn read_fault(&self) -> Result<()> {
        self.awake().await;
        self.tell_time();
        self.up()?;
        let latency = *self.latency.lock().unwrap();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if !self.reads_too.load(Ordering::Relaxed) {
            return Ok(());
        }
        let fault = self.dice.lock().unwrap().as_mut().and_then(|dice| dice());
        match fault {
            None | Some(Fault::BareExists | Fault::MetItself) => Ok(()),
            Some(Fault::LostRequest | Fault::LostAnswer | Fault::Status503) => Err(unavailable("no answer to a read")),
            Some(Fault::LandsLate(delay) | Fault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
        }
    }

    fn up(&self) -> Result<()> {
        if self.down.load(Ordering::Relaxed) { Err(unavailable("503 Service Unavailable")) } else { Ok(()) }
    }
}

fn unavailable(what: &'static str) -> Error {
    Error::Generic { store: "test", source: what.into() }
}

fn exists(location: &Path) -> Error {
    Error::AlreadyExists { path: location.to_string(), source: "409 Conflict".into() }
}

impl std::fmt::Debug for TestBucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestBucket")
    }
}

impl std::fmt::Display for TestBucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TestBucket({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for TestBucket {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut opts: PutOptions) -> Result<PutResult> {
        self.counts.count(&self.counts.puts, location.as_ref());
        self.counts.put_bytes.fetch_add(payload.content_length() as u64, Ordering::Relaxed);
        self.awake().await;
        self.tell_time();
        self.up()?;
        if self.careless.load(Ordering::Relaxed) {
            opts.mode = PutMode::Overwrite;
        }
        match self.write_fault() {
            None => {
                let mut put = self.inner.put_opts(location, payload, opts).await?;
                put.version = self.versioned.load(Ordering::Relaxed).then(|| "v".to_owned());
                Ok(put)
            }
            Some(Fault::LostRequest) => Err(unavailable("the request was lost")),
            Some(Fault::LostAnswer) => {
                drop(self.inner.put_opts(location, payload, opts).await);
                Err(unavailable("the answer was lost"))
            }
            Some(Fault::Status503) => Err(unavailable("503 Service Unavailable")),
            Some(Fault::BareExists) => Err(exists(location)),
            Some(Fault::MetItself) => {
                drop(self.inner.put_opts(location, payload, opts).await);
                Err(exists(location))
            }
            Some(Fault::LandsLate(delay)) => {
                let (inner, location) = (self.inner.clone(), location.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    drop(inner.put_opts(&location, payload, opts).await);
                });
                Err(unavailable("timed out"))
            }
            Some(Fault::Slow(delay)) => {
                tokio::time::sleep(delay / 2).await;
                let result = self.inner.put_opts(location, payload, opts).await;
                tokio::time::sleep(delay / 2).await;
                result
            }
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.counts.count(&self.counts.gets, location.as_ref());
        self.read_fault().await?;
        let mut got = self.inner.get_opts(location, options).await?;
        for (begins, by) in self.aged.lock().unwrap().iter() {
            if location.as_ref().starts_with(begins) {
                got.meta.last_modified -= *by;
            }
        }
        Ok(got)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.counts.count(&self.counts.gets, location.as_ref());
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let counts = self.counts.clone();
        let counted = locations.inspect(move |location| {
            if let Ok(location) = location {
                counts.count(&counts.deletes, location.as_ref());
            }
        });
        match self.up() {
            Ok(()) => self.inner.delete_stream(counted.boxed()),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix, || self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix, || self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.counts.count(&self.counts.lists, prefix.map_or("", Path::as_ref));
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A place for a key that has little to do with its order: by how it ends.
fn shuffled(key: &Path) -> String {
    key.as_ref().chars().rev().collect()
}

/// What an object holds, unpacked if it is packed.
pub(crate) async fn text_of(store: &dyn ObjectStore, key: &Path) -> String {
    let bytes = store.get(key).await.unwrap().bytes().await.unwrap();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return String::from_utf8(bytes.into()).unwrap();
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    text
}

/// Every key and every byte of a bucket.
pub(crate) async fn dump(store: &dyn ObjectStore) -> Vec<(String, String)> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut objects = Vec::new();
    for object in listed {
        objects.push((object.location.to_string(), text_of(store, &object.location).await));
    }
    objects
}
