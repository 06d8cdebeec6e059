//! A share as capabilities: `Share`, `ShareWriter`, `ShareView`.
//!
//! One object serves all three interfaces; which of them a client can call is which one it was given: a call of another
//! interface's method is answered as unimplemented, whatever the client takes the capability for. Each holds its room,
//! which therefore stays in memory, a place in the connection's budget, and the [`Pass`] that it came by, which is asked at
//! each call. Dropping one releases all of it and nothing more.

use std::rc::Rc;
use std::sync::Arc;

use capnp::Error;
use tokio::sync::SemaphorePermit;

use crate::access::Principal;
use crate::audit::{self, By, Through};
use crate::contract::convert::{read_batch, write_chunk, write_expiry, write_opened, write_synced};
use crate::contract::error::write_refusal;
use crate::contract::grants::{write_grants, write_saved};
use crate::contract::read_error::ReadError;
use crate::contract::visibility::{read_visibility, write_visibility_set};
use crate::rooms::ballot::{Question, Settled};
use crate::rooms::pass::Pass;
use crate::rooms::room::Room;
use crate::rooms::syncs::Syncs;
use crate::rpc::answer::{Answer, moment, refusal_or_fault, text, ttl, with_capability};
use crate::rpc::caller::{Caller, Held};
use crate::rpc::watch::watch_object;
use crate::rpc::write::{write_deleted, write_settled};
use crate::share::error::Refusal;
use crate::share::grant::{GrantToken, Right};
use crate::share::limits::{ASK_CHOICES_MAX, Limit};
use crate::share::revision::Revision;
use crate::share::time::Timestamp;
use crate::share::view::ShareInfo;
use crate::share::visibility::Visibility;
use crate::share_capnp::{saved, share, share_view, share_writer};
use crate::wire::guard::guard;

/// Makes the full capability on a share.
pub(super) fn share_object(
    caller: &Rc<Caller>,
    who: &Principal,
    room: &Arc<Room>,
    pass: Pass,
) -> Result<share::Client, Refusal> {
    Ok(guard(capnp_rpc::new_client(ShareObject::new(caller, who, room, pass)?), caller.budget()))
}

/// Makes a capability to read a share.
pub(super) fn view_object(
    caller: &Rc<Caller>,
    who: &Principal,
    room: &Arc<Room>,
    pass: Pass,
) -> Result<share_view::Client, Refusal> {
    Ok(guard(capnp_rpc::new_client(ShareObject::new(caller, who, room, pass)?), caller.budget()))
}

/// Makes a capability to write to a share.
pub(super) fn writer_object(
    caller: &Rc<Caller>,
    who: &Principal,
    room: &Arc<Room>,
    pass: Pass,
) -> Result<share_writer::Client, Refusal> {
    Ok(guard(capnp_rpc::new_client(ShareObject::new(caller, who, room, pass)?), caller.budget()))
}

/// A capability on a share, by its right.
pub(super) enum AnyShare {
    /// The full capability.
    Share(share::Client),
    /// The capability to write.
    Writer(share_writer::Client),
    /// The capability to read.
    View(share_view::Client),
}

/// Makes the capability on a share that a pass gives a right to.
pub(super) fn any_object(
    caller: &Rc<Caller>,
    who: &Principal,
    room: &Arc<Room>,
    pass: Pass,
) -> Result<AnyShare, Refusal> {
    Ok(match pass.right() {
        Right::Full => AnyShare::Share(share_object(caller, who, room, pass)?),
        Right::Write => AnyShare::Writer(writer_object(caller, who, room, pass)?),
        Right::Read => AnyShare::View(view_object(caller, who, room, pass)?),
    })
}

struct ShareObject {
    caller: Rc<Caller>,
    /// The principal that it was given to: a connection may have authenticated as several.
    who: Principal,
    room: Arc<Room>,
    pass: Pass,
    syncs: Syncs,
    _held: Held,
}

impl ShareObject {
    fn new(caller: &Rc<Caller>, who: &Principal, room: &Arc<Room>, pass: Pass) -> Result<Self, Refusal> {
        let (held, room) = (caller.hold()?, Arc::clone(room));
        Ok(Self { caller: Rc::clone(caller), who: who.clone(), room, pass, syncs: Syncs::default(), _held: held })
    }

