//! Two steps from a place in the registry to the first call.

use std::sync::Arc;

use capshare::__internal::access::{Scopes, Way};
use capshare::__internal::connections::close::CloseReason;
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::share::admin::CloseWhich;
use capshare::share::error::Refusal;
use capshare::testing::{Scene, run};

use super::{rpc_socket, serve, until, viewer_socket};
use crate::support::desk::{Desk, Guestbook, key, session, token};
use crate::support::door::close_frame;
use crate::support::raw::Raw;

fn desk() -> Desk {
    Desk::of([("ann", token("ann", "t1", Scopes::SHARE)), ("bob", session("bob", "s1"))])
}

/// S57: a credential revoked while its upgrade is in progress is never admitted: 4001, no hook, nothing dispatched; of both
/// doors. S48: connections not yet admitted are counted apart.
#[tokio::test]
async fn what_is_revoked_during_its_upgrade_is_never_admitted() {
    let desk = desk();
    let served = serve(&desk).await;
    let hub = served.host.hub();
    let book = Arc::new(Guestbook::default());
    let share = served.client(Some("bob")).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    // Bob, who holds it, stays.
    hub.connections().set_connection_hooks(book.clone());
    let before = hub.metrics().calls.get();
    desk.hold();
    let mut rpc = rpc_socket(&served, "ann").await;
    // A call, which waits in the socket.
    let hello = bootstrap();
    rpc.send(async_tungstenite::tungstenite::Message::binary(hello)).await.unwrap();
    let mut viewer = viewer_socket(&served, share.id().as_str(), Some("ann")).await;
    desk.looked(3).await;
    assert_eq!((hub.connections().registry().count(), hub.connections().registry().count_pending()), (1, 2));
    assert_eq!(hub.connections().registry().matching(|_| true).len(), 1, "receives nothing");
    desk.revoke("ann");
    assert_eq!(hub.connections().close_token("t1"), 2);
    assert_eq!((close_frame(&mut rpc).await.0, close_frame(&mut viewer).await.0), (4001, 4001));
    desk.release();
    until(|| hub.connections().registry().taken() == 1).await;
    assert_eq!(book.seen(), []);
    assert_eq!(hub.metrics().calls.get(), before);
    assert_eq!(served.refused("/rpc/share", &[("Authorization", "Bearer ann")]).await.0, 401);
}

/// The first message of every connection: a request for the root.
fn bootstrap() -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    let root = message.init_root::<capnp_rpc::rpc_capnp::message::Builder<'_>>();
    root.init_bootstrap().set_question_id(0);
    capnp::serialize::write_message_to_words(&message)
}

/// S57: the second look sees a revocation that closed nothing, because it came before the place was given; and a look that
/// fails admits nobody (1011).
#[tokio::test]
async fn the_second_look_decides() {
    let desk = desk();
    let served = serve(&desk).await;
    let book = Arc::new(Guestbook::default());
    served.host.hub().connections().set_connection_hooks(book.clone());
    desk.hold();
    let mut late = rpc_socket(&served, "ann").await;
    desk.looked(1).await;
    desk.revoke("ann");
    desk.release();
    assert_eq!(close_frame(&mut late).await.0, 4001);
    desk.fail(Refusal::Unavailable { retry_after_ms: 1 });
    let mut unlucky = rpc_socket(&served, "bob").await;
    assert_eq!(close_frame(&mut unlucky).await.0, 1011);
    assert_eq!(book.seen(), []);
    assert_eq!(served.host.hub().metrics().connections_admitted.get_or_create(&door("rpc")).get(), 0);
}

fn door(door: &'static str) -> capshare::__internal::metrics::DoorLabel {
    capshare::__internal::metrics::DoorLabel { door }
}

