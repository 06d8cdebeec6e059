//! Quotas: how much one account may keep on a host's bucket, and send in a day.
//!
//! What is refused is refused before anything is queued. How exact each is:
//!
//! - **Shares** are counted in the bucket at each create, and creates of one account on one host follow one another. Two
//!   hosts at once may pass the quota by the creates that are on their way.
//! - **Bytes** are those of keys and texts of items. A host reads what the index says when an account is first used, at each
//!   create, and when a batch meets a reading older than 5 minutes (then in the background); shares in its memory it
//!   counts itself. So what other hosts added since may come on top, and so may batches that wait in a queue.
//! - **Bytes a day** are those of accepted batches on this host: an allowance, full when the host starts, refilled evenly over
//!   24 hours. Each host has its own. A batch larger than the whole allowance passes when it is full, and leaves a debt.
//!
//! A batch that had been applied before costs nothing. An account without a quota costs nothing either: nothing is kept of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::share::error::{Refusal, chain};
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::limits::Limit;
use crate::store::{Store, StoreError};

/// How old a reading of the bucket may be.
const READING_AGE_MAX: Duration = Duration::from_secs(5 * 60);

/// In which an empty allowance is full again.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Accounts that a host remembers: at about 300 bytes each and 100 for each share in memory, 3 MB. Past it the one not
/// used for longest is forgotten, and begins with a new reading and a full allowance when it comes again.
const ACCOUNTS_MAX: usize = 10_000;

/// What an account may have; `None`: as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Shares (`accountSharesMax`).
    pub shares_max: Option<u64>,
    /// Bytes of keys and texts of the items in all its shares (`accountBytesMax`).
    pub bytes_max: Option<u64>,
    /// Bytes of keys and texts that it may sync in 24 hours, on each host (`accountBytesPerDayMax`).
    pub bytes_per_day_max: Option<u64>,
}

/// The quotas of all accounts. Default: none.
#[derive(Debug, Clone, Default)]
pub struct QuotaSettings {
    /// Of every account that has none of its own.
    pub default: Quota,
    /// Of these accounts, in place of the default.
    pub accounts: HashMap<AccountId, Quota>,
}

impl QuotaSettings {
    /// The quota of an account.
    #[must_use]
    pub fn of(&self, account: &AccountId) -> Quota {
        self.accounts.get(account).copied().unwrap_or(self.default)
    }
}

/// What a host knows of its accounts' use.
#[derive(Debug)]
pub(super) struct Quotas {
    settings: QuotaSettings,
    store: Store,
    accounts: Mutex<HashMap<AccountId, Account>>,
}

#[derive(Debug)]
struct Account {
    /// Held by the one create that is under way.
    creating: Arc<tokio::sync::Mutex<()>>,
    /// Bytes in its shares: as last read, and as its shares in memory have grown since.
    bytes: u64,
    /// Its shares in memory.
    live: HashMap<ShareId, Live>,
    /// When `bytes` was read, or is about to be.
    read_at: Option<Instant>,
    /// How much of the allowance was used up at that time.
    used: f64,
    used_at: Instant,
}

/// A share in memory.
#[derive(Debug, Default)]
struct Live {
    bytes: u64,
    /// How many times it is there: one that leaves memory may be loaded again before it is gone.
    rooms: usize,
}

/// Bytes that were taken from an allowance for a batch. Dropping it gives them back, so a batch that was not
/// committed costs nothing, also if its caller is gone; that of a committed one is [spent](Charge::spend).
#[derive(Debug)]
#[must_use = "dropping it gives the bytes back"]
pub(super) struct Charge {
    quotas: Arc<Quotas>,
    account: AccountId,
    bytes: u64,
}

impl Charge {
    /// The batch was committed: its bytes are not given back.
    pub(super) fn spend(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes > 0
            && let Some(account) = self.quotas.accounts().get_mut(&self.account)
        {
            account.used = (account.used - self.bytes as f64).max(0.0);
        }
    }
}

impl Quotas {
    pub(super) fn new(settings: QuotaSettings, store: Store) -> Arc<Self> {
        Arc::new(Self { settings, store, accounts: Mutex::default() })
    }

    /// Waits for the account's other creates on this host, if its shares are counted.
    pub(super) async fn creating(&self, of: &AccountId) -> Option<OwnedMutexGuard<()>> {
        self.settings.of(of).shares_max?;
        let creating = Arc::clone(&self.account(&mut self.accounts(), of).creating);
        Some(creating.lock_owned().await)
    }

    /// Admits a new share with so many bytes. One that is there already is not for this to judge.
    pub(super) async fn admit(
        self: &Arc<Self>,
        of: &AccountId,
        session: &SessionId,
        bytes: u64,
    ) -> Result<Result<Option<Charge>, Refusal>, StoreError> {
        let quota = self.settings.of(of);
        if quota == Quota::default() {
            return Ok(Ok(None));
        }
        if self.store.shared(of, session).await?.is_some() {
            // Its data is charged as a batch to what is there.
            return self.know(of).await.map(|()| Ok(None));
        }
        let shares = match (quota.shares_max, quota.bytes_max) {
            (_, Some(_)) => self.read(of).await?,
            (Some(_), None) => self.store.share_count(of).await?,
            (None, None) => 0,
        };
        if let Some(max) = quota.shares_max
            && shares >= max
        {
            return Ok(Err(past(Limit::AccountSharesMax, max, shares + 1)));
        }
        Ok(self.charge(of, bytes, bytes))
    }

