//! To many at once: who gets it, who is counted, and what the slow ones cost.

use std::time::Duration;

use capshare::__internal::access::{Access, Credential, Principal, Scopes};
use capshare::__internal::ambient::{Clock as _, SystemClock};
use capshare::__internal::audit::By;
use capshare::__internal::connections::comer::Door;
use capshare::__internal::connections::entry::Entry;
use capshare::__internal::connections::outlet::PushError;
use capshare::__internal::connections::push::{Action, BroadcastFilter, PushOptions};
use capshare::__internal::share_capnp::authenticate_result;
use capshare::__internal::wire::vat::{self, VatLimits};
use capshare::__internal::wire::websocket::{PipeOptions, pipe};
use capshare::Client;
use capshare::client::{Answer, Push};
use capshare::share::error::Refusal;
use capshare::share::limits::CASTS_IN_FLIGHT_MAX;
use capshare::share::secret::Secret;
use capshare::testing::{Scene, run};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::calls::Log;
use crate::support::door::Served;
use crate::support::memory::resident_bytes;
use crate::support::raw::{Raw, deaf};
use crate::support::sink::{Does, Peer, Script, offer};

fn notice() -> Action {
    Action::Notice("hello".into())
}

/// `KIND:ACCOUNT` is a credential of that kind.
#[derive(Debug)]
struct Kinds;

impl Access for Kinds {
    fn anonymous(&self) -> Option<Principal> {
        None
    }

    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        let (kind, account) = token.reveal().split_once(':').unwrap();
        let credential = match kind {
            "session" => Credential::Session("s".into()),
            "token" => Credential::Token("t".into()),
            "key" => Credential::Key,
            _ => Credential::None,
        };
        let principal =
            Principal { account: account.parse().unwrap(), credential, scopes: Scopes::SHARE, expires_at: None };
        Box::pin(std::future::ready(Ok(principal)))
    }

    fn describe(&self) -> String {
        "whoever says so".into()
    }
}

/// Those who were asked so much.
fn heard(peers: &[&Peer]) -> Vec<usize> {
    peers.iter().map(|peer| peer.script.seen.borrow().len()).collect()
}

/// Lets everything that is on its way arrive: by then each peer's own call has come back.
async fn settle(peers: &[&Peer]) {
    for peer in peers {
        peer.raw.root.probe_value_request().send().promise.await.unwrap();
    }
}

/// S39: a broadcast reaches every connection, and `except` skips one. S40: a filter sees identity and state, only matches
/// receive, and the count is theirs.
#[test]
fn a_broadcast_reaches_whom_it_should_and_counts_them() {
    run(async {
        let scene = Scene::builder().access(Kinds).build();
        let [a, b, c] =
            ["key:ann", "token:ann", "key:bob"].map(|token| Peer::connect(&scene, Some(token), Does::Answers));
        let (a, b, c) = (a.await, b.await, c.await);
        let all = [&a, &b, &c];
        let _without_a_sink = Raw::connect(scene.host(), Some("key:ann")).await;
        let hub = scene.host().hub();
        assert_eq!(hub.connections().broadcast(&notice(), &[], |_| true), 3);
        settle(&all).await;
        assert_eq!(heard(&all), [1, 1, 1]);
        assert_eq!(hub.connections().broadcast(&notice(), std::slice::from_ref(&b.id), |_| true), 2);
        settle(&all).await;
        assert_eq!(heard(&all), [2, 1, 2]);
        // Nobody reads what is answered to a custom action of a broadcast; it is sent all the same.
        let by_credential = |entry: &Entry| entry.principal.as_ref().is_some_and(|who| who.credential.kind() == "key");
        assert_eq!(hub.connections().broadcast(&Action::custom("a", 1), &[], by_credential), 2);
        settle(&all).await;
        assert_eq!(heard(&all), [3, 1, 3]);
        hub.connections().registry().get(c.id.as_str()).unwrap().states.set("room", 4_u8).unwrap();
        let by_state = |entry: &Entry| entry.states.get::<u8>("room").as_deref() == Some(&4);
        assert_eq!(hub.connections().broadcast(&notice(), &[], by_state), 1);
        settle(&all).await;
        assert_eq!(heard(&all), [3, 1, 4]);

        // As an administrator says it: by names.
        let admin = Principal { credential: Credential::Key, scopes: Scopes::ALL, ..scene_principal("root") };
        let filter = |account: &str, door: &str, state: &str| {
            let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
            BroadcastFilter { account: named(account), door: named(door), state: named(state) }
        };
        let none: [&str; 0] = [];
        for (wanted, except, count) in [
            (filter("", "", ""), vec![], 3),
            (filter("", "", ""), vec![a.id.as_str()], 2),
            (filter("ann", "", ""), vec![], 2),
            (filter("", "rpc", ""), vec![], 3),
            (filter("", "viewer", ""), vec![], 0),
            (filter("", "", "room"), vec![], 1),
            (filter("ann", "rpc", "room"), vec![], 0),
        ] {
            assert_eq!(
                hub.connections().admin_broadcast(By::Host, &admin, &notice(), &except, &wanted),
                Ok(count),
                "{wanted:?}"
            );
        }
        let stranger = scene_principal("ann");
        let everybody = filter("", "", "");
        assert!(matches!(
            hub.connections().admin_broadcast(By::Host, &stranger, &notice(), &none, &everybody),
            Err(Refusal::Unauthorized { .. })
        ));
        assert!(matches!(
            hub.connections().admin_send(By::Host, &stranger, &stranger.account, &notice()),
            Err(Refusal::Unauthorized { .. })
        ));
        assert_eq!(hub.connections().admin_send(By::Host, &admin, &stranger.account, &notice()), Ok(2));
        let ping = hub.connections().admin_broadcast(By::Host, &admin, &Action::Ping(1), &none, &everybody);
        assert!(matches!(ping, Err(Refusal::InvalidInput { .. })));
    });
}

