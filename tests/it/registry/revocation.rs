//! Cutting off exactly the right connections, and what they meet.

use std::time::Duration;

use capshare::__internal::access::Scopes;
use capshare::__internal::ambient::Ambient;
use capshare::client::{ClientError, Closed};
use capshare::share::admin::CloseWhich;
use capshare::share::time::Timestamp;
use capshare::testing::{BEGINNING, Scene, run};

use super::{ended, rpc_socket, serve, until, viewer_socket};
use crate::support::desk::{self, Desk, key, session, token};
use crate::support::door::{close_frame, next_json};
use crate::support::items::part;
use crate::support::raw::{Raw, callback};

/// Everybody twice over, but for `key`, which is neither session nor token.
fn desk() -> Desk {
    Desk::of([
        ("t1", token("ann", "t1", Scopes::SHARE)),
        ("t2", token("ann", "t2", Scopes::SHARE)),
        ("s1", session("ann", "s1")),
        ("key", key("ann")),
        ("bob", token("bob", "t3", Scopes::SHARE)),
        ("root", token("root", "t4", Scopes::ALL)),
    ])
}

/// S51, S52, S53: closing by session, by token or by account closes exactly the matching connections and returns their
/// number; again, or by another key, it returns 0; who has neither session nor token is reached only by account.
#[test]
fn a_revocation_closes_exactly_what_matches() {
    run(async {
        let scene = Scene::builder().access(desk()).build();
        let hub = scene.host().hub();
        let mut raws = Vec::new();
        for shown in ["t1", "t1", "t2", "s1", "key", "bob"] {
            raws.push(Raw::connect(scene.host(), Some(shown)).await);
        }
        let works = async |raw: &Raw| raw.root.probe_value_request().send().promise.await.is_ok();
        assert_eq!(
            (
                hub.connections().close_session("t1"),
                hub.connections().close_token("s1"),
                hub.connections().close_token("")
            ),
            (0, 0, 0)
        );
        assert_eq!(hub.connections().close_token("t1"), 2);
        assert_eq!(hub.connections().close_token("t1"), 0, "the same again");
        assert_eq!(hub.connections().close_session("s1"), 1);
        let mut alive = Vec::new();
        for raw in &raws {
            alive.push(works(raw).await);
        }
        assert_eq!(alive, [false, false, true, false, true, true]);
        assert_eq!(hub.connections().close_account(&"ann".parse().unwrap()), 2, "what the others left");
        assert_eq!(
            (hub.connections().close_token("t2"), hub.connections().close_account(&"ann".parse().unwrap())),
            (0, 0)
        );
        assert!(!works(&raws[2]).await && !works(&raws[4]).await && works(&raws[5]).await);
        assert_eq!(hub.connections().registry().count(), 1);
    });
}

/// S52: a revocation reaches RPC and viewer connections alike, summed, each with one Close frame of 4001; one that does
/// not read its own does not spare the rest.
#[tokio::test]
async fn a_revocation_reaches_every_door() {
    let served = serve(&desk()).await;
    let hub = served.host.hub();
    let share = served.client(Some("bob")).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let id = share.id().as_str();
    let mut rpc = rpc_socket(&served, "t1").await;
    let mut viewer = viewer_socket(&served, id, Some("t1")).await;
    let deaf = viewer_socket(&served, id, Some("s1")).await;
    let mut nobody = viewer_socket(&served, id, None).await;
    until(|| hub.connections().registry().matching(|entry| entry.is_of(&"ann".parse().unwrap())).len() == 3).await;
    assert_eq!(hub.connections().close_account(&"ann".parse().unwrap()), 3);
    assert_eq!(hub.connections().close_token("t1"), 0);
    let (rpc_frame, viewer_frame) = (close_frame(&mut rpc).await, close_frame(&mut viewer).await);
    assert_eq!((rpc_frame.0, viewer_frame.0), (4001, 4001));
    use futures::StreamExt as _;
    assert!(!matches!(rpc.next().await, Some(Ok(_))), "one Close frame and no more");
    drop(deaf);
    assert_eq!(next_json(&mut nobody).await["event"], "snapshot");
    assert_eq!(next_json(&mut nobody).await["event"], "ready");
    share.sync(part("p", "x")).await.unwrap();
    assert_eq!(next_json(&mut nobody).await["event"], "changes", "others go on");
    let (status, _) = served.refused(&format!("/ws/{id}"), &[("Authorization", "Bearer wrong")]).await;
    assert_eq!(status, 401);
}