    /// Whether there is a quota on what the account sends.
    pub(super) fn counts_bytes(&self, of: &AccountId) -> bool {
        let quota = self.settings.of(of);
        quota.bytes_max.is_some() || quota.bytes_per_day_max.is_some()
    }

    /// Takes a batch of so many bytes, which makes a share larger by `growth`; or says why not.
    pub(super) fn charge(self: &Arc<Self>, of: &AccountId, bytes: u64, growth: u64) -> Result<Option<Charge>, Refusal> {
        if !self.counts_bytes(of) {
            return Ok(None);
        }
        let quota = self.settings.of(of);
        let mut accounts = self.accounts();
        let account = self.account(&mut accounts, of);
        if let Some(max) = quota.bytes_max
            && growth > 0
            && account.bytes + growth > max
        {
            return Err(past(Limit::AccountBytesMax, max, account.bytes + growth));
        }
        if let Some(max) = quota.bytes_per_day_max {
            let now = Instant::now();
            let refilled = now.duration_since(account.used_at).as_secs_f64() / DAY.as_secs_f64() * max as f64;
            let used = (account.used - refilled).max(0.0);
            if used > 0.0 && used + bytes as f64 > max as f64 {
                return Err(past(Limit::AccountBytesPerDayMax, max, used as u64 + bytes));
            }
            (account.used, account.used_at) = (used + bytes as f64, now);
        }
        if quota.bytes_max.is_some() && account.is_stale() {
            account.read_at = Some(Instant::now());
            self.read_in_background(of);
        }
        Ok(Some(Charge { quotas: Arc::clone(self), account: of.clone(), bytes }))
    }

    /// Makes sure that the account's bytes are known, before the first of its shares is written to.
    pub(super) async fn know(&self, of: &AccountId) -> Result<(), StoreError> {
        if self.settings.of(of).bytes_max.is_none() || self.account(&mut self.accounts(), of).read_at.is_some() {
            return Ok(());
        }
        Box::pin(self.read(of)).await.map(drop)
    }

    /// A share in memory holds so many bytes now. `grown`: it held fewer or more when this was last said; else it was just
    /// loaded, and the reading knows it.
    pub(super) fn holds(&self, of: &AccountId, share: &ShareId, bytes: usize, grown: bool) {
        if self.settings.of(of).bytes_max.is_none() {
            return;
        }
        let mut accounts = self.accounts();
        let account = self.account(&mut accounts, of);
        let live = account.live.entry(share.clone()).or_default();
        let before = std::mem::replace(&mut live.bytes, bytes as u64);
        if grown {
            account.bytes = (account.bytes + bytes as u64).saturating_sub(before);
        } else {
            live.rooms += 1;
        }
    }

    /// A share was created with so many bytes, since the account's last reading.
    pub(super) fn created(&self, of: &AccountId, bytes: usize) {
        if self.settings.of(of).bytes_max.is_some() {
            self.account(&mut self.accounts(), of).bytes += bytes as u64;
        }
    }

    /// A share has left memory.
    pub(super) fn left(&self, of: &AccountId, share: &ShareId) {
        if let Some(Account { live, .. }) = self.accounts().get_mut(of)
            && let Some(Live { rooms, .. }) = live.get_mut(share)
        {
            *rooms = rooms.saturating_sub(1);
            if *rooms == 0 {
                live.remove(share);
            }
        }
    }

    fn read_in_background(self: &Arc<Self>, of: &AccountId) {
        let (quotas, of) = (Arc::clone(self), of.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = quotas.read(&of).await {
                    let error = chain(&error);
                    tracing::warn!(account = %of, error, "what the account uses could not be read, its quota goes by older figures");
                }
            });
        }
    }

    /// Reads what the account uses, and gives how many shares it has. Of those in memory what they hold is known better.
    async fn read(&self, of: &AccountId) -> Result<u64, StoreError> {
        let read_at = Instant::now();
        let usage = self.store.usage(of).await?;
        let mut accounts = self.accounts();
        let account = self.account(&mut accounts, of);
        account.bytes =
            usage.shares.iter().map(|(share, bytes)| account.live.get(share).map_or(*bytes, |live| live.bytes)).sum();
        account.read_at = Some(read_at);
        Ok(usage.shares.len() as u64)
    }

    fn account<'a>(&self, accounts: &'a mut HashMap<AccountId, Account>, of: &AccountId) -> &'a mut Account {
        if accounts.len() >= ACCOUNTS_MAX && !accounts.contains_key(of) {
            let oldest = accounts.iter().min_by_key(|(_, account)| (!account.live.is_empty(), account.used_at));
            let oldest = oldest.map(|(account, _)| account.clone());
            oldest.map(|account| accounts.remove(&account));
        }
        accounts.entry(of.clone()).or_insert_with(|| Account {
            creating: Arc::default(),
            bytes: 0,
            live: HashMap::new(),
            read_at: None,
            used: 0.0,
            used_at: Instant::now(),
        })
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn is_stale(&self) -> bool {
        self.read_at.is_none_or(|at| at.elapsed() > READING_AGE_MAX)
    }
}

fn past(limit: Limit, max: u64, got: u64) -> Refusal {
    Refusal::LimitExceeded { limit, max, got }
}
