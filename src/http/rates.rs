//! How often somebody may come: requests by address, and by account.
//!
//! Each count allows so many in a minute, and as many at once. An address is counted by its network (see [`AddressKey`]).
//! Addresses and accounts that have not been heard of lately are [forgotten](Rates::forget) once a minute.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::access::address::AddressKey;
use crate::http::settings::DoorSettings;
use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::limits::Limit;

/// The counts of one host.
#[derive(Debug)]
pub(super) struct Rates {
    upgrades: DefaultKeyedRateLimiter<AddressKey>,
    account_upgrades: DefaultKeyedRateLimiter<AccountId>,
    api: DefaultKeyedRateLimiter<AddressKey>,
    upgrades_max: NonZeroU32,
    account_upgrades_max: NonZeroU32,
    api_max: NonZeroU32,
}

/// Which count a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rate {
    /// Upgrades, streams of events with the commands posted to them, and documents of shares.
    Upgrades,
    /// Requests to OpenCode's API.
    Api,
}

impl Rates {
    /// Counts that nobody was counted in yet.
    pub(super) fn new(settings: &DoorSettings) -> Self {
        let (upgrades_max, api_max) = (settings.upgrades_per_minute, settings.opencode.requests_per_minute);
        let account_upgrades_max = settings.account_upgrades_per_minute;
        Self {
            upgrades: RateLimiter::keyed(Quota::per_minute(upgrades_max)),
            account_upgrades: RateLimiter::keyed(Quota::per_minute(account_upgrades_max)),
            api: RateLimiter::keyed(Quota::per_minute(api_max)),
            upgrades_max,
            account_upgrades_max,
            api_max,
        }
    }

    /// Counts a request of an address.
    ///
    /// # Errors
    /// The address comes too often.
    pub(super) fn check_address(&self, rate: Rate, address: IpAddr) -> Result<(), Refusal> {
        let (limiter, limit, max) = match rate {
            Rate::Upgrades => (&self.upgrades, Limit::UpgradesPerMinute, self.upgrades_max),
            Rate::Api => (&self.api, Limit::ApiRequestsPerMinute, self.api_max),
        };
        limiter.check_key(&address.into()).map_err(|_| too_often(limit, max))
    }

    /// Counts a request that shows a credential of an account, at any door.
    ///
    /// # Errors
    /// The account comes too often.
    pub(super) fn check_account(&self, account: &AccountId) -> Result<(), Refusal> {
        let often = self.account_upgrades.check_key(account);
        often.map_err(|_| too_often(Limit::AccountUpgradesPerMinute, self.account_upgrades_max))
    }

    /// Seconds after which a request that was refused with 429 may be sent again. For a limit that is no rate, such as the connections
    /// of the host, they are those of upgrades of an address.
    pub(super) fn retry_after(&self, refusal: &Refusal) -> u64 {
        let per_minute = if let Refusal::LimitExceeded { limit, max, .. } = refusal
            && matches!(
                limit,
                Limit::FailedCredentialsPerMinute | Limit::ApiRequestsPerMinute | Limit::AccountUpgradesPerMinute
            ) {
            *max
        } else {
            u64::from(self.upgrades_max.get())
        };
        60_u64.div_ceil(per_minute.max(1))
    }

    /// Forgets addresses and accounts that have not been heard of lately: to be called about once a minute.
    pub(super) fn forget(&self) {
        self.upgrades.retain_recent();
        self.upgrades.shrink_to_fit();
        self.account_upgrades.retain_recent();
        self.account_upgrades.shrink_to_fit();
        self.api.retain_recent();
        self.api.shrink_to_fit();
    }
}

fn too_often(limit: Limit, max: NonZeroU32) -> Refusal {
    let max = max.get() as usize;
    Refusal::limit(limit, max, max + 1)
}
