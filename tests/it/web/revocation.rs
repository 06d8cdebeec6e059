//! Being closed by the host: revoked, drained, displaced.

use std::time::Duration;

use capshare::__internal::access::Scopes;
use capshare::__internal::connections::comer::Door;
use capshare::share::time::Timestamp;
use capshare::testing::{BEGINNING, Scene, run};
use serde_json::json;

use super::peer::{Peer, part};
use crate::support::desk::{Desk, token, until};
use crate::support::door::close_frame;

fn desk() -> Desk {
    let ends = until(token("bob", "t2", Scopes::SHARE), Timestamp(BEGINNING.0 + 20_000));
    Desk::of([("t1", token("ann", "t1", Scopes::SHARE)), ("ends", ends)])
}

/// S54, S58: a revocation ends the session with an error of its own and closes with 4001; what runs is cancelled, and nothing is
/// begun after it. What authenticated inside is reached by its token too.
#[test]
fn a_revocation_ends_the_session() {
    run(async {
        let scene = Scene::builder().access(desk()).build();
        let hub = scene.host().hub();
        let mut shown = Peer::within(scene.host(), Some("t1")).await;
        let mut inside = Peer::within(scene.host(), None).await;
        let rpc = inside.begin(0, "authenticate", json!(["t1"])).await;
        let made = shown.create("ses_1").await;
        let view = inside.begin(rpc, "viewShare", json!([made.id])).await;
        inside.begin(view, "watch", json!([{"changed": ["export", -1]}])).await;
        inside.called().await;
        let open = shown.begin(0, "probeCallback", json!([["export", -1]])).await;
        shown.pull(open).await;
        shown.called().await;
        assert_eq!(hub.connections().close_token("t1"), 2);
        assert_eq!(hub.connections().close_token("t1"), 0);
        for peer in [&mut shown, &mut inside] {
            peer.begin(0, "syncShare", json!([made.id, made.secret, [[part("p", "x")]]])).await;
            let (error, code, reason) = peer.ended().await;
            assert_eq!((&error["code"], &error["close"], code), (&json!("Unauthorized"), &json!(4001), 4001));
            assert!(reason.contains("an administrator"), "{reason}");
            assert_eq!(peer.unheard().iter().filter(|frame| frame.contains("resolve")).count(), 0);
        }
        drop((shown, inside));
        while hub.connections().registry().taken() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let metrics = hub.metrics();
        assert_eq!(
            (metrics.followers.get(), metrics.capabilities_held.get(), metrics.calls_in_flight.get()),
            (0, 0, 0)
        );
        let room = hub.rooms().view(&made.id).await.unwrap();
        assert_eq!(hub.rooms().info(&room).unwrap().sync_count, 0);
    });
}

/// S57: a credential that is revoked during the upgrade is never admitted.
#[test]
fn what_is_revoked_during_its_upgrade_is_never_admitted() {
    run(async {
        let desk = desk();
        let scene = Scene::builder().access(desk.clone()).build();
        desk.hold();
        let mut peer = Peer::within(scene.host(), Some("t1")).await;
        peer.begin(0, "createShare", json!(["ses_1"])).await;
        desk.looked(1).await;
        desk.revoke("t1");
        desk.release();
        let (error, code, _) = peer.ended().await;
        assert_eq!((&error["code"], code), (&json!("Unauthorized"), 4001));
        assert_eq!(scene.host().hub().metrics().shares_created.get(), 0);
    });
}

/// A credential that expires closes its connection.
#[test]
fn an_expired_credential_closes_its_connection() {
    run(async {
        let scene = Scene::builder().access(desk()).build();
        let mut peer = Peer::within(scene.host(), Some("ends")).await;
        peer.goes_on().await;
        let (error, code, reason) = peer.ended().await;
        assert_eq!((&error["code"], code), (&json!("Unauthorized"), 4001));
        assert!(reason.contains("expired"), "{reason}");
    });
}

/// S79: a drain closes an idle connection in its time and a busy one after its answer, with 1012.
#[test]
fn a_drain_lets_calls_finish() {
    run(async {
        let scene = Scene::new();
        let mut idle = Peer::within(scene.host(), None).await;
        let mut busy = Peer::within(scene.host(), None).await;
        idle.goes_on().await;
        let open = busy.begin(0, "probeCallback", json!([["export", -1]])).await;
        busy.pull(open).await;
        let (_, callback) = busy.asked().await;
        assert_eq!(scene.host().drain(Duration::from_secs(20)).unwrap(), 2);
        let (error, code, _) = idle.ended().await;
        assert_eq!((&error["code"], code), (&json!("Unavailable"), 1012));
        busy.say(&json!(["resolve", callback, "yes"])).await;
        assert_eq!(busy.answer(open).await, Ok(json!("yes")));
        assert_eq!(busy.ended().await.1, 1012);
    });
}

/// The connection is counted, listed and logged as one of this door.
#[test]
fn a_connection_is_counted_under_its_door() {
    run(async {
        let scene = Scene::new();
        let hub = scene.host().hub();
        let mut peer = Peer::within(scene.host(), None).await;
        let id = peer.ask("hello", json!([])).await.unwrap()["connectionId"].clone();
        assert_eq!(hub.connections().registry().count_of(Door::Web), 1);
        let listed = hub.connections().page("", 0).unwrap().connections.remove(0);
        assert_eq!((json!(listed.id), listed.door.as_str()), (id, "web"));
        assert!(listed.bytes_in > 0 && listed.bytes_out > 0, "{listed:?}");
        hub.measure();
        let text = hub.metrics().render();
        assert!(text.contains("capshare_connections_open{door=\"web\"} 1"), "{text}");
        assert!(text.contains("capshare_connections_admitted_total{door=\"web\"} 1"), "{text}");
        assert_eq!(hub.stats().rpc_connections, 1);
        peer.socket.close(None).await.unwrap();
        close_frame(&mut peer.socket).await;
    });
}
