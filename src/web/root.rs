//! The main object of a connection: `ShareRpc`.
//!
//! Of each method it is asked first who calls, and then its arguments are looked at, so that a stranger learns nothing of their
//! shape; then one verb of the hub is called.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use crate::access::Principal;
use crate::audit::{self, Through};
use crate::capnweb::Value;
use crate::contract::{AGENT, CONTRACT_VERSION};
use crate::rooms::Terms;
use crate::rooms::grants;
use crate::rooms::pass::Pass;
use crate::rooms::visibility::Viewing;
use crate::share::change::Batch;
use crate::share::error::Refusal;
use crate::share::grant::Right;
use crate::share::id::SessionId;
use crate::share::item::nesting;
use crate::share::limits::Limit;
use crate::share::secret::Secret;
use crate::web::caller::{Answer, Context, Running, Served};
use crate::web::functions::{Callback, Sink};
use crate::web::give::{Named, New, Success};
use crate::web::interface::{Methods as _, methods};
use crate::web::items::Items;
use crate::web::names::{Full, Registered, Rpc, View};
use crate::web::shapes::{
    BatchStamp, CreateOptions, Created, Deleted, ProbeValue, Restored, SharePage, Synced, Welcome,
};
use crate::web::share::Share;
use crate::web::sink;
use crate::web::take::{Millis, Plain};
use crate::web::{probe, refused};

/// The main object, or what `authenticate` gave.
pub(super) struct Root {
    principal: Option<Principal>,
}

methods! {
    /// What the host serves. On a host that needs credentials, a connection that showed none has only `hello`, `authenticate` and the
    /// probes, and is closed if it does not authenticate within 10 s.
    Rpc = "ShareRpc" of Arc<Root>, extends [], admit may_call {
        /// Says what the host is. `agent` names the client for the host's logs, such as "opencode/1.18.33".
        "hello" (agent "agent": Option<String>) -> Welcome = hello;
        /// Gives this object with the rights of the token's account. The rights of this object stay as they are.
        "authenticate" (token "token": String) -> New<Rpc> = authenticate;
        /// Publishes a session. With `initialData`, which may be empty, the data is in the bucket and `syncCount` is 1 when this is answered.
        /// An account that shares a session again gets the share that it has, with a further secret.
        "createShare" (
            session_id "sessionID": String, initial_data "initialData": Option<Items>, options "options": Option<CreateOptions>
        ) -> Created = create_share;
        /// Applies one batch, whole or not at all. Calls are applied in their order on one connection; a call with an argument that is a
        /// promise of the client takes its place when its arguments are there.
        "syncShare" (id "shareID": String, secret "secret": String, items "data": Items, stamp "stamp": Option<BatchStamp>) -> Synced
            = sync_share;
        /// Deletes a share for ever.
        "deleteShare" (id "shareID": String, secret "secret": String) -> Deleted = delete_share;
        /// Opens the share that has this secret.
        "openShare" (id "shareID": String, secret "secret": String) -> New<Full> = open_share;
        /// Opens a share of the caller's own account without its secret, by a credential of the account.
        "ownShare" (id "shareID": String) -> New<Full> = own_share;
        /// Opens a share for reading, for callers who may see it.
        "viewShare" (id "shareID": String) -> New<View> = view_share;
        /// Lists the account's own shares, at most `limit` (100, and never more than 1,000) of them: begin without a cursor and go on
        /// with `nextCursor` until it is empty. `everyAccount` needs the scope `admin`.
        "listShares" (
            cursor "cursor": Option<String>, limit "limit": Option<u64>, every_account "everyAccount": Option<bool>
        ) -> SharePage = list_shares, stops;
        /// Restores the object that was saved as this token.
        "restore" (token "token": String) -> Restored = restore;
        /// Gives the host a function to push to this client, until what this gives is disposed of or the connection ends. A
        /// connection has one: a second takes the place of the first.
        "offerSink" (sink "handler": Sink) -> New<Registered> = offer_sink;
        /// Calls a procedure of the service that embeds the host, with plain JSON. `withinMs` can only shorten the host's own limit.
        "call" (procedure "procedure": String, data "data": Option<Plain>, within_ms "withinMs": Option<u64>) -> Plain = call, stops;
        /// Returns its argument.
        "probeValue" (input "input": ProbeValue) -> ProbeValue = probe::value;
        /// Calls the function once with "server-called" and returns its answer, which must come within 30 s.
        "probeCallback" (callback "callback": Callback) -> String = probe::callback, stops;
    }
}

/// What may be called before it is known who calls.
const OPEN: [&str; 4] = ["hello", "authenticate", "probeValue", "probeCallback"];

