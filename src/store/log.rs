//! The tail of one log: appending to it, and reading what others appended.
//!
//! The hub holds a [`Log`] for each share that it has open and uses it from one task at a time (`&mut self`). A log stands
//! at a segment; all entries up to there have been handed to the caller, in order and once.
//!
//! **Dropping.** A call of [`Log::append`], [`Log::catch_up`] or [`Log::erase`] may be dropped half way. A dropped append may or
//! may not have written: the log remembers that its tail is unsettled, and its next use looks before it does anything
//! else. What the dropped append wrote is then met like anybody's ([`Appended::Behind`]), also if it lands later still.
//! A dropped look has handed out nothing and moved nothing.
//!
//! **How a look works.** Within the lease a look reads the next number until there is none: no key that a look needs can
//! have been freed so soon, so "none" means that the log ends here, and renews the lease from the issue of that read.
//! Past the lease it lists what follows, together with the tombstone, and reads that; an absence proves nothing then.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::Store;
use super::bucket::{Created, REQUESTS_AT_ONCE};
use super::codec::{self, Identity, Segment};
use super::error::{BucketRequest, StoreError};
use super::key::{self, Number};
use crate::share::entry::Entry;
use crate::share::id::ShareId;
use crate::share::time::Timestamp;

/// How often a listing that contradicts itself, or took too long to be trusted, is asked for again.
const LOOKS_MAX: usize = 5;

/// The first pause before a request whose outcome is unknown is made again; doubled each time, up to a second.
const PAUSE: Duration = Duration::from_millis(50);

/// The tail of one share's log.
#[derive(Debug)]
pub struct Log {
    pub(super) store: Store,
    pub(super) id: ShareId,
    pub(super) tail: Tail,
    /// An append was begun and not settled: look before the next.
    unsettled: bool,
    /// The share was deleted, once this log has met that.
    pub(super) ended: Option<Ended>,
}

/// What a log knows of its share's deletion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    /// There is a tombstone, and no content beside it.
    pub(super) clean: bool,
}

impl Ended {
    fn begun(at: Timestamp) -> Self {
        Self { at, clean: false }
    }
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is in the bucket, next after all that was handed out before.
    Written,
    /// Others' entries came first, and nothing of this append was written. Fold these, then append again. Never empty. An
    /// append that failed or was dropped earlier may be among them, if it did land. Of a share that is being erased all
    /// that comes is a deletion, whose time is then the bucket's.
    Behind(Vec<Entry>),
}

/// Where a log stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// The last segment that was handed out; 0 before the first.
    pub(super) seq: Number,
    /// Its identity.
    this: Option<Identity>,
    /// The issue of the request that showed this to be the log's end.
    confirmed: Option<Instant>,
}

impl Tail {
    fn advance(&mut self, this: Option<Identity>) {
        self.seq += 1;
        self.this = this;
    }
}

/// What follows a tail.
pub(super) struct Look {
    segments: Vec<Segment>,
    /// The share is deleted, and what followed may be gone.
    ended: Option<Ended>,
    tail: Tail,
}

/// What stands under a number.
enum Place {
    Absent,
    /// Its content was erased.
    Emptied(Timestamp),
    Holds(Segment),
}

impl Log {
    /// A log at its beginning, not yet looked at.
    pub(super) fn at_start(store: Store, id: ShareId) -> Self {
        Self { store, id, tail: Tail { seq: 0, this: None, confirmed: None }, unsettled: false, ended: None }
    }

