//! Failed credentials: how often one address may show a wrong one.
//!
//! A guess costs the guesser the time to the next. An address that has used up its failures is refused before its
//! credential is looked at, a right one too: otherwise it could go on guessing. Behind a proxy all clients have the
//! proxy's address, unless the host is told to trust the proxy's word for theirs.
//!
//! No address pays for another's failures, however many fail: a right credential from an address that has not failed is
//! always looked at.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::clock::DefaultClock;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::access::address::AddressKey;
use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// Addresses whose failures are remembered: at about 200 bytes each, 2 MB. Past it, one that failed once goes before one that
/// fails again and again. Somebody with so many addresses that they displace one another could guess as often with fewer: by
/// default 600,000 times a minute with as many as are remembered.
const ADDRESSES_MAX: usize = 10_000;

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Who failed lately.
pub struct Failures {
    per_minute: NonZeroU32,
    /// Bound: [`ADDRESSES_MAX`]; past it one is forgotten for each new one.
    addresses: Cache<AddressKey, Arc<Count>>,
}

/// The failures of one address.
struct Count {
    limiter: Limiter,
    blocked_until: Mutex<Option<Instant>>,
}

impl Failures {
    /// Nobody failed yet; each address may fail so often in a minute, and at once.
    #[must_use]
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self { per_minute, addresses: Cache::new(ADDRESSES_MAX) }
    }

    /// Asks about a credential that came from this address, unless it has failed too often; `None`: from within the
    /// process, which may fail as often as it likes. `shown` says whether there is a credential at all.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`] by [`Limit::FailedCredentialsPerMinute`], or what the question came to.
    pub async fn guard<T>(
        &self,
        address: Option<IpAddr>,
        shown: bool,
        question: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let Some(address) = address.filter(|_| shown).map(AddressKey::from) else { return question.await };
        self.check(address)?;
        let answer = question.await;
        if matches!(answer, Err(Refusal::Unauthorized { .. })) {
            self.failed(address);
        }
        answer
    }

    fn check(&self, address: AddressKey) -> Result<(), Refusal> {
        let blocked_until = self.addresses.get(&address).and_then(|count| *count.blocked_until());
        if blocked_until.is_none_or(|until| until <= Instant::now()) {
            return Ok(());
        }
        let max = self.per_minute.get() as usize;
        Err(Refusal::limit(Limit::FailedCredentialsPerMinute, max, max + 1))
    }

    fn failed(&self, address: AddressKey) {
        let quota = Quota::per_minute(self.per_minute);
        let new = || {
            Arc::new(Count { limiter: RateLimiter::direct(quota).with_middleware(), blocked_until: Mutex::default() })
        };
        let Ok(count) = self.addresses.get_or_insert_with(&address, || Ok::<_, std::convert::Infallible>(new()));
        // Used up: until there is one more, nothing of this address is looked at.
        if count.limiter.check().is_ok_and(|state| state.remaining_burst_capacity() > 0) {
            return;
        }
        *count.blocked_until() = Some(Instant::now() + quota.replenish_interval());
        tracing::warn!(%address, "too many wrong credentials from this address");
    }
}

impl Count {
    fn blocked_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.blocked_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failures({} addresses)", self.addresses.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> Option<IpAddr> {
        Some(IpAddr::from(n.to_be_bytes()))
    }

    async fn wrong() -> Result<(), Refusal> {
        Err(super::super::unknown())
    }

    async fn right() -> Result<(), Refusal> {
        Ok(())
    }

    fn is_limited(answer: &Result<(), Refusal>) -> bool {
        matches!(answer, Err(Refusal::LimitExceeded { .. }))
    }

    /// S125: ten thousand networks that fail as often as they may, and more, keep no right credential out that comes from
    /// elsewhere; what is remembered of them is bounded.
    #[tokio::test(start_paused = true)]
    async fn a_right_credential_comes_in_however_many_other_addresses_fail() {
        let failures = Failures::new(NonZeroU32::new(2).unwrap());
        for n in 0..ADDRESSES_MAX as u32 + 500 {
            for _ in 0..2 {
                let _refused = failures.guard(address(n), true, wrong()).await;
            }
            if n % 1_000 == 999 {
                assert_eq!(failures.guard(address(u32::MAX), true, right()).await, Ok(()), "after {n}");
            }
        }
        assert!(failures.addresses.len() <= ADDRESSES_MAX, "{failures:?}");
        assert_eq!(failures.guard(address(u32::MAX), true, right()).await, Ok(()));
    }

    /// While many others fail once, a caller that goes on failing stays refused.
    #[tokio::test(start_paused = true)]
    async fn who_goes_on_failing_is_not_forgotten_among_many() {
        let failures = Failures::new(NonZeroU32::new(2).unwrap());
        let guesser = address(u32::MAX);
        for _ in 0..2 {
            assert!(!is_limited(&failures.guard(guesser, true, wrong()).await));
        }
        for n in 0..2 * ADDRESSES_MAX as u32 {
            let _refused = failures.guard(address(n), true, wrong()).await;
            assert!(is_limited(&failures.guard(guesser, true, right()).await), "after {n}");
        }
    }

    #[tokio::test]
    async fn an_address_of_ipv6_is_its_network() {
        let failures = Failures::new(NonZeroU32::new(3).unwrap());
        let from = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for n in 0..3 {
            let refusal = failures.guard(from(&format!("2001:db8::{n}")), true, wrong()).await.unwrap_err();
            assert!(matches!(refusal, Refusal::Unauthorized { .. }), "{refusal:?}");
        }
        assert!(is_limited(&failures.guard(from("2001:db8::ffff"), true, right()).await));
        assert_eq!(failures.guard(from("2001:db8:0:1::1"), true, right()).await, Ok(()));
        assert_eq!(failures.guard(from("2001:db8::ffff"), false, right()).await, Ok(()));
    }
}
