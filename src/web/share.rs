//! A share as objects: `Share`, `ShareWriter`, `ShareView`.
//!
//! One object serves all three interfaces; which methods a client can call is a matter of which one it was given. Each holds its
//! room, which therefore stays in memory, a place among the objects that the connection may hold, and the [`Pass`] that it came by,
//! which is asked at each call. Disposing of one releases all of it and nothing more.

use std::sync::Arc;

use tokio::sync::SemaphorePermit;

use crate::access::Principal;
use crate::audit::{self, By, Through};
use crate::capnweb::Value;
use crate::rooms::ballot::Question;
use crate::rooms::pass::Pass;
use crate::rooms::room::Room;
use crate::rooms::syncs::Syncs;
use crate::share::change::Batch;
use crate::share::error::Refusal;
use crate::share::grant::Right;
use crate::share::limits::{ASK_CHOICES_MAX, Limit};
use crate::share::revision::Revision;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;
use crate::web::caller::{Answer, Caller, Context, Held, Running, Served};
use crate::web::functions::{KeptObserver, Observer};
use crate::web::give::{New, Success};
use crate::web::interface::{Methods, methods};
use crate::web::items::Items;
use crate::web::names::{Full, View, Watching, Writer};
use crate::web::shapes::{AskOutcome, BatchStamp, Deleted, Grant, SavedToken, ShareChunk, ShareInfo, Synced};
use crate::web::take::{Expiry, Millis};
use crate::web::watch;

/// A share, for somebody who may do something with it.
pub(super) struct Share {
    /// The principal that it was given to: a connection may have authenticated as several.
    who: Principal,
    room: Arc<Room>,
    pass: Pass,
    syncs: Syncs,
    _held: Held,
}

/// A share as one of its interfaces.
pub(super) struct As<I> {
    share: Arc<Share>,
    interface: std::marker::PhantomData<fn() -> I>,
}

methods! {
    /// May add to a share.
    Writer = "ShareWriter" of Arc<Share>, extends [], admit may_call {
        /// Applies one batch, whole or not at all. When it is answered it is in the bucket. Calls on one object are applied in their order;
        /// a call with an argument that is a promise of the client takes its place when its arguments are there.
        "sync" (items "data": Items, stamp "stamp": Option<BatchStamp>) -> Synced = sync;
        /// Lets the share expire so many milliseconds from now, at least 1; null: never, or as late as the host grants. Gives when that is.
        /// A time that has passed cannot be given: call `remove` instead.
        "setExpiry" (expiry "ttlMs": Expiry) -> Option<Timestamp> = set_expiry;
        /// Saves this object as a token, which restores it on any connection by `restore`, until it expires or is revoked. A view
        /// that was opened by the id alone cannot be saved.
        "save" (label "label": Option<String>, expires_at "expiresAt": Option<Timestamp>) -> SavedToken = save;
    }
}

methods! {
    /// May read a share.
    View = "ShareView" of Arc<Share>, extends [], admit may_call {
        /// Gives what is known of the share, without its items. It sees the syncs that were called on this object before.
        "info" () -> ShareInfo = info, stops;
        /// Reads the items whose revision is above `since`, in chunks: begin without a cursor and go on with `nextCursor` until that is 0.
        /// After more than one chunk, read again with `since` set to the `revision` of the first one, until a read fits into one chunk.
        "read" (since "since": Option<Revision>, cursor "cursor": Option<u64>) -> ShareChunk = read, stops;
        /// Follows the share from revision `since`; without it, from the whole state. Dispose of what it gives to end the watch.
        "watch" (observer "observer": Observer, since "since": Option<Revision>) -> New<Watching> = watch;
        /// Saves this object as a token, which restores it on any connection by `restore`, until it expires or is revoked. A view
        /// that was opened by the id alone cannot be saved.
        "save" (label "label": Option<String>, expires_at "expiresAt": Option<Timestamp>) -> SavedToken = save;
    }
}

methods! {
    /// The whole share: what its producer holds.
    Full = "Share" of Arc<Share>, extends ["ShareWriter", "ShareView"], admit may_call {
        /// Deletes the share for ever.
        "remove" () -> Deleted = remove;
        /// Sets who may see the share from now on.
        "setVisibility" (visibility "visibility": Visibility) -> Visibility = set_visibility;
        /// Gives an object of this share that may only write.
        "narrowToWrite" () -> New<Writer> = narrow_to_write;
        /// Gives an object of this share that may only read, and until then if a time is given.
        "narrowToRead" (until "until": Option<Timestamp>) -> New<View> = narrow_to_read;
        /// Lists the saved tokens of this share that are valid.
        "grants" () -> Vec<Grant> = grants, stops;
        /// Revokes a saved token, every object that it restored, and every token that was saved of one of those.
        "revokeGrant" (id "grantId": String) -> Deleted = revoke_grant;
        /// Puts a question to the viewers of the share on this host, and waits until a choice has as many answers as are needed, or for so
        /// many milliseconds. Disposing of the promise withdraws the question, and so does the end of this object's right.
        "ask" (question "question": String, choices "choices": Vec<String>, needed "needed": u64, within_ms "withinMs": u64) -> AskOutcome
            = ask, stops;
    }
}