/// S49: the open hook runs before anything is dispatched; the close hook still sees id and identity after a revocation.
#[tokio::test]
async fn the_open_hook_comes_first_and_the_close_hook_knows_who_it_was() {
    let served = serve(&desk()).await;
    let hub = served.host.hub();
    let book = Arc::new(Guestbook::default());
    hub.connections().set_connection_hooks(book.clone());
    let opening = book.hold();
    let client = served.client(Some("ann"));
    let mut hello = tokio::spawn(async move { (client.hello().await, client) });
    until(|| !book.seen().is_empty()).await;
    assert_eq!(hub.connections().registry().count(), 1);
    let waits = tokio::time::timeout(std::time::Duration::from_millis(50), &mut hello).await;
    assert!(waits.is_err() && hub.metrics().calls.get() == 0, "nothing is dispatched");
    opening.send_replace(Some(true));
    let (hello, client) = hello.await.unwrap();
    let id = hello.unwrap().connection_id.clone();
    assert_eq!(hub.connections().close_account(&"ann".parse().unwrap()), 1);
    until(|| book.seen().len() == 2).await;
    let ann = Some("ann".to_owned());
    assert_eq!(book.seen(), [(id.clone(), ann.clone(), "opened"), (id, ann, "closed")]);
    drop(client);
}

/// S49: a failing open hook closes with 1011, and nobody is told of its end.
#[tokio::test]
async fn a_failing_open_hook_closes_with_1011() {
    let served = serve(&desk()).await;
    let book = Arc::new(Guestbook::default());
    served.host.hub().connections().set_connection_hooks(book.clone());
    book.hold().send_replace(Some(false));
    let mut socket = rpc_socket(&served, "ann").await;
    assert_eq!(close_frame(&mut socket).await.0, 1011);
    drop(socket);
    until(|| served.host.hub().connections().registry().taken() == 0).await;
    assert_eq!(book.seen().len(), 1);
    drop(rpc_socket(&served, "ann").await);
    until(|| book.seen().len() == 3).await;
}

/// S48: a peer that closed but was not yet removed counts, and does not after that.
#[tokio::test]
async fn a_peer_that_closed_counts_until_it_is_removed() {
    let served = serve(&desk()).await;
    let hub = served.host.hub();
    let book = Arc::new(Guestbook::default());
    hub.connections().set_connection_hooks(book.clone());
    let opening = book.hold();
    let socket = rpc_socket(&served, "ann").await;
    until(|| book.seen().len() == 1).await;
    drop(socket);
    assert_eq!(hub.connections().registry().count(), 1, "its door has not noticed");
    opening.send_replace(Some(true));
    until(|| hub.connections().registry().count() == 0).await;
    assert_eq!(book.seen().len(), 2);
}

/// S45: every connection has a unique id and an identity: an account, and one of session, token or neither; hooks see both.
#[test]
fn every_connection_has_an_id_and_an_identity() {
    run(async {
        let desk = Desk::of([("t", token("ann", "t1", Scopes::SHARE)), ("s", session("ann", "s1")), ("k", key("bob"))]);
        let scene = Scene::builder().access(desk).build();
        let registry = scene.host().hub().connections().registry();
        let mut raws = Vec::new();
        for shown in ["t", "s", "k"] {
            raws.push(Raw::connect(scene.host(), Some(shown)).await);
        }
        let seen: Vec<_> = registry.connections().iter().map(|entry| (entry.id.clone(), entry.identity())).collect();
        let kinds: Vec<_> = seen.iter().flat_map(|(_, who)| who).map(|who| who.credential.kind()).collect();
        assert_eq!(kinds, ["token", "session", "key"]);
        let mut ids: Vec<_> = seen.iter().map(|(id, _)| id).collect();
        ids.dedup();
        assert_eq!(ids.len(), 3);
    });
}

/// S47: removing is idempotent, also after a revocation: closing and leaving take one place each, in either order.
#[test]
fn a_connection_leaves_once_however_often_it_is_closed() {
    run(async {
        let scene = Scene::builder().access(desk()).build();
        let registry = scene.host().hub().connections().registry();
        let pending =
            registry.register(Comer::new(Door::Rpc, None, None, Way::Relayed), capshare::testing::BEGINNING).unwrap();
        let id = pending.id.clone();
        let connection = pending.admit().unwrap();
        assert_eq!(scene.host().hub().connections().close(&CloseWhich::Connection(id.to_string())), 1);
        assert_eq!(registry.close_matching(CloseReason::GOING_AWAY, |_| true), 0);
        assert_eq!(connection.close_reason(), Some(&CloseReason::CLOSED), "the first reason counts");
        assert_eq!((registry.count(), registry.taken()), (0, 1));
        drop(connection);
        assert_eq!((registry.count(), registry.taken()), (0, 0));
    });
}
