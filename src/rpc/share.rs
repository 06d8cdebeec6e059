//! A share as capabilities: `Share`, `ShareWriter`, `ShareView`.
//!
//! One object serves all three interfaces; which of them a client can call is which one it was given. Each holds its room,
//! which therefore stays in memory, and a place in the connection's budget. Dropping one releases both and nothing more.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use capnp::Error;
use tokio::sync::Notify;

use crate::contract::convert::{read_batch, write_chunk, write_expiry, write_opened, write_synced};
use crate::contract::error::write_refusal;
use crate::hub::audit::{self, By};
use crate::hub::room::Room;
use crate::rpc::caller::{Caller, Held};
use crate::rpc::gateway::{refusal_or_fault, ttl};
use crate::rpc::refused::Refused;
use crate::rpc::watch::watch_object;
use crate::share::error::Refusal;
use crate::share::time::Timestamp;
use crate::share_capnp::{delete_result, saved, share, share_view, share_writer};
use crate::wire::guard::guard;

/// The full capability on a share.
pub(super) fn share_object(caller: &Rc<Caller>, room: &Arc<Room>) -> Result<share::Client, Refusal> {
    Ok(guard(capnp_rpc::new_client(ShareObject::new(caller, room, None)?), caller.budget()))
}

/// A capability to read a share, until a moment if there is one.
pub(super) fn view_object(
    caller: &Rc<Caller>,
    room: &Arc<Room>,
    until: Option<Timestamp>,
) -> Result<share_view::Client, Refusal> {
    Ok(guard(capnp_rpc::new_client(ShareObject::new(caller, room, until)?), caller.budget()))
}

fn writer_object(caller: &Rc<Caller>, room: &Arc<Room>) -> Result<share_writer::Client, Refusal> {
    Ok(guard(capnp_rpc::new_client(ShareObject::new(caller, room, None)?), caller.budget()))
}

struct ShareObject {
    caller: Rc<Caller>,
    room: Arc<Room>,
    until: Option<Timestamp>,
    syncs: Syncs,
    _held: Held,
}

/// The syncs made through one capability. A read through it sees those that were called before it, though it is called
/// without waiting for their answers.
#[derive(Clone, Default)]
struct Syncs(Rc<SyncCounts>);

#[derive(Default)]
struct SyncCounts {
    begun: Cell<u64>,
    ended: Cell<u64>,
    changed: Notify,
}

/// One sync, from its call to its answer.
struct Begun(Syncs);

impl Drop for Begun {
    fn drop(&mut self) {
        let counts = &self.0.0;
        counts.ended.set(counts.ended.get() + 1);
        counts.changed.notify_waiters();
    }
}

impl Syncs {
    fn begin(&self) -> Begun {
        self.0.begun.set(self.0.begun.get() + 1);
        Begun(self.clone())
    }

    /// Waits for the syncs begun before. They end in the order in which they were begun, but for those that are dropped.
    async fn before(&self) {
        let begun = self.0.begun.get();
        loop {
            let changed = self.0.changed.notified();
            if self.0.ended.get() >= begun {
                return;
            }
            changed.await;
        }
    }
}

impl ShareObject {
    fn new(caller: &Rc<Caller>, room: &Arc<Room>, until: Option<Timestamp>) -> Result<Self, Refusal> {
        let held = caller.hold()?;
        Ok(Self { caller: Rc::clone(caller), room: Arc::clone(room), until, syncs: Syncs::default(), _held: held })
    }

    fn check(&self) -> Result<(), Refusal> {
        match self.until {
            Some(until) if self.caller.hub.ambient().clock.now() >= until => Err(Refusal::Unauthorized {
                reason: "this capability has expired: ask the share's owner for another".into(),
            }),
            _ => Ok(()),
        }
    }
}

