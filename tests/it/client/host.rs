//! The scripted host: shares in memory, folded by the real rules, and a script of what goes wrong.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};

use capnp::Error;
use capshare::client::{Connection, Dial, DialError, DialRequest};
use capshare::contract::convert::{read_batch, write_chunk, write_opened, write_step, write_synced};
use capshare::contract::error::write_refusal;
use capshare::share::change::Batch;
use capshare::share::entry::Entry;
use capshare::share::error::Refusal;
use capshare::share::id::{AccountId, SessionId, ShareId};
use capshare::share::limits::Limits;
use capshare::share::secret::{Secret, SecretHash};
use capshare::share::state::{Outcome, State};
use capshare::share::time::Timestamp;
use capshare::share::view::Synced;
use capshare::share::view::{ShareInfo, Step};
use capshare::share_capnp::{observer, share_rpc, share_view, watch};
use capshare::wire::{duplex, vat};
use futures::future::LocalBoxFuture;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) const LIMITS: vat::VatLimits =
    vat::VatLimits { message_bytes_max: 4 << 20, nesting_max: 64, queued_bytes_max: None, calls_kept_max: 10_000 };

/// Runs a scene where `spawn_local` works.
pub(crate) async fn local<T>(scene: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(scene).await
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// The connection is cut before anything happened.
    CutBefore,
    /// It happened, and the connection is cut before the answer.
    CutAfter,
    Refuse(Refusal),
    /// It happens when the host is released.
    Hold,
}

#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) shares: BTreeMap<ShareId, (Secret, State)>,
    /// For the next syncs; after the last, all goes well.
    pub(crate) syncs: VecDeque<Act>,
    /// For the next hellos.
    pub(crate) hellos: VecDeque<Act>,
    /// For the next probes.
    pub(crate) probes: VecDeque<Act>,
    /// For the next attempts at a connection.
    pub(crate) dials: VecDeque<DialError>,
    /// A lower limit than the contract's.
    pub(crate) sync_items_max: Option<usize>,
    /// Each sync and each initial data, as it came.
    pub(crate) seen: Vec<(Instant, Batch)>,
    pub(crate) dialled: Vec<Instant>,
    pub(crate) requests: Vec<DialRequest>,
    /// Server objects and held calls alive.
    pub(crate) live: usize,
    pub(crate) held: usize,
    pub(crate) watches: usize,
    pub(crate) watched_from: Vec<u64>,
    /// Connections alive.
    pub(crate) connections: usize,
    cut: CancellationToken,
}

pub(crate) struct Host {
    facts: Mutex<Facts>,
    /// Something in the facts is another.
    changed: Notify,
    released: Notify,
    /// Items in one piece of a step.
    pub(crate) piece_items: usize,
}