fn may_call(root: &Arc<Root>, method: &str) -> Result<(), Refusal> {
    if OPEN.contains(&method) { Ok(()) } else { root.principal().map(drop) }
}

impl Served for Arc<Root> {
    fn call(&self, context: Context, name: &str, args: Vec<Value>) -> Option<(Running, bool)> {
        let runs = Rpc::find(name)?;
        Some(((runs.begin)(Self::clone(self), context, args), runs.stops))
    }
}

impl Root {
    pub(super) fn new(principal: Option<Principal>) -> Arc<Self> {
        Arc::new(Self { principal })
    }

    /// Who calls.
    fn principal(&self) -> Result<&Principal, Refusal> {
        self.principal.as_ref().ok_or_else(|| Refusal::Unauthorized {
            reason: "call authenticate with a token first, and use the object that it gives".into(),
        })
    }
}

async fn hello(root: Arc<Root>, context: Context, agent: Option<String>) -> Answer<Welcome> {
    let account = root.principal.as_ref().map(|who| who.account.to_string());
    let agent: String = agent.unwrap_or_default().chars().take(64).collect();
    tracing::debug!(connection = %context.caller.entry.id, agent, account, "hello");
    Ok(Welcome {
        contract_version: CONTRACT_VERSION.into(),
        agent: AGENT.to_owned(),
        connection_id: context.caller.entry.id.to_string(),
        account,
        hosts: context.caller.hub.connections().other_urls().iter().map(ToString::to_string).collect(),
        store: context.caller.hub.rooms().store().id().map(ToString::to_string),
    })
}

async fn authenticate(_: Arc<Root>, context: Context, token: String) -> Answer<New<Rpc>> {
    let (hub, entry) = (&context.caller.hub, &context.caller.entry);
    let token = Secret::from(token.as_str());
    let deciding = context.caller.stranger.decide();
    let authenticating = hub.connections().authenticate_within(entry, &token);
    let who = hub.access().failures().guard(context.caller.address(), true, authenticating).await?;
    context.caller.becomes_known();
    drop(deciding);
    Ok(New::of(Root::new(Some(who))))
}

async fn create_share(
    root: Arc<Root>,
    context: Context,
    session_id: String,
    initial_data: Option<Items>,
    options: Option<CreateOptions>,
) -> Answer<Created> {
    let (who, caller) = (root.principal()?, &context.caller);
    let session: SessionId = session_id.parse().map_err(Refusal::from)?;
    let (ttl_ms, visibility, stamp) =
        options.map_or((None, None, None), |options| (options.ttl_ms, options.visibility, options.stamp));
    let stamp = stamp.map(BatchStamp::read).transpose()?;
    let read = |items: Items| {
        items.read("createShare", "initialData", &caller.hub.settings().limits).map(|changes| Batch { stamp, changes })
    };
    let initial = initial_data.map(read).transpose()?;
    // Before anything is created: what cannot be handed out is not made.
    let held = caller.hold()?;
    let terms = Terms { ttl: ttl_ms.map(Millis::duration), visibility };
    let created = caller.hub.rooms().create_by(caller.entry.by(Some(who)), who, &session, initial, terms).await?;
    Ok(Created {
        id: created.id.to_string(),
        url: created.url,
        secret: created.secret.reveal().to_owned(),
        sync_count: created.sync_count,
        revision: created.revision,
        existed: created.existed,
        share: Share::new(held, who, &created.room, Pass::OWNER).to_give(),
    })
}

async fn sync_share(
    root: Arc<Root>,
    context: Context,
    id: String,
    secret: String,
    items: Items,
    stamp: Option<BatchStamp>,
) -> Answer<Synced> {
    root.principal()?.may_write()?;
    let caller = &context.caller;
    let turn = caller.turn().await;
    let room = caller.hub.rooms().open(&id, &Secret::from(secret.as_str())).await?;
    let stamp = stamp.map(BatchStamp::read).transpose()?;
    let batch = Batch { stamp, changes: items.read("syncShare", "data", &caller.hub.settings().limits)? };
    let syncing = caller.hub.rooms().sync_room(&room, batch);
    drop(turn);
    Ok(syncing.await?.into())
}

async fn delete_share(root: Arc<Root>, context: Context, id: String, secret: String) -> Answer<Deleted> {
    let (who, caller) = (root.principal()?, &context.caller);
    who.may_write()?;
    let turn = caller.turn().await;
    let room = caller.hub.rooms().open(&id, &Secret::from(secret.as_str())).await?;
    let deleting = caller.hub.rooms().delete_room(&room);
    drop(turn);
    deleting.await?;
    audit::share_deleted(caller.entry.by(Some(who)), room.audited(), Through::Owner);
    Ok(Deleted { success: Success })
}

