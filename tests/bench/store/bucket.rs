//! A bucket that counts requests and bytes, and takes its time.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

/// Keys that one LIST answers, in S3.
const PAGE: usize = 1_000;

/// What a bucket was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) puts: u64,
    pub(crate) gets: u64,
    /// In pages of a thousand keys, as S3 has them.
    pub(crate) lists: u64,
    pub(crate) put_bytes: u64,
}

impl Asked {
    /// All but deletions, which are free.
    pub(crate) fn requests(&self) -> u64 {
        self.puts + self.gets + self.lists
    }

    /// What S3 charges: $5 for a million PUT and LIST, $0.40 for a million GET.
    pub(crate) fn dollars(&self) -> f64 {
        (self.puts + self.lists) as f64 * 5e-6 + self.gets as f64 * 0.4e-6
    }
}

/// The bucket.
#[derive(Debug)]
pub(crate) struct Metered {
    inner: Arc<dyn ObjectStore>,
    delay_us: Arc<AtomicU64>,
    puts: AtomicU64,
    gets: AtomicU64,
    lists: Arc<AtomicU64>,
    put_bytes: AtomicU64,
}

impl Metered {
    /// One that adds nothing to what the inner one takes.
    pub(crate) fn over(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        let (delay_us, puts, gets, lists, put_bytes) = Default::default();
        Arc::new(Self { inner, delay_us, puts, gets, lists, put_bytes })
    }

    /// From now on each request takes so long.
    pub(crate) fn delays(&self, delay: Duration) {
        self.delay_us.store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    /// What it was asked since this was called last.
    pub(crate) fn take(&self) -> Asked {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let (puts, gets, lists) = (take(&self.puts), take(&self.gets), take(&self.lists));
        Asked { puts, gets, lists, put_bytes: take(&self.put_bytes) }
    }

    async fn asked(&self, count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
        pause(&self.delay_us).await;
    }

    fn paged(&self, listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (lists, delay_us) = (self.lists.clone(), self.delay_us.clone());
        // A listing of nothing is a request as well.
        lists.fetch_add(1, Ordering::Relaxed);
        let paged = listing.enumerate().then(move |(n, meta)| {
            let (lists, delay_us) = (lists.clone(), delay_us.clone());
            async move {
                if n > 0 && n % PAGE == 0 {
                    lists.fetch_add(1, Ordering::Relaxed);
                    pause(&delay_us).await;
                }
                meta
            }
        });
        let delay_us = self.delay_us.clone();
        futures::stream::once(async move { pause(&delay_us).await })
            .flat_map(|()| futures::stream::empty())
            .chain(paged)
            .boxed()
    }
}

async fn pause(delay_us: &AtomicU64) {
    match delay_us.load(Ordering::Relaxed) {
        0 => {}
        delay => tokio::time::sleep(Duration::from_micros(delay)).await,
    }
}

impl std::fmt::Display for Metered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Metered({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Metered {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.put_bytes.fetch_add(payload.content_length() as u64, Ordering::Relaxed);
        self.asked(&self.puts).await;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.asked(&self.gets).await;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.asked(&self.gets).await;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.paged(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.paged(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.asked(&self.lists).await;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
