//! Every limit is hit once, and names itself.

use async_tungstenite::tungstenite::Message;
use capshare::__internal::share_capnp::{create_result, list_result, open_result, sync_result};
use capshare::share::error::Refusal;
use capshare::share::limits;
use capshare::share::limits::Limit;
use capshare::testing::{Scene, run};

use crate::support::door::{Served, close_frame};
use crate::support::items::part;
use crate::support::memory::resident_bytes;
use crate::support::raw::{Raw, callback, change, deaf, refusal_in, sync_request, view};

fn limit(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::LimitExceeded { limit, .. } => limit.name(),
        other => panic!("{other:?}"),
    }
}

/// S74: an oversized message is refused with a named limit.
#[tokio::test]
async fn a_message_over_the_limit_closes_its_connection_and_no_other() {
    let served = Served::open().await;
    let other = served.client(None);
    other.hello().await.unwrap();
    let mut rpc = served.knock("/rpc/share", &[]).await.unwrap();
    // The host may close before all of it is sent.
    let _ = rpc.send(Message::binary(vec![0; limits::MESSAGE_BYTES_MAX + 1])).await;
    let (code, reason) = close_frame(&mut rpc).await;
    assert_eq!(code, 1009);
    assert!(reason.starts_with("LimitExceeded messageBytesMax max=4194304"), "{reason}");
    other.ping().await.unwrap();
}

#[tokio::test]
async fn garbage_closes_its_connection_and_no_other() {
    let served = Served::open().await;
    let other = served.client(None);
    other.hello().await.unwrap();
    for garbage in [vec![0xff; 64], vec![0; 8], b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let mut rpc = served.knock("/rpc/share", &[]).await.unwrap();
        rpc.send(Message::binary(garbage)).await.unwrap();
        let (code, reason) = close_frame(&mut rpc).await;
        assert_eq!(code, 1002);
        assert!(reason.starts_with("ProtocolMismatch"), "{reason}");
    }
    other.ping().await.unwrap();
}