async fn open_share(root: Arc<Root>, context: Context, id: String, secret: String) -> Answer<New<Full>> {
    let (who, caller) = (root.principal()?, &context.caller);
    let room = caller.hub.rooms().open(&id, &Secret::from(secret.as_str())).await?;
    Ok(Share::new(caller.hold()?, who, &room, Pass::OWNER).to_give())
}

async fn own_share(root: Arc<Root>, context: Context, id: String) -> Answer<New<Full>> {
    let (who, caller) = (root.principal()?, &context.caller);
    let own = caller.hub.rooms().open_own(who, &id).await;
    let room = own.inspect_err(|refusal| caller.entry.denied(Some(who), "own_share", &id, refusal))?;
    Ok(Share::new(caller.hold()?, who, &room, Pass::OWNER).to_give())
}

async fn view_share(root: Arc<Root>, context: Context, id: String) -> Answer<New<View>> {
    let (who, caller) = (root.principal()?, &context.caller);
    let Viewing { room, pass } = caller.hub.rooms().enter(&id, Some(who), None).await?;
    Ok(Share::new(caller.hold()?, who, &room, pass).to_give())
}

async fn list_shares(
    root: Arc<Root>,
    context: Context,
    cursor: Option<String>,
    limit: Option<u64>,
    every_account: Option<bool>,
) -> Answer<SharePage> {
    let (who, rooms) = (root.principal()?, context.caller.hub.rooms());
    let limit = usize::try_from(limit.unwrap_or_default()).unwrap_or(usize::MAX);
    let cursor = cursor.unwrap_or_default();
    let _turn = context.caller.until_a_chunk_fits().await;
    Ok(rooms.list(who, every_account.unwrap_or_default(), &cursor, limit).await?.into())
}

async fn restore(root: Arc<Root>, context: Context, token: String) -> Answer<Restored> {
    let (who, caller) = (root.principal()?, &context.caller);
    let grants::Restored { room, pass } = caller.hub.rooms().restore(who, &token).await?;
    let right = pass.right();
    let share = Share::new(caller.hold()?, who, &room, pass);
    Ok(Restored {
        right,
        share: if right == Right::Full { share.to_give() } else { another() },
        writer: if right == Right::Write { share.to_give() } else { another() },
        view: if right == Right::Read { share.to_give() } else { another() },
    })
}

/// What stands for an object that a token does not give: it refuses every call.
struct Another;

impl Served for Another {
    fn call(&self, _: Context, _: &str, _: Vec<Value>) -> Option<(Running, bool)> {
        let reason = "this token gives another object: the member right says which";
        Some((Box::pin(async move { Err(Refusal::Unauthorized { reason: reason.into() }.into()) }), false))
    }
}

fn another<I: Named>() -> New<I> {
    New::of(Another)
}

async fn offer_sink(_: Arc<Root>, context: Context, sink: Sink) -> Answer<New<Registered>> {
    sink::register(&context.caller, &sink)
}

async fn call(
    root: Arc<Root>,
    context: Context,
    procedure: String,
    data: Option<Plain>,
    within_ms: Option<u64>,
) -> Answer<Plain> {
    let (who, caller) = (root.principal()?, &context.caller);
    let data = match data {
        Some(Plain(json)) => {
            let limits = &caller.hub.settings().limits;
            if json.len() > limits.item_bytes_max {
                return Err(Refusal::limit(Limit::ItemBytesMax, limits.item_bytes_max, json.len()).into());
            }
            if nesting(&json) > limits.item_nesting_max {
                return Err(Refusal::limit(Limit::ItemNestingMax, limits.item_nesting_max, nesting(&json)).into());
            }
            let invalid = |_| Refusal::invalid(0, "call: the argument data must be plain JSON that a service can read");
            serde_json::from_str(&json).map_err(invalid)?
        }
        None => serde_json::Value::Null,
    };
    // 0 is as if no time were given.
    let within = within_ms.filter(|ms| *ms != 0).map(Duration::from_millis);
    // The service may push back before it answers.
    caller.link.awaits_peer(context.call);
    // In its own box of a panic: its caller learns that it broke, and no more.
    let called = caller.hub.connections().call(&caller.entry, who, &procedure, data, within);
    let served = AssertUnwindSafe(called).catch_unwind().await.map_err(|_panic| {
        tracing::error!(connection = %caller.entry.id, procedure, "the handler of a call panicked");
        refused::broken()
    })?;
    match served {
        Some(Ok(answer)) => Ok(Plain(answer.to_string().into())),
        Some(Err(failure)) => Err(refused::failed(failure)),
        None => Err(refused::unknown_procedure()),
    }
}
