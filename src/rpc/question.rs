//! Questions to the other hosts of a deployment, of administrators and of hosts themselves: how this host asks one, and how it answers one.
//!
//! A question and its answer are messages of Cap'n Proto in bytes, because the connection to the other host lives on another thread
//! than that of the administrator.

use bytes::Bytes;
use capnp::Error;
use capnp::message::{Builder, Reader, ReaderOptions};
use capnp::serialize::{self, OwnedSegments};

use crate::audit::By;
use crate::contract::admin::{
    read_connections, read_count, read_except, read_filter, read_stats, read_which, write_connections, write_count,
    write_stats,
};
use crate::contract::push::read_action;
use crate::contract::read_error::ReadError;
use crate::hub::Hub;
use crate::peers::Asking as _;
use crate::rpc::answer::{Answer, refusal_or_fault, text};
use crate::share::admin::{ConnectionPage, HostStats};
use crate::share::error::Refusal;
use crate::share::id::{HostId, ShareId};
use crate::share::limits::hosts::PEER_ASK_BYTES_MAX;
use crate::share_capnp::{host_answer, host_question};

/// The answer of another host.
pub(super) struct Reply(Reader<OwnedSegments>);

impl Reply {
    fn which(&self) -> Result<host_answer::WhichReader<'_>, Error> {
        Ok(self.0.get_root::<host_answer::Reader<'_>>()?.which()?)
    }

    /// The page of connections that it is.
    pub(super) fn connections(&self) -> Answer<ConnectionPage> {
        if let host_answer::Connections(page) = self.which()? { read_connections(page?) } else { Err(not_the_answer()) }
    }

    /// The number that it is.
    pub(super) fn count(&self) -> Answer<usize> {
        let host_answer::Count(count) = self.which()? else { return Err(not_the_answer()) };
        Ok(usize::try_from(read_count(count?)?).unwrap_or(usize::MAX))
    }

    /// The figures that it is.
    pub(super) fn stats(&self) -> Answer<HostStats> {
        if let host_answer::Stats(stats) = self.which()? { read_stats(stats?) } else { Err(not_the_answer()) }
    }
}

fn not_the_answer() -> ReadError {
    Error::unimplemented("the other host does not know this question: its version is older".into()).into()
}

/// Asks another host.
///
/// # Errors
/// The question is malformed or too large, or the answer is malformed; [`Refusal::Unavailable`] if the host does not answer.
pub(super) async fn ask(
    hub: &Hub,
    host: &HostId,
    write: impl FnOnce(host_question::Builder<'_>) -> Result<(), Error>,
) -> Answer<Reply> {
    let mut question = Builder::new_default();
    write(question.init_root())?;
    let question = bytes(&question);
    if question.len() > PEER_ASK_BYTES_MAX {
        let got = question.len();
        let reason = format!("this call has {got} bytes, and one for another host at most {PEER_ASK_BYTES_MAX}");
        return Err(Refusal::invalid(0, reason).into());
    }
    match hub.peers().ask(host, question).await {
        Ok(answer) => Ok(Reply(read(&answer)?)),
        Err(error) => {
            tracing::debug!(%host, %error, "another host did not answer a question");
            Err(Refusal::Unavailable { retry_after_ms: 1_000 }.into())
        }
    }
}

/// Answers a question of another host, or of an administrator there.
///
/// # Errors
/// The question is malformed.
pub(super) async fn answer(
    hub: &Hub,
    asker: &HostId,
    question: host_question::Reader<'_>,
    mut to: host_answer::Builder<'_>,
) -> Result<(), Error> {
    let connections = hub.connections();
    let by = By::OtherHost { host: asker.as_str(), account: question.get_account()?.to_str().unwrap_or_default() };
    match question.which() {
        Ok(host_question::Connections(of)) => {
            let cursor = of.get_cursor()?.to_str().unwrap_or("?");
            write_connections(&connections.page(cursor, of.get_limit() as usize), to.init_connections());
        }
        Ok(host_question::Close(which)) => {
            let which = refusal_or_fault(read_which(which?))?;
            write_count(&which.map(|which| connections.close_by(by, &which)), to.init_count());
        }
        Ok(host_question::Send(of)) => {
            let sent = || {
                let account = text(of.get_to()?)?.parse().map_err(Refusal::from)?;
                Ok(connections.send_by(by, &account, &read_action(of.get_action()?)?)?)
            };
            write_count(&refusal_or_fault(sent())?, to.init_count());
        }
        Ok(host_question::Broadcast(of)) => {
            let sent = || {
                let (action, filter) = (read_action(of.get_action()?)?, read_filter(of.get_filter()?)?);
                Ok(connections.broadcast_by(by, &action, &read_except(of.get_except()?)?, &filter)?)
            };
            write_count(&refusal_or_fault(sent())?, to.init_count());
        }
        Ok(host_question::Append(append)) => appended(hub, append, to).await?,
        Ok(host_question::Stats(())) => write_stats(&Ok(hub.stats()), to.init_stats()),
        Err(capnp::NotInSchema(_)) => to.set_unknown(()),
    }
    Ok(())
}

/// Appends what another host has handed to this one.
///
/// # Errors
/// The question is malformed.
async fn appended(
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

/// A message in bytes.
pub(super) fn bytes(message: &Builder<capnp::message::HeapAllocator>) -> Bytes {
    serialize::write_message_to_words(message).into()
}

/// The message that these bytes are.
///
/// # Errors
/// They are not a message.
pub(super) fn read(mut bytes: &[u8]) -> Result<Reader<OwnedSegments>, Error> {
    serialize::read_message(&mut bytes, ReaderOptions::new())
}
