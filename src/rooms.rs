//! The shares of one host, as rooms: loaded when they are needed, written by one driver each, followed by any number.
//!
//! A door brings a [`Principal`] and domain values to [`Rooms`] and gets domain values or a [`Refusal`]; it knows nothing of a
//! room's log, and a room knows nothing of wires. What [`Rooms`] promises: success means durable; followers are told only what is
//! durable; a share that was deleted stays deleted; a follower that fails fails nobody else.

use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::Either;

use crate::access::{self, Credentials, Principal};
use crate::ambient::{Ambient, Moment};
use crate::audit::{self, By, Through};
use crate::health::Health;
use crate::hints::Hints;
use crate::metrics::Metrics;
use crate::share::change::Batch;
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation};
use crate::share::id::ShareId;
use crate::share::revision::Revision;
use crate::share::secret::Secret;
use crate::share::state::{Outcome, State};
use crate::share::view::{Changed, Chunk, ShareInfo, Synced};
use crate::store::{Opened, Store};

mod absent;
pub mod asks;
pub mod audience;
pub mod ballot;
mod cache;
mod create;
pub mod event;
mod expiry;
pub mod feed;
pub mod grants;
mod handed;
mod hinted;
mod listing;
pub mod news;
mod own;
pub mod pass;
pub mod presence;
pub mod quota;
pub mod room;
mod settings;
mod shares;
mod strangers;
pub mod syncs;
pub mod visibility;

pub use self::create::{Created, Terms};
pub use self::handed::HandOver;
pub use self::listing::Page;
pub(crate) use self::settings::RoomsSettings;

use self::absent::Absent;
use self::cache::Cache;
use self::feed::Feed;
use self::room::{Room, RoomContext};

/// The shares of one host.
#[derive(Debug)]
pub struct Rooms {
    settings: RoomsSettings,
    ambient: Ambient,
    access: Arc<Credentials>,
    store: Store,
    context: Arc<RoomContext>,
    cache: Cache,
    absent: Absent,
    public_url: OnceLock<String>,
    /// The host drains, and takes no questions.
    drains: AtomicBool,
}

impl Rooms {
    /// The shares of this store. `access` says who somebody is that shows a token with a question.
    pub(crate) fn new(
        store: Store,
        health: Arc<Health>,
        hints: Arc<Hints>,
        metrics: Arc<Metrics>,
        ambient: Ambient,
        access: Arc<Credentials>,
        settings: RoomsSettings,
    ) -> Arc<Self> {
        let clock = Arc::clone(&ambient.clock);
        let absent = Absent::new(Arc::clone(&clock));
        let context = RoomContext::new(store.clone(), health, Arc::clone(&hints), metrics, clock, &settings);
        let cache = Cache::new(settings.idle_rooms_max, settings.idle_bytes_max);
        let (public_url, drains) = (OnceLock::new(), AtomicBool::new(false));
        let rooms = Arc::new(Self { settings, ambient, access, store, context, cache, absent, public_url, drains });
        let listener: Weak<Self> = Arc::downgrade(&rooms);
        hints.listen(listener);
        rooms
    }

