//! The `Admin` object of another host of the deployment: it hands the calls about connections on to that host.
//!
//! The host that an administrator is connected to vouches for it: whoever holds this object had the scope `admin` there. What concerns
//! the bucket, and draining, is not done by way of another host: those calls are not served.

use std::rc::Rc;

use capnp::Error;

use crate::access::Principal;
use crate::contract::admin::{write_connections, write_count, write_stats};
use crate::rpc::answer::{Answer, refusal_or_fault};
use crate::rpc::caller::{Caller, Held};
use crate::rpc::question::{Reply, ask};
use crate::share::error::Refusal;
use crate::share::id::HostId;
use crate::share_capnp::{admin, host_question};
use crate::wire::guard::guard;

/// Makes the `Admin` capability of another host, for a principal that has that of this one.
///
/// # Errors
/// The connection holds as many capabilities as it may.
pub(super) fn elsewhere(caller: &Rc<Caller>, who: &Principal, host: HostId) -> Result<admin::Client, Refusal> {
    let object = Elsewhere { caller: Rc::clone(caller), who: who.clone(), host, _held: caller.hold()? };
    Ok(guard(capnp_rpc::new_client(object), caller.budget()))
}

struct Elsewhere {
    caller: Rc<Caller>,
    who: Principal,
    host: HostId,
    _held: Held,
}

impl Elsewhere {
    /// Asks the other host a question, which `write` completes, and reads what it answers.
    async fn ask<T>(
        &self,
        write: impl FnOnce(host_question::Builder<'_>) -> Result<(), Error>,
        read: impl FnOnce(&Reply) -> Answer<T>,
    ) -> Result<Result<T, Refusal>, Error> {
        let account = self.who.account.as_str();
        let write = |mut question: host_question::Builder<'_>| {
            question.set_account(account);
            write(question)
        };
        let answered = ask(&self.caller.hub, &self.host, write).await;
        refusal_or_fault(answered.and_then(|reply| read(&reply)))
    }
}

impl admin::Server for Elsewhere {
    async fn connections(
        self: Rc<Self>,
        params: admin::ConnectionsParams,
        mut results: admin::ConnectionsResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let write = |question: host_question::Builder<'_>| {
            let mut page = question.init_connections();
            page.set_cursor(params.get_cursor()?);
            page.set_limit(params.get_limit());
            Ok(())
        };
        write_connections(&self.ask(write, Reply::connections).await?, results.get().init_result());
        Ok(())
    }

    async fn close(self: Rc<Self>, params: admin::CloseParams, mut results: admin::CloseResults) -> Result<(), Error> {
        let which = params.get()?.get_which()?;
        let closed = self.ask(|mut question| question.set_close(which), Reply::count).await?;
        write_count(&closed, results.get().init_result());
        Ok(())
    }

    async fn send_to_account(
        self: Rc<Self>,
        params: admin::SendToAccountParams,
        mut results: admin::SendToAccountResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let write = |question: host_question::Builder<'_>| {
            let mut send = question.init_send();
            send.set_to(params.get_account()?);
            send.set_action(params.get_action()?)
        };
        write_count(&self.ask(write, Reply::count).await?, results.get().init_result());
        Ok(())
    }

    async fn broadcast(
        self: Rc<Self>,
        params: admin::BroadcastParams,
        mut results: admin::BroadcastResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let write = |question: host_question::Builder<'_>| {
            let mut broadcast = question.init_broadcast();
            broadcast.set_action(params.get_action()?)?;
            broadcast.set_except(params.get_except()?)?;
            broadcast.set_filter(params.get_filter()?)
        };
        write_count(&self.ask(write, Reply::count).await?, results.get().init_result());
        Ok(())
    }

    async fn stats(self: Rc<Self>, _: admin::StatsParams, mut results: admin::StatsResults) -> Result<(), Error> {
        let write = |mut question: host_question::Builder<'_>| {
            question.set_stats(());
            Ok(())
        };
        write_stats(&self.ask(write, Reply::stats).await?, results.get().init_result());
        Ok(())
    }
}
