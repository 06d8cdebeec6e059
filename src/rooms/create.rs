//! Creating a share: the claim on its session, its log, and what to do when somebody was there before.

use std::sync::Arc;
use std::time::Duration;

use crate::access::{self, Principal};
use crate::ambient::Moment;
use crate::audit::{self, By, Through};
use crate::rooms::Rooms;
use crate::rooms::quota::Charge;
use crate::rooms::room::Room;
use crate::rooms::strangers;
use crate::share::change::Batch;
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation};
use crate::share::id::{SessionId, ShareId};
use crate::share::revision::Revision;
use crate::share::secret::Secret;
use crate::share::state::{Outcome, State};
use crate::share::visibility::Visibility;
use crate::store::{Claim, Created as LogCreated, StoreError};

/// How often a create may find the session's share deleted under it before it is given up.
const CREATE_TRIES_MAX: usize = 8;

/// What a producer says of its share besides the data.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// How long it is to live. `None`: as the host has it for a new share, and no change for one that was there.
    pub ttl: Option<Duration>,
    /// Who may see it. `None`: as the host has it for a new share, and no change for one that was there.
    pub visibility: Option<Visibility>,
}

/// What a create that makes a share begins with.
struct Fresh {
    id: ShareId,
    secret: Secret,
    /// What the index has it under: the session's id, or a name of a [stranger's](strangers).
    name: SessionId,
}

/// A share that was created, or that its account had created before.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its id.
    pub id: ShareId,
    /// Where people look at it.
    pub url: String,
    /// A secret that opens it for writing, made for this answer.
    pub secret: Secret,
    /// Its sync count: 1 with initial data, 0 without, unless it existed.
    pub sync_count: u64,
    /// Its revision.
    pub revision: Revision,
    /// The account had shared this session already.
    pub existed: bool,
    /// It is the first share of this session that was ever created without a credential.
    pub first_of_strangers: bool,
    /// Its room, for a caller who goes on with it.
    pub room: Arc<Room>,
}

impl Rooms {
    /// Creates the share of a session, with its initial data if there is any; or finds the one that the account created
    /// before, adds a secret to it and syncs the data to it. Where the terms say nothing, a new share has the host's, and one
    /// that was there keeps its own. Nobody sees a new share before it is known who may.
    ///
    /// Who shows no credential finds no share of before, and gets a new one each time (`rooms/strangers.rs`).
    ///
    /// # Errors
    /// The principal may not, the session's id has the form of a name that the host makes, the data does not fit, the host
    /// grants no such time, or the bucket failed, and then nothing of it is visible.
    pub async fn create(
        &self,
        who: &Principal,
        session: &SessionId,
        initial: Option<Batch>,
        terms: Terms,
    ) -> Result<Created, Refusal> {
        self.create_by(By::Request(None, Some(who)), who, session, initial, terms).await
    }

    /// Creates a share as [`Rooms::create`] does; the audit log names `by` as the one who asked for it.
    ///
    /// # Errors
    /// As [`Rooms::create`].
    pub async fn create_by(
        &self,
        by: By<'_>,
        who: &Principal,
        session: &SessionId,
        initial: Option<Batch>,
        terms: Terms,
    ) -> Result<Created, Refusal> {
        who.may_write()?;
        if strangers::is_reserved(session) {
            let reason = "a session id that begins with ~ and 26 characters of a-z and 2-7: the host makes such names itself, \
                          so choose another";
            return Err(Refusal::invalid(0, reason));
        }
        let failed = |error: StoreError| self.context.health.refused(StoreOperation::Create, &error);
        let (id, secret) = self.draw()?;
        let name = if who.owns_its_account() {
            session.clone()
        } else {
            strangers::name(&self.store, &who.account, session, &id).await.map_err(failed)?
        };
        let quotas = &self.context.quotas;
        let _creating = quotas.creating(&who.account).await;
        let bytes = initial.as_ref().map_or(0, Batch::byte_count) as u64;
        let charge = quotas.admit(&who.account, &name, bytes).await.map_err(failed)??;
        let fresh = Fresh { id, secret, name };
        let created = self.create_admitted(who, session, fresh, initial, terms).await;
        // If another was quicker, the data was charged as a batch to what is there, and this charge is given back.
        if let Ok(Created { existed: false, room, .. }) = &created {
            charge.into_iter().for_each(Charge::spend);
            // What is new in memory is not in what was read of the bucket.
            let bytes = room.read(State::byte_count).unwrap_or_default();
            quotas.created(&who.account, bytes);
        }
        if let Ok(created) = &created {
            audit::share_created(by, created.room.audited(), created.existed);
            if let Some(visibility) = self.visibility_said(terms, created.existed) {
                audit::visibility_set(by, created.room.audited(), visibility, Through::Owner);
            }
        }
        created
    }

