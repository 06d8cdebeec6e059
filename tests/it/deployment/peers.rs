//! What hosts tell each other over connections of their own: real hosts, real sockets, one bucket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::hub::Hub;
use capshare::Client;
use capshare::client::{ClientError, ConnectionState, Share, Watch, WatchFrom};
use capshare::host::access::{Scopes, SharedKeys};
use capshare::host::{Host, HostSettings};
use capshare::share::admin::{BroadcastFilter, CloseWhich};
use capshare::share::error::Refusal;
use capshare::share::id::ShareId;
use capshare::share::limits::hosts::PEER_ASK_BYTES_MAX;
use capshare::share::push::Action;
use capshare::share::revision::Revision;
use capshare::share::secret::Secret;
use object_store::memory::InMemory;
use tokio::time::{Instant, sleep};

use crate::support::bucket::TestBucket;
use crate::support::door::ANNS_KEY;
use crate::support::items::part;
use crate::support::patience::within;
use crate::support::relay::Relay;

const ROOTS_KEY: &str = "roots-key-0123456789";

/// A host of a deployment.
pub(super) struct Member {
    pub(super) host: Host,
    pub(super) address: SocketAddr,
}

impl Member {
    /// A host that says that it is reached at this address, if at any, and listens at its own.
    pub(super) async fn at(
        bucket: &Arc<TestBucket>,
        own: SocketAddr,
        says: Option<SocketAddr>,
        change: impl FnOnce(&mut HostSettings),
    ) -> Self {
        let keys = [("ann", ANNS_KEY, Scopes::SHARE), ("root", ROOTS_KEY, Scopes::ALL)];
        let keys = keys.map(|(name, key, scopes)| (name.parse().unwrap(), Secret::from(key), scopes));
        let host = Host::builder()
            .objects(bucket.clone())
            .access(SharedKeys::new(keys))
            .settings(|settings| {
                settings.workers = 1;
                settings.hub.hosts.every = Some(Duration::from_millis(200));
                settings.hub.hosts.urls = says.iter().map(|at| format!("http://{at}").parse().unwrap()).collect();
                change(settings);
            })
            .build()
            .await
            .unwrap();
        let address = host.listen(own).await.unwrap();
        Self { host, address }
    }

    /// A host that other hosts reach.
    pub(super) async fn new(bucket: &Arc<TestBucket>) -> Self {
        let own = free_port().await;
        Self::at(bucket, own, Some(own), |_| {}).await
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        self.host.hub()
    }

    pub(super) fn client(&self, key: &str) -> Client {
        Client::builder(format!("ws://{}", self.address)).token(key).build().unwrap()
    }

    /// A new share of account `ann`.
    pub(super) async fn share(&self, session: &str) -> Share {
        self.client(ANNS_KEY).create(&session.parse().unwrap(), None).await.unwrap()
    }

    pub(super) fn watch(&self, id: &ShareId) -> Watch {
        self.client(ANNS_KEY).watch(id, WatchFrom::WholeState)
    }
}

pub(super) fn memory() -> Arc<TestBucket> {
    TestBucket::over(Arc::new(InMemory::new()))
}

/// An address at which nobody listens.
pub(super) async fn free_port() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Waits until something is so.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    within(what, looking).await;
}

/// Waits until each of these hosts hears of what the others write.
pub(super) async fn connected(members: &[&Member]) {
    for member in members {
        let is_connected = || {
            let others = members.iter().filter(|other| other.address != member.address);
            let mut ids = others.map(|other| other.hub().hosts().id());
            let known = member.hub().hosts().others();
            let is_there = |id| member.hub().peers().is_linked(id) && known.iter().any(|other| other.id == *id);
            ids.all(is_there) && member.hub().hints().is_connected()
        };
        until("a connection between the hosts", is_connected).await;
    }
}

/// Reads on until a revision.
pub(super) async fn seen(watch: &mut Watch, revision: Revision) {
    let reading = async {
        while let Some(step) = watch.next().await {
            if step.unwrap().revision >= revision {
                return;
            }
        }
        panic!("the watch ended before revision {revision:?}");
    };
    within("a step", reading).await;
}

/// S100: whoever is killed takes nothing with it, and who comes back is heard again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_go_on_when_a_host_is_killed_and_when_it_comes_back() {
    let (bucket, own) = (memory(), free_port().await);
    let b = Member::new(&bucket).await;
    let a = Member::at(&bucket, own, Some(own), |_| {}).await;
    connected(&[&a, &b]).await;
    let share = a.share("s").await;
    let mut watch = b.watch(share.id());
    seen(&mut watch, share.sync(part("p", "1")).await.unwrap().revision).await;
    let (id, secret) = (share.id().clone(), share.secret().unwrap().clone());
    let old = a.hub().hosts().id().clone();
    drop((share, a));
    // Its object is still in the bucket: it may live, so this host looks by itself.
    until("the end of the connection", || !b.hub().peers().is_linked(&old) && !b.hub().hints().is_connected()).await;
    let c = Member::at(&bucket, free_port().await, None, |settings| settings.hub.hosts.peers = false).await;
    let share = c.client(ANNS_KEY).open(&id, &secret).await.unwrap();
    seen(&mut watch, share.sync(part("p", "2")).await.unwrap().revision).await;
    c.host.shutdown().await;

    let a = Member::at(&bucket, own, Some(own), |_| {}).await;
    let new = a.hub().hosts().id().clone();
    until("a connection to who came back", || b.hub().peers().is_linked(&new)).await;
    let share = a.client(ANNS_KEY).open(&id, &secret).await.unwrap();
    seen(&mut watch, share.sync(part("p", "3")).await.unwrap().revision).await;
}

