//! Clients that a host asks to go to another one: they are there before they leave.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::__internal::ambient::Ambient;
use capshare::Client;
use capshare::client::{ConnectionState, Replica, WatchFrom};
use capshare::host::connections::{CallContext, CallFailure};
use capshare::host::{Host, HostSettings};
use object_store::memory::InMemory;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use super::queue::items;
use crate::cli::program::free_port;
use crate::support::door::Served;
use crate::support::patience::within;

/// Longer than the scene.
const LONG: Duration = Duration::from_secs(600);

/// Two hosts of the same shares, of which each names the other.
async fn pair() -> [Served; 2] {
    let store = Arc::new(InMemory::new());
    let first = free_port();
    // So that the other gets another.
    let taken = TcpListener::bind(("127.0.0.1", first)).unwrap();
    let second = free_port();
    drop(taken);
    let serve = async |port: u16, other: u16| {
        let mut settings = HostSettings::default();
        settings.hub.hosts.others = vec![format!("http://127.0.0.1:{other}").parse().unwrap()];
        let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
        let host = Host::new(store.clone(), access, Ambient::system(), settings).unwrap();
        let address = host.listen(([127, 0, 0, 1], port).into()).await.unwrap();
        Served { host, address }
    };
    [serve(first, second).await, serve(second, first).await]
}

/// Each state that a client is in, as it comes.
fn states(client: &Client) -> mpsc::Receiver<ConnectionState> {
    let (sender, states) = mpsc::channel(64);
    let mut state = client.state();
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            let now = state.borrow_and_update().clone();
            let _gone = sender.send(now).await;
        }
    });
    states
}

/// The host of the next state, which is that of a connection.
async fn connected(states: &mut mpsc::Receiver<ConnectionState>) -> String {
    let next = within("a state", states.recv()).await.unwrap();
    let ConnectionState::Connected(hello) = next else { panic!("{next:?}") };
    hello.host.clone()
}

async fn until(what: &str, fact: impl Fn() -> bool) {
    within(what, async {
        while !fact() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// S102, S103: a host that drains names the other, and its client is there before it leaves: it is never without a connection. Watches,
/// queues and handles go on, a call that is in flight is answered by the host that has it, and then the old connection is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_asked_to_move_is_there_before_it_leaves() {
    let pair = pair().await;
    let urls = [0, 1].map(|n: usize| format!("ws://{}", pair[n].address));
    let (begun, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    for served in &pair {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        served.host.on_call("slow", move |_: CallContext, data: Value| {
            let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                release.acquire().await.unwrap().forget();
                Ok::<_, CallFailure>(data)
            }
        });
    }
    let client = Client::builder(urls[0].as_str()).build().unwrap();
    let mut states = states(&client);
    assert_eq!(client.hello().await.unwrap().others, [format!("http://{}", pair[1].address)]);
    while !matches!(within("a connection", states.recv()).await.unwrap(), ConnectionState::Connected(_)) {}

    let share = client.create(&"ses_1".parse().unwrap(), Some(items(&["a 0"]))).await.unwrap();
    let (mut watch, mut replica) = (client.watch(share.id(), WatchFrom::WholeState), Replica::new());
    for round in 1..=4_u64 {
        let (from, to) = (usize::from(round % 2 == 0), usize::from(round % 2 == 1));
        let calling = tokio::spawn({
            let client = client.clone();
            async move { client.call("slow", round).await }
        });
        until("the call to be in flight", || begun.load(Ordering::Relaxed) as u64 == round).await;
        share.queue(items(&[&format!("queued {round}")])).await.unwrap();
        pair[from].host.hub().connections().drain(LONG / 600).unwrap();
        // From connected to connected, with nothing in between.
        assert_eq!(connected(&mut states).await, urls[to]);
        pair[from].host.hub().connections().undrain();
        let synced = within("a sync", share.sync(items(&[&format!("a {round}")]))).await.unwrap();
        assert_eq!((synced.sync_count, synced.revision.0), (1 + 2 * round, 1 + 2 * round));
        while replica.revision() < synced.revision {
            let step = within("a step", watch.next()).await.unwrap().unwrap();
            replica.apply(&step).unwrap();
        }
        // The old connection is there as long as it is needed.
        let old = pair[from].host.connections();
        assert_eq!((old.len(), old[0].traffic.calls_in_flight()), (1, 1), "round {round}");
        release.add_permits(1);
        let answer = within("the answer", calling).await.unwrap().unwrap();
        assert_eq!(answer, round.to_string());
        until("the old connection to be closed", || pair[from].host.connections().is_empty()).await;
        assert_eq!(pair[to].host.connections().len(), 1);
    }
}

/// S102: a client with a credential does not go where nobody protects it: it stays until its host closes the connection, and comes back
/// there.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_credential_does_not_go_to_a_host_that_was_named_without_tls() {
    let pair = pair().await;
    let token = "a token that a host without keys does not look at";
    let client = Client::builder(pair[0].url("")).token(token).build().unwrap();
    let mut state = client.state();
    client.hello().await.unwrap();
    pair[0].host.hub().connections().drain(Duration::from_millis(100)).unwrap();
    let is_lost = |state: &ConnectionState| matches!(state, ConnectionState::Waiting { .. });
    within("the loss", state.wait_for(is_lost)).await.unwrap();
    pair[0].host.hub().connections().undrain();
    let is_back = |state: &ConnectionState| matches!(state, ConnectionState::Connected(_));
    within("the way back", state.wait_for(is_back)).await.unwrap();
    assert_eq!((pair[0].host.connections().len(), pair[1].host.connections().len()), (1, 0));
}
