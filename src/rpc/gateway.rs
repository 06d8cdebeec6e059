//! The root object of a connection: `ShareRpc`.
//!
//! Each method first asks who calls, then looks at its arguments, so that a stranger learns nothing of their shape; it
//! converts, calls one verb of the hub, and converts the answer. A capability in a result is real or, if the answer is a
//! refusal, one that answers every call with that refusal.

use std::rc::Rc;
use std::time::Duration;

use capnp::Error;

use crate::access::Principal;
use crate::contract::convert::{write_opened, write_synced};
use crate::contract::error::{as_the_peer_said, write_refusal};
use crate::contract::moving::write_urls;
use crate::contract::read_error::ReadError;
use crate::contract::{AGENT, CONTRACT_VERSION};
use crate::rooms::pass::Pass;
use crate::rooms::visibility::Viewing;
use crate::rpc::admin::admin_object;
use crate::rpc::answer::{refusal_or_fault, text, with_capability};
use crate::rpc::caller::Caller;
use crate::rpc::refused::Refused;
use crate::rpc::share::{AnyShare, share_object, view_object};
use crate::rpc::sink::register;
use crate::rpc::write::{write_deleted, write_page};
use crate::share::error::Refusal;
use crate::share::secret::Secret;
use crate::share_capnp::share_rpc;
use crate::wire::guard::guard;

mod verbs;

/// How long the callback of a probe may take. The contract names the figure.
const CALLBACK_WITHIN: Duration = Duration::from_secs(30);

/// The root of one connection, with the rights of a principal if it has one.
pub(super) struct Gateway {
    caller: Rc<Caller>,
    principal: Option<Principal>,
}

impl Gateway {
    pub(super) fn new(caller: Rc<Caller>, principal: Option<Principal>) -> Self {
        Self { caller, principal }
    }

    /// Who calls. Asked before anything else of a call is looked at.
    fn principal(&self) -> Result<&Principal, Refusal> {
        if let Some(mismatch) = self.caller.mismatch() {
            return Err(mismatch);
        }
        self.principal.as_ref().ok_or_else(|| Refusal::Unauthorized {
            reason: "call authenticate with a token first, and use the capability that it returns".into(),
        })
    }
}

impl share_rpc::Server for Gateway {
    async fn hello(
        self: Rc<Self>,
        params: share_rpc::HelloParams,
        mut results: share_rpc::HelloResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let agent: String = params.get_agent()?.to_str().unwrap_or_default().chars().take(64).collect();
        let result = results.get().init_result();
        match Self::hello(&self, params.get_contract_version()) {
            Ok(account) => {
                tracing::debug!(connection = %self.caller.connection, agent, account, "hello");
                let mut welcome = result.init_welcome();
                welcome.set_contract_version(CONTRACT_VERSION);
                welcome.set_agent(AGENT);
                welcome.set_connection_id(self.caller.connection.as_str());
                welcome.set_account(account);
                let hub = &self.caller.hub;
                write_urls(&hub.connections().other_urls(), |len| welcome.reborrow().init_hosts(len));
                if let Some(store) = hub.rooms().store().id() {
                    welcome.set_store(store.as_str());
                }
                if params.has_mover() {
                    drop(self.caller.set_mover(Some(params.get_mover()?)));
                }
            }
            Err(refusal) => write_refusal(&refusal, result.init_refused()),
        }
        Ok(())
    }

    async fn authenticate(
        self: Rc<Self>,
        params: share_rpc::AuthenticateParams,
        mut results: share_rpc::AuthenticateResults,
    ) -> Result<(), Error> {
        let authenticated = async {
            if let Some(mismatch) = self.caller.mismatch() {
                return Err(mismatch.into());
            }
            let token = Secret::from(params.get()?.get_token()?.to_str().unwrap_or_default());
            let (hub, entry) = (&self.caller.hub, &self.caller.entry);
            let who = hub
                .access()
                .failures()
                .guard(self.caller.address, true, hub.connections().authenticate_within(entry, &token))
                .await?;
            let account = who.account.clone();
            let gateway = Self::new(Rc::clone(&self.caller), Some(who));
            Ok((account, guard(capnp_rpc::new_client(gateway), self.caller.budget())))
        };
        let (authenticated, rpc) = with_capability(&self.caller, authenticated.await)?;
        let mut results = results.get();
        let mut result = results.reborrow().init_result();
        match authenticated {
            Ok(account) => result.set_account(account.as_str()),
            Err(refusal) => write_refusal(&refusal, result.init_refused()),
        }
        results.set_rpc(rpc);
        Ok(())
    }

