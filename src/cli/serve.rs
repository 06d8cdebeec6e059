//! `capshare serve`: a host until it is asked to stop.
//!
//! In this order: open the store, make sure that it honours conditional writes, listen, say so in one line. What is
//! not needed for that is not done before it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::contract::AGENT;
use capshare::host::access::{Access, AnyOf, SharedKeys, SingleAccount};
use capshare::host::ambient::Ambient;
use capshare::host::storage::{self, StoreLocation, Versions};
use capshare::host::{Host, HostError, HostSettings, descriptors, is_loopback_name};
use capshare::share::id::AccountId;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::settings::serve::ServeSettings;
use crate::cli::stop;

/// How long after the time of a drain its end is waited for.
const DRAINED_WITHIN: Duration = Duration::from_secs(6);

/// The one account of a host without keys.
const LOCAL: &str = "local";

/// Runs a host to its end, or checks its settings.
pub(crate) async fn run(settings: ServeSettings, output: &mut Output) -> Result<(), Failure> {
    if settings.check {
        return check(&settings, output);
    }
    let stop = stop::on_signal()?;
    descriptors::raise();
    let access = access(&settings)?;
    let (host, address) = tokio::select! {
        biased;
        // A bucket may take its time; who asks to stop meanwhile need not wait for it.
        () = stop.cancelled() => return Ok(()),
        started = start(&settings, access) => started?,
    };
    warn_of_what_is_open(&settings, address);
    let described = host.access();
    let (store, url) = (settings.store.value.to_string(), host.public_url());
    output.result(
        format_args!("{AGENT} listens on {address}; URL {url}; store {store}; access: {described}"),
        &json!({ "event": "listening", "address": address, "url": url, "store": store, "access": described }),
    )?;
    tokio::select! {
        () = host.drained() => tracing::info!("the host was drained, and stops"),
        () = stop.cancelled() => {
            let within = settings.drain_within(host.hub().knows_others());
            tracing::info!(?within, "stopping: connections are let go; a second signal ends the host at once");
            drain(&host, within).await?;
        }
    }
    shut_down(&host).await
}

/// Lets the connections go over this time. Returns when all are gone, or a little after it.
async fn drain(host: &Host, within: Duration) -> Result<(), Failure> {
    if !within.is_zero() {
        host.drain(within).map_err(|refusal| Failure::of(Exit::Failed, &refusal))?;
        // Whoever takes the drain back does not keep a host that was asked to stop.
        let _late = timeout(within + DRAINED_WITHIN, host.drained()).await;
    }
    Ok(())
}

/// Opens the store that the settings name, and listens.
async fn start(settings: &ServeSettings, access: Arc<dyn Access>) -> Result<(Host, SocketAddr), Failure> {
    let location = &settings.store.value;
    let mut host_settings = HostSettings::default();
    host_settings.public_url.clone_from(&settings.public_url.value);
    host_settings.workers = settings.workers.value;
    host_settings.hub.connections_max = settings.connections_max.value;
    host_settings.doors.origins.clone_from(&settings.origins.value);
    host_settings.doors.opencode.account.clone_from(&settings.opencode_account.value);
    host_settings.trusted_proxies.clone_from(&settings.trusted_proxies.value);
    host_settings.hub.visibility = settings.granted.visibility.value;
    host_settings.hub.share_ttl = settings.granted.share_ttl.value;
    host_settings.hub.share_ttl_max = settings.granted.share_ttl_max.value;
    host_settings.hub.account_connections_max = settings.granted.connections_max.value;
    host_settings.hub.address_connections_max = settings.address_connections_max.value;
    host_settings.hub.quotas = settings.granted.quotas();
    // Where nobody needs a credential, a token of the store still makes an administrator, which nothing else does there.
    host_settings.hub.stored_tokens = settings.tokens.value || !settings.asks_for_credentials();
    settings.deployment.set(&mut host_settings.hub);
    host_settings.nats.clone_from(&settings.nats.settings);
    host_settings.hub.linger = settings.linger.value;
    host_settings.hub.store.single_writer = settings.single_writer.value;
    let s3 = settings.s3();
    let scrubbed =
        |failure: Failure| failure.without(s3.secret_access_key.as_deref()).without(s3.session_token.as_deref());
    let host = open(location, &s3, access, host_settings).await.map_err(scrubbed)?;
    listen(host, settings.listen.value).await
}

/// Makes a host over a store, which is opened and found to be usable.
pub(crate) async fn open(
    location: &StoreLocation,
    s3: &storage::S3Options,
    access: Arc<dyn Access>,
    settings: HostSettings,
) -> Result<Host, Failure> {
    let host = Host::builder().storage(location.clone()).s3(s3.clone()).access(access);
    let host = host.settings(|all| *all = settings).build().await.map_err(|error| {
        let exit = if matches!(error, HostError::Open(_) | HostError::Storage(_)) { Exit::Store } else { Exit::Failed };
        Failure::of(exit, &error)
    })?;
    if *location != StoreLocation::Memory {
        // Nobody waits for it.
        let (of, options) = (location.clone(), s3.clone());
        drop(tokio::spawn(async move { tell_of_versions(&of, &options).await }));
    }
    Ok(host)
}

