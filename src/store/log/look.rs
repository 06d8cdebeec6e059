//! Looks: reading what follows a tail, without changing anything.
//!
//! For as long as what an earlier look found may be relied on (longer than the lease, but not for as long as keys stay that are
//! superseded) a look reads the next number until there is none: no key that it needs can have been freed so soon, so "none" means
//! that the log ends here, and the lease begins anew with the issue of that read. It may be relied on if all clocks and the answer's
//! own time say so. After that a look [lists](super::listing) the share, together with a look for the tombstone, and reads what
//! follows; an absence proves nothing then. Segments that runs cover may be gone, so it reads the runs instead, and then the state
//! begins anew from them.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::super::bucket::REQUESTS_AT_ONCE;
use super::super::codec::{self, Identity, Segment};
use super::super::conditions::Doubt;
use super::super::dates;
use super::super::error::{BucketRequest, StoreError};
use super::super::extent::{Extent, Run};
use super::super::key::{self, Number, Stretch};
use super::super::lease::Lease;
use super::super::superseded::Superseded;
use super::{Ended, Log, Tail};
use crate::share::state::State;

/// Number of times that a listing is asked for, if it contradicts itself or takes too long to be trusted.
const LOOKS_MAX: usize = 5;

/// How far a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The look goes to the log's end.
    End,
    /// The look goes to the segment of this number if what is known of the tail may be relied on, and otherwise to the end.
    To(Number),
}

/// What a look found after a tail.
pub(in crate::store) struct Look {
    /// The state that comes before the segments, if it was read from runs.
    pub(super) base: Option<Base>,
    /// The segments that follow, with their sizes in bytes.
    pub(super) segments: Vec<(Segment, u64)>,
    /// The share's deletion, if it was met; what followed the tail may then be gone.
    pub(super) ended: Option<Ended>,
    pub(super) tail: Tail,
    /// Objects that are superseded by the runs that were read.
    pub(super) leftovers: Option<Superseded>,
    /// The [epoch](super::super::conditions::Conditions::epoch) in which the tail was confirmed; 0 if it was not.
    pub(super) epoch: u64,
}

/// A state, read from the runs that hold it.
#[derive(Default)]
pub(super) struct Base {
    pub(super) state: State,
    pub(super) extent: Extent,
}

/// What is stored under a segment's number.
enum Place {
    Absent,
    /// An object without content: a deletion erased it, or it is damaged.
    Empty,
    Holds(Segment, u64),
}

/// The result of one listing and of the reads that followed it.
enum Round {
    /// The share is deleted, which the look tells.
    Ended,
    /// An object that was listed was deleted before it could be read.
    Gone,
    /// The listed objects were read: all of them, or up to the first gap.
    Read { whole: bool, gap: Option<Number> },
}

impl Look {
    fn at(tail: Tail) -> Self {
        Self { base: None, segments: Vec::new(), ended: None, tail, leftovers: None, epoch: 0 }
    }

    pub(super) fn begins_with(&self, this: Identity) -> bool {
        self.segments.first().is_some_and(|(segment, _)| segment.this == this)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.base.is_none() && self.segments.is_empty() && self.ended.is_none()
    }
}

impl Log {
    /// Reads what follows the tail, to the log's end. Changes nothing.
    pub(in crate::store) async fn look(&self) -> Result<Look, StoreError> {
        self.look_up_to(Reach::End).await
    }

    /// As [`Log::look`], as far as `reach` says.
    pub(super) async fn look_up_to(&self, reach: Reach) -> Result<Look, StoreError> {
        let epoch = self.store.bucket.conditions.epoch();
        let mut look = if self.is_suspect() && !self.tail_stands().await? {
            self.look_anew().await?
        } else {
            match self.look_for(reach).await {
                Err(StoreError::Corrupt { .. }) if !self.tail_stands().await? => self.look_anew().await?,
                looked => looked?,
            }
        };
        look.epoch = epoch;
        Ok(look)
    }

    /// Whether the last segment that was handed out is still in its place. A bucket that ignored conditional writes for a while may
    /// have let another host write over it.
    async fn tail_stands(&self) -> Result<bool, StoreError> {
        let Some(this) = self.tail.this else { return Ok(true) };
        Ok(match self.place(self.tail.seq).await {
            Ok(Place::Holds(segment, _)) => segment.this == this,
            // It was folded, and freed.
            Ok(Place::Absent | Place::Empty) => false,
            Err(StoreError::Corrupt { .. }) => true,
            Err(error) => return Err(error),
        })
    }

