//! The hub: the verbs that every door calls, on the shares that live on this host.
//!
//! A door brings a [`Principal`] and domain values and gets domain values or a [`Refusal`]; it knows nothing of rooms' logs,
//! and the hub nothing of wires. `Send + Sync`, and reached by `Arc` from every worker. What it promises: success means
//! durable; followers are told only what is durable; a share that was deleted stays deleted; a follower that fails fails
//! nobody else.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::Either;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::access::failures::Failures;
use crate::access::{Access, AnyOf, Principal, Readiness, StoredTokens, Way};
use crate::ambient::{Ambient, Moment, NoEntropy};
use crate::audit::{By, Through};
use crate::connections::calls::Calls;
use crate::connections::comer::Door;
use crate::connections::hooks::ConnectionHooks;
use crate::connections::registry::Registry;
use crate::health::{Health, HostClock};
use crate::metrics::{DoorLabel, Metrics};
use crate::rooms::cache::Cache;
use crate::rooms::feed::Feed;
use crate::rooms::quota::Quotas;
use crate::rooms::room::{FOLDS_MAX, Room, RoomContext};
use crate::rooms::{Page, damaged};
use crate::share::change::Batch;
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation};
use crate::share::id::ShareId;
use crate::share::secret::Secret;
use crate::share::state::{Outcome, State};
use crate::share::view::{Changed, Chunk, Revision, ShareInfo, ShareListing, Synced, page_limit};
use crate::store::{ClaimListing, Mutation, Opened, Store, WriterId};

mod settings;

pub use settings::HubSettings;

/// The shares of one host, and who is connected to it.
#[derive(Debug)]
pub struct Hub {
    pub(crate) settings: HubSettings,
    pub(crate) ambient: Ambient,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) tokens: Arc<StoredTokens>,
    pub(crate) failures: Failures,
    pub(crate) registry: Arc<Registry>,
    pub(crate) store: Store,
    pub(crate) context: Arc<RoomContext>,
    pub(crate) rooms: Cache,
    pub(crate) calls: Calls,
    pub(crate) public_url: OnceLock<String>,
    pub(crate) hooks: OnceLock<Arc<dyn ConnectionHooks>>,
}

impl Hub {
    /// A hub over these objects.
    ///
    /// # Errors
    /// The machine has no randomness to give.
    pub fn new(
        objects: Arc<dyn object_store::ObjectStore>,
        access: Arc<dyn Access>,
        ambient: Ambient,
        settings: HubSettings,
    ) -> Result<Arc<Self>, NoEntropy> {
        let writer = ambient.bits()?;
        let store = Store::new(objects, settings.store.clone(), WriterId(writer), Arc::clone(&ambient.clock));
        let clock = Arc::new(HostClock { machine: Arc::clone(&ambient.clock), store: store.clone() });
        let ambient = Ambient { clock, ..ambient };
        let tokens = Arc::new(StoredTokens::new(store.clone(), Arc::clone(&ambient.clock)));
        let access = if settings.stored_tokens {
            Arc::new(AnyOf::new([Arc::clone(&tokens) as Arc<dyn Access>, access]))
        } else {
            access
        };
        let metrics = Arc::new(Metrics::new());
        let context = Arc::new(RoomContext {
            store: store.clone(),
            health: Health::new(store.clone(), Arc::clone(&metrics)),
            metrics,
            clock: Arc::clone(&ambient.clock),
            quotas: Quotas::new(settings.quotas.clone(), store.clone()),
            tasks: TaskTracker::new(),
            chunk_bytes_max: settings.limits.chunk_bytes_max,
            poll: settings.poll,
            linger: settings.linger,
            fold_after: settings.fold_after,
            folds: Semaphore::new(FOLDS_MAX),
            answers_early: settings.store.is_wrong(Mutation::AcknowledgeBeforePut),
        });
        Ok(Arc::new(Self {
            registry: Registry::new(ambient.bits()? as u32, settings.connections_max, settings.caps()),
            ambient,
            access,
            tokens,
            failures: Failures::new(settings.failed_credentials_per_minute),
            store,
            rooms: Cache::new(settings.idle_rooms_max, settings.idle_bytes_max),
            context,
            settings,
            calls: Calls::default(),
            public_url: OnceLock::new(),
            hooks: OnceLock::new(),
        }))
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

    /// Deletes a share as [`Hub::delete`] does; the audit log names `by` as whoever asked for it.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn delete_by(&self, by: By<'_>, who: &Principal, id: &str, secret: &Secret) -> Result<(), Refusal> {
        who.may_write()?;
        let room = self.open(id, secret).await?;
        self.delete_room(&room).await?;
        crate::audit::share_deleted(by, room.audited(), Through::Owner);
        Ok(())
    }

