//! Failed credentials: how often one address may show a wrong one.
//!
//! A guess costs the guesser the time to the next. An address that has used up its failures is refused before its
//! credential is looked at, a right one too: otherwise it could go on guessing. Behind a proxy all clients have the
//! proxy's address, unless the host is told to trust the proxy's word for theirs.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::share::error::Refusal;

/// The limit's name.
pub const LIMIT: &str = "failedCredentialsPerMinute";

/// Addresses whose failures are counted apart: at about 150 bytes each, 1.5 MB. Past it, new ones share one count until
/// others have been quiet for a minute.
const ADDRESSES_MAX: usize = 10_000;

/// After this long without a failure an allowance is full again, and nothing need be known of the address.
const MINUTE: Duration = Duration::from_secs(60);

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Who failed lately.
pub struct Failures {
    per_minute: NonZeroU32,
    /// `None` is whoever found no place.
    addresses: Mutex<HashMap<Option<IpAddr>, Count>>,
}

struct Count {
    limiter: Limiter,
    failed: Instant,
    blocked_until: Option<Instant>,
}

impl Failures {
    /// Nobody failed yet; each address may fail so often in a minute, and at once.
    #[must_use]
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self { per_minute, addresses: Mutex::default() }
    }

    /// Asks about a credential that came from this address, unless it has failed too often; `None`: from within the
    /// process, which may fail as often as it likes. `shown` says whether there is a credential at all.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`] by [`LIMIT`], or what the question came to.
    pub async fn guard<T>(
        &self,
        address: Option<IpAddr>,
        shown: bool,
        question: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let Some(address) = address.filter(|_| shown).map(network) else { return question.await };
        self.check(address)?;
        let answer = question.await;
        if matches!(answer, Err(Refusal::Unauthorized { .. })) {
            self.failed(address);
        }
        answer
    }

    fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        let addresses = self.lock();
        let count = addresses.get(&Some(address)).or_else(|| addresses.get(&None));
        if count.and_then(|count| count.blocked_until).is_none_or(|until| until <= Instant::now()) {
            return Ok(());
        }
        let max = self.per_minute.get() as usize;
        Err(Refusal::limit(LIMIT, max, max + 1))
    }

    fn failed(&self, address: IpAddr) {
        let mut addresses = self.lock();
        let now = Instant::now();
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&Some(address)) {
            addresses.retain(|_, count| now.duration_since(count.failed) < MINUTE);
        }
        let known = addresses.len() < ADDRESSES_MAX || addresses.contains_key(&Some(address));
        let quota = Quota::per_minute(self.per_minute);
        let count = addresses.entry(known.then_some(address)).or_insert_with(|| Count {
            limiter: RateLimiter::direct(quota).with_middleware(),
            failed: now,
            blocked_until: None,
        });
        count.failed = now;
        // Used up: until there is one more, nothing of this address is looked at.
        if count.limiter.check().is_ok_and(|state| state.remaining_burst_capacity() > 0) {
            return;
        }
        count.blocked_until = Some(now + quota.replenish_interval());
        tracing::warn!(%address, "too many wrong credentials from this address");
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, Count>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: whoever has one of IPv6 has all that begin with the same 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failures({} addresses)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_past_the_bound_share_one_count_and_none_is_unlimited() {
        let failures = Failures::new(NonZeroU32::new(2).unwrap());
        let wrong = || async { Err::<(), _>(super::super::unknown()) };
        let address = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
        for n in 0..ADDRESSES_MAX as u32 + 5 {
            let _ = failures.guard(address(n), true, wrong()).await;
        }
        assert_eq!(failures.lock().len(), ADDRESSES_MAX + 1);
        let late = failures.guard(address(u32::MAX), true, wrong()).await.unwrap_err();
        assert!(matches!(late, Refusal::LimitExceeded { .. }), "{late:?}");
        assert!(matches!(failures.guard(address(1), true, wrong()).await, Err(Refusal::Unauthorized { .. })));
    }

    #[tokio::test]
    async fn an_address_of_ipv6_is_its_network() {
        let failures = Failures::new(NonZeroU32::new(3).unwrap());
        let from = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for n in 0..3 {
            let wrong = async { Err::<(), _>(super::super::unknown()) };
            let refusal = failures.guard(from(&format!("2001:db8::{n}")), true, wrong).await.unwrap_err();
            assert!(matches!(refusal, Refusal::Unauthorized { .. }), "{refusal:?}");
        }
        let right = || async { Ok(()) };
        assert!(failures.guard(from("2001:db8::ffff"), true, right()).await.is_err());
        assert!(failures.guard(from("2001:db8:0:1::1"), true, right()).await.is_ok());
        assert!(failures.guard(from("2001:db8::ffff"), false, right()).await.is_ok());
    }
}
