//! Leases: for how long something that a request showed may be acted on without being looked at again.
//!
//! A key that was not there may have been created meanwhile, superseded and freed, so that it is not there again. That takes
//! longer than a lease ([`StoreSettings::free_after`](field@super::StoreSettings::free_after)). The age of a lease is the longest
//! that any of this machine's clocks says, or the bucket's: a machine that slept, or was paused, must not take its leases for
//! young.

use std::time::Duration;

use super::clock::Moment;
use super::dates::Heard;
use super::{Mutation, Store};
use crate::share::time::Timestamp;

/// When something was shown to be so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    /// The issue of the request that showed it.
    issued: Moment,
    /// A time of the bucket's clock that is not after that; `None`: the bucket does not say what time it is.
    dated: Option<Timestamp>,
}

impl Lease {
    /// Of a request that was issued then, with what was heard while it was answered.
    pub(super) fn of(issued: Moment, heard: Heard) -> Self {
        Self { issued, dated: heard.earliest }
    }

    /// Anew, of a request that was issued then, but by the bucket's clock as old as before.
    pub(super) fn reissued(self, issued: Moment) -> Self {
        Self { issued, ..self }
    }

    /// Anew, of a request that was issued then. What it heard counts, unless it heard nothing.
    pub(super) fn renewed(self, issued: Moment, heard: Heard) -> Self {
        Self { issued, dated: heard.earliest.or(self.dated) }
    }
}

impl Store {
    /// Now, by all clocks of this machine.
    pub(super) fn moment(&self) -> Moment {
        Moment::now(self.clock.as_ref())
    }

    /// How old a lease is, given what was heard since.
    pub(super) fn age(&self, lease: &Lease, heard: Heard) -> Duration {
        if self.settings.is_wrong(Mutation::TrustInstant) {
            return lease.issued.timer_age(self.clock.as_ref());
        }
        lease.issued.age(self.clock.as_ref()).max(heard.since(lease.dated))
    }

    /// How long ago a request was issued, given what was heard since.
    pub(super) fn took(&self, issued: Moment, heard: Heard) -> Duration {
        self.age(&Lease::of(issued, heard), heard)
    }

    /// Whether what a lease stands for may still be acted on.
    pub(super) fn holds(&self, lease: &Lease, heard: Heard) -> bool {
        self.age(lease, heard) <= self.settings.lease
    }
}