impl Host {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_pieces(1000)
    }

    pub(crate) fn with_pieces(piece_items: usize) -> Arc<Self> {
        let (facts, changed, released) = Default::default();
        Arc::new(Self { facts, changed, released, piece_items })
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("no scene panics with the facts in hand")
    }

    /// Changes the facts and says so.
    pub(crate) fn set<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        let result = change(&mut self.facts());
        self.changed.notify_waiters();
        result
    }

    /// Waits for a fact.
    pub(crate) async fn until(&self, fact: impl Fn(&Facts) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if fact(&self.facts()) {
                return;
            }
            changed.await;
        }
    }

    /// Lets one held call go on.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }

    /// Cuts the newest connection.
    pub(crate) fn cut(&self) {
        self.facts().cut.cancel();
    }

    pub(crate) fn items(&self, id: &ShareId) -> Vec<(String, String)> {
        let facts = self.facts();
        let (_, state) = &facts.shares[id];
        state.items().map(|(key, value)| (key.to_string(), value.as_str().to_owned())).collect()
    }

    pub(crate) fn sync_count(&self, id: &ShareId) -> u64 {
        self.facts().shares[id].1.sync_count()
    }

    /// A batch of another producer.
    pub(crate) fn sync(&self, id: &ShareId, items: &[(&str, &str)]) {
        let mut changes = Vec::new();
        for (kind, json) in items {
            capshare::contract::sync_data::read_item(kind, json, &Limits::default(), &mut changes).expect("an item");
        }
        self.apply(id, &Entry::Sync { at: Timestamp(2), batch: Batch { stamp: None, changes } });
    }

    pub(crate) fn delete(&self, id: &ShareId) {
        self.apply(id, &Entry::Delete { at: Timestamp(3) });
    }

    pub(crate) fn apply(&self, id: &ShareId, entry: &Entry) -> Outcome {
        self.set(|facts| facts.shares.get_mut(id).map_or(Outcome::Void, |(_, state)| state.apply(entry)))
    }

    /// Serves the root over a stream, until it or the host ends the connection.
    pub(crate) fn root(self: &Arc<Self>, cut: CancellationToken) -> share_rpc::Client {
        capnp_rpc::new_client(Root { host: self.clone(), cut, _live: Live::new(self) })
    }

    async fn act(&self, act: Option<Act>, cut: &CancellationToken) -> Result<bool, Refusal> {
        match act {
            None => Ok(false),
            Some(Act::CutBefore) => {
                cut.cancel();
                std::future::pending().await
            }
            Some(Act::CutAfter) => Ok(true),
            Some(Act::Refuse(refusal)) => Err(refusal),
            Some(Act::Hold) => {
                let _held = Held::new(self);
                self.released.notified().await;
                Ok(false)
            }
        }
    }

    fn sync_in(&self, id: &ShareId, secret: &Secret, batch: Batch) -> Result<Synced, Refusal> {
        match self.facts().shares.get(id) {
            None => return Err(Refusal::not_found(id.as_str())),
            Some((right, _)) if right != secret => return Err(Refusal::InvalidSecret { id: id.clone() }),
            Some(_) => {}
        }
        match self.apply(id, &Entry::Sync { at: Timestamp(1), batch }) {
            Outcome::Synced { sync_count, revision, .. } => Ok(Synced { sync_count, revision, duplicate: false }),
            Outcome::Duplicate { sync_count, revision } => Ok(Synced { sync_count, revision, duplicate: true }),
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::Void | Outcome::Opened | Outcome::Deleted => Err(Refusal::not_found(id.as_str())),
        }
    }

    fn info(&self, id: &str) -> Result<ShareInfo, Refusal> {
        let facts = self.facts();
        let found = id.parse::<ShareId>().ok().and_then(|id| facts.shares.get_key_value(&id));
        let Some((id, (_, state))) = found.filter(|(_, (_, state))| state.is_live()) else {
            return Err(Refusal::not_found(id));
        };
        // Made by reading what was written: the facts of a share have no constructor out here.
        let mut message = capnp::message::Builder::new_default();
        let mut result = message.init_root::<capshare::share_capnp::open_result::Builder<'_>>().init_info();
        result.set_id(id.as_str());
        result.set_session_id(state.opened().map_or("", |opened| opened.session.as_str()));
        result.set_url(url(id).as_str());
        result.set_sync_count(state.sync_count());
        result.set_revision(state.revision());
        result.set_item_count(state.item_count() as u64);
        let result = message.get_root_as_reader().expect("just written");
        Ok(capshare::contract::convert::read_opened(result).expect("just written"))
    }
}

fn url(id: &ShareId) -> String {
    format!("http://host/share/{id}")
}

/// The dialer of a scene: a pipe to the host, made on the client's thread.
#[derive(Clone)]
pub(crate) struct Pipe(pub(crate) Arc<Host>);

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pipe")
    }
}

impl Dial for Pipe {
    fn dial<'a>(&'a self, request: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async move {
            let cut = CancellationToken::new();
            let error = self.0.set(|facts| {
                facts.dialled.push(Instant::now());
                facts.requests.push(request.clone());
                facts.cut = cut.clone();
                facts.dials.pop_front()
            });
            if let Some(error) = error {
                return Err(error);
            }
            let (ours, theirs) = duplex::pair(64 << 10);
            let (reader, writer) = theirs.split();
            let vat = vat::serve(reader, writer, self.0.root(cut.clone()).client, LIMITS);
            spawn_local(run(self.0.clone(), vat, cut));
            let (reader, writer) = ours.split();
            Ok(Connection::of_stream(reader, writer))
        })
    }
}

