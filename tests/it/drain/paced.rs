//! Who goes when, in a time that is paused: connections of the registry, each with a door that does what every door does.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::{Principal, Scopes, Way};
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::__internal::connections::moving::Moving;
use capshare::__internal::connections::registry::Connection;
use capshare::__internal::hub::Hub;
use capshare::share::error::Refusal;
use capshare::testing::{Scene, run};
use futures::FutureExt as _;
use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::most_within;
use crate::support::desk::token;

const COUNT: usize = 300;
const WITHIN: Duration = Duration::from_secs(5);
const URLS: [&str; 2] = ["https://b.example.org", "https://c.example.org"];

/// What a connection met.
struct Gone {
    told: Option<(Instant, Arc<Moving>)>,
    closed_at: Instant,
    code: u16,
}

fn scene() -> Scene {
    Scene::builder()
        .settings(|settings| settings.hub.hosts.others = URLS.map(|url| url.parse().unwrap()).to_vec())
        .build()
}

async fn come(hub: &Hub, who: Option<Principal>) -> Result<Connection, Refusal> {
    let connections = hub.connections();
    let door = if who.is_some() { Door::Rpc } else { Door::Viewer };
    let pending = connections.register(Comer::new(door, who, None, Way::Relayed))?;
    Ok(connections.admit(pending).await.unwrap())
}

async fn viewer(hub: &Hub) -> JoinHandle<Gone> {
    serve(come(hub, None).await.unwrap())
}

/// Serves a connection until the host closes it.
fn serve(connection: Connection) -> JoinHandle<Gone> {
    tokio::spawn(async move {
        let told = tokio::select! {
            biased;
            moving = connection.moves(0) => Some((Instant::now(), moving)),
            () = connection.closing() => None,
        };
        connection.closing().await;
        Gone { told, closed_at: Instant::now(), code: connection.close_reason().unwrap().code }
    })
}

async fn all(doors: Vec<JoinHandle<Gone>>) -> Vec<Gone> {
    join_all(doors).await.into_iter().map(Result::unwrap).collect()
}

/// S103: of 300 connections that are let go over 5 s no 100 ms has more than a twentieth, in whatever order they came; each is told
/// where to go before it is closed, and then the host is empty.
#[test]
fn connections_are_let_go_evenly_and_told_where_to_go() {
    run(async {
        let scene = scene();
        let hub = scene.host().hub();
        let mut doors = Vec::new();
        for _ in 0..COUNT {
            doors.push(viewer(hub).await);
        }
        let began = Instant::now();
        assert_eq!(scene.host().drain(WITHIN).unwrap(), COUNT);
        assert!(matches!(hub.ready().await, Err(Refusal::Unavailable { .. })));
        scene.host().drained().await;
        assert!(began.elapsed() <= WITHIN, "{:?}", began.elapsed());
        let gone = all(doors).await;
        let (closed, told): (Vec<_>, Vec<_>) =
            gone.iter().map(|gone| (gone.closed_at, gone.told.as_ref().unwrap())).unzip();
        let told_at: Vec<_> = told.iter().map(|(at, _)| *at).collect();
        for (what, moments) in [("closed", &closed), ("told", &told_at)] {
            let most = most_within(moments, Duration::from_millis(100));
            assert!(most <= COUNT / 20, "{most} were {what} within 100 ms");
        }
        assert!(!closed.is_sorted() && closed.iter().max().unwrap().duration_since(began) > WITHIN * 4 / 5);
        for Gone { told, closed_at, code } in &gone {
            let (told_at, moving) = told.as_ref().unwrap();
            assert_eq!((*code, moving.within), (1012, Duration::from_secs(1)));
            let grace = *closed_at - *told_at;
            assert!(grace >= moving.within && grace < moving.within * 2, "{grace:?}");
            assert!(
                moving.urls.len() == 2 && URLS.iter().all(|url| moving.urls.iter().any(|told| told.as_str() == *url))
            );
            assert!((200..=3_000).contains(&moving.retry.as_millis()), "{:?}", moving.retry);
        }
        let first: Vec<_> = told.iter().map(|(_, moving)| moving.urls[0].as_str()).collect();
        let of_b = first.iter().filter(|url| **url == URLS[0]).count();
        assert!((COUNT / 4..=COUNT * 3 / 4).contains(&of_b), "{of_b} were sent to the first of two");
        let mut waits: Vec<_> = told.iter().map(|(_, moving)| moving.retry).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > COUNT / 2, "all come back at other times: {}", waits.len());
    });
}

