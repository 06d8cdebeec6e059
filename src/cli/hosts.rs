//! `capshare hosts`: the hosts of a deployment, as one of them knows them.

use capshare::share::host::{HostStanding, HostUrl};
use serde_json::{Value, json};

use crate::cli::args::Hosts;
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::Failure;
use crate::cli::output::{Output, clean};
use crate::cli::time::time;

/// Prints the hosts that the host that is asked knows.
pub(crate) async fn run(args: Hosts, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let target = Target::of(&args.host.into(), environment)?;
    let hosts = target.client.admin().hosts().await.map_err(|error| target.failure(&error))?;
    if output.is_json() {
        hosts.iter().try_for_each(|host| output.object(&object(host)))?;
    } else {
        output.text(&table(&hosts))?;
    }
    target.client.close().await;
    Ok(())
}

fn table(hosts: &[HostStanding]) -> String {
    let mut table = format!(
        "{:26}  {:10}  {:24}  {:>10}  {:>8}  {:>11}  {:8}  {:6}  URLS\n",
        "ID", "VERSION", "SINCE", "CLOCK", "SHARES", "CONNECTIONS", "STATE", "LINK"
    );
    for HostStanding { info, is_asked, is_linked, .. } in hosts {
        let clock = info.clock_ahead_ms.map_or_else(|| "-".to_owned(), |ahead_ms| format!("{ahead_ms:+} ms"));
        let urls = info.urls.iter().map(HostUrl::as_str).collect::<Vec<_>>().join(" ");
        let link = match (is_asked, is_linked) {
            (true, _) => "asked",
            (false, true) => "linked",
            (false, false) => "-",
        };
        table.push_str(&format!(
            "{:26}  {:10}  {:24}  {clock:>10}  {:>8}  {:>11}  {:8}  {link:6}  {}\n",
            info.id,
            clean::word(&info.version),
            time(info.since),
            info.shares,
            info.connections,
            if info.draining { "draining" } else { "serving" },
            if urls.is_empty() { "-" } else { &urls },
        ));
    }
    table
}

fn object(HostStanding { info, is_asked, is_linked, .. }: &HostStanding) -> Value {
    json!({
        "id": info.id.as_str(),
        "version": info.version,
        "since": time(info.since),
        "clock_ahead_ms": info.clock_ahead_ms,
        "shares": info.shares,
        "connections": info.connections,
        "draining": info.draining,
        "is_asked": is_asked,
        "is_linked": is_linked,
        "urls": info.urls.iter().map(HostUrl::as_str).collect::<Vec<_>>(),
    })
}