/// Runs one connection at the host.
pub(crate) async fn run(host: Arc<Host>, vat: vat::Vat, cut: CancellationToken) {
    host.set(|facts| facts.connections += 1);
    // Counted down even if the client's thread ends with this on it.
    let _open = Open(host);
    let _ended = cut.run_until_cancelled_owned(vat).await;
}

struct Open(Arc<Host>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(|facts| facts.connections -= 1);
    }
}

struct Live(Arc<Host>);

impl Live {
    fn new(host: &Arc<Host>) -> Self {
        host.set(|facts| facts.live += 1);
        Self(host.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.set(|facts| facts.live -= 1);
    }
}

struct Held<'a>(&'a Host);

impl<'a> Held<'a> {
    fn new(host: &'a Host) -> Self {
        host.set(|facts| facts.held += 1);
        Self(host)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.set(|facts| facts.held -= 1);
    }
}

struct Root {
    host: Arc<Host>,
    cut: CancellationToken,
    _live: Live,
}

impl Root {
    /// The end of a call whose answer is lost.
    async fn answer(&self, is_lost: bool) {
        if is_lost {
            self.cut.cancel();
            std::future::pending().await
        }
    }
}

impl share_rpc::Server for Root {
    async fn hello(
        self: Rc<Self>,
        _: share_rpc::HelloParams,
        mut results: share_rpc::HelloResults,
    ) -> Result<(), Error> {
        let act = self.host.set(|facts| facts.hellos.pop_front());
        match self.host.act(act, &self.cut).await {
            Ok(is_lost) => {
                self.answer(is_lost).await;
                let mut welcome = results.get().init_result().init_welcome();
                welcome.set_contract_version(1);
                welcome.set_agent("scripted/1");
                welcome.set_account("ann");
            }
            Err(refusal) => write_refusal(&refusal, results.get().init_result().init_refused()),
        }
        Ok(())
    }

    async fn authenticate(
        self: Rc<Self>,
        params: share_rpc::AuthenticateParams,
        mut results: share_rpc::AuthenticateResults,
    ) -> Result<(), Error> {
        if params.get()?.get_token()?.to_str()? == "right" {
            results.get().init_result().set_account("bob");
            results.get().set_rpc(self.host.root(self.cut.clone()));
        } else {
            let refusal = Refusal::Unauthorized { reason: "show a token".into() };
            write_refusal(&refusal, results.get().init_result().init_refused());
        }
        Ok(())
    }

    async fn create_share(
        self: Rc<Self>,
        params: share_rpc::CreateShareParams,
        mut results: share_rpc::CreateShareResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let session: SessionId = params.get_session_id()?.to_str()?.parse().map_err(failed)?;
        let initial = if params.has_initial_data() {
            Some(read_batch(params.get_initial_data()?, params.get_stamp()?, &Limits::default()).map_err(failed)?)
        } else {
            None
        };
        let (id, secret, existed) = self.host.set(|facts| {
            for (id, (secret, state)) in &facts.shares {
                if state.opened().is_some_and(|opened| opened.session == session) {
                    return (id.clone(), secret.clone(), true);
                }
            }
            let n = facts.shares.len() as u8;
            let (id, secret) = (ShareId::from_bits(n.into()), Secret::from_bytes([n; 32]));
            let mut state = State::default();
            let account: AccountId = "ann".parse().expect("an account");
            state.apply(&Entry::Open {
                at: Timestamp(1),
                account,
                session,
                secret: SecretHash([n; 32]),
                expires_at: None,
            });
            facts.shares.insert(id.clone(), (secret.clone(), state));
            (id, secret, false)
        });
        if let Some(batch) = initial {
            self.host.set(|facts| facts.seen.push((Instant::now(), batch.clone())));
            self.host.sync_in(&id, &secret, batch).map_err(failed)?;
        }
        let info = self.host.info(id.as_str()).map_err(failed)?;
        let mut created = results.get().init_result().init_created();
        created.set_id(id.as_str());
        created.set_url(url(&id).as_str());
        created.set_secret(secret.reveal());
        created.set_existed(existed);
        created.set_sync_count(info.sync_count);
        created.set_revision(info.revision);
        Ok(())
    }