    /// Whose log it is.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        &self.id
    }

    /// Writes entries as the next segment: all of them or none, after everything that was handed out. Returns when they
    /// are in the bucket. Once the log has met a deletion, that is all it answers.
    ///
    /// # Errors
    /// The outcome is unknown, or the bucket refused. Nothing needs mending here: the next use of the log looks first.
    pub async fn append(&mut self, entries: &[Entry]) -> Result<Appended, StoreError> {
        if let Some(Ended { at, .. }) = self.ended {
            return Ok(Appended::Behind(vec![Entry::Delete { at }]));
        }
        let half = self.store.settings.lease / 2;
        let fresh = self.tail.confirmed.is_some_and(|confirmed| confirmed.elapsed() <= half);
        if self.unsettled || !fresh {
            let look = self.look().await?;
            let others = self.accept(look);
            if !others.is_empty() {
                return Ok(Appended::Behind(others));
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

    /// What others appended since, in order; empty if nothing. In the common case one read of a key that is not there.
    ///
    /// # Errors
    /// What the bucket said; the log stands where it stood.
    pub async fn catch_up(&mut self) -> Result<Vec<Entry>, StoreError> {
        if self.ended.is_some() {
            return Ok(Vec::new());
        }
        let look = self.look().await?;
        Ok(self.accept(look))
    }

    /// Creates the segment, again and again under the same number with the same identity, until its place is taken.
    async fn commit(&mut self, seq: Number, this: Identity, segment: Bytes) -> Result<Appended, StoreError> {
        let key = key::segment(&self.id, seq);
        let issued = Instant::now();
        let mut pause = PAUSE;
        loop {
            let failure = match self.store.bucket.create(&key, segment.clone()).await {
                Ok(Created::Yes) if self.in_lease() => return Ok(self.written(this, Some(issued))),
                // An answer after the lease: the number may have been free because it was freed.
                Ok(Created::Yes | Created::Hint) => None,
                Err(error) if error.is_transient() => Some(error),
                Err(error) => return Err(error),
            };
            // Nothing is known now but what stands there.
            let failure = match self.look().await {
                Ok(look) if look.segments.first().is_some_and(|segment| segment.this == this) => {
                    let confirmed = self.in_lease().then_some(issued);
                    return Ok(self.written(this, confirmed));
                }
                Ok(look) if !look.segments.is_empty() || look.ended.is_some() => {
                    return Ok(Appended::Behind(self.accept(look)));
                }
                Ok(look) => {
                    self.tail = look.tail;
                    failure.unwrap_or_else(|| {
                        StoreError::unavailable(
                            BucketRequest::Create,
                            &key,
                            "it says that there is one, and there is not",
                        )
                    })
                }
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            if issued.elapsed() + pause > self.store.settings.append_time {
                return Err(failure);
            }
            tracing::debug!(share = %self.id, seq, error = &failure as &dyn std::error::Error, "the outcome of an append is unknown, asking again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn written(&mut self, this: Identity, confirmed: Option<Instant>) -> Appended {
        self.tail.advance(Some(this));
        self.tail.confirmed = confirmed;
        self.unsettled = false;
        Appended::Written
    }

    /// Moves to where a look came, and gives what it read on the way.
    pub(super) fn accept(&mut self, look: Look) -> Vec<Entry> {
        self.tail = look.tail;
        self.unsettled = false;
        let mut entries: Vec<_> = look.segments.into_iter().flat_map(|segment| segment.entries).collect();
        self.ended = entries.iter().find_map(deletion_in);
        if let (None, Some(ended)) = (self.ended, look.ended) {
            self.ended = Some(ended);
            entries.push(Entry::Delete { at: ended.at });
        }
        entries
    }

    /// Reads what follows the tail. Changes nothing.
    pub(super) async fn look(&self) -> Result<Look, StoreError> {
        let mut look = Look { segments: Vec::new(), ended: None, tail: self.tail };
        while let Some(confirmed) = self.tail.confirmed {
            let issued = Instant::now();
            let place = self.place(look.tail.seq + 1).await?;
            if confirmed.elapsed() > self.store.settings.lease {
                break;
            }
            match place {
                Place::Absent => {
                    look.tail.confirmed = Some(issued);
                    return Ok(look);
                }
                Place::Emptied(at) => {
                    look.ended = Some(Ended::begun(at));
                    return Ok(look);
                }
                Place::Holds(segment) => self.follow(&mut look, segment)?,
            }
        }
        self.look_by_listing(look).await
    }

    /// A look from where another came, without trusting any lease.
    async fn look_by_listing(&self, mut look: Look) -> Result<Look, StoreError> {
        let bucket = &self.store.bucket;
        let (prefix, tombstone) = (key::log(&self.id), key::tombstone(&self.id));
        let mut gap = None;
        for _ in 0..LOOKS_MAX {
            let issued = Instant::now();
            let after = key::segment(&self.id, look.tail.seq);
            let (deleted, listed) =
                tokio::try_join!(bucket.written_at(&tombstone), bucket.list_all(&prefix, Some(&after)))?;
            if let Some(at) = deleted {
                look.ended = Some(Ended { at, clean: listed.iter().all(|listed| listed.size == 0) });
                return Ok(look);
            }
            let mut numbers: Vec<_> = listed.iter().filter_map(|l| key::segment_number(&self.id, &l.key)).collect();
            numbers.sort_unstable();
            // A gap is a deletion that has begun, a listing that was overtaken, or an object that somebody removed: what
            // is before it stands, and the next round tells.
            let in_order =
                (look.tail.seq + 1..).zip(&numbers).take_while(|(expected, number)| expected == *number).count();
            gap = (in_order < numbers.len()).then(|| look.tail.seq + 1 + in_order as Number);
            numbers.truncate(in_order);
            let mut places = stream::iter(numbers).map(|number| self.place(number)).buffered(REQUESTS_AT_ONCE);
            let mut whole = gap.is_none();
            while let Some(place) = places.try_next().await? {
                match place {
                    Place::Holds(segment) => self.follow(&mut look, segment)?,
                    Place::Emptied(at) => {
                        look.ended = Some(Ended::begun(at));
                        return Ok(look);
                    }
                    Place::Absent => {
                        whole = false;
                        break;
                    }
                }
            }
            // A look that took longer than the lease cannot say where the log ends; what it read is chained and stands.
            if whole && issued.elapsed() <= self.store.settings.lease {
                look.tail.confirmed = Some(issued);
                return Ok(look);
            }
        }
        Err(match gap {
            Some(missing) => {
                StoreError::corrupt(&key::segment(&self.id, missing), "it is missing and later ones are there")
            }
            None => StoreError::unavailable(BucketRequest::List, &prefix, "the log did not hold still for a look"),
        })
    }

    /// Appends a segment to a look, if it is the one that comes next.
    fn follow(&self, look: &mut Look, segment: Segment) -> Result<(), StoreError> {
        if segment.prev != look.tail.this {
            let key = key::segment(&self.id, look.tail.seq + 1);
            return Err(StoreError::corrupt(&key, "it does not follow the segment before it"));
        }
        look.tail.advance(Some(segment.this));
        look.segments.push(segment);
        Ok(())
    }

    async fn place(&self, seq: Number) -> Result<Place, StoreError> {
        let key = key::segment(&self.id, seq);
        Ok(match self.store.bucket.read(&key).await? {
            None => Place::Absent,
            Some((bytes, at)) if bytes.is_empty() => Place::Emptied(at),
            Some((bytes, _)) => Place::Holds(codec::decode_segment(&key, &self.id, seq, &bytes)?),
        })
    }

    fn in_lease(&self) -> bool {
        self.tail.confirmed.is_some_and(|confirmed| confirmed.elapsed() <= self.store.settings.lease)
    }
}

fn deletion_in(entry: &Entry) -> Option<Ended> {
    match entry {
        Entry::Delete { at } => Some(Ended::begun(*at)),
        Entry::Open { .. } | Entry::Secret { .. } | Entry::Expiry { .. } | Entry::Sync { .. } => None,
    }
}