fn scene_principal(account: &str) -> Principal {
    Principal {
        account: account.parse().unwrap(),
        credential: Credential::None,
        scopes: Scopes::SHARE,
        expires_at: None,
    }
}

/// S42: send-to-account reaches that account's connections of every credential kind and returns their number, 0 when there
/// are none.
#[test]
fn an_account_is_reached_whatever_it_came_with() {
    run(async {
        let scene = Scene::builder().access(Kinds).build();
        let mut peers = Vec::new();
        for kind in ["session", "token", "key", "none"] {
            peers.push(Peer::connect(&scene, Some(&format!("{kind}:ann")), Does::Answers).await);
        }
        // In-band, it is the account that authenticated.
        let mut raw = Raw::connect(scene.host(), None).await;
        let mut request = raw.root.authenticate_request();
        request.get().set_token("key:ann");
        let response = request.send().promise.await.unwrap();
        assert!(matches!(
            response.get().unwrap().get_result().unwrap().which().unwrap(),
            authenticate_result::Which::Account(_)
        ));
        raw.root = response.get().unwrap().get_rpc().unwrap();
        peers.push(Peer::over(&scene, raw, Does::Answers).await);
        let bob = Peer::connect(&scene, Some("key:bob"), Does::Answers).await;
        let hub = scene.host().hub();
        let account = |name: &str| name.parse().unwrap();
        assert_eq!(hub.connections().send_to_account(&account("ann"), &notice()), 5);
        assert_eq!(hub.connections().send_to_account(&account("bob"), &notice()), 1);
        assert_eq!(hub.connections().send_to_account(&account("eve"), &notice()), 0);
        settle(&peers.iter().chain([&bob]).collect::<Vec<_>>()).await;
        assert_eq!(heard(&peers.iter().collect::<Vec<_>>()), [1; 5]);
        assert_eq!(heard(&[&bob]), [1]);
    });
}

/// S43: an invalid payload is logged and not sent; with nobody connected it is a silent no-op.
#[test]
fn what_cannot_be_broadcast_is_logged_and_sent_to_nobody() {
    run(async {
        let scene = Scene::new();
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        assert_eq!(scene.host().hub().connections().broadcast(&notice(), &[], |_| true), 0);
        assert_eq!(log.text(), "");
        let peer = Peer::connect(&scene, None, Does::Answers).await;
        let large = Action::Notice("x".repeat(100_000));
        for invalid in [Action::custom("a", "{no json"), Action::Ping(1), large] {
            let before = log.text().len();
            assert_eq!(scene.host().hub().connections().broadcast(&invalid, &[], |_| true), 0);
            assert!(log.text()[before..].contains("a broadcast was not sent"), "{}", log.text());
        }
        assert!(!log.text().contains("no json"), "never the content");
        settle(&[&peer]).await;
        assert_eq!(heard(&[&peer]), [0]);
    });
}

