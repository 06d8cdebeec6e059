//! A directory as a bucket that knows what time it is: by its file system, whose clock need not be this machine's.
//!
//! What is written has a time of its own. A read leaves none, and that there is no such file least of all; so before a read a
//! small file is written, at most once a second, and its time is taken as the earliest at which the read can have been. Its
//! name is one that no object has.

use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::Instant;

use crate::share::time::Timestamp;
use crate::store::{answered_at, not_before};

/// How old what is known of the directory's time may be, before a read.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The file that is written to ask for the time. What ends in `#` and a number is no object, but is left of a write.
const CLOCK_FILE: &str = "probe/clock#0";

/// A directory, and what time it is there.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    objects: Arc<LocalFileSystem>,
    clock: Arc<ClockFile>,
}

#[derive(Debug)]
struct ClockFile {
    path: PathBuf,
    /// The time there, and when it was asked for.
    known: Mutex<Option<(Instant, Timestamp)>>,
}

impl Directory {
    pub(super) fn new(objects: LocalFileSystem, path: &FilePath) -> Self {
        let clock = ClockFile { path: path.join(CLOCK_FILE), known: Mutex::default() };
        Self { objects: Arc::new(objects), clock: Arc::new(clock) }
    }
}

impl ClockFile {
    /// Lets the next reader know what time it is.
    async fn tell(&self) {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.filter(|(asked, _)| asked.elapsed() < ASK_EVERY).map(|(_, time)| time);
        let time = match known {
            Some(time) => Some(time),
            None => self.ask().await,
        };
        if let Some(time) = time {
            not_before(time);
        }
    }

    /// `None`: nothing can be written there, which a caller that writes a share will be told.
    async fn ask(&self) -> Option<Timestamp> {
        let (asked, path) = (Instant::now(), self.path.clone());
        let writing = move || {
            std::fs::write(&path, b"what time is it?").ok()?;
            modified(&path)
        };
        let time = tokio::task::spawn_blocking(writing).await.ok()??;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, time));
        Some(time)
    }
}

/// When a file was last written, by the clock of its file system.
fn modified(path: &FilePath) -> Option<Timestamp> {
    let since = path.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}

impl std::fmt::Display for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.objects.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Directory {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let put = self.objects.put_opts(location, payload, options).await?;
        let path = self.objects.path_to_filesystem(location)?;
        // Another host may have deleted it by now.
        if let Ok(Some(time)) = tokio::task::spawn_blocking(move || modified(&path)).await {
            answered_at(time);
        }
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.clock.tell().await;
        self.objects.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.clock.tell().await;
        self.objects.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let listing = async move {
            this.clock.tell().await;
            this.objects.list(prefix.as_ref())
        };
        stream::once(listing).flatten().boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix, offset) = (self.clone(), prefix.cloned(), offset.clone());
        let listing = async move {
            this.clock.tell().await;
            this.objects.list_with_offset(prefix.as_ref(), &offset)
        };
        stream::once(listing).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.clock.tell().await;
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
