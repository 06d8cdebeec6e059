//! The root object of a connection: `ShareRpc`.
//!
//! Each method first asks who calls, then looks at its arguments, so that a stranger learns nothing of their shape; it
//! converts, calls one verb of the hub, and converts the answer. A capability in a result is real or, if the answer is a
//! refusal, one that answers every call with that refusal.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use capnp::Error;
use futures::FutureExt as _;

use crate::access::Principal;
use crate::audit::{self, Through};
use crate::connections::calls::CallFailure;
use crate::contract::convert::{
    ReadError, read_batch, write_damaged, write_info, write_listing, write_opened, write_synced,
};
use crate::contract::error::{as_the_peer_said, write_refusal};
use crate::contract::sync_data::check_json;
use crate::contract::visibility::read_visibility;
use crate::contract::{AGENT, CONTRACT_VERSION, SUBPROTOCOL, SUBPROTOCOL_PREFIX};
use crate::rooms::grants::Restored;
use crate::rooms::pass::Pass;
use crate::rooms::room::Room;
use crate::rooms::visibility::Viewing;
use crate::rooms::{Page, Terms};
use crate::rpc::admin::admin_object;
use crate::rpc::caller::Caller;
use crate::rpc::refused::Refused;
use crate::rpc::share::{self, share_object, view_object, writer_object};
use crate::rpc::sink::register;
use crate::share::change::Batch;
use crate::share::error::Refusal;
use crate::share::grant::Right;
use crate::share::secret::Secret;
use crate::share::view::Synced;
use crate::share_capnp::{self, list_result, share_rpc, share_view, share_writer, sync_item};
use crate::wire::guard::guard;

/// Either a refusal or a fault: what a method may end in.
pub(super) type Answer<T> = Result<T, ReadError>;

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

    fn hello(&self, version: u32) -> Result<&str, Refusal> {
        if version != CONTRACT_VERSION {
            let got = format!("{SUBPROTOCOL_PREFIX}{version}").into();
            let refusal = Refusal::ProtocolMismatch { expected: SUBPROTOCOL.into(), got };
            self.caller.set_mismatch(refusal.clone());
            return Err(refusal);
        }
        Ok(self.principal.as_ref().map_or("", |principal| principal.account.as_str()))
    }

    fn batch(
        &self,
        items: capnp::struct_list::Reader<'_, sync_item::Owned>,
        stamp: crate::share_capnp::batch_stamp::Reader<'_>,
    ) -> Answer<Batch> {
        read_batch(items, stamp, &self.caller.hub.settings().limits)
    }

    async fn create(&self, params: share_rpc::CreateShareParams) -> Answer<crate::rooms::Created> {
        let who = self.principal()?;
        let params = params.get()?;
        let session = text(params.get_session_id()?)?.parse().map_err(Refusal::from)?;
        let initial = if params.has_initial_data() {
            Some(self.batch(params.get_initial_data()?, params.get_stamp()?)?)
        } else {
            None
        };
        let visibility = read_visibility(params.get_visibility())?;
        let terms = Terms { ttl: ttl(params.get_ttl_ms()), visibility };
        let by = self.caller.entry.by(Some(who));
        Ok(self.caller.hub.create_by(by, who, &session, initial, terms).await?)
    }

    async fn open(&self, id: capnp::text::Reader<'_>, secret: capnp::text::Reader<'_>) -> Answer<Arc<Room>> {
        Ok(self.caller.hub.open(text(id)?, &Secret::from(text(secret)?)).await?)
    }

    async fn sync(&self, params: share_rpc::SyncShareParams) -> Answer<Synced> {
        self.principal()?.may_write()?;
        let params = params.get()?;
        let turn = self.caller.turn().await;
        let room = self.open(params.get_share_id()?, params.get_secret()?).await?;
        let batch = self.batch(params.get_data()?, params.get_stamp()?)?;
        let syncing = self.caller.hub.sync_room(&room, batch);
        drop(turn);
        Ok(syncing.await?)
    }

    /// A call that the service around the host serves; `None` if nothing is served under its name.
    async fn serve_call(&self, params: share_rpc::CallParams) -> Answer<Option<Result<String, CallFailure>>> {
        let who = self.principal()?;
        let (name, data, within) = {
            let params = params.get()?;
            let (name, json) = (text(params.get_procedure()?)?, text(params.get_data()?)?);
            check_json("call", json, &self.caller.hub.settings().limits)?;
            let data = serde_json::from_str(json).map_err(|_| Refusal::invalid(0, "a call that is no JSON"))?;
            (name.to_owned(), data, ttl(params.get_within_ms().into()))
        };
        drop(params);
        // On its own box of a panic: its caller learns that it broke, and no more.
        let called = self.caller.hub.call(&self.caller.entry, who, &name, data, within);
        let served = AssertUnwindSafe(called).catch_unwind().await.unwrap_or_else(|_panic| {
            tracing::error!(connection = %self.caller.connection, name, "the handler of a call panicked");
            Some(Err(CallFailure::new("internal", "the call broke off")))
        });
        Ok(served.map(|served| served.map(|answer| answer.to_string())))
    }

    async fn delete(&self, params: share_rpc::DeleteShareParams) -> Answer<()> {
        self.principal()?.may_write()?;
        let params = params.get()?;
        let turn = self.caller.turn().await;
        let room = self.open(params.get_share_id()?, params.get_secret()?).await?;
        let deleting = self.caller.hub.delete_room(&room);
        drop(turn);
        deleting.await?;
        audit::share_deleted(self.caller.entry.by(self.principal.as_ref()), room.audited(), Through::Owner);
        Ok(())
    }

    async fn restore(&self, params: share_rpc::RestoreParams) -> Answer<Capability> {
        let who = self.principal()?;
        let Restored { room, pass } = self.caller.hub.restore(who, text(params.get()?.get_token()?)?).await?;
        Ok(match pass.right() {
            Right::Full => Capability::Share(share_object(&self.caller, who, &room, pass)?),
            Right::Write => Capability::Writer(writer_object(&self.caller, who, &room, pass)?),
            Right::Read => Capability::View(view_object(&self.caller, who, &room, pass)?),
        })
    }
}

