//! The way from one incarnation of a host to the bucket.
//!
//! Unlike [`TestBucket`](crate::support::bucket::TestBucket), whose faults are answered where they are asked for, a request is
//! a message here: once it is sent it arrives, whatever becomes of the host, and its answer comes back or does not. So requests
//! overtake one another, land after the caller gave up, and outlive a crash.
//!
//! A *stalled* host waits before it sends and before it hears: a caller that gives up meanwhile has sent nothing. The
//! requests of a *frozen* host are sent when it wakes up, however long ago the caller gave up. A dead one's are never sent.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use capshare::__internal::store::answered_at;
use futures::TryStreamExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::weather::{LATE_MS_MAX, SLOW_MS_MAX};
use super::world::World;

/// One incarnation's line to the bucket.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) world: Arc<World>,
    /// `host.incarnation`.
    pub(super) name: String,
    /// The incarnation has crashed.
    pub(super) dead: CancellationToken,
    pub(super) stalled_until: Mutex<Instant>,
    pub(super) frozen_until: Mutex<Instant>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Served,
    /// Not done; nothing comes back.
    Lost,
    /// Not done, and this is what comes back.
    Refused(&'static str),
    /// Not done, for want of room.
    Full,
    /// Not done; "there is one".
    Exists,
    /// Not done; "the condition does not hold".
    Precondition,
    /// Done; an error comes back.
    AnswerLost,
    /// Done; nothing comes back.
    Unanswered,
    /// Done; "there is one": our own.
    MetItself,
    /// An error comes back, and it is done a while later.
    LandsLate(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Overwrite,
    Read,
    Delete,
}

impl Link {
    fn fate(&self, kind: Kind) -> Fate {
        let (weather, dice) = (self.world.weather(), &self.world.dice);
        let writes = matches!(kind, Kind::Create | Kind::Overwrite);
        if writes && self.world.full.load(Ordering::Relaxed) {
            return Fate::Full;
        }
        if dice.chance(weather.lost_request) {
            return if dice.chance(500) { Fate::Lost } else { Fate::Refused("connection reset") };
        }
        if dice.chance(weather.lost_answer) {
            return if dice.chance(300) { Fate::Unanswered } else { Fate::AnswerLost };
        }
        if dice.chance(weather.busy) {
            let status = *dice.pick(&["429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"]);
            return Fate::Refused(status);
        }
        match kind {
            Kind::Create if dice.chance(weather.conflict) => {
                if dice.chance(500) {
                    Fate::Exists
                } else {
                    Fate::Precondition
                }
            }
            Kind::Create if dice.chance(weather.meets_itself) => Fate::MetItself,
            Kind::Create | Kind::Overwrite | Kind::Delete if dice.chance(weather.lands_late) => {
                Fate::LandsLate(dice.millis(1, LATE_MS_MAX))
            }
            Kind::Delete if dice.chance(weather.deletion_fails) => Fate::Refused("AccessDenied, for now"),
            Kind::Create | Kind::Overwrite | Kind::Read | Kind::Delete => Fate::Served,
        }
    }

    fn one_way(&self) -> Duration {
        let dice = &self.world.dice;
        if dice.chance(self.world.weather().slow) { dice.millis(50, SLOW_MS_MAX) } else { dice.millis(1, 30) }
    }

    /// Sends a request and waits for its answer.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        kind: Kind,
        key: &Path,
        what: String,
        act: impl FnOnce(&World) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.until(&self.stalled_until).await;
        self.or_never().await;
        let (world, name) = (&self.world, &self.name);
        let (number, fate, out, back) = (world.next_request(), self.fate(kind), self.one_way(), self.one_way());
        world.tell(format_args!("{name} #{number} {kind:?} {key} {what} {fate:?}"));
        let (answer, answered) = oneshot::channel();
        let (link, key) = (Arc::clone(self), key.clone());
        drop(tokio::spawn(async move {
            link.until(&link.frozen_until).await;
            tokio::time::sleep(out).await;
            let mut acts = Some(act);
            let mut act = |link: &Self| {
                let done = acts.take().map(|act| act(&link.world));
                let how = match &done {
                    Some(Ok(_)) => "done",
                    Some(Err(Error::AlreadyExists { .. })) => "exists",
                    Some(Err(Error::NotFound { .. })) => "is not there",
                    Some(Err(_)) | None => "failed",
                };
                link.world.tell(format_args!("{} #{number} {how}", link.name));
                done
            };
            let generic = |why: &str| Error::Generic { store: "simulated", source: why.into() };
            let exists = || Error::AlreadyExists { path: key.to_string(), source: "409 Conflict".into() };
            let result = match fate {
                Fate::Lost => None,
                Fate::Served => act(&link),
                Fate::Refused(why) => Some(Err(generic(why))),
                Fate::Full => Some(Err(Error::Generic {
                    store: "simulated",
                    source: Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull)),
                })),
                Fate::Exists => Some(Err(exists())),
                Fate::Precondition => {
                    Some(Err(Error::Precondition { path: key.to_string(), source: "412 Precondition Failed".into() }))
                }
                Fate::AnswerLost => act(&link).map(|_| Err(generic("connection reset"))),
                Fate::Unanswered => {
                    drop(act(&link));
                    None
                }
                Fate::MetItself => act(&link).map(|_| Err(exists())),
                Fate::LandsLate(_) => Some(Err(generic("timed out"))),
            };
            let date = link.world.now_dated();
            tokio::time::sleep(back).await;
            if let Some(result) = result {
                // The caller may have given up.
                drop(answer.send((result, date)));
            }
            if let Fate::LandsLate(late) = fate {
                tokio::time::sleep(late.saturating_sub(back)).await;
                drop(act(&link));
            }
        }));
        // A dropped answer is one that never comes.
        let Ok((result, date)) = answered.await else { return std::future::pending().await };
        self.until(&self.stalled_until).await;
        self.until(&self.frozen_until).await;
        self.or_never().await;
        if world.tells_time {
            answered_at(date);
        }
        world.tell(format_args!("{name} #{number} answered {}", if result.is_ok() { "ok" } else { "no" }));
        result
    }

    /// The dead hear and send nothing.
    async fn or_never(&self) {
        if self.dead.is_cancelled() {
            std::future::pending().await
        }
    }

    pub(super) async fn until(&self, moment: &Mutex<Instant>) {
        loop {
            let until = *moment.lock().unwrap();
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// The bucket as one incarnation of a host sees it.
#[derive(Debug, Clone)]
pub(super) struct SimBucket(pub(super) Arc<Link>);

impl SimBucket {
    /// A listing, page by page: what a page shows is there when the page is made. In the order of the keys or in another one,
    /// as stores are.
    fn pages(&self, prefix: Option<&Path>, offset: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (link, prefix) = (Arc::clone(&self.0), prefix.cloned());
        let dice = &link.world.dice;
        let scramble = if dice.chance(500) { dice.below(u64::MAX) | 1 } else { 0 };
        let page_size = 2 + dice.below(16) as usize;
        let page = move |after: Option<(u64, String)>| {
            let (link, prefix, offset) = (Arc::clone(&link), prefix.clone(), offset.clone());
            async move {
                let key = prefix.clone().unwrap_or_default();
                let what = format!("list from {after:?}");
                link.ask(Kind::Read, &key, what, move |world| {
                    let place_of = |key: &Path| (mix(scramble, key.as_ref()), key.to_string());
                    let from = after.as_ref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
                    let mut page = world.page(prefix.as_ref(), place_of, from, page_size);
                    let next = (page.len() == page_size).then(|| page.last().map(|(place, _)| place.clone())).flatten();
                    page.retain(|(_, meta)| offset.as_ref().is_none_or(|offset| meta.location > *offset));
                    Ok((page, next))
                })
                .await
            }
        };
        stream::unfold(Some(None), move |from| {
            let page = page.clone();
            async move {
                match page(from?).await {
                    Ok((page, next)) => {
                        let items = page.into_iter().map(|(_, meta)| Ok(meta)).collect();
                        Some((items, next.map(Some)))
                    }
                    Err(error) => Some((vec![Err(error)], None)),
                }
            }
        })
        .flat_map(stream::iter::<Vec<Result<ObjectMeta>>>)
        .boxed()
    }
}

/// A place for a key; 0 scrambles nothing.
fn mix(scramble: u64, key: &str) -> u64 {
    key.bytes().fold(0, |place: u64, byte| (place.rotate_left(9) ^ u64::from(byte)).wrapping_mul(scramble))
}

impl std::fmt::Display for SimBucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimBucket({})", self.0.name)
    }
}