    /// Reads the whole log, in place of what was handed out.
    async fn look_anew(&self) -> Result<Look, StoreError> {
        tracing::warn!(share = %self.id, segment = self.tail.seq, "reading the whole log again, because what was read of it may have been overwritten");
        let start = Self::at_start(self.store.clone(), self.id.clone());
        let mut look = start.look_by_listing(Look::at(start.tail)).await?;
        look.base.get_or_insert_default();
        Ok(look)
    }

    /// Reads what follows the tail, as far as `reach` says. Changes nothing.
    pub(super) async fn look_for(&self, reach: Reach) -> Result<Look, StoreError> {
        let mut look = Look::at(self.tail);
        while let Some(confirmed) = self.tail.confirmed {
            let issued = self.store.moment();
            let (place, heard) = dates::listen(self.place(look.tail.seq + 1)).await;
            let place = place?;
            if !self.store.shows(&confirmed, heard) {
                break;
            }
            match place {
                Place::Absent => {
                    look.tail.confirmed = Some(confirmed.renewed(issued, heard));
                    return Ok(look);
                }
                Place::Empty => {
                    look.ended = Some(self.ended_before(look.tail.seq + 1).await?);
                    return Ok(look);
                }
                Place::Holds(segment, size) => self.follow(&mut look, segment, size)?,
            }
            // The tail is not confirmed by that: the log may go on.
            if let Reach::To(number) = reach
                && look.tail.seq >= number
            {
                return Ok(look);
            }
        }
        self.look_by_listing(look).await
    }

    /// Goes on with a look by listing the share, without relying on any lease.
    async fn look_by_listing(&self, mut look: Look) -> Result<Look, StoreError> {
        let mut gap = None;
        for round in 0..LOOKS_MAX {
            let issued = self.store.moment();
            let (read, heard) = dates::listen(self.list_and_read(&mut look, round == 0)).await;
            let whole = match read? {
                Round::Ended => return Ok(look),
                Round::Gone => continue,
                Round::Read { whole, gap: found } => {
                    gap = found;
                    whole
                }
            };
            // A look that took longer than the lease cannot say where the log ends; what it read is chained and stands,
            // unless it took so long that what it listed may have been freed and filled anew.
            let took = self.store.took(issued, heard);
            if whole && took <= self.store.settings.lease {
                look.tail.confirmed = Some(Lease::of(issued, heard));
                return Ok(look);
            }
            if took > self.store.settings.free_after() {
                look = Look::at(self.tail);
            }
        }
        Err(match gap {
            Some(missing) => {
                StoreError::corrupt(&key::segment(&self.id, missing), "it is missing, though later segments are there")
            }
            None => StoreError::unavailable(
                BucketRequest::List,
                &key::share(&self.id),
                "the log changed too fast to be read",
            ),
        })
    }

    /// Lists the share, and reads what follows a look's tail into the look.
    async fn list_and_read(&self, look: &mut Look, lazily: bool) -> Result<Round, StoreError> {
        let tombstone = key::tombstone(&self.id);
        let listing = self.list(look.tail.seq, lazily);
        let (deleted, listing) = tokio::try_join!(self.store.bucket.written_at(&tombstone), listing)?;
        if let Some(at) = deleted {
            look.ended = Some(Ended { at, clean: listing.is_clean() });
            return Ok(Round::Ended);
        }
        // A segment that a run covers is not read though it is there: it may be about to go.
        let chain = self.chain_beyond(look.tail.seq, &listing);
        let has_passed = listing.has_passed();
        let (rest, base) = tokio::try_join!(self.list_rest(&listing), self.read_runs(&chain))?;
        // A run was freed meanwhile.
        let Some(base) = base else { return Ok(Round::Gone) };
        if let Some((base, this)) = base {
            look.segments.clear();
            look.tail = Tail { seq: base.extent.covered(), this: Some(this), confirmed: look.tail.confirmed };
            look.base = Some(base);
        }
        let mut numbers = self.segments_after(look.tail.seq, &listing, &rest);
        if !chain.is_empty() {
            let superseded = self.superseded_by(&chain, listing, rest);
            look.leftovers = (!superseded.is_empty()).then(|| Superseded::of(&self.store, superseded));
        }
        // A gap is a deletion that has begun, a listing that was overtaken, or an object that somebody removed: what
        // is before it stands, and the next round tells.
        let in_order = (look.tail.seq + 1..).zip(&numbers).take_while(|(expected, number)| expected == *number).count();
        let gap = (in_order < numbers.len()).then(|| look.tail.seq + 1 + in_order as Number);
        let mut whole = gap.is_none();
        numbers.truncate(in_order);
        let mut places = stream::iter(numbers).map(|number| self.place(number)).buffered(REQUESTS_AT_ONCE);
        while let Some(place) = places.try_next().await? {
            match place {
                // A request that landed late, in a freed place. The run that goes beyond it may be in what was passed over.
                Place::Holds(segment, _) if has_passed && segment.prev != look.tail.this => {
                    whole = false;
                    break;
                }
                Place::Holds(segment, size) => self.follow(look, segment, size)?,
                Place::Empty => {
                    look.ended = Some(self.ended_before(look.tail.seq + 1).await?);
                    return Ok(Round::Ended);
                }
                Place::Absent => {
                    whole = false;
                    break;
                }
            }
        }
        Ok(Round::Read { whole, gap })
    }

