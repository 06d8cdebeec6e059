//! Leases: how long a host may act on what a request showed without asking again.
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

/// The time at which a request showed something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    /// When the request was issued.
    issued: Moment,
    /// A time of the bucket's clock that is not after the request; `None` if the bucket does not tell its time.
    dated: Option<Timestamp>,
}

impl Lease {
    /// The lease of a request that was issued at `issued`, with the bucket's times that were heard while it was answered.
    pub(super) fn of(issued: Moment, heard: Heard) -> Self {
        Self { issued, dated: heard.earliest }
    }

    /// This lease as of a later request, by the machine's clocks only; by the bucket's clock it is as old as before.
    pub(super) fn reissued(self, issued: Moment) -> Self {
        Self { issued, ..self }
    }

    /// This lease as of a later request, by all clocks; by the bucket's only if its times were heard.
    pub(super) fn renewed(self, issued: Moment, heard: Heard) -> Self {
        Self { issued, dated: heard.earliest.or(self.dated) }
    }
}

impl Store {
    /// The present moment, by all clocks of this machine.
    pub(super) fn moment(&self) -> Moment {
        Moment::now(self.clock.as_ref())
    }

    /// The age of a lease, given the bucket's times that were heard since.
    pub(super) fn age(&self, lease: &Lease, heard: Heard) -> Duration {
        if self.settings.is_wrong(Mutation::TrustInstant) {
            return lease.issued.timer_age(self.clock.as_ref());
        }
        lease.issued.age(self.clock.as_ref()).max(heard.since(lease.dated))
    }

    /// How long ago a request was issued, given the bucket's times that were heard since.
    pub(super) fn took(&self, issued: Moment, heard: Heard) -> Duration {
        self.age(&Lease::of(issued, heard), heard)
    }

    /// Whether a host may still act on what a lease stands for.
    pub(super) fn holds(&self, lease: &Lease, heard: Heard) -> bool {
        self.age(lease, heard) <= self.settings.lease
    }

    /// Whether a number that is absent now was not freed since what a lease stands for: nothing that came after it can have gone.
    pub(super) fn shows(&self, lease: &Lease, heard: Heard) -> bool {
        self.age(lease, heard) <= self.settings.shown_for()
    }
}