    /// Deletes a share that the caller has opened. As [`Hub::sync_room`], it is queued when this returns. The line of the audit
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

    /// The room of a share, for whoever has its secret.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::InvalidSecret`], or the bucket failed.
    pub async fn open(&self, id: &str, secret: &Secret) -> Result<Arc<Room>, Refusal> {
        let room = self.room(id).await?;
        self.know_quota(&room).await?;
        let shown = crate::access::hash(secret);
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
        room.read(|state| state.read(since, cursor, self.settings.limits.chunk_bytes_max))
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
        let bytes_max = self.settings.limits.chunk_bytes_max;
        room.read(|state| {
            let (changes, next) = state.history(within, cursor, count_max, bytes_max);
            (state.revision(), changes, next)
        })
    }

    /// Follows a share from a revision; 0: from the whole state.
    ///
    /// # Errors
    /// The share was deleted, or the bucket failed.
    pub async fn follow(&self, room: &Arc<Room>, since: Revision) -> Result<Feed, Refusal> {
        if self.settings.store.is_wrong(Mutation::ReadBeforeSubscribe) {
            let read = room.after(since, false, false, None);
            room.refresh().await?;
            return Ok(Feed::of(room, room.read(State::revision)?).having_read(read));
        }
        // Subscribed first, read then: what comes in between is told.
        let feed = Feed::of(room, since);
        self.refresh_for(room, since).await?;
        Ok(feed)
    }

    /// A page of the principal's own shares, or of everybody's for an administrator.
    ///
    /// # Errors
    /// The principal may not, or the bucket failed.
    pub async fn list(&self, who: &Principal, everybody: bool, cursor: &str, limit: usize) -> Result<Page, Refusal> {
        who.may_read()?;
        if everybody {
            who.may_administer()?;
        }
        let limit = page_limit(limit)?;
        let account = (!everybody).then_some(&who.account);
        let cursor = match cursor {
            "" => None,
            cursor => Some(cursor.parse().map_err(Refusal::from)?),
        };
        let page = self.store.list(account, cursor.as_ref(), limit).await;
        let page = page.map_err(|error| self.context.health.refused(StoreOperation::List, &error))?;
        let shares = page.claims.into_iter().map(|claim| self.listed(claim)).collect();
        let next_cursor = page.next.map(|next| next.to_string()).unwrap_or_default();
        Ok(Page { shares, damaged: damaged(page.damaged), next_cursor })
    }

    pub(crate) fn listed(&self, claim: ClaimListing) -> ShareListing {
        let ClaimListing { account, session, share, at, summary: about } = claim;
        let about = about.as_ref();
        ShareListing {
            url: self.url(&share),
            id: share,
            session,
            account,
            created_at: at,
            expires_at: about.and_then(|about| about.expires_at),
            title: about.and_then(|about| about.title.clone()),
            updated_at: about.map(|about| about.updated_at),
            sync_count: about.map_or(0, |about| about.sync_count),
            item_count: about.map_or(0, |about| about.item_count),
            byte_count: about.map_or(0, |about| about.byte_count),
        }
    }

    /// The principal of somebody within this process: of the token that it shows, or of those that show none.
    ///
    /// # Errors
    /// A wrong token, or none where one is needed.
    pub async fn authenticate(&self, token: Option<&Secret>) -> Result<Principal, Refusal> {
        self.authenticate_from(Way::Direct, token).await
    }

    /// The principal of somebody who came this way, as [`Hub::authenticate`].
    ///
    /// # Errors
    /// As [`Hub::authenticate`], and that it would be let in for being of this machine, and did not come straight from it.
    pub async fn authenticate_from(&self, way: Way, token: Option<&Secret>) -> Result<Principal, Refusal> {
        let who = match token {
            Some(token) => self.access.authenticate(token).await?,
            None => self.access.anonymous().ok_or_else(|| Refusal::Unauthorized {
                reason: "this host needs a token: send it as Authorization: Bearer TOKEN, or call authenticate".into(),
            })?,
        };
        way.admit(who)
    }