#[async_trait]
impl ObjectStore for SimBucket {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let kind = if matches!(opts.mode, PutMode::Create) { Kind::Create } else { Kind::Overwrite };
        let bytes = Bytes::from(payload.clone());
        let what = format!("{} bytes, {:x}", bytes.len(), mix(0x9e37_79b9_7f4a_7c15, &String::from_utf8_lossy(&bytes)));
        let key = location.clone();
        self.0.ask(kind, location, what, move |world| world.put(&key, payload, opts)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (key, what) = (location.clone(), if options.head { "head" } else { "" }.to_owned());
        self.0.ask(Kind::Read, location, what, move |world| world.get(&key, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let link = Arc::clone(&self.0);
        // One after the other, each with its own fate; of a bulk deletion any part may fail.
        locations
            .then(move |location| {
                let link = Arc::clone(&link);
                async move {
                    let location = location?;
                    let key = location.clone();
                    link.ask(Kind::Delete, &location, String::new(), move |world| world.delete(&key)).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix, Some(offset.clone()))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".to_owned(), implementer: "SimBucket".to_owned() })
    }

    /// As a listing of everything that is then summed up.
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let all: Vec<_> = self.pages(prefix, None).try_collect().await?;
        let root = Path::default();
        let prefix = prefix.unwrap_or(&root);
        let (mut objects, mut folders) = (Vec::new(), std::collections::BTreeSet::new());
        for meta in all {
            let mut rest = meta.location.prefix_match(prefix).into_iter().flatten();
            match (rest.next(), rest.next()) {
                (Some(folder), Some(_)) => drop(folders.insert(prefix.clone().join(folder))),
                _ => objects.push(meta.clone()),
            }
        }
        Ok(ListResult { common_prefixes: folders.into_iter().collect(), objects, extensions: Default::default() })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".to_owned(), implementer: "SimBucket".to_owned() })
    }
}