/// S55: the client takes 4001 as final: it does not connect again, and what it had queued fails and says why.
#[tokio::test]
async fn a_client_takes_a_revocation_as_final() {
    let served = serve(&desk()).await;
    let hub = served.host.hub();
    let client = served.client(Some("t1"));
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let (queued, call) = tokio::join!(
        async {
            share.queue(part("p", "x")).await.unwrap();
            assert_eq!(hub.connections().close_token("t1"), 1);
            share.flush().await
        },
        async { ended(&client).await },
    );
    assert!(matches!(call, Closed::Revoked(_)), "{call:?}");
    // The batch may have been on its way, or waiting.
    let failed = match queued {
        Ok(_) => share.sync(part("q", "y")).await.map(|_| ()).unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(failed, ClientError::Closed(Closed::Revoked(_))), "{failed:?}");
    assert!(failed.to_string().contains("revoked"), "{failed}");
    let later = client.ping().await.unwrap_err();
    assert!(matches!(later, ClientError::Closed(Closed::Revoked(_))), "{later:?}");
    until(|| hub.connections().registry().taken() == 0).await;
}

/// S58: after a close by the host nothing more is dispatched, and running handlers are cancelled, though the peer keeps its
/// end open.
#[test]
fn a_closed_connection_is_inert() {
    run(async {
        let scene = Scene::builder().access(desk()).build();
        let hub = scene.host().hub();
        let raw = Raw::connect(scene.host(), Some("t1")).await;
        let mut waiting = raw.root.probe_callback_request();
        waiting.get().set_callback(callback(None));
        let waiting = tokio::task::spawn_local(waiting.send().promise);
        until(|| hub.metrics().calls_in_flight.get() == 1).await;
        let calls = hub.metrics().calls.get();
        // Called at the same time: it is on the way when the connection is closed.
        let late = raw.root.probe_value_request().send().promise;
        assert_eq!(hub.connections().close_connection(hub.connections().registry().connections()[0].id.as_str()), 1);
        assert!(late.await.is_err());
        assert!(waiting.await.unwrap().is_err());
        until(|| hub.connections().registry().taken() == 0).await;
        assert_eq!((hub.metrics().calls_in_flight.get(), hub.metrics().calls.get()), (0, calls));
    });
}

/// S59: a caller that revokes itself gets its answer first, then the close; S58: what it had called after that is not begun.
#[test]
fn a_caller_that_closes_itself_gets_its_answer_and_no_other() {
    run(async {
        let scene = Scene::builder().access(desk()).build();
        let hub = scene.host().hub();
        let raw = Raw::connect(scene.host(), Some("root")).await;
        let other = Raw::connect(scene.host(), Some("root")).await;
        let admin = raw.root.admin_request().send().pipeline.get_admin();
        let mut close = admin.close_request();
        close.get().init_which().set_account("root");
        let close = close.send().promise;
        let late: Vec<_> = (0..20).map(|_| raw.root.probe_value_request().send().promise).collect();
        let answer = close.await.unwrap();
        let answer = answer.get().unwrap().get_result().unwrap().which().unwrap();
        assert!(matches!(answer, capshare::__internal::share_capnp::count_result::Which::Count(2)));
        for late in late {
            let error = late.await.map(|_| ()).unwrap_err();
            assert_eq!(error.kind, capnp::ErrorKind::Disconnected, "{error}");
        }
        until(|| hub.connections().registry().taken() == 0).await;
        assert_eq!(hub.metrics().calls.get(), 2, "admin and close");
        drop(other);
    });
}

/// S59, S55: the same over WebSockets, with the linked client.
#[tokio::test]
async fn a_linked_client_that_closes_itself_gets_its_answer_then_the_close() {
    let served = serve(&desk()).await;
    for _ in 0..20 {
        let client = served.client(Some("root"));
        assert_eq!(client.admin().close(CloseWhich::Token("t4".into())).await, Ok(1));
        assert!(matches!(ended(&client).await, Closed::Revoked(_)));
    }
}