async fn tell_of_versions(location: &StoreLocation, s3: &storage::S3Options) {
    let versions = storage::versions(location, s3).await;
    if let Some(advice) = versions.advice() {
        tracing::warn!(store = %location, "{advice}");
    } else if let Versions::Unknown { reason } = versions {
        tracing::debug!(store = %location, reason, "whether the bucket keeps versions is not known");
    }
}

/// Listens on an address; the failure says what to do.
pub(crate) async fn listen(host: Host, address: SocketAddr) -> Result<(Host, SocketAddr), Failure> {
    match host.listen(address).await {
        Ok(address) => Ok((host, address)),
        Err(error) => {
            let advice = if error.kind() == ErrorKind::AddrInUse {
                "another program listens there: stop it, or choose another port by --listen"
            } else if error.kind() == ErrorKind::AddrNotAvailable {
                "this machine has no such address: choose one of its own by --listen"
            } else if error.kind() == ErrorKind::PermissionDenied {
                "this user may not listen there: choose a port of at least 1024 by --listen"
            } else {
                "choose another by --listen"
            };
            Err(Failure::new(Exit::Address, format!("the host cannot listen on {address} ({error}): {advice}")))
        }
    }
}

/// Shuts the host down; fails if something did not end in time.
pub(crate) async fn shut_down(host: &Host) -> Result<(), Failure> {
    if host.shutdown().await {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "some connections or writes did not end in time and were cut off"))
    }
}

/// Access for every program of this machine, as the one account.
pub(crate) fn this_machine() -> Result<Arc<dyn Access>, Failure> {
    Ok(Arc::new(SingleAccount::of_this_machine(local()?)))
}

fn local() -> Result<AccountId, Failure> {
    LOCAL.parse().map_err(|error| Failure::of(Exit::Failed, &error))
}

/// Who may connect: everybody with a valid credential. If the host asks for none: the programs of this machine, or with --open
/// everybody. Tokens of the store are checked by the hub.
fn access(settings: &ServeSettings) -> Result<Arc<dyn Access>, Failure> {
    if !settings.asks_for_credentials() {
        return if settings.open.value { Ok(Arc::new(SingleAccount::new(local()?))) } else { this_machine() };
    }
    let mut all: Vec<Arc<dyn Access>> = Vec::new();
    if let Some(signed) = settings.signed.access(Ambient::system().clock)? {
        all.push(Arc::new(signed));
    }
    if !settings.keys.value.is_empty() {
        all.push(Arc::new(SharedKeys::new(settings.keys.value.iter().cloned())));
    }
    Ok(Arc::new(AnyOf::new(all)))
}

fn warn_of_what_is_open(settings: &ServeSettings, address: SocketAddr) {
    let wide = !address.ip().is_loopback();
    if wide && !settings.asks_for_credentials() {
        tracing::warn!(%address, "open: everybody who reaches this port is account {LOCAL} and may create and list its shares");
    }
    if !settings.asks_for_credentials()
        && !settings.open.value
        && let Some(url) = settings.public_url.value.as_deref().filter(|url| !is_of_this_machine(url))
    {
        tracing::warn!(
            url,
            "other machines may reach the public URL, but without keys nobody may share through it: give the host keys or \
             tokens, or set --open"
        );
    }
    if address.ip().is_unspecified() && settings.public_url.value.is_none() {
        tracing::warn!(
            %address,
            "the URLs of shares work on this machine only: set --public-url to the URL by which others reach the host"
        );
    }
}

/// Whether a URL names this machine by a loopback name.
fn is_of_this_machine(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|url| url.authority().is_some_and(is_loopback_name))
}

/// Prints every setting with where it came from. All of them are valid here.
fn check(settings: &ServeSettings, output: &mut Output) -> Result<(), Failure> {
    let shown = settings.shown();
    if output.is_json() {
        let object: Map<String, Value> = shown
            .into_iter()
            .map(|(name, value, from)| (name.to_owned(), json!({ "value": value, "from": from.to_string() })))
            .collect();
        return output.object(&object);
    }
    let mut text = String::new();
    for (name, value, from) in shown {
        let value = match value {
            Value::String(text) => text,
            Value::Null => "-".to_owned(),
            Value::Array(list) if list.is_empty() => "-".to_owned(),
            Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        };
        text.push_str(&format!("{name:<22} {value}  ({from})\n"));
    }
    output.text(&text)
}