    async fn sync_share(
        self: Rc<Self>,
        params: share_rpc::SyncShareParams,
        mut results: share_rpc::SyncShareResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let id: ShareId = params.get_share_id()?.to_str()?.parse().map_err(failed)?;
        let secret = Secret::from(params.get_secret()?.to_str()?);
        let mut limits = Limits::default();
        limits.sync_items_max = self.host.facts().sync_items_max.unwrap_or(limits.sync_items_max);
        let batch = match read_batch(params.get_data()?, params.get_stamp()?, &limits) {
            Ok(batch) => batch,
            Err(capshare::contract::convert::ReadError::Refused(refusal)) => {
                write_synced(&Err(refusal), results.get().init_result());
                return Ok(());
            }
            Err(error) => return Err(failed(error)),
        };
        let act = self.host.set(|facts| {
            facts.seen.push((Instant::now(), batch.clone()));
            facts.syncs.pop_front()
        });
        let result = match self.host.act(act, &self.cut).await {
            Ok(is_lost) => {
                let result = self.host.sync_in(&id, &secret, batch);
                self.answer(is_lost).await;
                result
            }
            Err(refusal) => Err(refusal),
        };
        write_synced(&result, results.get().init_result());
        Ok(())
    }

    async fn delete_share(
        self: Rc<Self>,
        params: share_rpc::DeleteShareParams,
        mut results: share_rpc::DeleteShareResults,
    ) -> Result<(), Error> {
        let id: ShareId = params.get()?.get_share_id()?.to_str()?.parse().map_err(failed)?;
        match self.host.apply(&id, &Entry::Delete { at: Timestamp(3) }) {
            Outcome::Deleted => results.get().init_result().set_deleted(()),
            Outcome::Void
            | Outcome::Opened
            | Outcome::Synced { .. }
            | Outcome::Duplicate { .. }
            | Outcome::Refused(_) => {
                write_refusal(&Refusal::not_found(id.as_str()), results.get().init_result().init_refused());
            }
        }
        Ok(())
    }

    async fn open_share(
        self: Rc<Self>,
        params: share_rpc::OpenShareParams,
        mut results: share_rpc::OpenShareResults,
    ) -> Result<(), Error> {
        let result = self.host.info(params.get()?.get_share_id()?.to_str()?);
        write_opened(&result, results.get().init_result());
        Ok(())
    }

    async fn view_share(
        self: Rc<Self>,
        params: share_rpc::ViewShareParams,
        mut results: share_rpc::ViewShareResults,
    ) -> Result<(), Error> {
        let id = params.get()?.get_share_id()?.to_string()?;
        let result = self.host.info(&id);
        write_opened(&result, results.get().init_result());
        let live = Live::new(&self.host);
        results.get().set_view(capnp_rpc::new_client(View { host: self.host.clone(), id, _live: live }));
        Ok(())
    }

    async fn list_shares(
        self: Rc<Self>,
        params: share_rpc::ListSharesParams,
        mut results: share_rpc::ListSharesResults,
    ) -> Result<(), Error> {
        let cursor = params.get()?.get_cursor()?.to_string()?;
        let facts = self.host.facts();
        // Pages of two, by id.
        let rest: Vec<_> = facts.shares.iter().filter(|(id, _)| id.as_str() > cursor.as_str()).collect();
        let mut page = results.get().init_result().init_page();
        let mut shares = page.reborrow().init_shares(rest.len().min(2) as u32);
        for (at, (id, (_, state))) in rest.iter().take(2).enumerate() {
            let mut line = shares.reborrow().get(at as u32);
            line.set_id(id.as_str());
            line.set_session_id(state.opened().map_or("", |opened| opened.session.as_str()));
            line.set_account("ann");
        }
        page.set_next_cursor(if rest.len() > 2 { rest[1].0.as_str() } else { "" });
        Ok(())
    }

