//! Batches that a host hands to another one where both write one share, as questions over the connections between hosts. The other host
//! answers them like every other question.

use std::sync::Arc;

use bytes::Bytes;
use capnp::Error;
use capnp::message::Builder;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::peers::{Asking as _, Peers};
use crate::rooms::HandOver;
use crate::rpc::question::{bytes, read};
use crate::share::id::{HostId, ShareId};
use crate::share::limits::hosts::HANDED_AT_ONCE_MAX;
use crate::share_capnp::{host_answer, host_question};

/// Hands batches over by the connections to other hosts.
#[derive(Debug)]
pub struct ByPeers {
    peers: Arc<Peers>,
    /// See [`HANDED_AT_ONCE_MAX`].
    places: Arc<Semaphore>,
}

impl ByPeers {
    /// Hands over by these connections.
    #[must_use]
    pub fn new(peers: Arc<Peers>) -> Self {
        Self { peers, places: Arc::new(Semaphore::new(HANDED_AT_ONCE_MAX)) }
    }
}

impl HandOver for ByPeers {
    fn hand_over(&self, host: &HostId, share: &ShareId, parcel: Bytes) -> BoxFuture<'static, Option<u64>> {
        let mut question = Builder::new_default();
        let mut append = question.init_root::<host_question::Builder<'_>>().init_append();
        append.set_share(share.as_str());
        append.set_parcel(&parcel);
        let (question, peers, host) = (bytes(&question), Arc::clone(&self.peers), host.clone());
        let place = Arc::clone(&self.places).try_acquire_owned();
        let asking = async move {
            let _place = place.ok()?;
            let answer = peers.ask(&host, question).await;
            let answer = answer.inspect_err(|error| tracing::debug!(%host, %error, "a host took no batches")).ok()?;
            appended(&answer).ok()?
        };
        asking.boxed()
    }
}

/// The number that an answer has; `None`: some batches may not be in the log, or the other host does not know the question.
fn appended(answer: &[u8]) -> Result<Option<u64>, Error> {
    let answer = read(answer)?;
    Ok(match answer.get_root::<host_answer::Reader<'_>>()?.which() {
        Ok(host_answer::Appended(segments)) => Some(segments).filter(|segments| *segments > 0),
        Ok(_) | Err(capnp::NotInSchema(_)) => None,
    })
}
