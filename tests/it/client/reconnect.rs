//! The life of a connection: when it is dialled, when it counts as up, when it is given up.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::{Scopes, SharedKeys};
use capshare::client::{Backoff, Builder, ClientError, Closed, ConnectionState, DialError, WatchFrom};
use capshare::share::error::Refusal;
use capshare::share::secret::Secret;
use capshare::testing::Scene;
use tokio::time::Instant;

use super::queue::{client, items, share};
use super::relay::{Act, Kind, Pipe, Relay, local};

const AGENT: &str = concat!("capshare/", env!("CARGO_PKG_VERSION"));

fn down(times: usize) -> impl Iterator<Item = DialError> {
    std::iter::repeat_with(|| DialError::unreachable("down")).take(times)
}

/// S76: the client reconnects with capped backoff and jitter.
#[tokio::test(start_paused = true)]
async fn delays_between_attempts_double_up_to_their_cap_with_jitter_and_a_seed_repeats_them() {
    let run = |seed| {
        local(async move {
            let relay = Relay::new();
            relay.set(|facts| facts.dials.extend(down(12)));
            let client = Builder::over(Arc::new(Pipe(relay.clone())))
                .seed(seed)
                .call_timeout(Duration::from_secs(600))
                .build_local()
                .unwrap();
            client.hello().await.unwrap();
            let dialled = relay.facts().dialled.clone();
            dialled.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect::<Vec<_>>()
        })
    };
    let delays = run(7).await;
    assert_eq!(delays.len(), 12);
    for (n, delay) in delays.iter().enumerate() {
        let base = (200_u128 << n).min(5_000);
        // The clock has steps of a millisecond.
        assert!((base..=2 * base + 1).contains(delay), "delay {n}: {delay}");
    }
    assert!(delays.iter().all(|delay| *delay <= 10_001));
    assert_eq!(run(7).await, delays);
    assert_ne!(run(8).await, delays);
}

#[tokio::test(start_paused = true)]
async fn the_delays_begin_anew_after_a_connection_that_lasted_and_not_after_one_that_did_not() {
    local(async {
        let relay = Relay::new();
        let client = client(&relay);
        client.hello().await.unwrap();
        let lost = |relay: Arc<Relay>| async move {
            let (dials, begin) = (relay.facts().dialled.len(), Instant::now());
            relay.cut();
            relay.until(|facts| facts.dialled.len() > dials && facts.connections == 1).await;
            begin.elapsed()
        };
        for _ in 0..6 {
            lost(relay.clone()).await;
        }
        assert!(lost(relay.clone()).await >= Duration::from_secs(5));
        client.hello().await.unwrap();
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert!(lost(relay.clone()).await <= Duration::from_millis(401));
    })
    .await;
}

