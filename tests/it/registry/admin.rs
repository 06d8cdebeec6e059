//! Administration over the wire.

use capshare::__internal::access::Scopes;
use capshare::client::{ClientError, PageRequest, Push};
use capshare::share::admin::BroadcastFilter;
use capshare::share::error::Refusal;
use capshare::share::push::Action;
use capshare::share::time::Timestamp;
use capshare::testing::{BEGINNING, Scene, run};

use super::{serve, until};
use crate::support::desk::{Desk, token};
use crate::support::hearing::hearing;
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
    let refused = ann.admin().connections().into_vec().await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::Unauthorized { .. })), "{refused:?}");
    let refused = ann.admin().drain(None).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::Unauthorized { .. })), "{refused:?}");
    let all = root.admin().connections().into_vec().await.unwrap();
    let seen: Vec<_> =
        all.iter().map(|c| (c.account.as_str(), c.credential.as_str(), c.credential_id.as_str())).collect();
    assert_eq!(seen, [("ann", "token", "t1"), ("root", "token", "t2")]);
    assert!(all.iter().all(|c| c.door == "rpc" && c.bytes_in > 0 && c.bytes_out > 0), "{all:?}");
    assert_eq!((all[0].calls_in_flight, all[1].calls_in_flight), (0, 1), "this one");
    let admin = root.admin();
    let first = admin.connections_page(PageRequest::first().limit(1)).await.unwrap();
    let second = admin.connections_page(PageRequest::at(first.next_cursor.unwrap()).limit(1)).await.unwrap();
    assert_eq!((&first.connections[0].id, &second.connections[0].id), (&all[0].id, &all[1].id));
    assert_eq!(second.next_cursor, None);
    let stats = admin.stats().await.unwrap();
    assert_eq!((stats.rpc_connections, stats.accounts, stats.draining), (2, 2, false));
}

/// S40, S42, S46: an administrator sees the states of a connection, sends to an account and broadcasts to those that have a
/// state, came through a door, or are not left out; and is told how many were reached. Whoever has not the scope reaches nobody.
#[tokio::test]
async fn an_administrator_tells_connections_something_and_learns_how_many_it_reached() {
    let served = serve(&desk()).await;
    let (ann, quiet, root) = (served.client(Some("ann")), served.client(Some("ann")), served.client(Some("root")));
    let mut hearing = hearing(&[&ann, &root]).await;
    quiet.hello().await.unwrap();
    let anns = ann.hello().await.unwrap().connection_id.clone();
    served.host.hub().connections().registry().get(&anns).unwrap().states.set("typing", true).unwrap();
    let admin = root.admin();
    let all = admin.connections().into_vec().await.unwrap();
    let states: Vec<_> = all.iter().map(|c| (c.id == anns, c.states.join(","))).collect();
    assert!(states.contains(&(true, "typing".into())) && states.iter().filter(|(_, s)| s.is_empty()).count() == 2);

    let notice = Action::Notice("hello".to_owned());
    let account = "ann".parse().unwrap();
    assert_eq!(admin.send_to_account(&account, &notice).await, Ok(1), "the other has no sink");
    assert_eq!(hearing.recv().await, Some(Push::Notice("hello".to_owned())));
    let only = |account: Option<&str>, door: Option<&str>, state: Option<&str>| BroadcastFilter {
        account: account.map(str::to_owned),
        door: door.map(str::to_owned),
        state: state.map(str::to_owned),
    };
    for (except, filter, reached) in [
        (vec![], only(None, None, None), 2),
        (vec![anns.clone()], only(None, None, None), 1),
        (vec![], only(None, Some("rpc"), Some("typing")), 1),
        (vec![], only(Some("root"), None, Some("typing")), 0),
        (vec![], only(None, Some("viewer"), None), 0),
    ] {
        assert_eq!(admin.broadcast(&notice, &except, &filter).await, Ok(reached), "{except:?} {filter:?}");
        for _ in 0..reached {
            hearing.recv().await.unwrap();
        }
    }
    let refused = admin.broadcast(&Action::Ping(1), &[], &only(None, None, None)).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::InvalidInput { .. })), "{refused:?}");
    for refused in [
        ann.admin().send_to_account(&account, &notice).await,
        ann.admin().broadcast(&notice, &[], &only(None, None, None)).await,
    ] {
        assert!(matches!(refused, Err(ClientError::Refused(Refusal::Unauthorized { .. }))), "{refused:?}");
    }
    assert!(hearing.try_recv().is_err());
}

/// S103: a drain closes the idle in its time and the busy at its deadline, takes nobody in but administrators, and leaves the one who
/// began it.
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
        assert_eq!(root.admin().drain(Some(Timestamp(BEGINNING.0 + 20_000))).await, Ok(2));
        until(|| hub.connections().registry().taken() == 2).await;
        assert!(hub.ambient().clock.now().0 < BEGINNING.0 + 20_000);
        assert!(scene.host().connect(None, true).await.is_err());
        assert!(scene.host().connect(Some(&"ann".into()), false).await.is_err());
        assert!(matches!(hub.ready().await, Err(Refusal::Unavailable { .. })));
        until(|| hub.connections().registry().taken() == 1).await;
        // At once, and not when the call would have ended by itself.
        let late = hub.ambient().clock.now().0 - (BEGINNING.0 + 20_000);
        assert!((0..1_000).contains(&late), "{late}");
        let stats = root.admin().stats().await.unwrap();
        assert_eq!((stats.rpc_connections, stats.draining), (1, true), "its own is still there");
        let other = scene.client_builder().token("root").build_local().unwrap();
        assert_eq!(other.admin().undrain().await, Ok(2), "another administrator comes in, and takes it back");
        hub.ready().await.unwrap();
        scene.host().connect(Some(&"ann".into()), false).await.unwrap();
        let refused = root.admin().drain(Some(Timestamp(BEGINNING.0 + 100_000_000))).await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused(Refusal::InvalidInput { .. })), "more than a day: {refused:?}");
    });
}
