//! What the methods of the root do before their results are written: each asks who calls, reads its arguments, and calls one verb
//! of the hub.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;

use crate::audit::{self, Through};
use crate::connections::calls::CallFailure;
use crate::contract::convert::read_batch;
use crate::contract::sync_data::check_json;
use crate::contract::visibility::read_visibility;
use crate::contract::{CONTRACT_VERSION, SUBPROTOCOL, SUBPROTOCOL_PREFIX};
use crate::rooms::Terms;
use crate::rooms::grants::Restored;
use crate::rooms::room::Room;
use crate::rpc::answer::{Answer, text, ttl};
use crate::rpc::gateway::Gateway;
use crate::rpc::share::{AnyShare, any_object};
use crate::share::change::Batch;
use crate::share::error::Refusal;
use crate::share::secret::Secret;
use crate::share::view::Synced;
use crate::share_capnp::{share_rpc, sync_item};

impl Gateway {
    pub(super) fn hello(&self, version: u32) -> Result<&str, Refusal> {
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

    pub(super) async fn create(&self, params: share_rpc::CreateShareParams) -> Answer<crate::rooms::Created> {
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
        Ok(self.caller.hub.rooms().create_by(by, who, &session, initial, terms).await?)
    }

    pub(super) async fn open(&self, id: capnp::text::Reader<'_>, secret: capnp::text::Reader<'_>) -> Answer<Arc<Room>> {
        Ok(self.caller.hub.rooms().open(text(id)?, &Secret::from(text(secret)?)).await?)
    }

    pub(super) async fn sync(&self, params: share_rpc::SyncShareParams) -> Answer<Synced> {
        self.principal()?.may_write()?;
        let params = params.get()?;
        let turn = self.caller.turn().await;
        let room = self.open(params.get_share_id()?, params.get_secret()?).await?;
        let batch = self.batch(params.get_data()?, params.get_stamp()?)?;
        let syncing = self.caller.hub.rooms().sync_room(&room, batch);
        drop(turn);
        Ok(syncing.await?)
    }

    /// A call that the service around the host serves; `None` if nothing is served under its name.
    pub(super) async fn serve_call(
        &self,
        params: share_rpc::CallParams,
    ) -> Answer<Option<Result<String, CallFailure>>> {
        let who = self.principal()?;
        let (name, data, within) = {
            let params = params.get()?;
            let (name, json) = (text(params.get_procedure()?)?, text(params.get_data()?)?);
            check_json("call", json, &self.caller.hub.settings().limits)?;
            let data = serde_json::from_str(json)
                .map_err(|_| Refusal::invalid(0, "the data of a call is not JSON: send a JSON text"))?;
            (name.to_owned(), data, ttl(params.get_within_ms().into()))
        };
        drop(params);
        // On its own box of a panic: its caller learns that it broke, and no more.
        let called = self.caller.hub.connections().call(&self.caller.entry, who, &name, data, within);
        let served = AssertUnwindSafe(called).catch_unwind().await.unwrap_or_else(|_panic| {
            tracing::error!(connection = %self.caller.connection, name, "the handler of a call panicked");
            Some(Err(CallFailure::new("internal", "the handler of this call failed")))
        });
        Ok(served.map(|served| served.map(|answer| answer.to_string())))
    }

    pub(super) async fn delete(&self, params: share_rpc::DeleteShareParams) -> Answer<()> {
        self.principal()?.may_write()?;
        let params = params.get()?;
        let turn = self.caller.turn().await;
        let room = self.open(params.get_share_id()?, params.get_secret()?).await?;
        let deleting = self.caller.hub.rooms().delete_room(&room);
        drop(turn);
        deleting.await?;
        audit::share_deleted(self.caller.entry.by(self.principal.as_ref()), room.audited(), Through::Owner);
        Ok(())
    }

    pub(super) async fn restore(&self, params: share_rpc::RestoreParams) -> Answer<AnyShare> {
        let who = self.principal()?;
        let Restored { room, pass } = self.caller.hub.rooms().restore(who, text(params.get()?.get_token()?)?).await?;
        Ok(any_object(&self.caller, who, &room, pass)?)
    }
}
