//! From settings to a client of NATS.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectOptions};
use rustls::crypto::{CryptoProvider, ring};

use super::heard::{FOR_EVER, Heard};
use super::settings::{NatsServer, NatsSettings, add_login};
use crate::share::id::HostId;
use crate::share::limits::nats::{NATS_HEARD_MAX, NATS_WAITING_MAX};

/// How long one attempt to reach a server may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// A client, which reaches a server as soon as it can.
///
/// # Errors
/// A server's URL is invalid.
pub(super) async fn connect(
    settings: &NatsSettings,
    host: &HostId,
    heard: &Arc<Heard>,
) -> Result<Client, ConnectError> {
    // As for the bucket's client: one that is set already is as good.
    if CryptoProvider::get_default().is_none() {
        drop(ring::default_provider().install_default());
    }
    let invalid = |error| ConnectError::with_source(async_nats::ConnectErrorKind::Authentication, error);
    let mut options = add_login(ConnectOptions::new(), settings.login.as_ref()).map_err(invalid)?;
    if let Some(path) = &settings.ca_file {
        options = options.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = &settings.client_certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    if !settings.told_servers {
        options = options.ignore_discovered_servers();
    }
    // The client keeps these; it must not keep what it is kept by.
    let (events, attempts, pauses) = (Arc::downgrade(heard), Arc::downgrade(heard), Arc::downgrade(heard));
    let servers: Vec<&str> = settings.servers.iter().map(NatsServer::as_str).collect();
    options
        .name(format!("capshare {host}"))
        // Of servers that a server tells of, the client knows no scheme, and would show them the credential without TLS.
        .require_tls(settings.servers.iter().any(NatsServer::is_secure))
        .no_echo()
        .retry_on_initial_connect()
        .connection_timeout(CONNECT_WITHIN)
        .ping_interval(settings.ping_every)
        .client_capacity(NATS_WAITING_MAX)
        .subscription_capacity(NATS_HEARD_MAX)
        .event_callback(move |event| {
            told(&events, |heard| heard.hear(&event));
            std::future::ready(())
        })
        .reconnect_to_server_callback(move |servers, _| {
            told(&attempts, |heard| heard.try_servers(&servers));
            // The client chooses.
            std::future::ready(None)
        })
        .reconnect_delay_callback(move |attempt| pauses.upgrade().map_or(FOR_EVER, |heard| heard.pause(attempt)))
        .connect(servers)
        .await
}

fn told(heard: &Weak<Heard>, tell: impl FnOnce(&Heard)) {
    if let Some(heard) = heard.upgrade() {
        tell(&heard);
    }
}
