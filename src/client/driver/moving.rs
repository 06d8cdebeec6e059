//! What a host calls to ask the client to go to another one.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;

use crate::contract::moving::read_urls;
use crate::share_capnp::mover;
use crate::wire::guard::{Budget, guard};

/// A host's request to leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moving {
    /// Where to go on; empty if the host knows of no other.
    pub(super) urls: Vec<String>,
    /// When the host will close the connection at the latest, from now on.
    pub(super) within: Duration,
}

/// The newest request of a host; `None` before the first.
pub(super) type Requests = watch::Receiver<Option<Moving>>;

struct Mover(watch::Sender<Option<Moving>>);

/// The object that a host calls, and the requests that come in by it.
pub(super) fn mover() -> (mover::Client, Requests) {
    let (sender, requests) = watch::channel(None);
    (guard(capnp_rpc::new_client(Mover(sender)), &Budget::new(1, 0)), requests)
}

impl mover::Server for Mover {
    async fn move_to(self: Rc<Self>, params: mover::MoveToParams, _: mover::MoveToResults) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let urls = read_urls(params.get_urls()?)?;
        self.0.send_replace(Some(Moving { urls, within: Duration::from_millis(params.get_within_ms().into()) }));
        Ok(())
    }
}
