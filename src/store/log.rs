//! The tail of one log: appending to it, and reading what others appended.
//!
//! The hub holds a [`Log`] for each share that it has open and uses it from one task at a time (`&mut self`). A log stands
//! at a segment, its tail; all entries up to there were handed to the caller, in order and once, or as the state that they
//! came to.
//!
//! **Dropping.** A call of [`Log::append`], [`Log::catch_up`] or [`Log::erase`] may be dropped half way. A dropped append may or
//! may not have written: the log remembers that its tail is unsettled, and its next use looks before it does anything
//! else. What the dropped append wrote is then met like what another host wrote ([`Appended::Behind`]), even if it lands later.
//! A dropped look has handed out nothing and moved nothing.

use std::time::Duration;

use super::bucket::Created;
use super::codec::{self, Identity, WriterId};
use super::dates::{self, Heard};
use super::error::{BucketRequest, StoreError};
use super::extent::Extent;
use super::key::{self, Number};
use super::lease::Lease;
use super::superseded::Superseded;
use super::{Mutation, Store};
use crate::share::entry::Entry;
use crate::share::id::ShareId;
use crate::share::state::State;
use crate::share::time::Timestamp;
use bytes::Bytes;

mod listing;
mod look;

use look::{Look, Reach};

pub(super) use listing::chain;

/// The pause before a request of unknown outcome is made again; it doubles each time, up to a second.
const PAUSE: Duration = Duration::from_millis(50);

/// The tail of one share's log.
#[derive(Debug)]
pub struct Log {
    pub(super) store: Store,
    pub(super) id: ShareId,
    pub(super) tail: Tail,
    /// What is in the bucket of the log up to the tail.
    pub(super) extent: Extent,
    /// Whether the outcome of an append is not known, so that the log looks before its next one.
    unsettled: bool,
    /// Whether the last append found another host's segment in its place.
    was_behind: bool,
    /// The share's deletion, once this log has met it.
    pub(super) ended: Option<Ended>,
    /// Superseded objects that were found when the log was opened.
    leftovers: Option<Superseded>,
    /// The epoch of the bucket's conditions in which the tail was last confirmed.
    epoch: u64,
}

/// What a log knows about its share's deletion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    /// Whether there is a tombstone and no content beside it, so that nothing of the deletion is left to do.
    pub(super) clean: bool,
}

impl Ended {
    fn begun(at: Timestamp) -> Self {
        Self { at, clean: false }
    }
}

/// The result of an append.
#[derive(Debug, PartialEq, Eq)]
pub enum Appended {
    /// The entries are in the bucket, directly after all that was handed out before.
    Written,
    /// Other entries came first, which are here and never empty, and nothing of this append was written. Apply them, then append
    /// again. Entries of an earlier append that failed or was dropped may be among them. If the share is being erased, the
    /// deletion is all there is, with a time of the bucket's clock.
    Behind(News),
}

/// What a log holds after the point up to which its caller has read it.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct News {
    /// The state at a later point of the log, in place of the one that the caller holds. There is one if the log was folded
    /// before it was opened, or if so much was appended meanwhile that the entries are gone.
    pub state: Option<Box<State>>,
    /// The entries that follow, in the order of the log.
    pub entries: Vec<Entry>,
}

impl From<Vec<Entry>> for News {
    fn from(entries: Vec<Entry>) -> Self {
        Self { state: None, entries }
    }
}

impl News {
    /// Whether there is nothing new.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.is_none() && self.entries.is_empty()
    }

    /// The state that the news come to, if the caller has read nothing of the log before.
    #[must_use]
    pub fn into_state(self) -> State {
        let mut state = self.state.map(|state| *state).unwrap_or_default();
        for entry in &self.entries {
            state.apply(entry);
        }
        state
    }
}

/// The tail of a log: the point up to which it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// Number of the last segment that was handed out; 0 before the first.
    pub(super) seq: Number,
    /// Identity of that segment; `None` before the first.
    pub(super) this: Option<Identity>,
    /// The request that showed that the log ends here.
    confirmed: Option<Lease>,
}

impl Log {
    /// A log of which nothing was read yet.
    pub(super) fn at_start(store: Store, id: ShareId) -> Self {
        let tail = Tail { seq: 0, this: None, confirmed: None };
        let epoch = store.bucket.conditions.epoch();
        Self {
            epoch,
            store,
            id,
            tail,
            extent: Extent::default(),
            unsettled: false,
            was_behind: false,
            ended: None,
            leftovers: None,
        }
    }