    async fn probe_value(
        self: Rc<Self>,
        params: share_rpc::ProbeValueParams,
        mut results: share_rpc::ProbeValueResults,
    ) -> Result<(), Error> {
        let act = self.host.set(|facts| facts.probes.pop_front());
        let is_lost = self.host.act(act, &self.cut).await.map_err(failed)?;
        self.answer(is_lost).await;
        results.get().set_output(params.get()?.get_input()?)
    }

    async fn probe_callback(
        self: Rc<Self>,
        params: share_rpc::ProbeCallbackParams,
        mut results: share_rpc::ProbeCallbackResults,
    ) -> Result<(), Error> {
        let act = self.host.set(|facts| facts.probes.pop_front());
        let is_lost = self.host.act(act, &self.cut).await.map_err(failed)?;
        let mut request = params.get()?.get_callback()?.call_request();
        request.get().set_message("server-called");
        let response = request.send().promise.await?;
        self.answer(is_lost).await;
        results.get().set_reply(response.get()?.get_reply()?);
        Ok(())
    }
}

struct View {
    host: Arc<Host>,
    id: String,
    _live: Live,
}

struct Watching {
    host: Arc<Host>,
    task: tokio::task::JoinHandle<()>,
    _live: Live,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
        self.host.set(|facts| facts.watches -= 1);
    }
}

impl watch::Server for Watching {}

impl capshare::share_capnp::saved::Server for View {}

impl share_view::Server for View {
    async fn info(
        self: Rc<Self>,
        _: share_view::InfoParams,
        mut results: share_view::InfoResults,
    ) -> Result<(), Error> {
        write_opened(&self.host.info(&self.id), results.get().init_result());
        Ok(())
    }

    async fn read(
        self: Rc<Self>,
        params: share_view::ReadParams,
        mut results: share_view::ReadResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        if let Err(refusal) = self.host.info(&self.id) {
            write_refusal(&refusal, results.get().init_result().init_refused());
            return Ok(());
        }
        let id: ShareId = self.id.parse().map_err(failed)?;
        let chunk = self.host.facts().shares[&id].1.read(params.get_since(), params.get_cursor(), 100);
        write_chunk(&chunk, results.get().init_result());
        Ok(())
    }

    async fn watch(
        self: Rc<Self>,
        params: share_view::WatchParams,
        mut results: share_view::WatchResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let info = match self.host.info(&self.id) {
            Ok(info) => info,
            Err(refusal) => {
                write_refusal(&refusal, results.get().init_result().init_refused());
                return Ok(());
            }
        };
        let (observer, since) = (params.get_observer()?, params.get_since());
        self.host.set(|facts| {
            facts.watches += 1;
            facts.watched_from.push(since);
        });
        let host = self.host.clone();
        let task = spawn_local(async move {
            let _ended = tell(&host, &info.id, &observer, since).await;
        });
        results.get().init_result().set_watching(info.revision);
        let live = Live::new(&self.host);
        results.get().set_watch(capnp_rpc::new_client(Watching { host: self.host.clone(), task, _live: live }));
        Ok(())
    }
}

/// Tells an observer of what is new, one call at a time, until the share is gone.
async fn tell(host: &Host, id: &ShareId, observer: &observer::Client, mut base: u64) -> Result<(), Error> {
    loop {
        host.until(|facts| !facts.shares[id].1.is_live() || facts.shares[id].1.revision() > base).await;
        let (is_live, revision, sync_count, (reset, changes)) = {
            let facts = host.facts();
            let state = &facts.shares[id].1;
            (state.is_live(), state.revision(), state.sync_count(), state.changes_since(base))
        };
        if !is_live {
            let mut request = observer.ended_request();
            write_refusal(&Refusal::not_found(id.as_str()), request.get().init_reason());
            request.send().promise.await?;
            return Ok(());
        }
        let mut pieces = changes.chunks(host.piece_items).peekable();
        let mut is_first = true;
        while let Some(piece) = pieces.next() {
            let more = pieces.peek().is_some();
            let reset = reset && std::mem::take(&mut is_first);
            let base = if reset { 0 } else { base };
            let step = Step { base, revision, sync_count, reset, more, changes: piece.to_vec() };
            let mut request = observer.changed_request();
            write_step(&step, request.get().init_event());
            request.send().promise.await?;
        }
        base = revision;
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::failed(error.to_string())
}
