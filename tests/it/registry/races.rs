//! Interleavings, drawn by seed: whatever the order, what must hold holds.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use capshare::__internal::access::{Scopes, Way};
use capshare::__internal::connections::close::CloseReason;
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::share::admin::CloseWhich;
use capshare::testing::{Scene, run};
use tokio::task::yield_now;

use super::until;
use crate::support::desk::{Desk, token};
use crate::support::raw::{Raw, callback};

/// Small numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    async fn pause(&mut self) {
        for _ in 0..self.below(24) {
            yield_now().await;
        }
    }
}

fn desk() -> Desk {
    Desk::of([("ann", token("ann", "t1", Scopes::SHARE)), ("bob", token("bob", "t2", Scopes::SHARE))])
}

const SEEDS: u64 = 300;

/// S57: whenever the revocation comes, once it is over nobody is in with the revoked token, and no call of whoever was not
/// admitted was dispatched.
#[test]
fn a_revoke_during_admission_leaves_nobody_in() {
    let (mut admitted, mut refused) = (0, 0);
    for seed in 0..SEEDS {
        run(async {
            let mut dice = Dice(seed);
            let desk = desk();
            let scene = Scene::builder().access(desk.clone()).seed(seed).build();
            let hub = scene.host().hub();
            desk.hold();
            let host = scene.host().clone();
            let coming = tokio::task::spawn_local(async move {
                let token = "ann".into();
                let end = host.connect(Some(&token), false).await.ok()?;
                let raw = Raw::over(end);
                Some(raw.root.probe_value_request().send().promise.await.is_ok())
            });
            dice.pause().await;
            let release_first = dice.below(2) == 0;
            if release_first {
                desk.release();
                dice.pause().await;
            }
            desk.revoke("ann");
            let closed = hub.connections().close_token("t1");
            assert!(closed <= 1);
            dice.pause().await;
            desk.release();
            match coming.await.unwrap() {
                Some(_) => admitted += 1,
                None => {
                    refused += 1;
                    assert_eq!(hub.metrics().calls.get(), 0, "seed {seed}");
                }
            }
            until(|| hub.connections().registry().taken() == 0).await;
            assert_eq!(hub.connections().close_token("t1"), 0);
        });
    }
    assert!(admitted > 0 && refused > 0, "both orders were met: {admitted} {refused}");
}

/// S58: whenever the revocation comes, a call either was answered before it or fails, and none runs on.
#[test]
fn a_revoke_during_a_call_cancels_it_or_comes_after_its_answer() {
    let (mut answered, mut cancelled) = (0, 0);
    for seed in 0..SEEDS {
        run(async {
            let mut dice = Dice(seed);
            let scene = Scene::builder().access(desk()).seed(seed).build();
            let hub = scene.host().hub();
            let raw = Raw::connect(scene.host(), Some("ann")).await;
            let bystander = Raw::connect(scene.host(), Some("bob")).await;
            let mut call = raw.root.probe_callback_request();
            call.get().set_callback(callback(Some("heard")));
            let call = tokio::task::spawn_local(call.send().promise);
            dice.pause().await;
            assert_eq!(hub.connections().close_token("t1"), 1);
            match call.await.unwrap() {
                Ok(_) => answered += 1,
                Err(error) => {
                    cancelled += 1;
                    assert_eq!(error.kind, capnp::ErrorKind::Disconnected, "seed {seed}: {error}");
                }
            }
            until(|| hub.connections().registry().taken() == 1).await;
            assert_eq!(hub.metrics().calls_in_flight.get(), 0, "seed {seed}");
            bystander.root.probe_value_request().send().promise.await.unwrap();
        });
    }
    assert!(answered > 0 && cancelled > 0, "both orders were met: {answered} {cancelled}");
}

/// S52: two revocations at once, from two threads, count each connection once between them.
#[test]
fn two_revokes_at_once_count_each_connection_once() {
    for seed in 0..SEEDS {
        run(async {
            let scene = Scene::builder().access(desk()).seed(seed).build();
            let hub = scene.host().hub();
            let registry = hub.connections().registry();
            let mut connections = Vec::new();
            for n in 0..16 {
                let who = token("ann", &format!("t{}", n % 4), Scopes::SHARE);
                let pending = registry
                    .register(Comer::new(Door::Rpc, Some(who), None, Way::Direct), capshare::testing::BEGINNING);
                connections.push(pending.unwrap().admit().unwrap());
            }
            let start = std::sync::Barrier::new(2);
            let (by_account, by_token) = std::thread::scope(|scope| {
                let by_token = scope.spawn(|| {
                    start.wait();
                    (0..4).map(|n| hub.connections().close(&CloseWhich::Token(format!("t{n}")))).sum::<usize>()
                });
                start.wait();
                (hub.connections().close_account(&"ann".parse().unwrap()), by_token.join().unwrap())
            });
            assert_eq!(by_account + by_token, 16, "seed {seed}");
            assert!(connections.iter().all(|connection| connection.is_closing()));
        });
    }
}

/// S50, S52: a cap against a revocation: each connection is closed for one reason, and what is left is within the cap.
#[test]
fn a_cap_and_a_revoke_close_each_connection_once() {
    let mut reasons = BTreeSet::new();
    for seed in 0..SEEDS {
        run(async {
            let mut dice = Dice(seed);
            let desk = desk();
            let scene = Scene::builder()
                .access(desk.clone())
                .seed(seed)
                .settings(|settings| settings.hub.account_connections_max = NonZeroUsize::new(2))
                .build();
            let hub = scene.host().hub();
            let first = Raw::connect(scene.host(), Some("ann")).await;
            let second = Raw::connect(scene.host(), Some("ann")).await;
            let entries = hub.connections().registry().connections();
            let host = scene.host().clone();
            let third = tokio::task::spawn_local(async move {
                let token = "ann".into();
                host.connect(Some(&token), false).await.map(Raw::over)
            });
            dice.pause().await;
            let closed = hub.connections().close_token("t1");
            let third = third.await.unwrap();
            let evicted = entries.iter().filter(|entry| entry.close_reason() == Some(&CloseReason::TOO_MANY)).count();
            let revoked = entries.iter().filter(|entry| entry.close_reason() == Some(&CloseReason::CLOSED)).count();
            assert_eq!(evicted + revoked, 2, "seed {seed}");
            assert!(evicted <= 1 && (revoked..=revoked + 1).contains(&closed), "seed {seed}");
            assert!(hub.connections().registry().count() <= 1);
            reasons.insert((evicted, closed));
            drop((first, second, third));
            until(|| hub.connections().registry().taken() == 0).await;
        });
    }
    assert!(reasons.len() > 1, "several orders were met: {reasons:?}");
}
