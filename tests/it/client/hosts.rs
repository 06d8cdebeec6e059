//! Clients that know several hosts of the same shares.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::Client;
use capshare::client::{Backoff, BuildError, Builder, ConnectionState, DialError, Replica, Share, Watch, WatchFrom};
use object_store::memory::InMemory;
use tokio::time::Instant;

use super::queue::items;
use super::relay::{self, Pipe, local};
use crate::support::door::Served;
use crate::support::patience::within;
use crate::support::relay::Relay;

/// Two hosts of the same shares, each behind a relay, and a client that knows both and would wait for long if it waited.
struct Pair {
    hosts: Vec<Option<Served>>,
    relays: Vec<Relay>,
    client: Client,
    states: Arc<Mutex<Vec<ConnectionState>>>,
}

impl Pair {
    async fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let (mut hosts, mut relays) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
            let host = Served::over(store.clone(), access, |_| {}).await;
            relays.push(Relay::to(host.address).await);
            hosts.push(Some(host));
        }
        let [first, second] = [0, 1].map(|n: usize| format!("ws://{}", relays[n].address));
        let long = Duration::from_secs(1_000);
        let client = Client::builder(first).and_at(second).backoff(Backoff::new(long, 2 * long)).build().unwrap();
        let states = Arc::new(Mutex::new(Vec::new()));
        let (mut state, log) = (client.state(), Arc::clone(&states));
        tokio::spawn(async move {
            while state.changed().await.is_ok() {
                let now = state.borrow_and_update().clone();
                log.lock().unwrap().push(now);
            }
        });
        Self { hosts, relays, client, states }
    }

    /// Which of the two the client is at.
    async fn at(&self) -> usize {
        let hello = within("a connection", self.client.hello()).await.unwrap();
        self.relays.iter().position(|relay| hello.host == format!("ws://{}", relay.address)).unwrap()
    }

    /// Waits until the client is at this one.
    async fn until_at(&self, host: usize) {
        let mut state = self.client.state();
        let address = format!("ws://{}", self.relays[host].address);
        let is_there =
            |state: &ConnectionState| matches!(state, ConnectionState::Connected(hello) if hello.host == address);
        within("a connection to the other host", state.wait_for(is_there)).await.unwrap();
    }

    fn never_waited(&self) {
        let states = self.states.lock().unwrap();
        assert!(!states.iter().any(|state| matches!(state, ConnectionState::Waiting { .. })), "{states:?}");
    }
}

/// A watch, and what it has told.
struct Follower {
    watch: Watch,
    replica: Replica,
}

impl Follower {
    fn of(client: &Client, share: &Share) -> Self {
        Self { watch: client.watch(share.id(), WatchFrom::WholeState), replica: Replica::new() }
    }

    /// Follows up to a revision. A step that does not follow the one before is an error.
    async fn until(&mut self, revision: u64) {
        while self.replica.revision().0 < revision {
            let step = within("a step", self.watch.next()).await.unwrap().unwrap();
            self.replica.apply(&step).unwrap();
        }
    }
}

/// What a host may do to those who are connected to it.
async fn trouble(pair: &mut Pair, at: usize, how: usize) {
    let unavailable = r#"{"error":{"code":"Unavailable","message":"drained","retryAfterMs":60000}}"#;
    let relay = &pair.relays[at];
    match how {
        // Every connection is reset, and new ones are cut before they are answered.
        0 => relay.answer(""),
        1 => relay.answer(format!(
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{unavailable}",
            unavailable.len()
        )),
        2 => relay.answer("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<br>"),
        3 => relay.close(1012),
        // It closes with 1012, and its port is refused from then on.
        _ => assert!(pair.hosts[at].take().unwrap().host.shutdown().await),
    }
}