/// The object's own right is its interface, and its pass is asked in turn with other calls.
#[expect(clippy::unnecessary_wraps, reason = "other interfaces refuse here")]
fn may_call(_: &Arc<Share>, _: &str) -> Result<(), Refusal> {
    Ok(())
}

impl Served for As<Writer> {
    fn call(&self, context: Context, name: &str, args: Vec<Value>) -> Option<(Running, bool)> {
        let runs = Writer::find(name)?;
        Some(((runs.begin)(Arc::clone(&self.share), context, args), runs.stops))
    }
}

impl Served for As<View> {
    fn call(&self, context: Context, name: &str, args: Vec<Value>) -> Option<(Running, bool)> {
        let runs = View::find(name)?;
        Some(((runs.begin)(Arc::clone(&self.share), context, args), runs.stops))
    }
}

impl Served for As<Full> {
    fn call(&self, context: Context, name: &str, args: Vec<Value>) -> Option<(Running, bool)> {
        let runs = Full::find(name).or_else(|| Writer::find(name)).or_else(|| View::find(name))?;
        Some(((runs.begin)(Arc::clone(&self.share), context, args), runs.stops))
    }
}

impl Share {
    /// A share that is about to be handed out in this place.
    pub(super) fn new(held: Held, who: &Principal, room: &Arc<Room>, pass: Pass) -> Arc<Self> {
        let room = Arc::clone(room);
        Arc::new(Self { who: who.clone(), room, pass, syncs: Syncs::default(), _held: held })
    }

    /// It, to be handed out as one of its interfaces.
    pub(super) fn to_give<I: crate::web::give::Named + 'static>(self: &Arc<Self>) -> New<I>
    where
        As<I>: Served,
    {
        New::of(As::<I> { share: Arc::clone(self), interface: std::marker::PhantomData })
    }

    /// Who acts, for the audit log.
    fn by<'a>(&'a self, caller: &'a Caller) -> By<'a> {
        caller.entry.by(Some(&self.who))
    }

    /// Passes if the object is good. One that came through a grant may have to wait for a look into the bucket; what this
    /// gives keeps its calls in the order in which they were made, until they stand in the room's queue.
    async fn admit<'a>(&self, caller: &'a Caller) -> Result<Option<SemaphorePermit<'a>>, Refusal> {
        let turn = if self.pass.grant().is_some() { caller.turn().await } else { None };
        caller.hub.rooms().check_pass(&self.room, &self.pass).await?;
        Ok(turn)
    }

    async fn narrow(&self, caller: &Caller, right: Right, until: Option<Timestamp>) -> Answer<Arc<Self>> {
        self.admit(caller).await?;
        caller.hub.rooms().info(&self.room)?;
        Ok(Self::new(caller.hold()?, &self.who, &self.room, self.pass.narrowed(right, until)))
    }
}

async fn sync(share: Arc<Share>, context: Context, items: Items, stamp: Option<BatchStamp>) -> Answer<Synced> {
    let begun = share.syncs.begin();
    let caller = &context.caller;
    let turn = share.admit(caller).await?;
    let stamp = stamp.map(BatchStamp::read).transpose()?;
    let batch = Batch { stamp, changes: items.read("sync", "data", &caller.hub.settings().limits)? };
    let syncing = caller.hub.rooms().sync_room(&share.room, batch);
    drop(turn);
    let synced = syncing.await?;
    drop(begun);
    Ok(synced.into())
}

async fn set_expiry(share: Arc<Share>, context: Context, expiry: Expiry) -> Answer<Option<Timestamp>> {
    let begun = share.syncs.begin();
    let caller = &context.caller;
    let turn = share.admit(caller).await?;
    let setting = caller.hub.rooms().set_expiry(&share.room, expiry.0.map(Millis::duration));
    drop(turn);
    let expires_at = setting.await?;
    drop(begun);
    audit::expiry_set(share.by(caller), share.room.audited(), expires_at, Through::from(&share.pass));
    Ok(expires_at)
}