/// S56: the close comes after the credential is durably gone: who comes back at once is refused.
#[tokio::test]
async fn who_comes_back_after_a_revocation_is_refused() {
    let desk = desk();
    let served = serve(&desk).await;
    let mut socket = rpc_socket(&served, "t1").await;
    until(|| served.host.hub().connections().registry().count() == 1).await;
    desk.revoke("t1");
    assert_eq!(served.host.hub().connections().close_token("t1"), 1);
    assert_eq!(close_frame(&mut socket).await.0, 4001);
    assert_eq!(served.refused("/rpc/share", &[("Authorization", "Bearer t1")]).await.0, 401);
}

/// A connection that authenticated in-band is closed by what it authenticated as; a token revoked meanwhile gains nothing.
#[test]
fn what_authenticated_in_band_is_reached_by_its_token() {
    run(async {
        let desk = desk();
        let scene = Scene::builder().access(desk.clone()).build();
        let hub = scene.host().hub();
        let raw = Raw::connect(scene.host(), None).await;
        let authenticate = async |token: &str| {
            let mut request = raw.root.authenticate_request();
            request.get().set_token(token);
            let response = request.send().promise.await.unwrap();
            let result = response.get().unwrap().get_result().unwrap();
            matches!(result.which().unwrap(), capshare::__internal::share_capnp::authenticate_result::Which::Account(_))
        };
        assert!(authenticate("s1").await && authenticate("bob").await && !authenticate("wrong").await);
        desk.hold();
        let (in_time, ()) = tokio::join!(authenticate("t2"), async {
            desk.looked(3).await;
            desk.revoke("t2");
            desk.release();
        });
        assert!(!in_time);
        assert_eq!(hub.connections().registry().connections()[0].identity().unwrap().account.as_str(), "ann");
        assert_eq!(hub.connections().close_token("t3"), 1, "bob's");
        assert_eq!(hub.connections().close_account(&"ann".parse().unwrap()), 0);
    });
}

/// A connection ends when its credential does, at every door and however it came by it.
#[test]
fn an_expired_credential_closes_its_connections() {
    run(async {
        let at = |seconds: i64| Timestamp(BEGINNING.0 + 1_000 * seconds);
        let desk = Desk::of([
            ("short", desk::until(token("ann", "t1", Scopes::SHARE), at(60))),
            ("long", desk::until(token("ann", "t2", Scopes::SHARE), at(3_600))),
            ("ever", key("ann")),
        ]);
        let scene = Scene::builder().access(desk).build();
        let registry = scene.host().hub().connections().registry();
        let _short = Raw::connect(scene.host(), Some("short")).await;
        let _ever = Raw::connect(scene.host(), Some("ever")).await;
        let inside = Raw::connect(scene.host(), None).await;
        let mut request = inside.root.authenticate_request();
        request.get().set_token("long");
        request.send().promise.await.unwrap();
        let entry = registry.connections()[0].clone();
        tokio::time::sleep(Duration::from_millis(59_990)).await;
        assert_eq!(registry.count(), 3);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!((registry.count(), entry.close_reason().map(|reason| reason.code)), (2, Some(4001)));
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(registry.count(), 1);
    });
}

/// Viewers too, on a real socket: their credential's end closes them with 4001.
#[tokio::test]
async fn an_expired_credential_closes_its_viewers() {
    let in_a_second = Timestamp(Ambient::system().clock.now().0 + 1_000);
    let desk = Desk::of([("short", desk::until(token("ann", "t1", Scopes::SHARE), in_a_second)), ("ever", key("ann"))]);
    let served = serve(&desk).await;
    let share = served.client(Some("ever")).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut stays = viewer_socket(&served, share.id().as_str(), Some("ever")).await;
    let mut nobodys = viewer_socket(&served, share.id().as_str(), None).await;
    let mut viewer = viewer_socket(&served, share.id().as_str(), Some("short")).await;
    let (code, reason) = close_frame(&mut viewer).await;
    assert_eq!(code, 4001, "{reason}");
    assert!(reason.contains("expired"), "{reason}");
    assert!(Ambient::system().clock.now() >= in_a_second);
    share.sync(part("p", "1")).await.unwrap();
    for socket in [&mut stays, &mut nobodys] {
        while next_json(socket).await["event"] != "changes" {}
    }
}
