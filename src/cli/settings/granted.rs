//! What the host grants: how long shares live.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::args;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::file::FileSettings;
use crate::cli::settings::{Setting, Source, strongest};

/// What a host grants its producers.
pub(crate) struct Granted {
    pub(crate) share_ttl: Setting<Option<Duration>>,
    pub(crate) share_ttl_max: Setting<Option<Duration>>,
}

/// Finds the strongest value of each, and refuses what cannot be right.
pub(crate) fn resolve(
    args: args::Granted,
    environment: &Environment,
    file: &mut FileSettings,
) -> Result<Granted, Failure> {
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
            format!("{from}: {} is longer than {from_most} allows: shorten it", humantime::format_duration(ttl)),
        ));
    }
    Ok(Granted { share_ttl, share_ttl_max })
}

impl Granted {
    /// For `--check`.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Value, &Source)> {
        let time = |ttl: &Setting<Option<Duration>>| json!(ttl.value.map(shown_time));
        vec![
            ("share_ttl", time(&self.share_ttl), &self.share_ttl.from),
            ("share_ttl_max", time(&self.share_ttl_max), &self.share_ttl_max.from),
        ]
    }
}

fn shown_time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