/// S41: a dead socket neither stops the fan-out nor is counted, and is removed.
#[test]
fn the_dead_are_not_counted_and_stop_nobody() {
    run(async {
        let scene = Scene::new();
        let mut peers = Vec::new();
        for _ in 0..9 {
            peers.push(Peer::connect(&scene, None, Does::Answers).await);
        }
        let ids: Vec<_> = peers.iter().map(|peer| peer.id.clone()).collect();
        for dead in [0, 4, 8] {
            peers[dead].raw.cut();
        }
        let registry = scene.host().hub().connections().registry();
        while ids.iter().filter(|id| registry.get(id.as_str()).is_some()).count() > 6 {
            tokio::task::yield_now().await;
        }
        assert_eq!(scene.host().hub().connections().broadcast(&notice(), &[], |_| true), 6);
        let alive: Vec<_> = [1, 2, 3, 5, 6, 7].map(|n| &peers[n]).into();
        settle(&alive).await;
        assert_eq!(heard(&alive), [1; 6]);
        // A client that hangs keeps its places, is skipped when it has no more, and its pushes have places of their own.
        *peers[1].script.does.borrow_mut() = Does::Hangs;
        for _ in 0..CASTS_IN_FLIGHT_MAX {
            assert_eq!(scene.host().hub().connections().broadcast(&notice(), &[], |_| true), 6);
            settle(&alive).await;
        }
        assert_eq!(scene.host().hub().connections().broadcast(&notice(), &[], |_| true), 5);
        let push = scene.host().push(&ids[1], Action::Ping(1), PushOptions::default()).await;
        assert!(matches!(push, Err(PushError::Timeout { .. })), "{push:?}");
    });
}

const CONNECTIONS: usize = 1_000;
const DEAF: usize = 50;
/// One more than find room, so that the last are skipped.
const ROUNDS: usize = CASTS_IN_FLIGHT_MAX + 12;
/// As large as may be.
const BYTES: usize = 60_000;
/// What the rounds may cost: each of them once, and for each of the deaf a chunk, one more, and what their pipes hold.
/// Without a bound it would be 50 times 128 of them, 384 MB.
const GROWTH_MAX: u64 = (ROUNDS * BYTES + DEAF * ((256 << 10) + 2 * BYTES + 2 * (64 << 10))) as u64 + (8 << 20);

/// S44: a slow consumer is bounded and delays nobody. S39: everybody else has it.
#[test]
fn fifty_of_a_thousand_that_never_read_delay_nobody_and_cost_little() {
    run(async {
        let scene = Scene::builder().settings(|settings| settings.hub.poll = None).build();
        let hub = scene.host().hub();
        let mut deaf_ones = Vec::new();
        for _ in 0..DEAF {
            let raw = Raw::over(deaf(scene.host().connect(None, false).await.unwrap()));
            let script = Script::new(Does::Answers);
            let mut request = raw.root.offer_sink_request();
            request.get().set_sink(script.client());
            deaf_ones.push((request.send(), raw, script));
        }
        let open = || hub.connections().registry().connections().iter().filter(|entry| entry.outlet.is_open()).count();
        while open() < DEAF {
            tokio::task::yield_now().await;
        }
        for entry in hub.connections().registry().connections() {
            entry.states.set("deaf", ()).unwrap();
        }
        let mut peers = Vec::new();
        for _ in DEAF..CONNECTIONS {
            let raw = Raw::connect(scene.host(), None).await;
            let script = Script::new(Does::Answers);
            peers.push((offer(&raw, &script).await, raw, script));
        }
        let began = SystemClock.now();
        assert_eq!(hub.connections().broadcast(&notice(), &[], |_| true), CONNECTIONS);
        for (_, _, script) in &peers {
            script.until_seen(1).await;
        }
        let took = SystemClock.now().0 - began.0;
        assert!(deaf_ones.iter().all(|(_, _, script)| script.seen.borrow().is_empty()));

        let reading: Vec<_> =
            hub.connections().registry().matching(|entry| !entry.states.has("deaf")).into_iter().take(10).collect();
        for entry in &reading {
            entry.states.set("ten", ()).unwrap();
        }
        let before = resident_bytes();
        let mut reached = Vec::new();
        for round in 1..=ROUNDS {
            let large = Action::Notice("x".repeat(BYTES));
            reached.push(
                hub.connections().broadcast(&large, &[], |entry| entry.states.has("deaf") || entry.states.has("ten")),
            );
            let arrived = || {
                let late = peers.iter().filter(|(_, _, script)| script.seen.borrow().len() == round + 1).count();
                late == 10
            };
            while !arrived() {
                tokio::task::yield_now().await;
            }
        }
        let grown = resident_bytes().saturating_sub(before);
        // The ten keep what they were sent: that is theirs, and not the host's.
        let grown = grown.saturating_sub((10 * ROUNDS * BYTES) as u64);
        let figures = format!("950 had a notice after {took} ms; {ROUNDS} rounds grew {grown} of {GROWTH_MAX} bytes");
        std::io::Write::write_all(&mut std::io::stderr(), format!("{figures}\n").as_bytes()).unwrap();
        assert!(grown < GROWTH_MAX, "{figures}");
        // The first notice has a place, too, and what was taken from the queue to be written has kept its own.
        assert_eq!(reached[..CASTS_IN_FLIGHT_MAX - 1], [60; CASTS_IN_FLIGHT_MAX - 1]);
        assert_eq!(reached[CASTS_IN_FLIGHT_MAX - 1..], [10; ROUNDS - CASTS_IN_FLIGHT_MAX + 1]);
    });
}

