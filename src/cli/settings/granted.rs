//! What the host grants: how long shares live, and how much an account may have.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use capshare::host::settings::HubSettings;
use capshare::host::settings::{Quota, QuotaSettings};
use capshare::share::id::{AccountId, BadName};
use capshare::share::visibility::Visibility;
use serde_json::{Value, json};

use crate::cli::amount::amount;
use crate::cli::args;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::file::{AccountSection, Amount, FileSettings};
use crate::cli::settings::{Setting, Source, strongest};

/// What a host grants its producers.
pub(crate) struct Granted {
    pub(crate) visibility: Setting<Visibility>,
    pub(crate) share_ttl: Setting<Option<Duration>>,
    pub(crate) share_ttl_max: Setting<Option<Duration>>,
    shares_max: Setting<Option<u64>>,
    bytes_max: Setting<Option<u64>>,
    bytes_per_day_max: Setting<Option<u64>>,
    /// Most connections of an account; `None` for no limit.
    pub(crate) connections_max: Setting<Option<NonZeroUsize>>,
    /// The accounts whose quota differs from the default.
    accounts: HashMap<AccountId, Quota>,
}

/// Finds the strongest value of each of these settings, and refuses invalid ones.
pub(crate) fn resolve(
    args: args::Granted,
    environment: &Environment,
    file: &mut FileSettings,
) -> Result<Granted, Failure> {
    let (variable, written) = ("CAPSHARE_VISIBILITY", file.visibility.take());
    let visibility = strongest(("--visibility", args.visibility), &[variable], environment, ("visibility", written))
        .unwrap_or_else(|| Setting::by_default(Visibility::default().to_string()))
        .read("link, account or grant", |text| text.parse().ok())?;
    let time = |flag, said, variable, member, written| {
        let said = strongest((flag, said), &[variable], environment, (member, written));
        said.map_or_else(
            || Ok(Setting::by_default(None)),
            |said| said.read("a time, such as 7d or 12h", |text| humantime::parse_duration(text).ok().map(Some)),
        )
    };
    let share_ttl = time("--share-ttl", args.share_ttl, "CAPSHARE_SHARE_TTL", "share_ttl", file.share_ttl.take())?;
    let (variable, written) = ("CAPSHARE_SHARE_TTL_MAX", file.share_ttl_max.take());
    let share_ttl_max = time("--share-ttl-max", args.share_ttl_max, variable, "share_ttl_max", written)?;
    if let (Some(ttl), Some(most)) = (share_ttl.value, share_ttl_max.value)
        && ttl > most
    {
        let (from, from_most) = (&share_ttl.from, &share_ttl_max.from);
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "{from}: {} is longer than {from_most} allows: set it shorter, or the longest time longer",
                humantime::format_duration(ttl)
            ),
        ));
    }
    let section = std::mem::take(&mut file.quota);
    let find = |flag, said, variable, member, written: Option<Amount>| {
        let written = written.map(|amount| amount.to_string());
        let said = strongest((flag, said), &[variable], environment, (member, written));
        said.map_or_else(|| Ok(Setting::by_default(None)), |said| said.read(AMOUNT, |text| amount(text)))
    };
    let (variable, written) = ("CAPSHARE_ACCOUNT_SHARES_MAX", section.shares_max);
    let shares_max = find("--account-shares-max", args.account_shares_max, variable, "quota.shares_max", written)?;
    let (variable, written) = ("CAPSHARE_ACCOUNT_BYTES_MAX", section.bytes_max);
    let bytes_max = find("--account-bytes-max", args.account_bytes_max, variable, "quota.bytes_max", written)?;
    let (flag, said) = ("--account-bytes-per-day-max", args.account_bytes_per_day_max);
    let (variable, written) = ("CAPSHARE_ACCOUNT_BYTES_PER_DAY_MAX", section.bytes_per_day_max);
    let bytes_per_day_max = find(flag, said, variable, "quota.bytes_per_day_max", written)?;
    let written = section.connections_max.map(|amount| amount.to_string());
    let (flag, member) = (("--account-connections-max", args.account_connections_max), "quota.connections_max");
    let connections_max = strongest(flag, &["CAPSHARE_ACCOUNT_CONNECTIONS_MAX"], environment, (member, written))
        .map_or_else(
            || Ok(Setting::by_default(HubSettings::default().account_connections_max)),
            |said| said.read("a number, at least 1, or none", |text| connections(text)),
        )?;
    let default =
        Quota { shares_max: shares_max.value, bytes_max: bytes_max.value, bytes_per_day_max: bytes_per_day_max.value };
    let accounts = section.accounts.into_iter().map(|(name, section)| account(&name, section, default));
    let accounts = accounts.collect::<Result<_, _>>()?;
    Ok(Granted {
        visibility,
        share_ttl,
        share_ttl_max,
        shares_max,
        bytes_max,
        bytes_per_day_max,
        connections_max,
        accounts,
    })
}

#[expect(clippy::option_option, reason = "no number, and the number none")]
pub(super) fn connections(text: &str) -> Option<Option<NonZeroUsize>> {
    if text == "none" { Some(None) } else { text.parse().ok().map(Some) }
}

const AMOUNT: &str = "a number, of bytes with KiB, MiB, GiB or TiB if you like, or none";

/// The quota of one account. What its section does not name is as for every account.
fn account(name: &str, section: AccountSection, default: Quota) -> Result<(AccountId, Quota), Failure> {
    let wrong = |what: String| Failure::new(Exit::Usage, format!("quota.accounts.{name} in the file: {what}"));
    let account: AccountId = name.parse().map_err(|bad: BadName| wrong(bad.to_string()))?;
    let read = |written: Option<Amount>, default| match written {
        Some(written) => {
            amount(&written.to_string()).ok_or_else(|| wrong(format!("invalid value {written}: write {AMOUNT}")))
        }
        None => Ok(default),
    };
    let quota = Quota {
        shares_max: read(section.shares_max, default.shares_max)?,
        bytes_max: read(section.bytes_max, default.bytes_max)?,
        bytes_per_day_max: read(section.bytes_per_day_max, default.bytes_per_day_max)?,
    };
    Ok((account, quota))
}

impl Granted {
    /// The settings by name, as `--check` prints them.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Value, &Source)> {
        let time = |ttl: &Setting<Option<Duration>>| json!(ttl.value.map(shown_time));
        vec![
            ("visibility", json!(self.visibility.value.as_str()), &self.visibility.from),
            ("share_ttl", time(&self.share_ttl), &self.share_ttl.from),
            ("share_ttl_max", time(&self.share_ttl_max), &self.share_ttl_max.from),
            ("quota.shares_max", json!(self.shares_max.value), &self.shares_max.from),
            ("quota.bytes_max", json!(self.bytes_max.value), &self.bytes_max.from),
            ("quota.bytes_per_day_max", json!(self.bytes_per_day_max.value), &self.bytes_per_day_max.from),
            ("quota.connections_max", json!(self.connections_max.value), &self.connections_max.from),
        ]
    }

    /// The quotas of all accounts.
    pub(crate) fn quotas(&self) -> QuotaSettings {
        let default = Quota {
            shares_max: self.shares_max.value,
            bytes_max: self.bytes_max.value,
            bytes_per_day_max: self.bytes_per_day_max.value,
        };
        QuotaSettings { default, accounts: self.accounts.clone() }
    }
}

fn shown_time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