/// S74: too deep nesting and too many items are each refused with a named limit, and so are large items and long ids.
#[test]
fn what_is_past_a_limit_of_items_is_refused_by_its_name() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let mut request = raw.root.create_share_request();
        request.get().set_session_id("ses_1");
        let share = request.send().pipeline.get_share();
        let refused = async |json: &str| {
            let writer: capshare::__internal::share_capnp::share_writer::Client = {
                use capnp::capability::FromClientHook as _;
                share.clone().cast_to()
            };
            let mut request = writer.sync_request();
            let mut data = request.get().init_data(2);
            data.reborrow().get(0).set_part(r#"{"id":"p","messageID":"m"}"#);
            data.get(1).set_part(json);
            let response = request.send().promise.await.unwrap();
            refusal_in!(sync_result, response.get().unwrap().get_result().unwrap())
        };
        let nested = |depth| format!(r#"{{"id":"p","messageID":"m","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(limit(&refused(&nested(limits::ITEM_NESTING_MAX)).await), "itemNestingMax");
        let long = format!(r#"{{"id":"{}","messageID":"m"}}"#, "x".repeat(limits::ID_BYTES_MAX + 1));
        assert_eq!(limit(&refused(&long).await), "idBytesMax");
        for no_item in
            ["no json", "", "{}", "[]", r#"{"id":"p"}"#, r#"{"messageID":"m"}"#, r#"{"id":1,"messageID":"m"}"#]
        {
            let refusal = refused(no_item).await;
            assert!(matches!(refusal, Refusal::InvalidInput { index: 1, .. }), "{no_item}: {refusal:?}");
        }
        let many: Vec<_> = (0..=limits::SYNC_ITEMS_MAX).flat_map(|n| change(&n.to_string(), "")).collect();
        let response = sync_request(&share, &many).send().promise.await.unwrap();
        let refusal = refusal_in!(sync_result, response.get().unwrap().get_result().unwrap());
        assert_eq!(refusal, Refusal::limit(Limit::SyncItemsMax, limits::SYNC_ITEMS_MAX, limits::SYNC_ITEMS_MAX + 1));

        let mut request = raw.root.create_share_request();
        request.get().set_session_id(&*"x".repeat(limits::SESSION_ID_BYTES_MAX + 1));
        let response = request.send().promise.await.unwrap();
        let refusal = refusal_in!(create_result, response.get().unwrap().get_result().unwrap());
        assert!(matches!(refusal, Refusal::InvalidInput { .. }));
        let mut request = raw.root.list_shares_request();
        request.get().set_limit(limits::LIST_PAGE_MAX as u32 + 1);
        let response = request.send().promise.await.unwrap();
        assert_eq!(limit(&refusal_in!(list_result, response.get().unwrap().get_result().unwrap())), "listPageMax");
        // Nothing of what was refused is there.
        let response = view(&share).info_request().send().promise.await.unwrap();
        let result = response.get().unwrap().get_result().unwrap();
        assert!(matches!(result.which().unwrap(), open_result::Which::Info(Ok(info)) if info.get_sync_count() == 0));
    });
}

/// S74: too many calls in flight and too many held capabilities are each refused with a named limit.
#[test]
fn too_much_at_once_is_refused_by_its_name_and_goes_on_when_there_is_room() {
    run(async {
        let scene = Scene::builder()
            .settings(|settings| {
                settings.hub.limits.calls_in_flight_max = 8;
                settings.hub.limits.capabilities_held_max = 4;
            })
            .build();
        let raw = Raw::connect(scene.host(), None).await;
        let mut calls = Vec::new();
        for _ in 0..8 {
            let mut request = raw.root.probe_callback_request();
            request.get().set_callback(callback(None));
            calls.push(request.send());
        }
        let error = raw.root.probe_value_request().send().promise.await.err().unwrap();
        assert_eq!(error.kind, capnp::ErrorKind::Overloaded);
        assert_eq!(
            capshare::__internal::contract::error::read_limit(&error.to_string()),
            Refusal::limit(Limit::CallsInFlightMax, 8, 0)
        );
        drop(calls);
        while raw.root.probe_value_request().send().promise.await.is_err() {}

        let mut shares = Vec::new();
        for n in 0..4 {
            let mut request = raw.root.create_share_request();
            request.get().set_session_id(&*format!("ses_{n}"));
            let response = request.send().promise.await.unwrap();
            shares.push(response.get().unwrap().get_share().unwrap());
        }
        let held_out = async || {
            let mut request = raw.root.create_share_request();
            request.get().set_session_id("ses_0");
            let response = request.send().promise.await.unwrap();
            let result = response.get().unwrap().get_result().unwrap();
            matches!(result.which().unwrap(), create_result::Which::Refused(_))
                .then(|| refusal_in!(create_result, result))
        };
        assert_eq!(held_out().await, Some(Refusal::limit(Limit::CapabilitiesHeldMax, 4, 0)));
        drop(shares.pop());
        while held_out().await.is_some() {
            tokio::task::yield_now().await;
        }
    });
}

/// S74: the host's memory stays bounded by a peer that asks for much and never reads.
#[test]
fn a_peer_that_asks_for_much_and_never_reads_makes_the_host_hold_little() {
    run(async {
        let scene = Scene::new();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        for n in 0..40 {
            share.sync(part(&n.to_string(), &"x".repeat(100_000))).await.unwrap();
        }
        let end = scene.host().connect(None, false).await.unwrap();
        let raw = Raw::over(deaf(end));
        let mut request = raw.root.view_share_request();
        request.get().set_share_id(share.id().as_str());
        let viewed = request.send().pipeline.get_view();
        let reads: Vec<_> = (0..400).map(|_| viewed.read_request().send().promise).collect();
        let held = || scene.host().hub().metrics().calls_in_flight.get();
        while held() < 300 {
            tokio::task::yield_now().await;
        }
        let before = resident_bytes();
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        // 400 chunks would be 100 MB.
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 8 << 20, "{grown}");
        drop(reads);
    });
}

/// The client learns of a batch that is too large before it is sent, and its connection goes on.
#[test]
fn an_item_that_is_too_large_is_refused_on_the_clients_side() {
    run(async {
        let scene = Scene::new();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let json = format!(r#"{{"id":"p","messageID":"m","x":"{}"}}"#, "x".repeat(limits::ITEM_BYTES_MAX));
        let refused = capshare::client::Items::new().put("part", &json).unwrap_err();
        assert_eq!(limit(&refused), "itemBytesMax");
        // As large as an item may be, it goes through.
        let json = format!(r#"{{"id":"p","messageID":"m","x":"{}"}}"#, "x".repeat(limits::ITEM_BYTES_MAX - 40));
        let mut largest = capshare::client::Items::new();
        largest.put("part", &json).unwrap();
        assert_eq!(share.sync(largest).await.unwrap().sync_count, 1);
    });
}