/// S39, S44: over WebSockets and the host's own threads: a thousand connections, of which fifty never read.
#[tokio::test(flavor = "current_thread")]
async fn a_thousand_websockets_hear_a_broadcast_though_fifty_of_them_never_read() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let served = Served::open().await;
            let (counted, mut count) = watch::channel(0_usize);
            let mut deaf_ones = Vec::new();
            for _ in 0..DEAF {
                deaf_ones.push(deaf_websocket(&served).await);
            }
            let mut clients = Vec::new();
            for _ in DEAF..CONNECTIONS {
                let client = Client::builder(served.url("")).build_local().unwrap();
                let counted = counted.clone();
                let heard = move |push| {
                    if matches!(push, Push::Notice(_)) {
                        counted.send_modify(|count| *count += 1);
                    }
                    std::future::ready(Ok::<_, String>(Answer::Done))
                };
                client.on_push(heard).await.unwrap();
                clients.push(client);
            }
            let hub = served.host.hub();
            assert_eq!(hub.connections().registry().count_of(Door::Rpc), CONNECTIONS);
            for round in 1..=3 {
                let began = Instant::now();
                assert_eq!(hub.connections().broadcast(&notice(), &[], |_| true), CONNECTIONS);
                count.wait_for(|count| *count == round * (CONNECTIONS - DEAF)).await.unwrap();
                let figure = format!("950 of 1000 WebSockets had a notice after {:?}\n", began.elapsed());
                std::io::Write::write_all(&mut std::io::stderr(), figure.as_bytes()).unwrap();
            }
        })
        .await;
}

/// A connection with a sink that reads up to the answer to its offer, and then nothing more.
async fn deaf_websocket(served: &Served) -> impl Sized {
    let socket = served.knock("/rpc/share", &[]).await.unwrap();
    let options = PipeOptions { message_bytes_max: 4 << 20, close_within: Duration::from_secs(1) };
    let (reader, writer, control) = pipe(socket, options);
    let limits =
        VatLimits { message_bytes_max: 4 << 20, nesting_max: 64, queued_bytes_max: None, calls_kept_max: 10_000 };
    let (vat, root) =
        vat::connect::<_, _, capshare::__internal::share_capnp::share_rpc::Client>(reader, writer, limits);
    let script = Script::new(Does::Answers);
    let mut request = root.offer_sink_request();
    request.get().set_sink(script.client());
    let mut vat = Box::pin(vat);
    let offered = tokio::select! {
        offered = request.send().promise => offered.unwrap(),
        _ = &mut vat => panic!("it ended"),
    };
    let registration = offered.get().unwrap().get_registration().unwrap();
    // The vat is kept and polled no more.
    (vat, registration, root, control, script)
}