/// S79: a connection whose call is under way is closed when that is answered; at the deadline whoever is left.
#[test]
fn a_busy_connection_gets_its_answer_first_or_goes_at_the_deadline() {
    run(async {
        let scene = scene();
        let hub = scene.host().hub();
        let (answered, stuck) = (come(hub, None).await.unwrap(), come(hub, None).await.unwrap());
        answered.traffic.call_began();
        stuck.traffic.call_began();
        let entry = Arc::clone(answered.entry());
        let doors = vec![serve(answered), serve(stuck)];
        let began = Instant::now();
        scene.host().drain(WITHIN).unwrap();
        sleep(WITHIN - Duration::from_millis(100)).await;
        assert_eq!(hub.connections().registry().count(), 2);
        entry.traffic.call_ended();
        let gone = all(doors).await;
        let after: Vec<_> = gone.iter().map(|gone| gone.closed_at - began).collect();
        assert!(after[0] < WITHIN && after[1] >= WITHIN && after[1] < WITHIN + Duration::from_millis(50), "{after:?}");
        assert!(gone.iter().all(|gone| gone.code == 1012 && gone.told.is_some()));
    });
}

/// A drain without a time closes everybody at once, and tells nobody to move.
#[test]
fn a_drain_without_a_time_closes_all_at_once() {
    run(async {
        let scene = scene();
        let mut doors = Vec::new();
        for _ in 0..10 {
            doors.push(viewer(scene.host().hub()).await);
        }
        let began = Instant::now();
        assert_eq!(scene.host().drain(Duration::ZERO).unwrap(), 10);
        scene.host().drained().await;
        assert!(all(doors).await.iter().all(|gone| gone.told.is_none() && gone.code == 1012));
        assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
    });
}

/// S103: a drain that is taken back keeps those that are there, and a later one tells them anew.
#[test]
fn a_drain_can_be_taken_back() {
    run(async {
        let scene = scene();
        let hub = scene.host().hub();
        let mut doors = Vec::new();
        for _ in 0..100 {
            doors.push(viewer(hub).await);
        }
        scene.host().drain(WITHIN).unwrap();
        sleep(WITHIN / 2).await;
        let left = scene.host().undrain();
        assert!((20..80).contains(&left), "{left}");
        hub.ready().await.unwrap();
        doors.push(viewer(hub).await);
        assert!(timeout(WITHIN * 10, scene.host().drained()).await.is_err());
        assert_eq!(hub.connections().registry().count(), left + 1);
        let late = hub.connections().registry().connections().pop().unwrap();
        assert_eq!(late.moving(), None);
        // Those that were told before, and stayed, are told once more.
        assert_eq!(scene.host().drain(WITHIN).unwrap(), left + 1);
        let moving = late.moves(0).await;
        assert_eq!((moving.drain, late.moves(1).now_or_never().is_some()), (2, true));
        scene.host().drained().await;
        assert!(all(doors).await.iter().all(|gone| gone.code == 1012));
        assert_eq!(scene.host().undrain(), 0);
        assert_eq!(scene.host().undrain(), 0, "once more is nothing more");
    });
}