    async fn create_admitted(
        &self,
        who: &Principal,
        session: &SessionId,
        fresh: Fresh,
        initial: Option<Batch>,
        terms: Terms,
    ) -> Result<Created, Refusal> {
        let at = self.ambient.clock.now();
        let expires_at = self.expires_at(at, terms.ttl.or(self.settings.share_ttl_default()))?;
        let Fresh { id: fresh_id, secret, mut name } = fresh;
        let hash = access::hash(&secret);
        let (account, of) = (who.account.clone(), name.clone());
        let mut entries = vec![Entry::Open { at, account, session: of, secret: hash, expires_at }];
        let visibility = self.visibility_said(terms, false);
        entries.extend(visibility.map(|visibility| Entry::Visibility { at, visibility }));
        entries.extend(initial.clone().map(|batch| Entry::Sync { at, batch }));
        // What the fold would refuse is refused before anything is written.
        let mut state = State::default();
        for entry in &entries {
            if let Outcome::Refused(refusal) = state.apply(entry) {
                return Err(refusal);
            }
        }
        // A share that has its claim of this call alone has no log yet, and need not be looked for.
        let mut may_be_there = false;
        for _ in 0..CREATE_TRIES_MAX {
            let claim = self.store.claim(&who.account, &name, &fresh_id, at).await;
            let id = match claim.map_err(|error| self.context.health.refused(StoreOperation::Create, &error))? {
                Claim::Ours => fresh_id.clone(),
                // Another stranger took the first name a moment ago.
                Claim::Theirs(_) if !who.owns_its_account() => {
                    name = strangers::further_name(session, &fresh_id);
                    if let Some(Entry::Open { session, .. }) = entries.first_mut() {
                        session.clone_from(&name);
                    }
                    continue;
                }
                Claim::Theirs(id) => {
                    may_be_there = true;
                    id
                }
            };
            // It may be there by now, and is to be looked for.
            self.absent.forget(&id);
            if may_be_there && let Some(created) = self.rejoin(&id, &secret, initial.as_ref(), terms).await? {
                return Ok(created);
            }
            // It was not there, and may be at any moment.
            self.absent.forget(&id);
            // The claim may be another host's, or one from before a crash: the first who comes creates the log.
            let asked = Moment::now(self.ambient.clock.as_ref());
            let log = self.store.create_log(&id, &entries).await;
            match log.map_err(|error| self.context.health.refused(StoreOperation::Create, &error))? {
                LogCreated::New(log) => {
                    self.context.hints.wrote(&id, log.segments());
                    let room = Room::new(id, Arc::clone(&self.context), log, entries.into(), asked);
                    let room = self.cache.place(room).await;
                    // Somebody may have asked for it before it was there, and been answered after.
                    self.absent.forget(room.id());
                    self.context.metrics.shares_created.inc();
                    self.context.metrics.syncs.inc_by(u64::from(initial.is_some()));
                    let first = !who.owns_its_account() && name == strangers::first_name(session);
                    let created = self.created(&room, secret, false, state.sync_count(), state.revision());
                    return Ok(Created { first_of_strangers: first, ..created });
                }
                // Somebody was quicker, or deleted it between its claim and now: look again.
                LogCreated::Exists(..) | LogCreated::Deleted => may_be_there = true,
            }
        }
        tracing::warn!(account = %who.account, tries = CREATE_TRIES_MAX, "a session is created and deleted all the time");
        Err(Refusal::Unavailable { retry_after_ms: 1_000 })
    }

    /// What is written of who may see a share; `None`: nothing, because it is as it would be without.
    fn visibility_said(&self, terms: Terms, existed: bool) -> Option<Visibility> {
        if existed {
            return terms.visibility;
        }
        Some(terms.visibility.unwrap_or(self.settings.visibility)).filter(|visibility| *visibility != Visibility::Link)
    }

    /// The share that holds the session's claim, if its log is there already: with a further secret, the terms, and the
    /// data.
    async fn rejoin(
        &self,
        id: &ShareId,
        secret: &Secret,
        initial: Option<&Batch>,
        terms: Terms,
    ) -> Result<Option<Created>, Refusal> {
        let room = match self.room(id.as_str()).await {
            Err(Refusal::NotFound { .. }) => return Ok(None),
            room => room?,
        };
        // One that has expired makes room for a new one.
        room.expire(StoreOperation::Create).await?;
        let at = self.ambient.clock.now();
        let with_secret = room.append(Entry::Secret { at, secret: access::hash(secret) }, StoreOperation::Create);
        let with_expiry = terms.ttl.map(|ttl| self.set_expiry(&room, Some(ttl)));
        let with_visibility = terms.visibility.map(|visibility| self.set_visibility(&room, visibility));
        match with_secret.await {
            Ok(Outcome::Opened) => {}
            Ok(
                Outcome::Void
                | Outcome::Deleted
                | Outcome::Synced { .. }
                | Outcome::Duplicate { .. }
                | Outcome::Refused(_),
            )
            | Err(Refusal::NotFound { .. }) => return Ok(None),
            Err(refusal) => return Err(refusal),
        }
        if let Some(with_expiry) = with_expiry {
            with_expiry.await?;
        }
        if let Some(with_visibility) = with_visibility {
            with_visibility.await?;
        }
        if let Some(batch) = initial {
            self.sync_room(&room, batch.clone()).await?;
        }
        let Ok((sync_count, revision)) = room.read(|state| (state.sync_count(), state.revision())) else {
            return Ok(None);
        };
        Ok(Some(self.created(&room, secret.clone(), true, sync_count, revision)))
    }

    fn created(&self, room: &Arc<Room>, secret: Secret, existed: bool, sync_count: u64, revision: Revision) -> Created {
        let (id, url) = (room.id().clone(), self.url(room.id()));
        let room = Arc::clone(room);
        Created { id, url, secret, sync_count, revision, existed, first_of_strangers: false, room }
    }

    fn draw(&self) -> Result<(ShareId, Secret), Refusal> {
        let mut secret = [0; 32];
        let drawn = self.ambient.entropy.fill(&mut secret).and_then(|()| self.ambient.bits());
        drawn.map(|bits| (ShareId::from_bits(bits), Secret::from_bytes(secret))).map_err(|error| {
            tracing::error!(%error, "no share can be created");
            Refusal::Unavailable { retry_after_ms: 10_000 }
        })
    }
}
