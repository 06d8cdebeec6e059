//! Objects that say no: what stands in the place of a capability that was refused.
//!
//! A client that pipelines calls on a capability before it knows whether it gets one learns of the refusal from each of
//! those calls, with the same facts.

use std::rc::Rc;

use capnp::Error;
use capnp::capability::FromServer;

use crate::contract::error::write_refusal;
use crate::rpc::caller::Caller;
use crate::share::error::Refusal;
use crate::share_capnp::{admin, registration, saved, share, share_rpc, share_view, share_writer};
use crate::wire::guard::guard;

/// An object that answers every call with one refusal.
pub(super) struct Refused {
    refusal: Refusal,
    caller: Rc<Caller>,
}

impl Refused {
    /// Makes a capability, of any interface of the contract, that refuses every call.
    pub(super) fn client<C>(refusal: &Refusal, caller: &Rc<Caller>) -> C
    where
        C: FromServer<Self> + capnp::capability::FromClientHook,
    {
        let refused = Self { refusal: refusal.clone(), caller: Rc::clone(caller) };
        guard(capnp_rpc::new_client(refused), caller.budget())
    }
}

/// Methods whose result is a union with `refused`, and nothing else.
macro_rules! refuse {
    ($($method:ident($params:path, $results:path);)*) => {
        $(async fn $method(self: Rc<Self>, _: $params, mut results: $results) -> Result<(), Error> {
            write_refusal(&self.refusal, results.get().init_result().init_refused());
            Ok(())
        })*
    };
}

/// Methods that also return capabilities, which then refuse every call as well.
macro_rules! refuse_with {
    ($($method:ident($params:path, $results:path) $($set:ident)*;)*) => {
        $(async fn $method(self: Rc<Self>, _: $params, mut results: $results) -> Result<(), Error> {
            let mut results = results.get();
            write_refusal(&self.refusal, results.reborrow().init_result().init_refused());
            $(results.$set(Self::client(&self.refusal, &self.caller));)*
            Ok(())
        })*
    };
}

impl share_rpc::Server for Refused {
    refuse! {
        hello(share_rpc::HelloParams, share_rpc::HelloResults);
        sync_share(share_rpc::SyncShareParams, share_rpc::SyncShareResults);
        delete_share(share_rpc::DeleteShareParams, share_rpc::DeleteShareResults);
        list_shares(share_rpc::ListSharesParams, share_rpc::ListSharesResults);
        call(share_rpc::CallParams, share_rpc::CallResults);
    }
    refuse_with! {
        authenticate(share_rpc::AuthenticateParams, share_rpc::AuthenticateResults) set_rpc;
        create_share(share_rpc::CreateShareParams, share_rpc::CreateShareResults) set_share;
        open_share(share_rpc::OpenShareParams, share_rpc::OpenShareResults) set_share;
        own_share(share_rpc::OwnShareParams, share_rpc::OwnShareResults) set_share;
        view_share(share_rpc::ViewShareParams, share_rpc::ViewShareResults) set_view;
        offer_sink(share_rpc::OfferSinkParams, share_rpc::OfferSinkResults) set_registration;
        restore(share_rpc::RestoreParams, share_rpc::RestoreResults) set_share set_writer set_view;
        admin(share_rpc::AdminParams, share_rpc::AdminResults) set_admin;
    }

    // The probes have no union to refuse in: they need no right, but a root that was refused serves nothing.
    async fn probe_value(
        self: Rc<Self>,
        _: share_rpc::ProbeValueParams,
        _: share_rpc::ProbeValueResults,
    ) -> Result<(), Error> {
        Err(Error::failed(self.refusal.to_string()))
    }

    async fn probe_callback(
        self: Rc<Self>,
        _: share_rpc::ProbeCallbackParams,
        _: share_rpc::ProbeCallbackResults,
    ) -> Result<(), Error> {
        Err(Error::failed(self.refusal.to_string()))
    }
}

impl saved::Server for Refused {
    refuse! { save(saved::SaveParams, saved::SaveResults); }
}

impl share_writer::Server for Refused {
    refuse! {
        sync(share_writer::SyncParams, share_writer::SyncResults);
        set_expiry(share_writer::SetExpiryParams, share_writer::SetExpiryResults);
        set_visibility(share_writer::SetVisibilityParams, share_writer::SetVisibilityResults);
    }
}

impl share_view::Server for Refused {
    refuse! {
        info(share_view::InfoParams, share_view::InfoResults);
        read(share_view::ReadParams, share_view::ReadResults);
    }
    refuse_with! { watch(share_view::WatchParams, share_view::WatchResults) set_watch; }
}

impl share::Server for Refused {
    refuse! {
        remove(share::RemoveParams, share::RemoveResults);
        grants(share::GrantsParams, share::GrantsResults);
        revoke_grant(share::RevokeGrantParams, share::RevokeGrantResults);
        ask(share::AskParams, share::AskResults);
    }
    refuse_with! {
        narrow_to_write(share::NarrowToWriteParams, share::NarrowToWriteResults) set_writer;
        narrow_to_read(share::NarrowToReadParams, share::NarrowToReadResults) set_view;
    }
}

impl crate::share_capnp::watch::Server for Refused {}

impl registration::Server for Refused {}

impl admin::Server for Refused {
    refuse! {
        connections(admin::ConnectionsParams, admin::ConnectionsResults);
        close(admin::CloseParams, admin::CloseResults);
        send_to_account(admin::SendToAccountParams, admin::SendToAccountResults);
        broadcast(admin::BroadcastParams, admin::BroadcastResults);
        drain(admin::DrainParams, admin::DrainResults);
        undrain(admin::UndrainParams, admin::UndrainResults);
        stats(admin::StatsParams, admin::StatsResults);
        shares(admin::SharesParams, admin::SharesResults);
        hide_share(admin::HideShareParams, admin::HideShareResults);
        delete_share(admin::DeleteShareParams, admin::DeleteShareResults);
        erase_account(admin::EraseAccountParams, admin::EraseAccountResults);
        hosts(admin::HostsParams, admin::HostsResults);
    }

    refuse_with! {
        at(admin::AtParams, admin::AtResults) set_admin;
    }
}