    async fn create_share(
        self: Rc<Self>,
        params: share_rpc::CreateShareParams,
        mut results: share_rpc::CreateShareResults,
    ) -> Result<(), Error> {
        let created = async {
            let created = self.create(params).await?;
            let share = share_object(&self.caller, self.principal()?, &created.room, Pass::OWNER)?;
            Ok((created, share))
        };
        let (created, share) = with_capability(&self.caller, created.await)?;
        let mut results = results.get();
        let result = results.reborrow().init_result();
        match created {
            Ok(created) => {
                let mut facts = result.init_created();
                facts.set_id(created.id.as_str());
                facts.set_url(created.url.as_str());
                facts.set_secret(created.secret.reveal());
                facts.set_sync_count(created.sync_count);
                facts.set_revision(created.revision.0);
                facts.set_existed(created.existed);
            }
            Err(refusal) => write_refusal(&refusal, result.init_refused()),
        }
        results.set_share(share);
        Ok(())
    }

    async fn sync_share(
        self: Rc<Self>,
        params: share_rpc::SyncShareParams,
        mut results: share_rpc::SyncShareResults,
    ) -> Result<(), Error> {
        let synced = refusal_or_fault(self.sync(params).await)?;
        write_synced(&synced, results.get().init_result());
        Ok(())
    }

    async fn delete_share(
        self: Rc<Self>,
        params: share_rpc::DeleteShareParams,
        mut results: share_rpc::DeleteShareResults,
    ) -> Result<(), Error> {
        let deleted = refusal_or_fault(self.delete(params).await)?;
        write_deleted(&deleted, results.get().init_result());
        Ok(())
    }

    async fn open_share(
        self: Rc<Self>,
        params: share_rpc::OpenShareParams,
        mut results: share_rpc::OpenShareResults,
    ) -> Result<(), Error> {
        let opened = async {
            let who = self.principal()?;
            let params = params.get()?;
            let room = self.open(params.get_share_id()?, params.get_secret()?).await?;
            Ok((self.caller.hub.rooms().info(&room)?, share_object(&self.caller, who, &room, Pass::OWNER)?))
        };
        let (info, share) = with_capability(&self.caller, opened.await)?;
        let mut results = results.get();
        write_opened(&info, results.reborrow().init_result());
        results.set_share(share);
        Ok(())
    }

    async fn own_share(
        self: Rc<Self>,
        params: share_rpc::OwnShareParams,
        mut results: share_rpc::OwnShareResults,
    ) -> Result<(), Error> {
        let opened = async {
            let who = self.principal()?;
            let id = text(params.get()?.get_share_id()?)?;
            let own = self.caller.hub.rooms().open_own(who, id).await;
            let room = own.inspect_err(|refusal| self.caller.entry.denied(Some(who), "own_share", id, refusal))?;
            Ok((self.caller.hub.rooms().info(&room)?, share_object(&self.caller, who, &room, Pass::OWNER)?))
        };
        let (info, share) = with_capability(&self.caller, opened.await)?;
        let mut results = results.get();
        write_opened(&info, results.reborrow().init_result());
        results.set_share(share);
        Ok(())
    }

    async fn view_share(
        self: Rc<Self>,
        params: share_rpc::ViewShareParams,
        mut results: share_rpc::ViewShareResults,
    ) -> Result<(), Error> {
        let viewed = async {
            let who = self.principal()?;
            let entered = self.caller.hub.rooms().enter(text(params.get()?.get_share_id()?)?, Some(who), None);
            let Viewing { room, pass } = entered.await?;
            Ok((self.caller.hub.rooms().info(&room)?, view_object(&self.caller, who, &room, pass)?))
        };
        let (info, view) = with_capability(&self.caller, viewed.await)?;
        let mut results = results.get();
        write_opened(&info, results.reborrow().init_result());
        results.set_view(view);
        Ok(())
    }

    async fn list_shares(
        self: Rc<Self>,
        params: share_rpc::ListSharesParams,
        mut results: share_rpc::ListSharesResults,
    ) -> Result<(), Error> {
        let listed = async {
            let who = self.principal()?;
            let params = params.get()?;
            let (cursor, limit) = (text(params.get_cursor()?)?, params.get_limit() as usize);
            Ok(self.caller.hub.rooms().list(who, params.get_every_account(), cursor, limit).await?)
        };
        write_page(&refusal_or_fault(listed.await)?, results.get().init_result());
        Ok(())
    }