    /// The share whose log this is.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        &self.id
    }

    /// Writes entries as the next segment: all of them or none, after everything that was handed out. Returns when they
    /// are in the bucket. Once the log has met a deletion, every append answers with that.
    ///
    /// # Errors
    /// The bucket failed, so that it is not known whether the entries were written. The next use of the log looks first.
    pub async fn append(&mut self, entries: &[Entry]) -> Result<Appended, StoreError> {
        if let Some(Ended { at, .. }) = self.ended {
            return Ok(Appended::Behind(vec![Entry::Delete { at }].into()));
        }
        let is_young = self.tail.confirmed.is_some_and(|confirmed| self.is_young(&confirmed));
        if self.unsettled || !is_young || self.is_suspect() {
            // Boxed, here and below: an append has no other use for several kilobytes.
            let look = Box::pin(self.look()).await?;
            let news = self.accept(look);
            if !news.is_empty() {
                return Ok(Appended::Behind(news));
            }
        }
        let (seq, this) = (self.tail.seq + 1, self.store.next_identity());
        let segment = codec::encode_segment(&self.id, seq, self.tail.this, this, entries);
        self.unsettled = true;
        let appended = self.commit(seq, this, segment).await?;
        if appended == Appended::Written {
            self.ended = entries.iter().find_map(deletion_in);
        }
        Ok(appended)
    }

    /// What other hosts have appended since the log was last read, in order. Mostly this is one read of a key that is not there.
    ///
    /// # Errors
    /// The bucket failed, or an object cannot be read. The tail stays where it was.
    pub async fn catch_up(&mut self) -> Result<News, StoreError> {
        if self.ended.is_some() {
            return Ok(News::default());
        }
        let look = self.look().await?;
        Ok(self.accept(look))
    }

    /// As [`Log::catch_up`], for a caller who heard that there is a segment of this number. Where the lease is young it reads up to there
    /// and asks for nothing after it, which saves a request and leaves the lease as it was. Says too whether it came to the log's end.
    ///
    /// # Errors
    /// As [`Log::catch_up`].
    pub async fn catch_up_to(&mut self, seq: u64) -> Result<(News, bool), StoreError> {
        let is_young = self.tail.confirmed.is_some_and(|confirmed| self.is_young(&confirmed));
        if self.ended.is_some() || self.unsettled || !is_young || self.is_suspect() {
            return Ok((self.catch_up().await?, true));
        }
        let look = self.look_up_to(Reach::To(seq)).await?;
        let is_whole = look.tail.seq < seq || look.base.is_some() || look.ended.is_some();
        Ok((self.accept(look), is_whole))
    }

    /// A hint told of a segment. It says nothing of the log, but for [`Mutation::TrustHint`] and [`Mutation::RenewByHint`].
    pub fn heard_of(&mut self, seq: u64) {
        let is_wrong = |how| self.store.settings.is_wrong(how);
        if is_wrong(Mutation::TrustHint) {
            self.tail.seq = self.tail.seq.max(seq);
        } else if is_wrong(Mutation::RenewByHint) && seq <= self.tail.seq {
            let issued = self.store.moment();
            self.tail.confirmed = self.tail.confirmed.map(|lease| lease.renewed(issued, Heard::default()));
        }
    }

    /// Who wrote the last segment up to the tail; `None`: there is no segment.
    #[must_use]
    pub fn last_writer(&self) -> Option<WriterId> {
        self.tail.this.map(|this| this.writer)
    }

    /// Bytes of all segments up to the tail.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.extent.log_bytes
    }

    /// Number of all segments up to the tail; some of them may have been freed.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.tail.seq
    }

    /// Takes the superseded objects that were found when the log was opened; `None` if there are none, or if they were taken.
    pub fn take_leftovers(&mut self) -> Option<Superseded> {
        self.leftovers.take()
    }

    /// Creates the segment, and tries again under the same number with the same identity until the number is taken.
    async fn commit(&mut self, seq: Number, this: Identity, segment: Bytes) -> Result<Appended, StoreError> {
        let key = key::segment(&self.id, seq);
        let (issued, mut heard) = (self.store.moment(), Heard::default());
        let size = segment.len() as u64;
        let mut pause = PAUSE;
        loop {
            let (created, now) = dates::listen(self.store.bucket.create(&key, segment.clone())).await;
            heard = heard.and(now);
            let failure = match created {
                Ok(Created::Yes) if self.in_lease(heard) => {
                    return Ok(self.written(this, size, Some(Lease::of(issued, now))));
                }
                // An answer after the lease: the number may have been free because it was freed.
                Ok(Created::Yes | Created::Hint) => None,
                Err(error) if error.is_transient() => Some(error),
                Err(error) => return Err(error),
            };
            // Only what stands under the number tells the outcome.
            // A host that writes the log in turn with another is one segment behind, and need not look for a second; one
            // that meets another's again reads on to the end.
            let reach = if self.was_behind { Reach::End } else { Reach::To(seq) };
            let (looked, now) = dates::listen(Box::pin(self.look_for(reach))).await;
            heard = heard.and(now);
            let failure = match looked {
                Ok(look) if look.base.is_some() => {
                    // Ours may be in what was folded meanwhile, where its segment can never be told apart.
                    return Err(failure.unwrap_or_else(|| {
                        StoreError::unavailable(
                            BucketRequest::Create,
                            &key,
                            "so much was appended meanwhile that the outcome cannot be told",
                        )
                    }));
                }
                Ok(look) if look.begins_with(this) => {
                    let confirmed = self.tail.confirmed.filter(|_| self.in_lease(heard));
                    return Ok(self.written(this, size, confirmed.map(|lease| lease.reissued(issued))));
                }
                Ok(look) if !look.is_empty() => {
                    if look.ended.is_some() && !self.in_lease(heard) {
                        // The place may have been free because the deletion had freed it, and ours lies there now.
                        self.store.bucket.make_empty(&key).await?;
                    }
                    self.was_behind = true;
                    return Ok(Appended::Behind(self.accept(look)));
                }
                Ok(look) => {
                    self.tail = look.tail;
                    failure.unwrap_or_else(|| {
                        StoreError::unavailable(
                            BucketRequest::Create,
                            &key,
                            "it says that there is such an object, and there is none",
                        )
                    })
                }
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            if self.store.took(issued, heard) + pause > self.store.settings.append_time {
                return Err(failure);
            }
            tracing::debug!(share = %self.id, seq, error = &failure as &dyn std::error::Error, "the outcome of an append is unknown; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Whether less than half a lease is over.
    fn is_young(&self, confirmed: &Lease) -> bool {
        self.store.age(confirmed, Heard::default()) <= self.store.settings.lease / 2
    }

    fn written(&mut self, this: Identity, size: u64, confirmed: Option<Lease>) -> Appended {
        self.tail.advance(this);
        self.tail.confirmed = confirmed;
        self.extent.log_bytes += size;
        (self.unsettled, self.was_behind) = (false, false);
        Appended::Written
    }

    /// Whether the bucket ignored conditional writes for a while since the tail was read.
    pub(super) fn is_suspect(&self) -> bool {
        self.epoch != self.store.bucket.conditions.epoch()
    }

    /// Moves the tail to where a look came, and returns what it read on the way.
    pub(super) fn accept(&mut self, look: Look) -> News {
        self.tail = look.tail;
        self.epoch = self.epoch.max(look.epoch);
        self.unsettled = false;
        let state = look.base.map(|base| {
            self.extent = base.extent;
            Box::new(base.state)
        });
        self.extent.log_bytes += look.segments.iter().map(|(_, size)| size).sum::<u64>();
        if look.leftovers.is_some() {
            self.leftovers = look.leftovers;
        }
        let mut entries: Vec<_> = look.segments.into_iter().flat_map(|(segment, _)| segment.entries).collect();
        self.ended = entries.iter().find_map(deletion_in);
        if let (None, Some(ended)) = (self.ended, look.ended) {
            self.ended = Some(ended);
            entries.push(Entry::Delete { at: ended.at });
        }
        News { state, entries }
    }

    /// Whether the log may still write to the tail, given the bucket's times that were heard since.
    pub(super) fn in_lease(&self, heard: Heard) -> bool {
        self.tail.confirmed.is_some_and(|confirmed| self.store.holds(&confirmed, heard))
    }
}

impl Tail {
    fn advance(&mut self, this: Identity) {
        self.seq += 1;
        self.this = Some(this);
    }
}

fn deletion_in(entry: &Entry) -> Option<Ended> {
    match entry {
        Entry::Delete { at } => Some(Ended::begun(*at)),
        Entry::Open { .. }
        | Entry::Secret { .. }
        | Entry::Expiry { .. }
        | Entry::Visibility { .. }
        | Entry::Grant { .. }
        | Entry::Revoke { .. }
        | Entry::Sync { .. } => None,
    }
}
