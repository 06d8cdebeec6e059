//! The settings by which a host takes part in a deployment with other hosts.

use std::ops::RangeInclusive;
use std::time::Duration;

use capshare::host::settings::HubSettings;
use capshare::share::host::HostUrl;
use capshare::share::limits::hosts::{HOST_URLS_MAX, HOST_URLS_TOLD_MAX};
use humantime::{format_duration, parse_duration};
use serde_json::{Value, json};

use crate::cli::args;
use crate::cli::environment::Environment;
use crate::cli::exit::Failure;
use crate::cli::settings::file::HostsSection;
use crate::cli::settings::{Setting, Source, strongest};

/// As `--check` prints that there is no such time, and as it is written.
const NONE: &str = "none";

/// How often a room may be told to look at what other hosts wrote.
const LOOKS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60 * 60);

/// How a host takes part in its deployment.
pub(crate) struct Deployment {
    advertise: Setting<Vec<HostUrl>>,
    advertise_inside: Setting<Vec<HostUrl>>,
    others: Setting<Vec<HostUrl>>,
    peers: Setting<bool>,
    /// `None`: as often as any other.
    poll_rested: Setting<Option<Duration>>,
    poll_hinted: Setting<Duration>,
}

/// Finds the strongest value of each of these settings.
pub(crate) fn resolve(
    args: args::Deployment,
    environment: &Environment,
    file: HostsSection,
) -> Result<Deployment, Failure> {
    let urls = |flag, said: Vec<String>, variable, member, written: Option<Vec<String>>, most| {
        let said = (!said.is_empty()).then(|| said.join(" "));
        strongest((flag, said), &[variable], environment, (member, written.map(|list| list.join(" "))))
            .unwrap_or_else(|| Setting::by_default(String::new()))
            .read(&format!("at most {most} URLs of hosts, such as https://a.example.org:7420, without paths"), |text| {
                let urls: Option<Vec<HostUrl>> = text.split_whitespace().map(|url| url.parse().ok()).collect();
                urls.filter(|urls| urls.len() <= most)
            })
    };
    let (variable, member) = ("CAPSHARE_ADVERTISE", "hosts.advertise");
    let advertise = urls("--advertise", args.advertise, variable, member, file.advertise, HOST_URLS_MAX)?;
    let (variable, member) = ("CAPSHARE_ADVERTISE_INSIDE", "hosts.advertise_inside");
    let advertise_inside =
        urls("--advertise-inside", args.advertise_inside, variable, member, file.advertise_inside, HOST_URLS_MAX)?;
    let (variable, member) = ("CAPSHARE_OTHER_HOSTS", "hosts.others");
    let others = urls("--other-host", args.other_hosts, variable, member, file.others, HOST_URLS_TOLD_MAX)?;
    let written = file.peers.map(|peers| peers.to_string());
    let peers = strongest(("--peers", args.peers), &["CAPSHARE_PEERS"], environment, ("hosts.peers", written))
        .unwrap_or_else(|| Setting::by_default("true".to_owned()))
        .read("true or false", |text| text.parse().ok())?;
    let time = |text: &str| parse_duration(text).ok().filter(|time| LOOKS.contains(time));
    let (flag, variables) = (("--poll-rested", args.poll_rested), &["CAPSHARE_POLL_RESTED"]);
    let poll_rested = strongest(flag, variables, environment, ("hosts.poll_rested", file.poll_rested)).map_or_else(
        || Ok(Setting::by_default(HubSettings::default().poll_rested)),
        |said| {
            said.read("a time from 1s to 1h, such as 5s, or none", |text| match text.as_str() {
                NONE => Some(None),
                text => time(text).map(Some),
            })
        },
    )?;
    let (flag, variables) = (("--poll-hinted", args.poll_hinted), &["CAPSHARE_POLL_HINTED"]);
    let poll_hinted = strongest(flag, variables, environment, ("hosts.poll_hinted", file.poll_hinted)).map_or_else(
        || Ok(Setting::by_default(HubSettings::default().poll_hinted)),
        |said| said.read("a time from 1s to 1h, such as 10s", |text| time(text)),
    )?;
    Ok(Deployment { advertise, advertise_inside, others, peers, poll_rested, poll_hinted })
}

impl Deployment {
    /// The settings by name, as `--check` prints them.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Value, &Source)> {
        let urls = |urls: &Setting<Vec<HostUrl>>| json!(urls.value.iter().map(HostUrl::as_str).collect::<Vec<_>>());
        vec![
            ("hosts.advertise", urls(&self.advertise), &self.advertise.from),
            ("hosts.advertise_inside", urls(&self.advertise_inside), &self.advertise_inside.from),
            ("hosts.others", urls(&self.others), &self.others.from),
            ("hosts.peers", json!(self.peers.value), &self.peers.from),
            (
                "hosts.poll_rested",
                json!(self.poll_rested.value.map_or_else(|| NONE.to_owned(), |time| format_duration(time).to_string())),
                &self.poll_rested.from,
            ),
            ("hosts.poll_hinted", json!(format_duration(self.poll_hinted.value).to_string()), &self.poll_hinted.from),
        ]
    }

    /// Sets these settings of a host.
    pub(crate) fn set(&self, hub: &mut HubSettings) {
        (hub.poll_rested, hub.poll_hinted) = (self.poll_rested.value, self.poll_hinted.value);
        let hosts = &mut hub.hosts;
        hosts.urls.clone_from(&self.advertise.value);
        hosts.inside_urls.clone_from(&self.advertise_inside.value);
        hosts.others.clone_from(&self.others.value);
        hosts.peers = self.peers.value;
    }
}
