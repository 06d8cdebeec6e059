//! The connections that a host opens to the other hosts of its deployment.
//!
//! For each host that says where it is reached there is a task, on one thread of its own: it calls that host while no connection to it is
//! there, whichever side opened it, at its URLs in turn, and serves the connection ([`rpc::peer`](crate::rpc::peer)). After an attempt
//! that failed it waits, longer each time, and for a time that chance decides, so that hosts which lost each other do not come back all at once. A host
//! that is gone from the bucket is called no more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::LocalPoolHandle;

use crate::client::{Dial as _, DialRequest, Url, WebSocketWay, platform_config};
use crate::contract::HOST_PATH;
use crate::hub::Hub;
use crate::rpc::peer;
use crate::share::host::HostUrl;
use crate::share::id::HostId;
use crate::share::limits::MESSAGE_BYTES_MAX;

/// How long one URL of another host is tried.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The longest pause after the first attempt that failed; it doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Calls the other hosts of the deployment, for as long as this host runs. Ends when it is stopped.
pub(crate) async fn call_others(hub: Arc<Hub>, stopping: CancellationToken) {
    let settings = hub.hosts().settings();
    if settings.every.is_none() || !settings.peers {
        return;
    }
    let (mut changes, mut calling) = (hub.hosts().changes(), HashMap::<HostId, CancellationToken>::new());
    // Made when there is somebody to call.
    let mut thread: Option<LocalPoolHandle> = None;
    loop {
        let callable: HashMap<_, _> = hub.hosts().callable().into_iter().collect();
        calling.retain(|host, stop| {
            let stays = callable.contains_key(host);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for host in callable.into_keys().filter(|host| !calling.contains_key(host)).collect::<Vec<_>>() {
            let stop = stopping.child_token();
            calling.insert(host.clone(), stop.clone());
            let hub = Arc::clone(&hub);
            let thread = thread.get_or_insert_with(|| LocalPoolHandle::new(1));
            drop(thread.spawn_pinned(move || async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = keep_calling(&hub, &host) => {}
                }
            }));
        }
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            () = hub.hosts().changed(&mut changes) => {}
        }
    }
}

/// Keeps a connection to a host, for ever.
async fn keep_calling(hub: &Arc<Hub>, host: &HostId) {
    let mut failures = 0;
    loop {
        hub.peers().until_not_linked(host).await;
        let urls = hub.hosts().callable().into_iter().find(|(id, _)| id == host).map(|(_, urls)| urls);
        for url in urls.unwrap_or_default() {
            let began = Instant::now();
            let called = call(hub, host, &url).await;
            if let Err(error) = &called {
                tracing::debug!(%host, %url, error, "a connection to another host failed");
            }
            // An attempt that fails takes no longer than a connection and an answer may: what lasted longer was a connection.
            if called.is_ok() || began.elapsed() > PAUSE_MAX {
                failures = 0;
            }
            if hub.peers().is_linked(host) {
                break;
            }
        }
        failures += 1;
        sleep(pause(hub, failures)).await;
    }
}

/// The pause after so many failures in a row: some part of its longest.
fn pause(hub: &Hub, failures: u32) -> Duration {
    let longest = PAUSE_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(PAUSE_MAX);
    let chance = hub.ambient().bits().map_or(u32::MAX, |bits| bits as u32);
    longest.mul_f64(0.5 + 0.5 * f64::from(chance) / f64::from(u32::MAX))
}

/// Calls a host at one of its URLs, and serves the connection until it ends.
async fn call(hub: &Arc<Hub>, host: &HostId, url: &HostUrl) -> Result<(), String> {
    let url = Url::parse(&format!("{url}{HOST_PATH}")).map_err(str::to_owned)?;
    let tls = if url.secure { Some(platform_config().map_err(|error| error.to_string())?) } else { None };
    let dialer = Arc::new(WebSocketWay { headers: HeaderMap::new(), tls }).to(url);
    let ticket = hub.hosts().ticket_for(host).reveal().into();
    let request = DialRequest { token: Some(ticket), in_band: false, message_bytes_max: MESSAGE_BYTES_MAX };
    let connection = timeout(CONNECT_WITHIN, dialer.dial(&request)).await.map_err(|late| late.to_string())?;
    let connection = connection.map_err(|error| error.to_string())?;
    let control = connection.control;
    let keeping = async {
        match &control {
            Some(control) => drop(control.keepalive().await),
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        biased;
        ended = peer::call(Arc::clone(hub), host, connection.reader, connection.writer) => ended,
        () = keeping => Ok(()),
    };
    if let Some(control) = &control {
        control.close(if ended.is_ok() { 1000 } else { 1011 }, "").await;
    }
    ended.map_err(|error| error.to_string())
}
