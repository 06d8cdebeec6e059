//! The `Admin` object: what an administrator may ask of the host over a connection.
//!
//! Whoever holds it had the scope `admin` when it was given out, and it goes with its connection. A caller that closes its
//! own connection, by whatever it belongs to, gets its answer first.

use std::rc::Rc;

use capnp::Error;

use crate::contract::admin::{read_which, write_connections, write_count, write_stats};
use crate::hub::access::Principal;
use crate::rpc::caller::{Caller, Held};
use crate::rpc::gateway::refusal_or_fault;
use crate::share::error::Refusal;
use crate::share::time::Timestamp;
use crate::share_capnp::admin;
use crate::wire::guard::guard;

/// The capability to administer, for a principal that may.
pub(super) fn admin_object(caller: &Rc<Caller>, who: &Principal) -> Result<admin::Client, Refusal> {
    who.may_administer()?;
    let object = AdminObject { caller: Rc::clone(caller), who: who.clone(), _held: caller.hold()? };
    Ok(guard(capnp_rpc::new_client(object), caller.budget()))
}

struct AdminObject {
    caller: Rc<Caller>,
    who: Principal,
    _held: Held,
}

impl admin::Server for AdminObject {
    async fn connections(
        self: Rc<Self>,
        params: admin::ConnectionsParams,
        mut results: admin::ConnectionsResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let cursor = params.get_cursor()?.to_str().unwrap_or("?");
        let page = self.caller.hub.connections(cursor, params.get_limit() as usize);
        write_connections(&page, results.get().init_result());
        Ok(())
    }

    async fn close(self: Rc<Self>, params: admin::CloseParams, mut results: admin::CloseResults) -> Result<(), Error> {
        let which = refusal_or_fault(read_which(params.get()?.get_which()?))?;
        let closed = which.map(|which| {
            let (closed, departure) = self.caller.hub.close_from(&self.caller.entry, &self.who, &which);
            self.caller.depart(departure);
            closed
        });
        write_count(&closed, results.get().init_result());
        Ok(())
    }

    async fn send_to_account(
        self: Rc<Self>,
        _: admin::SendToAccountParams,
        mut results: admin::SendToAccountResults,
    ) -> Result<(), Error> {
        write_count(&Err(not_yet()), results.get().init_result());
        Ok(())
    }

    async fn broadcast(
        self: Rc<Self>,
        _: admin::BroadcastParams,
        mut results: admin::BroadcastResults,
    ) -> Result<(), Error> {
        write_count(&Err(not_yet()), results.get().init_result());
        Ok(())
    }

    async fn drain(self: Rc<Self>, params: admin::DrainParams, mut results: admin::DrainResults) -> Result<(), Error> {
        let deadline = Timestamp(params.get()?.get_deadline());
        let (connections, departure) = self.caller.hub.drain_from(&self.caller.entry, &self.who, deadline);
        self.caller.depart(departure);
        write_count(&Ok(connections), results.get().init_result());
        Ok(())
    }

    async fn stats(self: Rc<Self>, _: admin::StatsParams, mut results: admin::StatsResults) -> Result<(), Error> {
        write_stats(&Ok(self.caller.hub.stats()), results.get().init_result());
        Ok(())
    }
}

fn not_yet() -> Refusal {
    Refusal::NotYet { feature: "pushes".into() }
}