/// S103: while a host drains it takes administrators, whose connections stay; others are told to come back at times that are spread
/// over what is left of the drain.
#[test]
fn administrators_are_let_in_and_others_told_to_come_back_at_spread_times() {
    run(async {
        let scene = scene();
        let hub = scene.host().hub();
        let administrator = || Some(token("root", "t1", Scopes::ALL));
        let at_work = come(hub, administrator()).await.unwrap();
        at_work.administers();
        let only_may = serve(come(hub, administrator()).await.unwrap());
        let stays = viewer(hub).await;
        let within = Duration::from_secs(20);
        assert_eq!(scene.host().drain(within).unwrap(), 2);
        let mut waits = Vec::new();
        for who in std::iter::repeat_n(None, 50).chain([Some(token("ann", "t2", Scopes::SHARE))]) {
            match come(hub, who).await {
                Err(Refusal::Unavailable { retry_after_ms }) => waits.push(retry_after_ms),
                other => panic!("{other:?}"),
            }
        }
        waits.sort_unstable();
        assert!(waits[0] >= 1_000 && waits[50] <= 21_000, "{waits:?}");
        assert!(waits[10] < 8_000 && waits[40] > 12_000, "{waits:?}");
        let late = come(hub, administrator()).await.unwrap();
        late.administers();
        let began = Instant::now();
        scene.host().drained().await;
        assert!(began.elapsed() < within + Duration::from_secs(2), "{:?}", began.elapsed());
        assert!(!at_work.is_closed() && !late.is_closed() && at_work.moving().is_none());
        assert_eq!((only_may.await.unwrap().code, stays.await.unwrap().code), (1012, 1012));
    });
}

/// Whoever does not go has no host for ever: some seconds after its deadline a drain is over whatever is left.
#[test]
fn a_drain_ends_though_somebody_does_not_leave() {
    run(async {
        let scene = scene();
        let stuck = come(scene.host().hub(), None).await.unwrap();
        let began = Instant::now();
        scene.host().drain(WITHIN).unwrap();
        scene.host().drained().await;
        assert!(stuck.is_closed());
        assert_eq!((began.elapsed() - WITHIN).as_secs(), 5);
    });
}

/// S103: who writes over HTTP has no connection: the host is not empty while it takes writes and lately took some, and in the last
/// fifth of the time it refuses them.
#[test]
fn writes_over_http_are_taken_for_four_fifths_of_the_time() {
    run(async {
        let scene = scene();
        let hub = scene.host().hub();
        hub.connections().note_write().unwrap();
        let began = Instant::now();
        scene.host().drain(WITHIN).unwrap();
        assert!(timeout(WITHIN * 3 / 4, scene.host().drained()).await.is_err());
        hub.connections().note_write().unwrap();
        scene.host().drained().await;
        assert_eq!(began.elapsed(), WITHIN * 4 / 5);
        let refused = hub.connections().note_write();
        assert!(matches!(refused, Err(Refusal::Unavailable { retry_after_ms: 1_000..=3_000 })), "{refused:?}");
        scene.host().undrain();
        hub.connections().note_write().unwrap();
    });
}

/// A drain has a longest time, and a later one counts in the place of an earlier.
#[test]
fn a_drain_has_a_bound_and_may_be_made_shorter() {
    run(async {
        let scene = scene();
        let doors = vec![viewer(scene.host().hub()).await];
        let day = Duration::from_secs(24 * 60 * 60);
        let refused = scene.host().drain(day + Duration::from_millis(1));
        assert!(matches!(refused, Err(Refusal::InvalidInput { .. })), "{refused:?}");
        assert_eq!(scene.host().drain(day).unwrap(), 1);
        let began = Instant::now();
        assert_eq!(scene.host().drain(Duration::from_millis(500)).unwrap(), 1);
        scene.host().drained().await;
        assert!(began.elapsed() <= Duration::from_millis(500), "{:?}", began.elapsed());
        assert_eq!(all(doors).await[0].code, 1012);
    });
}