    /// Applies a batch to a share, by its secret.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn sync(&self, who: &Principal, id: &str, secret: &Secret, batch: Batch) -> Result<Synced, Refusal> {
        who.may_write()?;
        let room = self.open(id, secret).await?;
        self.sync_room(&room, batch).await
    }

    /// Applies a batch to a share that the caller has opened. When this returns the batch stands in the room's queue, so
    /// that batches are applied in the order of these calls; dropping the future does not take it out again.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn sync_room(
        &self,
        room: &Arc<Room>,
        batch: Batch,
    ) -> impl Future<Output = Result<Synced, Refusal>> + Send + use<> {
        let quotas = &self.context.quotas;
        let foreseen = room.read(|state| match (state.foresee(&batch), state.opened()) {
            (None, Some(opened)) if quotas.counts_bytes(&opened.account) => {
                let (bytes, growth) = (batch.byte_count() as u64, state.growth(&batch) as u64);
                quotas.charge(&opened.account, bytes, growth).map(|taken| (None, taken))
            }
            (foreseen, _) => Ok((foreseen, None)),
        });
        let outcome = match foreseen.and_then(std::convert::identity) {
            Ok((None, charge)) => {
                let at = self.ambient.clock.now();
                Either::Left(room.append_charged(Entry::Sync { at, batch }, charge, StoreOperation::Sync))
            }
            Ok((Some(outcome), _)) => Either::Right(std::future::ready(Ok(outcome))),
            Err(refusal) => Either::Right(std::future::ready(Err(refusal))),
        };
        let (context, id) = (Arc::clone(&self.context), room.id().clone());
        async move {
            match outcome.await? {
                Outcome::Synced { sync_count, revision, .. } => {
                    context.metrics.syncs.inc();
                    Ok(Synced { sync_count, revision, duplicate: false })
                }
                Outcome::Duplicate { sync_count, revision } => Ok(Synced { sync_count, revision, duplicate: true }),
                Outcome::Refused(refusal) => Err(refusal),
                Outcome::Void | Outcome::Deleted | Outcome::Opened => Err(Refusal::not_found(id.as_str())),
            }
        }
    }

    /// Deletes a share for good, by its secret.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn delete(&self, who: &Principal, id: &str, secret: &Secret) -> Result<(), Refusal> {
        self.delete_by(By::Request(None, Some(who)), who, id, secret).await
    }

    /// Deletes a share as [`Rooms::delete`] does; the audit log names `by` as the one who asked for it.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn delete_by(&self, by: By<'_>, who: &Principal, id: &str, secret: &Secret) -> Result<(), Refusal> {
        who.may_write()?;
        let room = self.open(id, secret).await?;
        self.delete_room(&room).await?;
        audit::share_deleted(by, room.audited(), Through::Owner);
        Ok(())
    }

    /// Deletes a share that the caller has opened. As [`Rooms::sync_room`], it is queued when this returns. The line of the audit
    /// log is the caller's, who knows who it is.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn delete_room(&self, room: &Arc<Room>) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
        let entry = Entry::Delete { at: self.ambient.clock.now() };
        let outcome = room.append(entry, StoreOperation::Delete);
        let (context, id) = (Arc::clone(&self.context), room.id().clone());
        async move {
            match outcome.await? {
                Outcome::Deleted => {
                    context.metrics.shares_deleted.inc();
                    Ok(())
                }
                Outcome::Void
                | Outcome::Opened
                | Outcome::Synced { .. }
                | Outcome::Duplicate { .. }
                | Outcome::Refused(_) => Err(Refusal::not_found(id.as_str())),
            }
        }
    }

    /// The room of a share, for a caller who has its secret.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::InvalidSecret`], or the bucket failed.
    pub async fn open(&self, id: &str, secret: &Secret) -> Result<Arc<Room>, Refusal> {
        let room = self.room(id).await?;
        self.know_quota(&room).await?;
        let shown = access::hash(secret);
        if !room.has_secret(&shown) {
            // Another host may have made a secret, or deleted the share, since we last looked.
            room.catch_up(Duration::ZERO).await?;
            room.read(|_| ())?;
            if !room.has_secret(&shown) {
                return Err(Refusal::InvalidSecret { id: room.id().clone() });
            }
        }
        Ok(room)
    }

    /// Whether there is such a share: what may be asked before a secret or a pass was shown. It gives no rights.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or the bucket failed.
    pub async fn look_up(&self, id: &ShareId) -> Result<(), Refusal> {
        self.room(id.as_str()).await?.read(|_| ())
    }

    /// A share's facts.
    ///
    /// # Errors
    /// The share was deleted.
    pub fn info(&self, room: &Room) -> Result<ShareInfo, Refusal> {
        room.read(|state| {
            let opened = state.opened()?;
            Some(ShareInfo {
                id: room.id().clone(),
                session: opened.session.clone(),
                url: self.url(room.id()),
                created_at: opened.at,
                expires_at: state.expires_at(),
                visibility: opened.visibility,
                updated_at: state.updated_at(),
                sync_count: state.sync_count(),
                revision: state.revision(),
                item_count: state.item_count() as u64,
                byte_count: state.byte_count() as u64,
            })
        })?
        .ok_or_else(|| Refusal::not_found(room.id().as_str()))
    }

    /// A piece of a share's state; see [`State::read`](crate::share::state::State::read).
    ///
    /// # Errors
    /// The share was deleted, or the bucket failed.
    pub async fn read(&self, room: &Arc<Room>, since: Revision, cursor: u64) -> Result<Chunk, Refusal> {
        self.refresh_for(room, since).await?;
        room.read(|state| state.read(since, cursor, self.context.chunk_bytes_max))
    }

    /// A page of what a share holds, in the order in which it came; see
    /// [`State::history`](crate::share::state::State::history). Gives the share's revision too.
    ///
    /// # Errors
    /// The share was deleted, or the bucket failed.
    pub async fn history(
        &self,
        room: &Arc<Room>,
        within: &RangeInclusive<Revision>,
        cursor: u64,
        count_max: usize,
    ) -> Result<(Revision, Vec<Changed>, u64), Refusal> {
        room.refresh().await?;
        let bytes_max = self.context.chunk_bytes_max;
        room.read(|state| {
            let (changes, next) = state.history(within, cursor, count_max, bytes_max);
            (state.revision(), changes, next)
        })
    }

    /// Follows a share from a revision on; from [`Revision::EMPTY`] on: from the whole state.
    ///
    /// # Errors
    /// The share was deleted, or the bucket failed.
    pub async fn follow(&self, room: &Arc<Room>, since: Revision) -> Result<Feed, Refusal> {
        if self.settings.reads_early {
            let read = room.after(since, false, false, None);
            room.refresh().await?;
            return Ok(Feed::of(room, room.read(State::revision)?).having_read(read));
        }
        // Subscribed first, read then: what comes in between is told.
        let feed = Feed::of(room, since);
        self.refresh_for(room, since).await?;
        Ok(feed)
    }

    /// Where people look at a share.
    #[must_use]
    pub fn url(&self, id: &ShareId) -> String {
        format!("{}/share/{id}", self.public_url())
    }

    /// What the URLs of shares begin with; without a slash at the end.
    #[must_use]
    pub fn public_url(&self) -> &str {
        self.public_url.get().map_or("http://localhost", String::as_str)
    }

    /// Says what the URLs of shares begin with. Only the first call counts.
    pub fn set_public_url(&self, url: &str) {
        let _ = self.public_url.set(url.trim_end_matches('/').to_owned());
    }

    /// Number of shares that the host has in memory or is loading right now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cache.count()
    }

    /// The store of the shares, for checks at start-up.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The room of a share, loaded if it is not here.
    async fn room(&self, id: &str) -> Result<Arc<Room>, Refusal> {
        let id: ShareId = id.parse().map_err(|_| Refusal::not_found(id))?;
        let room = self.cache.get(&id, || self.load(&id)).await?;
        if room.has_expired() {
            // Another host may have given it more time.
            room.catch_up(Duration::ZERO).await?;
        }
        Ok(room)
    }

    /// Makes sure, before a caller writes to a room, that it is known what the room's account holds.
    async fn know_quota(&self, room: &Room) -> Result<(), Refusal> {
        let account = room.read(|state| state.opened().map(|opened| opened.account.clone()))?;
        if let Some(account) = account {
            let known = self.context.quotas.know(&account).await;
            known.map_err(|error| self.context.health.refused(StoreOperation::Read, &error))?;
        }
        Ok(())
    }

    /// Makes sure that a room is fresh enough for somebody who stands at a revision, perhaps of another host, which may be
    /// ahead of what this one has read.
    async fn refresh_for(&self, room: &Arc<Room>, since: Revision) -> Result<(), Refusal> {
        if room.read(State::revision)? < since {
            room.catch_up(Duration::ZERO).await?;
        } else {
            room.refresh().await?;
        }
        room.read(|_| ())
    }

    async fn load(&self, id: &ShareId) -> Result<Arc<Room>, Refusal> {
        if self.absent.has(id) {
            self.context.metrics.absent_hits.inc();
            return Err(Refusal::not_found(id.as_str()));
        }
        let (asked, question) = (Moment::now(self.ambient.clock.as_ref()), self.absent.ask(id));
        let opened = self.store.open_log(id).await;
        match opened.map_err(|error| self.context.health.refused(StoreOperation::Read, &error))? {
            Opened::Open(log, news) => Ok(Room::new(id.clone(), Arc::clone(&self.context), log, news, asked)),
            Opened::Absent(_) | Opened::Deleted => {
                question.found_none();
                Err(Refusal::not_found(id.as_str()))
            }
        }
    }

    /// Waits until what was begun is in the log: for shutdown, once no door brings more.
    pub(crate) async fn finish(&self) {
        self.context.tasks.close();
        self.context.tasks.wait().await;
    }
}
