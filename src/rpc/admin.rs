//! The `Admin` object: what an administrator may ask of the host over a connection.
//!
//! Whoever holds it had the scope `admin` when it was given out, and it goes with its connection. A caller that closes its
//! own connection, by whatever it belongs to, gets its answer first.

use std::rc::Rc;

use capnp::Error;

use crate::access::Principal;
use crate::audit::By;
use crate::contract::admin::{
    read_except, read_filter, read_share_filter, read_which, write_connections, write_count, write_erased, write_hosts,
    write_stats,
};
use crate::contract::error::write_refusal;
use crate::contract::push::read_action;
use crate::contract::visibility::write_visibility_set;
use crate::rpc::answer::{refusal_or_fault, text, with_capability};
use crate::rpc::caller::{Caller, Held};
use crate::rpc::elsewhere::elsewhere;
use crate::rpc::write::{write_deleted, write_page};
use crate::share::error::Refusal;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;
use crate::share_capnp::admin;
use crate::wire::guard::guard;

/// Makes the `Admin` capability for a principal.
///
/// # Errors
/// The principal is not an administrator, or the connection holds as many capabilities as it may.
pub(super) fn admin_object(caller: &Rc<Caller>, who: &Principal) -> Result<admin::Client, Refusal> {
    who.may_administer()?;
    caller.entry.administers();
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
        let page = self.caller.hub.connections().page(cursor, params.get_limit() as usize);
        write_connections(&page, results.get().init_result());
        Ok(())
    }

    async fn close(self: Rc<Self>, params: admin::CloseParams, mut results: admin::CloseResults) -> Result<(), Error> {
        let which = refusal_or_fault(read_which(params.get()?.get_which()?))?;
        let closed = which.map(|which| {
            let (closed, departure) = self.caller.hub.connections().close_from(&self.caller.entry, &self.who, &which);
            self.caller.depart(departure);
            closed
        });
        write_count(&closed, results.get().init_result());
        Ok(())
    }

    async fn send_to_account(
        self: Rc<Self>,
        params: admin::SendToAccountParams,
        mut results: admin::SendToAccountResults,
    ) -> Result<(), Error> {
        let sent = || {
            let params = params.get()?;
            let account = text(params.get_account()?)?.parse().map_err(Refusal::from)?;
            let action = read_action(params.get_action()?)?;
            Ok(self.caller.hub.connections().admin_send(self.by(), &self.who, &account, &action)?)
        };
        write_count(&refusal_or_fault(sent())?, results.get().init_result());
        Ok(())
    }

    async fn broadcast(
        self: Rc<Self>,
        params: admin::BroadcastParams,
        mut results: admin::BroadcastResults,
    ) -> Result<(), Error> {
        let sent = || {
            let params = params.get()?;
            let action = read_action(params.get_action()?)?;
            let (except, filter) = (read_except(params.get_except()?)?, read_filter(params.get_filter()?)?);
            Ok(self.caller.hub.connections().admin_broadcast(self.by(), &self.who, &action, &except, &filter)?)
        };
        write_count(&refusal_or_fault(sent())?, results.get().init_result());
        Ok(())
    }

    async fn drain(self: Rc<Self>, params: admin::DrainParams, mut results: admin::DrainResults) -> Result<(), Error> {
        let deadline = Timestamp(params.get()?.get_deadline());
        let going = self.caller.hub.connections().drain_from(&self.caller.entry, &self.who, deadline);
        write_count(&going, results.get().init_result());
        Ok(())
    }

    async fn undrain(self: Rc<Self>, _: admin::UndrainParams, mut results: admin::UndrainResults) -> Result<(), Error> {
        let staying = self.caller.hub.connections().undrain_from(&self.caller.entry, &self.who);
        write_count(&Ok(staying), results.get().init_result());
        Ok(())
    }

    async fn stats(self: Rc<Self>, _: admin::StatsParams, mut results: admin::StatsResults) -> Result<(), Error> {
        write_stats(&Ok(self.caller.hub.stats()), results.get().init_result());
        Ok(())
    }

    async fn shares(
        self: Rc<Self>,
        params: admin::SharesParams,
        mut results: admin::SharesResults,
    ) -> Result<(), Error> {
        let found = async {
            let params = params.get()?;
            let filter = read_share_filter(params.get_filter()?)?;
            let (cursor, limit) = (text(params.get_cursor()?)?, params.get_limit() as usize);
            Ok(self.caller.hub.rooms().find_shares(self.by(), &filter, cursor, limit).await?)
        };
        write_page(&refusal_or_fault(found.await)?, results.get().init_result());
        Ok(())
    }

    async fn hide_share(
        self: Rc<Self>,
        params: admin::HideShareParams,
        mut results: admin::HideShareResults,
    ) -> Result<(), Error> {
        let hidden =
            async { Ok(self.caller.hub.rooms().hide_share(self.by(), text(params.get()?.get_share_id()?)?).await?) };
        let hidden = refusal_or_fault(hidden.await)?.map(|()| Visibility::Grant);
        write_visibility_set(&hidden, results.get().init_result());
        Ok(())
    }

    async fn delete_share(
        self: Rc<Self>,
        params: admin::DeleteShareParams,
        mut results: admin::DeleteShareResults,
    ) -> Result<(), Error> {
        let deleted =
            async { Ok(self.caller.hub.rooms().delete_share(self.by(), text(params.get()?.get_share_id()?)?).await?) };
        write_deleted(&refusal_or_fault(deleted.await)?, results.get().init_result());
        Ok(())
    }

    async fn erase_account(
        self: Rc<Self>,
        params: admin::EraseAccountParams,
        mut results: admin::EraseAccountResults,
    ) -> Result<(), Error> {
        let erased = async {
            let params = params.get()?;
            let account = text(params.get_account()?)?.parse().map_err(Refusal::from)?;
            Ok(self.caller.hub.rooms().erase_account(self.by(), &account, text(params.get_cursor()?)?).await?)
        };
        write_erased(&refusal_or_fault(erased.await)?, results.get().init_result());
        Ok(())
    }

    async fn hosts(self: Rc<Self>, _: admin::HostsParams, mut results: admin::HostsResults) -> Result<(), Error> {
        write_hosts(&Ok(self.caller.hub.standings()), results.get().init_result());
        Ok(())
    }

    async fn at(self: Rc<Self>, params: admin::AtParams, mut results: admin::AtResults) -> Result<(), Error> {
        let given = || {
            let host = text(params.get()?.get_host_id()?)?.parse().map_err(Refusal::from)?;
            let is_here = host == *self.caller.hub.hosts().id();
            let admin =
                if is_here { admin_object(&self.caller, &self.who) } else { elsewhere(&self.caller, &self.who, host) };
            Ok(((), admin?))
        };
        let (given, admin) = with_capability(&self.caller, given())?;
        let mut results = results.get();
        let mut result = results.reborrow().init_result();
        match given {
            Ok(()) => result.set_admitted(()),
            Err(refusal) => write_refusal(&refusal, result.init_refused()),
        }
        results.set_admin(admin);
        Ok(())
    }
}

impl AdminObject {
    /// Who acts, for the audit log.
    fn by(&self) -> By<'_> {
        self.caller.entry.by(Some(&self.who))
    }
}