    /// Who acts, for the audit log.
    fn by(&self) -> By<'_> {
        self.caller.entry.by(Some(&self.who))
    }

    /// Passes if the capability is good. One that came through a grant may have to wait for a look into the bucket; what
    /// this gives keeps its calls in the order in which they were made, until they stand in the room's queue.
    async fn admit(&self) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        let turn = if self.pass.grant().is_some() { self.caller.turn().await } else { None };
        self.caller.hub.rooms().check_pass(&self.room, &self.pass).await?;
        Ok(turn)
    }

    /// The share's facts, and the pass for a capability that is narrowed from this one.
    async fn narrow(&self, right: Right, until: Option<Timestamp>) -> Result<(ShareInfo, Pass), Refusal> {
        self.admit().await?;
        Ok((self.caller.hub.rooms().info(&self.room)?, self.pass.narrowed(right, until)))
    }

    async fn save(&self, params: saved::SaveParams) -> Answer<GrantToken> {
        self.admit().await?;
        let params = params.get()?;
        let label = text(params.get_label()?)?.parse()?;
        let token =
            self.caller.hub.rooms().grant(&self.room, &self.pass, label, moment(params.get_expires_at())).await?;
        audit::granted(self.by(), self.room.audited(), token.grant(), self.pass.right(), Through::from(&self.pass));
        Ok(token)
    }

    async fn show_to(&self, visibility: Option<Visibility>) -> Result<Visibility, Refusal> {
        let turn = self.admit().await?;
        if self.pass.right() != Right::Full {
            let reason = "only the full capability on a share changes who may see it, and this one is for writing: use the Share";
            return Err(Refusal::Unauthorized { reason: reason.into() });
        }
        let visibility =
            visibility.ok_or_else(|| Refusal::invalid(0, "no visibility was given: say link, account or grant"))?;
        let setting = self.caller.hub.rooms().set_visibility(&self.room, visibility);
        drop(turn);
        setting.await?;
        Ok(visibility)
    }

    /// Asks the viewers and waits for the outcome; dropping the future takes the question back.
    async fn ask_viewers(&self, params: share::AskParams) -> Answer<Settled> {
        self.admit().await?;
        let params = params.get()?;
        let choices = params.get_choices()?;
        if choices.len() as usize > ASK_CHOICES_MAX {
            return Err(Refusal::limit(Limit::AskChoicesMax, ASK_CHOICES_MAX, choices.len() as usize).into());
        }
        let read = |choice: capnp::Result<capnp::text::Reader<'_>>| Ok::<_, ReadError>(text(choice?)?.to_owned());
        let choices = choices.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let (needed, within_ms) = (params.get_needed() as usize, params.get_within_ms());
        let question = Question::new(text(params.get_question()?)?, &choices, needed, within_ms)?;
        Ok(self.caller.hub.rooms().ask(&self.room, question, &self.pass)?.settled().await)
    }

    async fn revoke(&self, params: share::RevokeGrantParams) -> Answer<()> {
        self.admit().await?;
        let id = text(params.get()?.get_grant_id()?)?.parse().map_err(Refusal::from)?;
        self.caller.hub.rooms().revoke_grant(&self.room, &id).await?;
        audit::grant_revoked(self.by(), self.room.audited(), &id, Through::from(&self.pass));
        Ok(())
    }
}

impl saved::Server for ShareObject {
    async fn save(self: Rc<Self>, params: saved::SaveParams, mut results: saved::SaveResults) -> Result<(), Error> {
        let saved = refusal_or_fault(Self::save(&self, params).await)?;
        write_saved(&saved, results.get().init_result());
        Ok(())
    }
}

impl share_writer::Server for ShareObject {
    async fn sync(
        self: Rc<Self>,
        params: share_writer::SyncParams,
        mut results: share_writer::SyncResults,
    ) -> Result<(), Error> {
        let begun = self.syncs.begin();
        let synced = async {
            let turn = self.admit().await?;
            let params = params.get()?;
            let batch = read_batch(params.get_data()?, params.get_stamp()?, &self.caller.hub.settings().limits)?;
            let syncing = self.caller.hub.rooms().sync_room(&self.room, batch);
            drop(turn);
            Ok(syncing.await?)
        };
        let synced = refusal_or_fault(synced.await)?;
        drop(begun);
        write_synced(&synced, results.get().init_result());
        Ok(())
    }

    async fn set_expiry(
        self: Rc<Self>,
        params: share_writer::SetExpiryParams,
        mut results: share_writer::SetExpiryResults,
    ) -> Result<(), Error> {
        let begun = self.syncs.begin();
        let ttl = ttl(params.get()?.get_ttl_ms());
        let set = async {
            let turn = self.admit().await?;
            let setting = self.caller.hub.rooms().set_expiry(&self.room, ttl);
            drop(turn);
            setting.await
        };
        let set = set.await;
        drop(begun);
        if let Ok(expires_at) = &set {
            audit::expiry_set(self.by(), self.room.audited(), *expires_at, Through::from(&self.pass));
        }
        write_expiry(&set, results.get().init_result());
        Ok(())
    }

    async fn set_visibility(
        self: Rc<Self>,
        params: share_writer::SetVisibilityParams,
        mut results: share_writer::SetVisibilityResults,
    ) -> Result<(), Error> {
        let begun = self.syncs.begin();
        let set = match refusal_or_fault(read_visibility(params.get()?.get_visibility()))? {
            Ok(visibility) => self.show_to(visibility).await,
            Err(refusal) => Err(refusal),
        };
        drop(begun);
        if let Ok(visibility) = &set {
            audit::visibility_set(self.by(), self.room.audited(), *visibility, Through::from(&self.pass));
        }
        write_visibility_set(&set, results.get().init_result());
        Ok(())
    }
}

