//! NATS as what carries news between the hosts of a deployment, for as long as a host runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::hub::Hub;
use crate::nats::{BadNats, Nats, NatsSettings};
use crate::share::error::chain;

/// How long a host waits before it asks again for the id of its store.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Has the hub's hints carried by NATS, where the settings say so.
pub(super) fn attach(hub: &Hub, settings: Option<&NatsSettings>) -> Result<Option<Arc<Nats>>, BadNats> {
    let Some(settings) = settings else { return Ok(None) };
    let nats = Nats::new(settings.clone(), hub.hints())?;
    hub.hints().attach(Arc::clone(&nats) as Arc<_>);
    Ok(Some(nats))
}

/// Keeps the connection to NATS. It waits for the store's id, and nobody waits for it.
pub(super) async fn tend(nats: Arc<Nats>, hub: Arc<Hub>) {
    let mut is_failing = false;
    let store = loop {
        match hub.rooms().store().read_id().await {
            Ok(store) => break store,
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::warn!(error = %chain(&error), "the id of the store cannot be read, so NATS is not used yet");
            }
            Err(_) => {}
        }
        sleep(AGAIN_AFTER).await;
    };
    nats.tend(&store).await;
}