/// S102: a reset, 503, a proxy's answer, 1012, and a host that is gone: the client is at the next host at once; its queue, its syncs
/// and its watches go on there.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_at_the_next_host_without_waiting() {
    for how in 0..5 {
        let mut pair = Pair::new().await;
        let share = pair.client.create(&"ses_1".parse().unwrap(), Some(items(&["a 0"]))).await.unwrap();
        let mut follower = Follower::of(&pair.client, &share);
        follower.until(1).await;
        let at = pair.at().await;
        share.queue(items(&["queued 1"])).await.unwrap();
        trouble(&mut pair, at, how).await;
        pair.until_at(1 - at).await;
        let synced = within("a sync", share.sync(items(&["a 1"]))).await.unwrap();
        assert_eq!((synced.revision.0, synced.sync_count, synced.duplicate), (3, 3, false), "trouble {how}");
        follower.until(3).await;
        assert_eq!(pair.at().await, 1 - at, "it stays there");
        pair.never_waited();
        pair.client.close().await;
    }
}

/// S102: a batch whose answer was lost goes to the next host under its stamp, and counts once.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_on_its_way_goes_to_the_next_host_and_counts_once() {
    let pair = Pair::new().await;
    let share = pair.client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let at = pair.at().await;
    pair.relays[at].lose_answers(true);
    let (answered, syncing) = (pair.relays[at].answered(), share.clone());
    let syncing = tokio::spawn(async move { syncing.sync(items(&["a 1"])).await });
    within("an answer that is lost", async {
        while pair.relays[at].answered() == answered {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    pair.relays[at].answer("");
    let synced = within("the sync", syncing).await.unwrap().unwrap();
    assert_eq!((synced.sync_count, synced.duplicate), (1, true));
    assert_eq!((share.sync(items(&["a 2"])).await.unwrap().sync_count, pair.at().await), (2, 1 - at));
    pair.never_waited();
}

/// S76, S102: only after all hosts have failed there is a delay, which grows from round to round.
#[tokio::test(start_paused = true)]
async fn a_client_waits_only_after_a_whole_round() {
    local(async {
        let relays = [(); 3].map(|()| relay::Relay::new());
        for relay in &relays {
            let down = || DialError::unreachable("down");
            relay.set(|facts| facts.dials = std::iter::repeat_with(down).take(3).collect::<VecDeque<_>>());
        }
        let [first, second, third] = relays.clone().map(|relay| Arc::new(Pipe(relay)));
        let builder = Builder::over(first).and_over(second).and_over(third).seed(3);
        let client = builder.call_timeout(Duration::from_secs(600)).build_local().unwrap();
        let since = Instant::now();
        client.hello().await.unwrap();
        let dialled: Vec<_> = relays.iter().map(|relay| relay.facts().dialled.clone()).collect();
        let mut times: Vec<_> = dialled.iter().flatten().map(|at| *at - since).collect();
        times.sort();
        assert_eq!(times.len(), 10, "three rounds, and one that is up");
        let rounds: Vec<_> = times.chunks(3).map(|round| (round[0], round[round.len() - 1])).collect();
        assert!(rounds.iter().all(|(first, last)| first == last), "within a round nobody waits: {times:?}");
        let pauses: Vec<_> = rounds.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis()).collect();
        for (n, pause) in pauses.iter().enumerate() {
            assert!((200 << n..=(400 << n) + 1).contains(pause), "{pauses:?}");
        }
        for dialled in dialled {
            assert!(dialled.len() >= 3, "each host has its turn in each round");
        }
    })
    .await;
}

/// A client is given so many hosts and no more.
#[tokio::test]
async fn a_client_has_a_bound_of_hosts() {
    let given = |count: usize| {
        (1..count).fold(Client::builder("ws://127.0.0.1:9"), |b, n| b.and_at(format!("ws://127.0.0.1:{n}")))
    };
    let max = capshare::client::defaults::HOSTS_GIVEN_MAX;
    assert!(given(max).build().is_ok());
    let refused = given(max + 1).build();
    assert!(matches!(refused, Err(BuildError::TooManyHosts { count, max: 8 }) if count == max + 1), "{refused:?}");
    assert!(matches!(Client::builder("ws://a").and_at("ftp://b").build(), Err(BuildError::Url(_))));
}