impl share_view::Server for ShareObject {
    async fn info(
        self: Rc<Self>,
        _: share_view::InfoParams,
        mut results: share_view::InfoResults,
    ) -> Result<(), Error> {
        let info = async {
            self.syncs.before().await;
            self.room.refresh().await?;
            self.admit().await?;
            self.caller.hub.rooms().info(&self.room)
        };
        write_opened(&info.await, results.get().init_result());
        Ok(())
    }

    async fn read(
        self: Rc<Self>,
        params: share_view::ReadParams,
        mut results: share_view::ReadResults,
    ) -> Result<(), Error> {
        let (since, cursor) = (Revision(params.get()?.get_since()), params.get()?.get_cursor());
        let chunk = async {
            self.syncs.before().await;
            let turn = self.caller.until_a_chunk_fits().await;
            self.admit().await?;
            Ok((self.caller.hub.rooms().read(&self.room, since, cursor).await?, turn))
        };
        match chunk.await {
            Ok((chunk, _turn)) => write_chunk(&chunk, results.get().init_result()),
            Err::<_, Refusal>(refusal) => write_refusal(&refusal, results.get().init_result().init_refused()),
        }
        Ok(())
    }

    async fn watch(
        self: Rc<Self>,
        params: share_view::WatchParams,
        mut results: share_view::WatchResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let (observer, since) = (params.get_observer()?, Revision(params.get_since()));
        let watching = async {
            self.syncs.before().await;
            self.admit().await?;
            let feed = self.caller.hub.rooms().follow(&self.room, since).await?.merging().within(self.pass.clone());
            let revision = self.room.read(crate::share::state::State::revision)?;
            Ok((revision, watch_object(&self.caller, feed, observer, &self.pass)?))
        };
        let (watching, watch) = with_capability(&self.caller, watching.await)?;
        let mut results = results.get();
        let mut result = results.reborrow().init_result();
        match watching {
            Ok(revision) => result.set_watching(revision.0),
            Err(refusal) => write_refusal(&refusal, result.init_refused()),
        }
        results.set_watch(watch);
        Ok(())
    }
}

impl share::Server for ShareObject {
    async fn remove(self: Rc<Self>, _: share::RemoveParams, mut results: share::RemoveResults) -> Result<(), Error> {
        let deleted = async {
            let turn = self.admit().await?;
            let deleting = self.caller.hub.rooms().delete_room(&self.room);
            drop(turn);
            deleting.await
        };
        let deleted = deleted.await;
        if deleted.is_ok() {
            audit::share_deleted(self.by(), self.room.audited(), Through::from(&self.pass));
        }
        write_deleted(&deleted, results.get().init_result());
        Ok(())
    }

    async fn narrow_to_write(
        self: Rc<Self>,
        _: share::NarrowToWriteParams,
        mut results: share::NarrowToWriteResults,
    ) -> Result<(), Error> {
        let narrowed = async {
            let (info, pass) = self.narrow(Right::Write, None).await?;
            Ok((info, writer_object(&self.caller, &self.who, &self.room, pass)?))
        };
        let (info, writer) = with_capability(&self.caller, narrowed.await)?;
        let mut results = results.get();
        write_opened(&info, results.reborrow().init_result());
        results.set_writer(writer);
        Ok(())
    }

    async fn narrow_to_read(
        self: Rc<Self>,
        params: share::NarrowToReadParams,
        mut results: share::NarrowToReadResults,
    ) -> Result<(), Error> {
        let until = moment(params.get()?.get_until());
        let narrowed = async {
            let (info, pass) = self.narrow(Right::Read, until).await?;
            Ok((info, view_object(&self.caller, &self.who, &self.room, pass)?))
        };
        let (info, view) = with_capability(&self.caller, narrowed.await)?;
        let mut results = results.get();
        write_opened(&info, results.reborrow().init_result());
        results.set_view(view);
        Ok(())
    }

    async fn grants(self: Rc<Self>, _: share::GrantsParams, mut results: share::GrantsResults) -> Result<(), Error> {
        let grants = async {
            self.admit().await?;
            self.caller.hub.rooms().grants(&self.room).await
        };
        write_grants(&grants.await, results.get().init_result());
        Ok(())
    }

    async fn revoke_grant(
        self: Rc<Self>,
        params: share::RevokeGrantParams,
        mut results: share::RevokeGrantResults,
    ) -> Result<(), Error> {
        let revoked = refusal_or_fault(self.revoke(params).await)?;
        write_deleted(&revoked, results.get().init_result());
        Ok(())
    }

    async fn ask(self: Rc<Self>, params: share::AskParams, mut results: share::AskResults) -> Result<(), Error> {
        let settled = refusal_or_fault(self.ask_viewers(params).await)?;
        write_settled(&settled, results.get().init_result());
        Ok(())
    }
}
