//! What happens when the client takes too long.

use std::time::Duration;

use capshare::__internal::web::WebSettings;
use capshare::testing::{Scene, run};
use futures::{AsyncReadExt as _, StreamExt as _};
use serde_json::json;
use tokio::time::Instant;

use super::peer::{Peer, part};
use crate::support::door::{ANNS_KEY, keys};

/// A function that does not answer fails its call after 30 s, and an observer its watch; both are let go.
#[test]
fn a_function_that_does_not_answer_is_given_up() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let began = Instant::now();
        let refused = peer.ask("probeCallback", json!([["export", -1]])).await.unwrap_err();
        assert_eq!((&refused["code"], began.elapsed().as_secs()), (&json!("Timeout"), 30));
        assert_eq!(peer.asked().await.0[1], -1);
        peer.wait(|frame| *frame == json!(["release", -1, 1])).await;
        for answers in [true, false] {
            let observer = json!({"changed": ["export", -2], "ended": ["export", -3]});
            let watch = peer.begin(made.share, "watch", json!([observer])).await;
            peer.pull(watch).await;
            peer.answer(watch).await.unwrap();
            let (called, number) = peer.asked().await;
            assert_eq!(called[1], -2);
            let began = Instant::now();
            if answers {
                peer.say(&json!(["reject", number, ["error", "Error", "no"]])).await;
            }
            let last = peer.wait(|frame| frame[0] == "push" && frame[1][1] == -3).await[1][3][0].clone();
            let code = if answers { "ObserverFailed" } else { "Timeout" };
            assert_eq!((&last[0], &last[4]["code"]), (&json!("error"), &json!(code)), "{last}");
            peer.wait(|frame| *frame == json!(["release", -2, 1])).await;
            peer.wait(|frame| *frame == json!(["release", -3, 1])).await;
            assert_eq!(began.elapsed().as_secs(), if answers { 0 } else { 30 });
            assert_eq!(scene.host().hub().metrics().followers.get(), 0);
        }
        // What it answers now is for nobody.
        peer.say(&json!(["resolve", 1, "late"])).await;
        peer.goes_on().await;
    });
}

/// A call whose answer is given up is stopped where it has nothing left to do, and a sync goes on.
#[test]
fn a_call_that_is_given_up_stops_where_it_may() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let call = peer.begin(0, "probeCallback", json!([["export", -1]])).await;
        peer.pull(call).await;
        peer.called().await;
        peer.say(&json!(["release", call, 1])).await;
        peer.wait(|frame| *frame == json!(["release", -1, 1])).await;
        let sync = peer.begin(made.share, "sync", json!([[[part("p", "1")]]])).await;
        peer.pull(sync).await;
        peer.say(&json!(["release", sync, 1])).await;
        assert_eq!(peer.ask_of(made.share, "info", json!([])).await.unwrap()["syncCount"], 1);
        assert_eq!(scene.host().hub().metrics().calls_in_flight.get(), 0);
    });
}

/// S125: who is to authenticate inside has 10 s for it.
#[test]
fn who_does_not_authenticate_is_closed() {
    run(async {
        let scene = Scene::builder().access(keys().as_ref().clone()).build();
        let mut late = Peer::within(scene.host(), None).await;
        let mut known = Peer::within(scene.host(), None).await;
        assert!(known.ask("authenticate", json!([ANNS_KEY])).await.is_ok());
        let began = Instant::now();
        let (error, code, _) = late.ended().await;
        assert_eq!((&error["code"], code, began.elapsed().as_secs()), (&json!("Timeout"), 1008, 10));
        assert_eq!((&error["close"], &error["transient"]), (&json!(1008), &json!(true)));
        known.goes_on().await;
    });
}

/// A peer that says nothing is pinged, and closed with 4003 when it does not answer; one that answers stays.
#[test]
fn a_silent_peer_is_closed_and_one_that_answers_pings_stays() {
    run(async {
        let scene = Scene::new();
        let settings = {
            let mut settings = WebSettings::default();
            settings.ping_interval = Duration::from_secs(5);
            settings
        };
        let mut alive = Peer::with(scene.host(), None, settings).await;
        let mut silent = Peer::with(scene.host(), None, settings).await;
        let registry = scene.host().hub().connections().registry();
        // Reading answers pings.
        let read =
            tokio::time::timeout(Duration::from_secs(60), async { while alive.socket.next().await.is_some() {} });
        assert!(read.await.is_err(), "it stays");
        assert_eq!(registry.count(), 1);
        // Beside the pings there are the error that ends the session and the Close frame, each with the code.
        let mut said = Vec::new();
        silent.socket.get_mut().read_to_end(&mut said).await.unwrap();
        assert!(String::from_utf8_lossy(&said).contains(r#""close":4003"#));
        assert!(said.windows(2).any(|two| two == 4003_u16.to_be_bytes()));
        alive.goes_on().await;
    });
}

/// S90: a peer that takes nothing is cut off after the stated time.
#[test]
fn a_peer_that_takes_nothing_is_cut_off() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        peer.ask_of(made.share, "sync", json!([[[part("p", &"x".repeat(1 << 20))]]])).await.unwrap();
        for _ in 0..4 {
            let id = peer.begin(made.share, "read", json!([])).await;
            peer.pull(id).await;
        }
        let registry = scene.host().hub().connections().registry();
        let began = Instant::now();
        while registry.taken() > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!((29..40).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        assert_eq!(scene.host().hub().metrics().capabilities_held.get(), 0);
    });
}