/// What a token gives.
enum Capability {
    Share(share_capnp::share::Client),
    Writer(share_writer::Client),
    View(share_view::Client),
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
        let authenticated = match self.caller.mismatch() {
            Some(mismatch) => Err(mismatch),
            None => {
                let token = Secret::from(params.get()?.get_token()?.to_str().unwrap_or_default());
                let (hub, entry) = (&self.caller.hub, &self.caller.entry);
                hub.failures().guard(self.caller.address, true, hub.authenticate_within(entry, &token)).await
            }
        };
        let mut results = results.get();
        match authenticated {
            Ok(principal) => {
                results.reborrow().init_result().set_account(principal.account.as_str());
                let gateway = Self::new(Rc::clone(&self.caller), Some(principal));
                results.set_rpc(guard(capnp_rpc::new_client(gateway), self.caller.budget()));
            }
            Err(refusal) => {
                write_refusal(&refusal, results.reborrow().init_result().init_refused());
                results.set_rpc(Refused::client(&refusal, &self.caller));
            }
        }
        Ok(())
    }

    async fn create_share(
        self: Rc<Self>,
        params: share_rpc::CreateShareParams,
        mut results: share_rpc::CreateShareResults,
    ) -> Result<(), Error> {
        let created = refusal_or_fault(self.create(params).await)?;
        let created = created.and_then(|created| {
            Ok((share_object(&self.caller, self.principal()?, &created.room, Pass::OWNER)?, created))
        });
        let mut results = results.get();
        match created {
            Ok((share, created)) => {
                let mut facts = results.reborrow().init_result().init_created();
                facts.set_id(created.id.as_str());
                facts.set_url(created.url.as_str());
                facts.set_secret(created.secret.reveal());
                facts.set_sync_count(created.sync_count);
                facts.set_revision(created.revision);
                facts.set_existed(created.existed);
                results.set_share(share);
            }
            Err(refusal) => {
                write_refusal(&refusal, results.reborrow().init_result().init_refused());
                results.set_share(Refused::client(&refusal, &self.caller));
            }
        }
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
        share::write_deleted(&deleted, results.get().init_result());
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
            Ok((self.caller.hub.info(&room)?, share_object(&self.caller, who, &room, Pass::OWNER)?))
        };
        let mut results = results.get();
        match refusal_or_fault(opened.await)? {
            Ok((info, share)) => {
                write_info(&info, results.reborrow().init_result().init_info());
                results.set_share(share);
            }
            Err(refusal) => {
                write_refusal(&refusal, results.reborrow().init_result().init_refused());
                results.set_share(Refused::client(&refusal, &self.caller));
            }
        }
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
            let own = self.caller.hub.open_own(who, id).await;
            let room = own.inspect_err(|refusal| self.caller.denied(Some(who), "own_share", id, refusal))?;
            Ok((self.caller.hub.info(&room)?, share_object(&self.caller, who, &room, Pass::OWNER)?))
        };
        let mut results = results.get();
        match refusal_or_fault(opened.await)? {
            Ok((info, share)) => {
                write_info(&info, results.reborrow().init_result().init_info());
                results.set_share(share);
            }
            Err(refusal) => {
                write_refusal(&refusal, results.reborrow().init_result().init_refused());
                results.set_share(Refused::client(&refusal, &self.caller));
            }
        }
        Ok(())
    }

    async fn view_share(
        self: Rc<Self>,
        params: share_rpc::ViewShareParams,
        mut results: share_rpc::ViewShareResults,
    ) -> Result<(), Error> {
        let viewed = async {
            let who = self.principal()?;
            let entered = self.caller.hub.enter(text(params.get()?.get_share_id()?)?, Some(who), None);
            let Viewing { room, pass } = entered.await?;
            Ok((self.caller.hub.info(&room)?, view_object(&self.caller, who, &room, pass)?))
        };
        let mut results = results.get();
        match refusal_or_fault(viewed.await)? {
            Ok((info, view)) => {
                write_opened(&Ok(info), results.reborrow().init_result());
                results.set_view(view);
            }
            Err(refusal) => {
                results.set_view(Refused::client(&refusal, &self.caller));
                write_opened(&Err(refusal), results.reborrow().init_result());
            }
        }
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
            Ok(self.caller.hub.list(who, params.get_every_account(), cursor, limit).await?)
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
            Ok(register(&self.caller, params.get()?.get_sink()?)?)
        };
        let mut results = results.get();
        match refusal_or_fault(registered.await)? {
            Ok(registration) => {
                results.reborrow().init_result().set_registered(());
                results.set_registration(registration);
            }
            Err(refusal) => {
                write_refusal(&refusal, results.reborrow().init_result().init_refused());
                results.set_registration(Refused::client(&refusal, &self.caller));
            }
        }
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
            Ok(Capability::Share(_)) => result.set_share(()),
            Ok(Capability::Writer(_)) => result.set_writer(()),
            Ok(Capability::View(_)) => result.set_view(()),
            Err(refusal) => write_refusal(refusal, result.init_refused()),
        }
        let other = Refusal::Unauthorized { reason: "this token is of another right: the result says which".into() };
        let refusal = restored.as_ref().err().unwrap_or(&other);
        results.set_share(match &restored {
            Ok(Capability::Share(share)) => share.clone(),
            Ok(Capability::Writer(_) | Capability::View(_)) | Err(_) => Refused::client(refusal, &self.caller),
        });
        results.set_writer(match &restored {
            Ok(Capability::Writer(writer)) => writer.clone(),
            Ok(Capability::Share(_) | Capability::View(_)) | Err(_) => Refused::client(refusal, &self.caller),
        });
        results.set_view(match &restored {
            Ok(Capability::View(view)) => view.clone(),
            Ok(Capability::Share(_) | Capability::Writer(_)) | Err(_) => Refused::client(refusal, &self.caller),
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
            admitted.inspect_err(|refusal| self.caller.denied(Some(who), "admin", "", refusal))
        });
        let mut results = results.get();
        match admitted {
            Ok(admin) => {
                results.reborrow().init_result().set_admitted(());
                results.set_admin(admin);
            }
            Err(refusal) => {
                write_refusal(&refusal, results.reborrow().init_result().init_refused());
                results.set_admin(Refused::client(&refusal, &self.caller));
            }
        }
        Ok(())
    }
}

