//! Questions of administrators to the other hosts of a deployment: how this host asks one, and how it answers one.
//!
//! A question and its answer are messages of Cap'n Proto in bytes, because the connection to the other host lives on another thread
//! than that of the administrator.

use bytes::Bytes;
use capnp::Error;
use capnp::message::{Builder, Reader, ReaderOptions};
use capnp::serialize::{self, OwnedSegments};

use crate::audit::By;
use crate::contract::admin::{read_filter, read_which, write_connections, write_count, write_stats};
use crate::contract::push::read_action;
use crate::hub::Hub;
use crate::peers::Asking as _;
use crate::rpc::answer::{refusal_or_fault, text};
use crate::share::error::Refusal;
use crate::share::id::HostId;
use crate::share_capnp::{connections_result, count_result, host_answer, host_question, stats_result};

/// The answer of another host.
pub(super) struct Reply(Reader<OwnedSegments>);

impl Reply {
    fn which(&self) -> Result<host_answer::WhichReader<'_>, Error> {
        Ok(self.0.get_root::<host_answer::Reader<'_>>()?.which()?)
    }

    /// The page of connections that it is.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn connections(&self) -> Result<connections_result::Reader<'_>, Error> {
        if let host_answer::Connections(page) = self.which()? { page } else { Err(not_the_answer()) }
    }

    /// The number that it is.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn count(&self) -> Result<count_result::Reader<'_>, Error> {
        if let host_answer::Count(count) = self.which()? { count } else { Err(not_the_answer()) }
    }

    /// The figures that it is.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn stats(&self) -> Result<stats_result::Reader<'_>, Error> {
        if let host_answer::Stats(stats) = self.which()? { stats } else { Err(not_the_answer()) }
    }
}

fn not_the_answer() -> Error {
    Error::unimplemented("the other host does not know this question: its version is older".into())
}

/// Asks another host. That it does not answer is a refusal.
///
/// # Errors
/// The question is malformed, or the answer is.
pub(super) async fn ask(
    hub: &Hub,
    host: &HostId,
    write: impl FnOnce(host_question::Builder<'_>) -> Result<(), Error>,
) -> Result<Result<Reply, Refusal>, Error> {
    let mut question = Builder::new_default();
    write(question.init_root())?;
    match hub.peers().ask(host, bytes(&question)).await {
        Ok(answer) => Ok(Ok(Reply(read(&answer)?))),
        Err(error) => {
            tracing::debug!(%host, %error, "another host was asked in vain");
            Ok(Err(Refusal::Unavailable { retry_after_ms: 1_000 }))
        }
    }
}

/// Answers a question that an administrator of another host has.
///
/// # Errors
/// The question is malformed.
pub(super) fn answer(
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
                let except = of.get_except()?.iter().map(|id| Ok(id?.to_str().unwrap_or_default().to_owned()));
                let except: Vec<String> = except.collect::<Result<_, Error>>()?;
                Ok(connections.broadcast_by(by, &action, &except, &filter)?)
            };
            write_count(&refusal_or_fault(sent())?, to.init_count());
        }
        Ok(host_question::Stats(())) => write_stats(&Ok(hub.stats()), to.init_stats()),
        Err(capnp::NotInSchema(_)) => to.set_unknown(()),
    }
    Ok(())
}

/// A message in bytes.
pub(super) fn bytes(message: &Builder<capnp::message::HeapAllocator>) -> Bytes {
    serialize::write_message_to_words(message).into()
}

/// The message that these bytes are.
///
/// # Errors
/// They are none.
pub(super) fn read(mut bytes: &[u8]) -> Result<Reader<OwnedSegments>, Error> {
    serialize::read_message(&mut bytes, ReaderOptions::new())
}