impl saved::Server for ShareObject {
    async fn save(self: Rc<Self>, _: saved::SaveParams, mut results: saved::SaveResults) -> Result<(), Error> {
        write_refusal(&not_yet("saved capabilities"), results.get().init_result().init_refused());
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
            let params = params.get()?;
            let batch = read_batch(params.get_data()?, params.get_stamp()?, &self.caller.hub.settings().limits)?;
            Ok(self.caller.hub.sync_room(&self.room, batch).await?)
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
        let set = self.caller.hub.set_expiry(&self.room, ttl(params.get()?.get_ttl_ms())).await;
        drop(begun);
        write_expiry(&set, results.get().init_result());
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
            self.check()?;
            self.syncs.before().await;
            self.room.refresh().await?;
            self.caller.hub.info(&self.room)
        };
        write_opened(&info.await, results.get().init_result());
        Ok(())
    }

    async fn read(
        self: Rc<Self>,
        params: share_view::ReadParams,
        mut results: share_view::ReadResults,
    ) -> Result<(), Error> {
        let (since, cursor) = (params.get()?.get_since(), params.get()?.get_cursor());
        let chunk = async {
            self.check()?;
            self.syncs.before().await;
            let room = self.caller.room_for_chunk().await;
            Ok((self.caller.hub.read(&self.room, since, cursor).await?, room))
        };
        match chunk.await {
            Ok((chunk, _room)) => write_chunk(&chunk, results.get().init_result()),
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
        let (observer, since) = (params.get_observer()?, params.get_since());
        let watching = async {
            self.check()?;
            self.syncs.before().await;
            let feed = self.caller.hub.follow(&self.room, since).await?.merging();
            let revision = self.room.read(crate::share::state::State::revision)?;
            Ok((watch_object(&self.caller, feed, observer, self.until)?, revision))
        };
        let mut results = results.get();
        match watching.await {
            Ok((watch, revision)) => {
                results.reborrow().init_result().set_watching(revision);
                results.set_watch(watch);
            }
            Err(refusal) => {
                write_refusal(&refusal, results.reborrow().init_result().init_refused());
                results.set_watch(Refused::client(&refusal, &self.caller));
            }
        }
        Ok(())
    }
}

impl share::Server for ShareObject {
    async fn remove(self: Rc<Self>, _: share::RemoveParams, mut results: share::RemoveResults) -> Result<(), Error> {
        let deleted = self.caller.hub.delete_room(&self.room).await;
        if deleted.is_ok() {
            let who = self.caller.entry.identity();
            audit::share_deleted(By::Connection(&self.caller.entry, who.as_ref()), self.room.id());
        }
        write_deleted(&deleted, results.get().init_result());
        Ok(())
    }

    async fn narrow_to_write(
        self: Rc<Self>,
        _: share::NarrowToWriteParams,
        mut results: share::NarrowToWriteResults,
    ) -> Result<(), Error> {
        let narrowed =
            self.caller.hub.info(&self.room).and_then(|info| Ok((info, writer_object(&self.caller, &self.room)?)));
        let mut results = results.get();
        match narrowed {
            Ok((info, writer)) => {
                write_opened(&Ok(info), results.reborrow().init_result());
                results.set_writer(writer);
            }
            Err(refusal) => {
                results.set_writer(Refused::client(&refusal, &self.caller));
                write_opened(&Err(refusal), results.reborrow().init_result());
            }
        }
        Ok(())
    }

    async fn narrow_to_read(
        self: Rc<Self>,
        params: share::NarrowToReadParams,
        mut results: share::NarrowToReadResults,
    ) -> Result<(), Error> {
        let until = params.get()?.get_until();
        let until = (until != 0).then_some(Timestamp(until));
        let info = self.caller.hub.info(&self.room);
        let narrowed = info.and_then(|info| Ok((info, view_object(&self.caller, &self.room, until)?)));
        let mut results = results.get();
        match narrowed {
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

    async fn grants(self: Rc<Self>, _: share::GrantsParams, mut results: share::GrantsResults) -> Result<(), Error> {
        write_refusal(&not_yet("saved capabilities"), results.get().init_result().init_refused());
        Ok(())
    }

    async fn revoke_grant(
        self: Rc<Self>,
        _: share::RevokeGrantParams,
        mut results: share::RevokeGrantResults,
    ) -> Result<(), Error> {
        write_refusal(&not_yet("saved capabilities"), results.get().init_result().init_refused());
        Ok(())
    }
}

/// Writes what a deletion came to.
pub(super) fn write_deleted(result: &Result<(), Refusal>, mut to: delete_result::Builder<'_>) {
    match result {
        Ok(()) => to.set_deleted(()),
        Err(refusal) => write_refusal(refusal, to.init_refused()),
    }
}

fn not_yet(feature: &'static str) -> Refusal {
    Refusal::NotYet { feature: feature.into() }
}
