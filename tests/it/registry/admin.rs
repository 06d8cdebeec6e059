//! Administration over the wire.

use capshare::client::{ClientError, ConnectionState};
use capshare::hub::access::Scopes;
use capshare::share::error::Refusal;
use capshare::share::time::Timestamp;
use capshare::testing::{BEGINNING, Scene, run};

use super::{serve, until};
use crate::support::desk::{Desk, token};
use crate::support::raw::{Raw, callback};

fn desk() -> Desk {
    Desk::of([("ann", token("ann", "t1", Scopes::SHARE)), ("root", token("root", "t2", Scopes::ALL))])
}

/// An administrator sees every connection with what went over it, page by page; whoever has not the scope sees nothing.
#[tokio::test]
async fn an_administrator_sees_who_is_connected() {
    let served = serve(&desk()).await;
    let (ann, root) = (served.client(Some("ann")), served.client(Some("root")));
    ann.hello().await.unwrap();
    root.hello().await.unwrap();
    let refused = ann.admin().connections().await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::Unauthorized { .. })), "{refused:?}");
    let refused = ann.admin().drain(None).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::Unauthorized { .. })), "{refused:?}");
    let all = root.admin().connections().await.unwrap();
    let seen: Vec<_> =
        all.iter().map(|c| (c.account.as_str(), c.credential.as_str(), c.credential_id.as_str())).collect();
    assert_eq!(seen, [("ann", "token", "t1"), ("root", "token", "t2")]);
    assert!(all.iter().all(|c| c.door == "rpc" && c.bytes_in > 0 && c.bytes_out > 0), "{all:?}");
    assert_eq!((all[0].calls_in_flight, all[1].calls_in_flight), (0, 1), "this one");
    let admin = root.admin();
    let first = admin.connections_page(None, 1).await.unwrap();
    let second = admin.connections_page(first.next_cursor.as_deref(), 1).await.unwrap();
    assert_eq!((&first.connections[0].id, &second.connections[0].id), (&all[0].id, &all[1].id));
    assert_eq!(second.next_cursor, None);
    let stats = admin.stats().await.unwrap();
    assert_eq!((stats.rpc_connections, stats.accounts, stats.draining), (2, 2, false));
}

/// A drain takes nobody in, closes the idle at once and the busy at its deadline, and answers its caller first.
#[test]
fn a_drain_spares_calls_until_its_deadline() {
    run(async {
        let scene = Scene::builder().access(desk()).build();
        let hub = scene.host().hub();
        let _idle = Raw::connect(scene.host(), Some("ann")).await;
        let busy = Raw::connect(scene.host(), Some("ann")).await;
        let mut call = busy.root.probe_callback_request();
        call.get().set_callback(callback(None));
        let _call = tokio::task::spawn_local(call.send().promise);
        until(|| hub.metrics().calls_in_flight.get() == 1).await;
        let root = scene.client_builder().token("root").build_local().unwrap();
        assert_eq!(root.admin().drain(Some(Timestamp(BEGINNING.0 + 20_000))).await, Ok(3));
        until(|| hub.registry().taken() == 1).await;
        assert!(scene.host().connect(None, true).await.is_err());
        assert!(matches!(hub.ready().await, Err(Refusal::Unavailable { .. })));
        let mut state = root.state();
        let lost =
            |state: &ConnectionState| !matches!(state, ConnectionState::Connected(_) | ConnectionState::Closed(_));
        state.wait_for(lost).await.unwrap();
        assert!(hub.ambient().clock.now().0 < BEGINNING.0 + 20_000);
        until(|| hub.registry().taken() == 0).await;
        assert!(hub.ambient().clock.now().0 >= BEGINNING.0 + 20_000);
    });
}