/// S100: a host whose answers do not come any more is cut off after ten seconds, and until then its news are what is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_is_noticed_and_its_shares_are_looked_at_again() {
    let (bucket, own) = (memory(), free_port().await);
    let relay = Relay::to(own).await;
    let a = Member::at(&bucket, own, Some(relay.address), |_| {}).await;
    let b = Member::at(&bucket, free_port().await, None, |_| {}).await;
    connected(&[&a, &b]).await;
    let share = a.share("s").await;
    let mut watch = b.watch(share.id());
    seen(&mut watch, share.sync(part("p", "1")).await.unwrap().revision).await;
    relay.lose_answers(true);
    let began = Instant::now();
    until("that it is noticed", || !b.hub().hints().is_connected()).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    seen(&mut watch, share.sync(part("p", "2")).await.unwrap().revision).await;
    relay.lose_answers(false);
    relay.cut();
    connected(&[&a, &b]).await;
}

/// Who shows no ticket, or a wrong one, is told nothing and may do nothing.
#[tokio::test]
async fn only_a_host_of_the_deployment_gets_in() {
    let bucket = memory();
    let (a, other) = (Member::new(&bucket).await, Member::new(&memory()).await);
    let upgrade = |authorization: &str| {
        let client =
            Client::builder(format!("ws://{}/rpc/host", a.address)).token(authorization.to_owned()).build().unwrap();
        async move { client.list(Default::default()).into_vec().await.unwrap_err() }
    };
    let tickets = [
        ROOTS_KEY.to_owned(),
        other.hub().hosts().ticket_for(a.hub().hosts().id()).reveal().to_owned(),
        a.hub().hosts().ticket_for(a.hub().hosts().id()).reveal().to_owned(),
        format!("caphost_{}_{}", other.hub().hosts().id(), "x".repeat(43)),
    ];
    for ticket in tickets {
        let error = upgrade(&ticket).await;
        assert!(matches!(error.refusal(), Some(Refusal::Unauthorized { .. })), "{error}");
    }
    assert!(a.hub().peers().linked().is_empty());
}

/// Answers of the calls about connections of another host, by way of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_reaches_the_connections_of_every_host_by_way_of_one() {
    let bucket = memory();
    let (a, b) = (Member::new(&bucket).await, Member::new(&bucket).await);
    connected(&[&a, &b]).await;
    let ann = b.client(ANNS_KEY);
    ann.list(Default::default()).into_vec().await.unwrap();
    let admin = a.client(ROOTS_KEY).admin();
    let hosts = admin.hosts().await.unwrap();
    let standing: Vec<_> = hosts.iter().map(|host| (&host.info.id, host.is_asked, host.is_linked)).collect();
    assert_eq!(standing, [(a.hub().hosts().id(), true, false), (b.hub().hosts().id(), false, true)]);

    let there = admin.at(b.hub().hosts().id());
    let connections = there.connections().into_vec().await.unwrap();
    assert_eq!(connections.iter().map(|one| one.account.as_str()).collect::<Vec<_>>(), ["ann"]);
    assert_eq!(there.stats().await.unwrap().rpc_connections, 1);
    assert_eq!(admin.at(a.hub().hosts().id()).stats().await.unwrap().rpc_connections, 1, "root's own");
    assert!(matches!(there.drain(None).await, Err(ClientError::Refused(Refusal::NotYet { .. }))));
    let (notice, names) = (Action::Notice("hello".to_owned()), vec!["x".repeat(100); PEER_ASK_BYTES_MAX / 100]);
    assert_eq!(
        there.broadcast(&notice, &names[..100], &BroadcastFilter::default()).await.unwrap(),
        0,
        "ann hears none"
    );
    let refused = there.broadcast(&notice, &names, &BroadcastFilter::default()).await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::InvalidInput { .. })), "{refused}");
    assert_eq!(there.close(CloseWhich::Account("ann".to_owned())).await.unwrap(), 1);
    let mut state = ann.state();
    let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_)));
    within("the end of ann's client", closed).await.unwrap();

    let nobody = "aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    let refused = admin.at(&nobody).stats().await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::Unavailable { .. })), "{refused}");
    let refused = a.client(ANNS_KEY).admin().hosts().await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::Unauthorized { .. })), "{refused}");
}

/// S104: what a host closes, it closes at all of them, and a token that is revoked at one is nothing worth at any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closings_and_revocations_reach_every_host_at_once() {
    let bucket = memory();
    let (own_a, own_b) = (free_port().await, free_port().await);
    let with_tokens = |settings: &mut HostSettings| settings.hub.stored_tokens = true;
    let a = Member::at(&bucket, own_a, Some(own_a), with_tokens).await;
    let b = Member::at(&bucket, own_b, Some(own_b), with_tokens).await;
    connected(&[&a, &b]).await;
    let ended = |client: &Client| {
        let mut state = client.state();
        async move {
            let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_)));
            drop(within("the end of a client", closed).await.unwrap());
        }
    };

    let ann = b.client(ANNS_KEY);
    ann.list(Default::default()).into_vec().await.unwrap();
    let began = Instant::now();
    assert_eq!(a.hub().connections().close_account(&"ann".parse().unwrap()), 0, "none of them is here");
    ended(&ann).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    let root = capshare::__internal::access::Principal {
        account: "root".parse().unwrap(),
        credential: capshare::__internal::access::Credential::Key,
        scopes: Scopes::ALL,
        expires_at: None,
    };
    let access = a.hub().access();
    let (record, token) = access.create_token(&root, &"eve".parse().unwrap(), Scopes::SHARE, "", None).await.unwrap();
    let eve = b.client(token.reveal());
    eve.list(Default::default()).into_vec().await.unwrap();
    let began = Instant::now();
    a.hub().connections().revoke_token(&root, record.id.as_str()).await.unwrap();
    ended(&eve).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