async fn set_visibility(share: Arc<Share>, context: Context, visibility: Visibility) -> Answer<Visibility> {
    let begun = share.syncs.begin();
    let caller = &context.caller;
    let turn = share.admit(caller).await?;
    let setting = caller.hub.rooms().set_visibility(&share.room, visibility);
    drop(turn);
    setting.await?;
    drop(begun);
    audit::visibility_set(share.by(caller), share.room.audited(), visibility, Through::from(&share.pass));
    Ok(visibility)
}

async fn save(
    share: Arc<Share>,
    context: Context,
    label: Option<String>,
    expires_at: Option<Timestamp>,
) -> Answer<SavedToken> {
    let caller = &context.caller;
    share.admit(caller).await?;
    let label = label.unwrap_or_default().parse()?;
    let token = caller.hub.rooms().grant(&share.room, &share.pass, label, expires_at).await?;
    let (by, through) = (share.by(caller), Through::from(&share.pass));
    audit::granted(by, share.room.audited(), token.grant(), share.pass.right(), through);
    Ok(SavedToken { token: token.reveal().to_owned(), grant_id: token.grant().to_string() })
}

async fn info(share: Arc<Share>, context: Context) -> Answer<ShareInfo> {
    let caller = &context.caller;
    share.syncs.before().await;
    share.room.refresh().await?;
    share.admit(caller).await?;
    Ok(caller.hub.rooms().info(&share.room)?.into())
}

async fn read(share: Arc<Share>, context: Context, since: Option<Revision>, cursor: Option<u64>) -> Answer<ShareChunk> {
    let caller = &context.caller;
    share.syncs.before().await;
    let _turn = caller.until_a_chunk_fits().await;
    share.admit(caller).await?;
    let chunk = caller.hub.rooms().read(&share.room, since.unwrap_or_default(), cursor.unwrap_or_default()).await?;
    Ok(chunk.into())
}

async fn watch(
    share: Arc<Share>,
    context: Context,
    observer: Observer,
    since: Option<Revision>,
) -> Answer<New<Watching>> {
    let caller = &context.caller;
    share.syncs.before().await;
    share.admit(caller).await?;
    let held = caller.hold()?;
    let observer = KeptObserver::of(caller, &observer)?.checked(&context, watch::ACKNOWLEDGE_WITHIN).await?;
    let feed = caller.hub.rooms().follow(&share.room, since.unwrap_or_default()).await?;
    let feed = feed.merging().within(share.pass.clone());
    Ok(watch::begin(caller, held, feed, observer, share.pass.clone()))
}

async fn remove(share: Arc<Share>, context: Context) -> Answer<Deleted> {
    let caller = &context.caller;
    let turn = share.admit(caller).await?;
    let deleting = caller.hub.rooms().delete_room(&share.room);
    drop(turn);
    deleting.await?;
    audit::share_deleted(share.by(caller), share.room.audited(), Through::from(&share.pass));
    Ok(Deleted { success: Success })
}

async fn narrow_to_write(share: Arc<Share>, context: Context) -> Answer<New<Writer>> {
    Ok(share.narrow(&context.caller, Right::Write, None).await?.to_give())
}

async fn narrow_to_read(share: Arc<Share>, context: Context, until: Option<Timestamp>) -> Answer<New<View>> {
    Ok(share.narrow(&context.caller, Right::Read, until).await?.to_give())
}

async fn grants(share: Arc<Share>, context: Context) -> Answer<Vec<Grant>> {
    share.admit(&context.caller).await?;
    let grants = context.caller.hub.rooms().grants(&share.room).await?;
    Ok(grants.into_iter().map(Into::into).collect())
}

async fn revoke_grant(share: Arc<Share>, context: Context, id: String) -> Answer<Deleted> {
    let caller = &context.caller;
    share.admit(caller).await?;
    let id = id.parse().map_err(Refusal::from)?;
    caller.hub.rooms().revoke_grant(&share.room, &id).await?;
    audit::grant_revoked(share.by(caller), share.room.audited(), &id, Through::from(&share.pass));
    Ok(Deleted { success: Success })
}

async fn ask(
    share: Arc<Share>,
    context: Context,
    question: String,
    choices: Vec<String>,
    needed: u64,
    within_ms: u64,
) -> Answer<AskOutcome> {
    let caller = &context.caller;
    share.admit(caller).await?;
    if choices.len() > ASK_CHOICES_MAX {
        return Err(Refusal::limit(Limit::AskChoicesMax, ASK_CHOICES_MAX, choices.len()).into());
    }
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    let question = Question::new(&question, &choices, needed, within_ms)?;
    // A viewer that answers may be the caller itself.
    caller.link.awaits_peer(context.call);
    Ok(caller.hub.rooms().ask(&share.room, question, &share.pass)?.settled().await.into())
}