/// Writes a page of a listing.
pub(super) fn write_page(result: &Result<Page, Refusal>, mut to: list_result::Builder<'_>) {
    match result {
        Ok(page) => {
            let mut facts = to.init_page();
            facts.set_next_cursor(page.next_cursor.as_str());
            let mut damaged = facts.reborrow().init_damaged(u32::try_from(page.damaged.len()).unwrap_or(u32::MAX));
            for (at, session) in (0..).zip(&page.damaged) {
                write_damaged(session, damaged.reborrow().get(at));
            }
            let mut shares = facts.init_shares(u32::try_from(page.shares.len()).unwrap_or(u32::MAX));
            for (at, listing) in (0..).zip(&page.shares) {
                write_listing(listing, shares.reborrow().get(at));
            }
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// How long the callback of a probe may take. The contract names the figure.
const CALLBACK_WITHIN: Duration = Duration::from_secs(30);

/// Takes faults out: what stays is an answer or a refusal, and both are data.
pub(super) fn refusal_or_fault<T>(answer: Answer<T>) -> Result<Result<T, Refusal>, Error> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(ReadError::Refused(refusal)) => Ok(Err(refusal)),
        Err(ReadError::Fault(fault)) => Err(fault),
    }
}

/// 0 milliseconds stand for no time that was said.
pub(super) fn ttl(ms: u64) -> Option<Duration> {
    (ms != 0).then(|| Duration::from_millis(ms))
}

pub(super) fn text(text: capnp::text::Reader<'_>) -> Result<&str, Refusal> {
    text.to_str().map_err(|_| Refusal::invalid(0, "a text that is not UTF-8"))
}
