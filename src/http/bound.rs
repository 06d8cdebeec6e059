//! What the requests of one host may hold together, and that nobody can hold all of it.
//!
//! | who | may hold of a bound |
//! |---|---|
//! | an address without a credential (see [`AddressKey`]) | a half |
//! | all addresses without a credential together | three quarters |
//! | an account, by its credentials | a half |
//! | all together | all |
//!
//! So a quarter is always left to those who show a credential, and neither one address nor one account shuts the others out. Bodies
//! ([`body_in`](super::body_in)) are bound in bytes, large answers ([`body_out`](super::body_out)) in number.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::access::Principal;
use crate::access::address::AddressKey;
use crate::share::id::AccountId;

/// Who holds a part of a [`Bound`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// An account: the request shows a credential of it.
    Account(AccountId),
    /// An address: the request shows no credential, or only a share's token. `None`: it comes from within the process.
    Address(Option<AddressKey>),
}

impl Holder {
    /// The holder for a request of this principal from this address.
    pub(super) fn of(who: Option<&Principal>, address: Option<IpAddr>) -> Self {
        match who {
            Some(who) if who.credential.is_shown() => Self::Account(who.account.clone()),
            Some(_) | None => Self::Address(address.map(AddressKey::from)),
        }
    }

    fn is_guest(&self) -> bool {
        matches!(self, Self::Address(_))
    }
}

/// A bound on what all requests hold at once.
#[derive(Debug)]
pub(super) struct Bound {
    max: usize,
    /// Metric that shows how much is held.
    gauge: Gauge,
    held: Mutex<All>,
    /// Notified whenever something is given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct All {
    total: usize,
    of_guests: usize,
    /// Those who hold something: as many as there are requests under way.
    by_holder: HashMap<Holder, usize>,
}

/// What one request holds. Dropping it gives all of it back.
#[derive(Debug)]
pub(super) struct Held {
    bound: Arc<Bound>,
    holder: Holder,
    amount: usize,
}

/// Why a request may not hold more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The address or account would hold more than one may, which is this much.
    One(usize),
    /// All requests together would hold more than they may.
    All,
}

impl Bound {
    /// A bound of `max`. The gauge shows how much is held; several bounds may share one.
    pub(super) fn new(max: usize, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self { max, gauge, held: Mutex::default(), freed: Notify::new() })
    }

    /// Holds `amount` for a request.
    ///
    /// # Errors
    /// The bound has no place for so much now.
    pub(super) fn hold(self: &Arc<Self>, holder: Holder, amount: usize) -> Result<Held, Full> {
        self.take(&holder, amount)?;
        Ok(Held { bound: Arc::clone(self), holder, amount })
    }

    /// As [`Bound::hold`], but waits up to `within` for others to give back what they hold.
    ///
    /// # Errors
    /// The bound had no place for so much by then.
    pub(super) async fn hold_within(
        self: &Arc<Self>,
        holder: Holder,
        amount: usize,
        within: Duration,
    ) -> Result<Held, Full> {
        let waiting = async {
            loop {
                // Listened for first: what is given back in between is not missed.
                let mut freed = std::pin::pin!(self.freed.notified());
                freed.as_mut().enable();
                if self.take(&holder, amount).is_ok() {
                    return;
                }
                freed.await;
            }
        };
        if timeout(within, waiting).await.is_err() {
            return self.hold(holder, amount);
        }
        Ok(Held { bound: Arc::clone(self), holder, amount })
    }

    /// How much one address or account may hold.
    pub(super) fn one_max(&self) -> usize {
        self.max.div_ceil(2)
    }

    fn take(&self, holder: &Holder, amount: usize) -> Result<(), Full> {
        let mut held = self.lock();
        let of_one = held.by_holder.get(holder).copied().unwrap_or_default() + amount;
        if of_one > self.one_max() {
            return Err(Full::One(self.one_max()));
        }
        let of_guests = held.of_guests + if holder.is_guest() { amount } else { 0 };
        if held.total + amount > self.max || of_guests > self.max.div_ceil(4) * 3 {
            return Err(Full::All);
        }
        held.total += amount;
        held.of_guests = of_guests;
        held.by_holder.insert(holder.clone(), of_one);
        self.gauge.inc_by(amount as i64);
        Ok(())
    }

    fn give_back(&self, holder: &Holder, amount: usize) {
        let mut held = self.lock();
        held.total -= amount;
        if holder.is_guest() {
            held.of_guests -= amount;
        }
        if let Some(of_one) = held.by_holder.get_mut(holder) {
            *of_one -= amount;
            if *of_one == 0 {
                held.by_holder.remove(holder);
            }
        }
        self.gauge.dec_by(amount as i64);
        drop(held);
        self.freed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Holds `amount` more.
    ///
    /// # Errors
    /// As [`Bound::hold`]; it then holds what it held.
    pub(super) fn more(&mut self, amount: usize) -> Result<(), Full> {
        self.bound.take(&self.holder, amount)?;
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bound.give_back(&self.holder, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Holder {
        Holder::of(None, Some([192, 0, 2, last].into()))
    }

    fn account(name: &str) -> Holder {
        Holder::Account(name.parse().unwrap())
    }

    /// S125: those without a credential leave a quarter to those with one, and one address leaves a half to the others.
    #[test]
    fn nobody_holds_all_of_it() {
        let bound = Bound::new(100, Gauge::default());
        let mut first = bound.hold(address(1), 40).unwrap();
        first.more(10).unwrap();
        assert_eq!(first.more(1), Err(Full::One(50)));
        assert_eq!(bound.hold(address(1), 1).unwrap_err(), Full::One(50));
        let second = bound.hold(address(2), 25).unwrap();
        assert_eq!(bound.hold(address(3), 1).unwrap_err(), Full::All, "of those without a credential");
        let ann = bound.hold(account("ann"), 25).unwrap();
        assert_eq!(bound.hold(account("bob"), 1).unwrap_err(), Full::All);
        drop((first, second));
        let more = bound.hold(account("ann"), 25).unwrap();
        assert_eq!(bound.hold(account("ann"), 1).unwrap_err(), Full::One(50));
        drop((ann, more));
        assert_eq!(bound.gauge.get(), 0);
        let held = bound.lock();
        assert!(held.total == 0 && held.of_guests == 0 && held.by_holder.is_empty(), "{held:?}");
    }

    /// The addresses of one network of IPv6 are one.
    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let bound = Bound::new(100, Gauge::default());
        let of = |text: &str| Holder::of(None, Some(text.parse().unwrap()));
        let _held = bound.hold(of("2001:db8::1"), 50).unwrap();
        assert_eq!(bound.hold(of("2001:db8::2"), 1).unwrap_err(), Full::One(50));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_what_is_given_back_and_gives_up_in_the_end() {
        let bound = Bound::new(2, Gauge::default());
        let first = bound.hold(address(1), 1).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(bound.hold_within(address(1), 1, second).await.unwrap_err(), Full::One(1));
        let mut waits = Box::pin(bound.hold_within(address(1), 1, second));
        assert!(futures::poll!(&mut waits).is_pending());
        drop(first);
        drop(waits.await.unwrap());
        assert!(bound.lock().by_holder.is_empty());
    }
}