    async fn probe_value(
        self: Rc<Self>,
        params: share_rpc::ProbeValueParams,
        mut results: share_rpc::ProbeValueResults,
    ) -> Result<(), Error> {
        results.get().set_output(params.get()?.get_input()?)
    }

    async fn probe_callback(
        self: Rc<Self>,
        params: share_rpc::ProbeCallbackParams,
        mut results: share_rpc::ProbeCallbackResults,
    ) -> Result<(), Error> {
        let mut request = params.get()?.get_callback()?.call_request();
        request.get().set_message("server-called");
        let response = tokio::time::timeout(CALLBACK_WITHIN, request.send().promise).await;
        let response = response.map_err(|_| Error::failed("the callback did not answer within 30 s".into()))?;
        let response = response.map_err(as_the_peer_said)?;
        results.get().set_reply(response.get()?.get_reply()?);
        Ok(())
    }

    async fn offer_sink(
        self: Rc<Self>,
        params: share_rpc::OfferSinkParams,
        mut results: share_rpc::OfferSinkResults,
    ) -> Result<(), Error> {
        let registered = async {
            self.principal()?;
            Ok(((), register(&self.caller, params.get()?.get_sink()?)?))
        };
        let (registered, registration) = with_capability(&self.caller, registered.await)?;
        let mut results = results.get();
        let mut result = results.reborrow().init_result();
        match registered {
            Ok(()) => result.set_registered(()),
            Err(refusal) => write_refusal(&refusal, result.init_refused()),
        }
        results.set_registration(registration);
        Ok(())
    }

    async fn call(
        self: Rc<Self>,
        params: share_rpc::CallParams,
        mut results: share_rpc::CallResults,
    ) -> Result<(), Error> {
        let served = refusal_or_fault(self.serve_call(params).await)?;
        let mut result = results.get().init_result();
        match served {
            Ok(Some(Ok(answer))) => result.set_answer(answer.as_str()),
            Ok(Some(Err(failure))) => {
                let mut failed = result.init_failed();
                failed.set_code(failure.code.as_str());
                failed.set_message(failure.message.as_str());
            }
            Ok(None) => result.set_unknown(()),
            Err(refusal) => write_refusal(&refusal, result.init_refused()),
        }
        Ok(())
    }

    async fn restore(
        self: Rc<Self>,
        params: share_rpc::RestoreParams,
        mut results: share_rpc::RestoreResults,
    ) -> Result<(), Error> {
        let restored = refusal_or_fault(Self::restore(&self, params).await)?;
        let mut results = results.get();
        let mut result = results.reborrow().init_result();
        match &restored {
            Ok(AnyShare::Share(_)) => result.set_share(()),
            Ok(AnyShare::Writer(_)) => result.set_writer(()),
            Ok(AnyShare::View(_)) => result.set_view(()),
            Err(refusal) => write_refusal(refusal, result.init_refused()),
        }
        let other =
            Refusal::Unauthorized { reason: "this token gives another capability: the result says which".into() };
        let refusal = restored.as_ref().err().unwrap_or(&other);
        results.set_share(match &restored {
            Ok(AnyShare::Share(share)) => share.clone(),
            Ok(AnyShare::Writer(_) | AnyShare::View(_)) | Err(_) => Refused::client(refusal, &self.caller),
        });
        results.set_writer(match &restored {
            Ok(AnyShare::Writer(writer)) => writer.clone(),
            Ok(AnyShare::Share(_) | AnyShare::View(_)) | Err(_) => Refused::client(refusal, &self.caller),
        });
        results.set_view(match &restored {
            Ok(AnyShare::View(view)) => view.clone(),
            Ok(AnyShare::Share(_) | AnyShare::Writer(_)) | Err(_) => Refused::client(refusal, &self.caller),
        });
        Ok(())
    }

    async fn admin(
        self: Rc<Self>,
        _: share_rpc::AdminParams,
        mut results: share_rpc::AdminResults,
    ) -> Result<(), Error> {
        let admitted = self.principal().and_then(|who| {
            let admitted = admin_object(&self.caller, who);
            admitted.inspect_err(|refusal| self.caller.entry.denied(Some(who), "admin", "", refusal))
        });
        let admitted = admitted.map(|admin| ((), admin)).map_err(ReadError::from);
        let (admitted, admin) = with_capability(&self.caller, admitted)?;
        let mut results = results.get();
        let mut result = results.reborrow().init_result();
        match admitted {
            Ok(()) => result.set_admitted(()),
            Err(refusal) => write_refusal(&refusal, result.init_refused()),
        }
        results.set_admin(admin);
        Ok(())
    }
}
