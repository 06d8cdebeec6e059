//! Batches that hosts hand to each other where two of them write one share, as questions over the connections between hosts.

use std::sync::Arc;

use bytes::Bytes;
use capnp::Error;
use capnp::message::Builder;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::hub::Hub;
use crate::peers::{Asking as _, Peers};
use crate::rooms::HandOver;
use crate::rpc::question::{bytes, read};
use crate::share::id::{HostId, ShareId};
use crate::share_capnp::{host_answer, host_question};

/// Hands batches over by the connections to other hosts.
#[derive(Debug)]
pub struct ByPeers(pub Arc<Peers>);

impl HandOver for ByPeers {
    fn hand_over(&self, host: &HostId, share: &ShareId, parcel: Bytes) -> BoxFuture<'static, Option<u64>> {
        let mut question = Builder::new_default();
        let mut append = question.init_root::<host_question::Builder<'_>>().init_append();
        append.set_share(share.as_str());
        append.set_parcel(&parcel);
        let (question, peers, host) = (bytes(&question), Arc::clone(&self.0), host.clone());
        let asking = async move {
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

/// Appends what another host has handed to this one.
///
/// # Errors
/// The question is malformed.
pub(super) async fn append(
    hub: &Hub,
    append: host_question::append::Reader<'_>,
    mut to: host_answer::Builder<'_>,
) -> Result<(), Error> {
    let share = append.get_share()?.to_str()?.parse();
    let share: ShareId = share.map_err(|bad| Error::failed(format!("the share to append to: {bad}")))?;
    let appending = hub.rooms().append_handed(&share, append.get_parcel()?);
    to.set_appended(appending.await.unwrap_or(0));
    Ok(())
}
