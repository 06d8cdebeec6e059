//! The settings by which a host takes part in a deployment with other hosts.

use capshare::host::settings::HostsSettings;
use capshare::share::host::HostUrl;
use capshare::share::limits::hosts::{HOST_URLS_MAX, HOST_URLS_TOLD_MAX};
use serde_json::{Value, json};

use crate::cli::args;
use crate::cli::environment::Environment;
use crate::cli::exit::Failure;
use crate::cli::settings::file::HostsSection;
use crate::cli::settings::{Setting, Source, strongest};

/// How a host takes part in its deployment.
pub(crate) struct Deployment {
    advertise: Setting<Vec<HostUrl>>,
    advertise_inside: Setting<Vec<HostUrl>>,
    others: Setting<Vec<HostUrl>>,
    peers: Setting<bool>,
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
    Ok(Deployment { advertise, advertise_inside, others, peers })
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
        ]
    }

    /// Sets these settings of a host.
    pub(crate) fn set(&self, hosts: &mut HostsSettings) {
        hosts.urls.clone_from(&self.advertise.value);
        hosts.inside_urls.clone_from(&self.advertise_inside.value);
        hosts.others.clone_from(&self.others.value);
        hosts.peers = self.peers.value;
    }
}