/// S76: connected is reported only after a round trip.
#[tokio::test(start_paused = true)]
async fn a_client_counts_as_connected_only_when_hello_was_answered() {
    local(async {
        let relay = Relay::new();
        relay.next(Kind::Hello, [Act::CutBefore, Act::Hold]);
        let client = client(&relay);
        let mut state = client.state();
        assert_eq!(*state.borrow_and_update(), ConnectionState::Idle);
        tokio::task::yield_now().await;
        assert!(relay.facts().dialled.is_empty(), "nothing is dialled before the first call");

        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let watching = tokio::task::spawn_local({
            let seen = seen.clone();
            async move {
                while state.changed().await.is_ok() {
                    seen.lock().unwrap().push(state.borrow_and_update().clone());
                }
            }
        });
        let hello = tokio::task::spawn_local({
            let client = client.clone();
            async move { client.hello().await }
        });
        relay.until(|facts| facts.held == 1).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!hello.is_finished());
        assert!(!seen.lock().unwrap().iter().any(|state| matches!(state, ConnectionState::Connected(_))));
        relay.release();
        let hello = hello.await.unwrap().unwrap();
        assert_eq!((hello.agent.as_str(), hello.account.as_str()), (AGENT, "local"));
        drop(client);
        watching.await.unwrap();
        let seen = seen.lock().unwrap();
        assert!(
            matches!(
                &seen[..],
                [
                    ConnectionState::Connecting { attempt: 1 },
                    ConnectionState::Waiting { .. },
                    ConnectionState::Connecting { attempt: 2 },
                    ConnectionState::Connected(_),
                    ConnectionState::Closed(Closed::Here),
                ]
            ),
            "{seen:?}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_hello_is_left_after_the_connect_timeout() {
    local(async {
        let relay = Relay::new();
        relay.next(Kind::Hello, [Act::Hold]);
        let client = client(&relay);
        let begin = Instant::now();
        client.hello().await.unwrap();
        assert!(begin.elapsed() >= Duration::from_secs(10));
        relay.until(|facts| facts.held == 0 && facts.connections == 1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_final_refusal_of_hello_ends_the_client_and_a_transient_one_only_delays_it() {
    local(async {
        let mismatch = Refusal::ProtocolMismatch { expected: "capshare.2".into(), got: "capshare.1".into() };
        let relay = Relay::new();
        let busy = Refusal::Unavailable { retry_after_ms: 20_000 };
        relay.next(Kind::Hello, [Act::Refuse(busy), Act::Refuse(mismatch.clone())]);
        let client = client(&relay);
        let begin = Instant::now();
        let closed = ClientError::Closed(Closed::Refused(mismatch));
        assert_eq!(client.ping().await, Err(closed.clone()));
        assert!(begin.elapsed() >= Duration::from_secs(20));
        assert_eq!(client.ping().await, Err(closed.clone()));
        assert!(!closed.is_transient());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(relay.facts().dialled.len(), 2);
        relay.until(|facts| facts.connections == 0).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_shown_in_band_is_not_shown_while_dialling_and_gives_its_own_root() {
    local(async {
        let keys = [("bob".parse().unwrap(), Secret::from("right"), Scopes::SHARE)];
        let relay = Relay::before(Scene::builder().access(SharedKeys::new(keys)).build());
        let builder = |token: &str| Builder::over(Arc::new(Pipe(relay.clone()))).token(token).in_band();
        assert!(!format!("{:?}", builder("right")).contains("right"));
        let client = builder("right").build_local().unwrap();
        assert_eq!(client.hello().await.unwrap().account, "bob");
        share(&client).await;
        assert!(relay.facts().requests[0].token.is_none() && relay.facts().requests[0].in_band);
        let refused = builder("wrong").build_local().unwrap().hello().await;
        let Err(ClientError::Closed(Closed::Refused(Refusal::Unauthorized { .. }))) = refused else {
            panic!("{refused:?}")
        };
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_driver_and_releases_everything_at_the_host() {
    local(async {
        let relay = Relay::new();
        let client = client(&relay);
        let mut state = client.state();
        let share = share(&client).await;
        share.sync(items(&["a 1"])).await.unwrap();
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        watch.next().await.unwrap().unwrap();
        assert!(relay.scene.host().hub().metrics().capabilities_held.get() > 0);
        drop((client, share));
        relay.until(|facts| facts.connections == 1).await;
        drop(watch);
        relay.until_host_is_empty().await;
        state.wait_for(|state| *state == ConnectionState::Closed(Closed::Here)).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn closing_a_client_ends_it_for_all_its_handles() {
    local(async {
        let relay = Relay::new();
        let client = Builder::over(Arc::new(Pipe(relay.clone())))
            .backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(2)))
            .build_local()
            .unwrap();
        let share = share(&client).await;
        let mut watch = client.watch(share.id(), WatchFrom::WholeState);
        share.sync(items(&["a 1"])).await.unwrap();
        watch.next().await.unwrap().unwrap();
        share.sync(items(&["a 2"])).await.unwrap();
        relay.next(Kind::Sync, [Act::Hold]);
        share.queue(items(&["a 3"])).await.unwrap();
        client.close().await;
        let closed = ClientError::Closed(Closed::Here);
        assert_eq!(client.ping().await, Err(closed.clone()));
        assert_eq!(share.flush().await, Err(closed.clone()));
        let last = loop {
            if let Err(error) = watch.next().await.unwrap() {
                break error;
            }
        };
        assert_eq!(last, closed);
        assert!(watch.next().await.is_none());
        relay.until_host_is_empty().await;
    })
    .await;
}