    /// The principal of a connection that comes in: of its token or, without one, of those that need none. `in_band`
    /// lets it in as nobody where a token is needed, because it is going to call `authenticate`.
    ///
    /// # Errors
    /// As [`Hub::authenticate_from`].
    pub async fn introduce(
        &self,
        token: Option<&Secret>,
        in_band: bool,
        way: Way,
    ) -> Result<Option<Principal>, Refusal> {
        match self.authenticate_from(way, token).await {
            Ok(principal) => Ok(Some(principal)),
            Err(Refusal::Unauthorized { .. }) if token.is_none() && in_band => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether a principal's credential is still valid, past whatever is remembered of it: see [`Access::recheck`].
    ///
    /// # Errors
    /// It was revoked or has expired, or that cannot be told now.
    pub async fn recheck(&self, who: &Principal) -> Result<(), Refusal> {
        self.access.recheck(who).await
    }

    /// Whether somebody without a credential has rights of an account.
    #[must_use]
    pub fn lets_anybody_in(&self) -> bool {
        self.access.anonymous().is_some()
    }

    /// Who failed to show a right credential lately: for the doors, which know addresses.
    #[must_use]
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Whether it can tell who comes in.
    #[must_use]
    pub fn access_readiness(&self) -> Readiness {
        self.access.readiness()
    }

    /// How start-up lines name who may come in.
    #[must_use]
    pub fn describe_access(&self) -> String {
        self.access.describe()
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

    /// How it behaves.
    #[must_use]
    pub fn settings(&self) -> &HubSettings {
        &self.settings
    }

    /// The clock that it goes by, which is its machine's or, if that is wrong by more than a minute, the store's; and its
    /// randomness.
    #[must_use]
    pub fn ambient(&self) -> &Ambient {
        &self.ambient
    }

    /// Who is connected.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.context.metrics
    }

    /// Whether its bucket and its clock are as they should be.
    #[must_use]
    pub fn health(&self) -> &Arc<Health> {
        &self.context.health
    }

    /// Succeeds if the host takes connections and its bucket does what the host needs of it; see [`Health::ready`].
    ///
    /// # Errors
    /// One of these is not so.
    pub async fn ready(&self) -> Result<(), Refusal> {
        if self.registry.is_shut() {
            return Err(Refusal::Unavailable { retry_after_ms: 1_000 });
        }
        self.context.health.ready().await
    }

    /// Brings the metrics up to date that are read and not counted.
    pub fn measure(&self) {
        for door in Door::ALL {
            let open = i64::try_from(self.registry.count_of(door)).unwrap_or(i64::MAX);
            self.metrics().connections_open.get_or_create(&DoorLabel { door: door.as_str() }).set(open);
        }
        self.metrics().clock_ahead_seconds.set(self.store.clock_ahead_ms().unwrap_or_default() as f64 / 1_000.0);
    }

    /// Number of shares that it has in memory or is loading right now.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.count()
    }

    /// Its store, for start-up checks.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until what was begun is in the log: for shutdown, once no door brings more.
    pub async fn finish(&self) {
        self.context.tasks.close();
        self.context.tasks.wait().await;
    }

    /// The room of a share, loaded if it is not here.
    pub(crate) async fn room(&self, id: &str) -> Result<Arc<Room>, Refusal> {
        let id: ShareId = id.parse().map_err(|_| Refusal::not_found(id))?;
        let room = self.rooms.get(&id, || self.load(&id)).await?;
        if room.has_expired() {
            // Another host may have given it more time.
            room.catch_up(Duration::ZERO).await?;
        }
        Ok(room)
    }

    /// Makes sure, for whoever is going to write to a room, that it is known what its account holds.
    pub(crate) async fn know_quota(&self, room: &Room) -> Result<(), Refusal> {
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
        let asked = Moment::now(self.ambient.clock.as_ref());
        let opened = self.store.open_log(id).await;
        match opened.map_err(|error| self.context.health.refused(StoreOperation::Read, &error))? {
            Opened::Open(log, news) => Ok(Room::new(id.clone(), Arc::clone(&self.context), log, news, asked)),
            Opened::Absent(_) | Opened::Deleted => Err(Refusal::not_found(id.as_str())),
        }
    }
}