    /// Reads the runs of a chain; `None` if one of them is gone, and `Some(None)` if the chain is empty.
    async fn read_runs(&self, chain: &[Stretch]) -> Result<Option<Option<(Base, Identity)>>, StoreError> {
        let mut reading = stream::iter(chain.to_vec())
            .map(|stretch| async move {
                let key = key::run(&self.id, stretch);
                let Some((bytes, _)) = self.store.bucket.read(&key).await? else { return Ok(None) };
                let (size, id) = (bytes.len() as u64, self.id.clone());
                let decode = move || codec::decode_run(&key, &id, stretch, &bytes);
                let (header, saved) = self.store.settings.offload(size as usize * 4, decode).await?;
                Ok::<_, StoreError>(Some((stretch, header, saved, size)))
            })
            .buffered(REQUESTS_AT_ONCE);
        let (mut state, mut extent, mut last) = (State::default(), Extent::default(), None);
        while let Some(run) = reading.try_next().await? {
            let Some((stretch, header, saved, size)) = run else { return Ok(None) };
            let run = Run { stretch, bytes: size, revision: saved.revision, log_bytes: header.log_bytes };
            extent.run_bytes = header.run_bytes + size;
            extent.log_bytes = header.log_bytes;
            extent.runs.push(run);
            last = Some(header.this);
            state.restore(saved);
        }
        Ok(Some(last.map(|this| (Base { state, extent }, this))))
    }

    /// Adds a segment to a look, if it is the one that comes next.
    fn follow(&self, look: &mut Look, segment: Segment, size: u64) -> Result<(), StoreError> {
        if segment.prev != look.tail.this {
            if look.tail.this.is_some_and(|this| this.writer == self.store.writer) {
                // A segment that this host had created was overwritten.
                self.store.bucket.conditions.doubt(Doubt::Overwritten);
            }
            let key = key::segment(&self.id, look.tail.seq + 1);
            return Err(StoreError::corrupt(&key, "it does not follow the segment before it"));
        }
        look.tail.advance(segment.this);
        look.segments.push((segment, size));
        Ok(())
    }

    /// The deletion that emptied this segment. A host that deletes writes the tombstone before it empties anything, so an empty
    /// object without one is damage, as after a crash of a file system, on a full disk or in a broken copy, and nothing may be
    /// erased because of it.
    async fn ended_before(&self, seq: Number) -> Result<Ended, StoreError> {
        let tombstone = key::tombstone(&self.id);
        let deleted = self.store.bucket.written_at(&tombstone).await?.map(Ended::begun);
        deleted.ok_or_else(|| {
            let key = key::segment(&self.id, seq);
            StoreError::corrupt(
                &key,
                "it is empty, and neither the log nor a tombstone says that the share was deleted",
            )
        })
    }

    async fn place(&self, seq: Number) -> Result<Place, StoreError> {
        let key = key::segment(&self.id, seq);
        Ok(match self.store.bucket.read(&key).await? {
            None => Place::Absent,
            Some((bytes, _)) if bytes.is_empty() => Place::Empty,
            Some((bytes, _)) => Place::Holds(codec::decode_segment(&key, &self.id, seq, &bytes)?, bytes.len() as u64),
        })
    }
}
