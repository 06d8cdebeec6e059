//! Calls both ways, pipelined, cancelled and refused: what the contract promises of capabilities, by bare Cap'n Proto.

mod observers;

use std::time::Duration;

use capshare::__internal::contract::convert::{read_chunk, read_synced};
use capshare::__internal::share_capnp::{
    authenticate_result, create_result, hello_result, list_result, open_result, read_result, sync_result,
};
use capshare::client::{ListScope, PageRequest};
use capshare::share::error::Refusal;
use capshare::testing::{Scene, run};
use tokio::time::Instant;

use crate::support::door::{ANNS_KEY, Served, keys};
use crate::support::items::part;
use crate::support::raw::{Raw, callback, change, refusal_in, sync_request, view, with_delay};

/// S26: probeValue round-trips a time, bytes and a nested struct; probeCallback returns what the client's capability answered.
#[test]
fn the_probes_bring_back_what_they_were_given() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let mut request = raw.root.probe_value_request();
        let mut input = request.get().init_input();
        input.set_when(1_795_216_248_364);
        input.set_bytes(&[0, 1, 254, 255]);
        input.init_nested().set_x(-0.1);
        let response = request.send().promise.await.unwrap();
        let output = response.get().unwrap().get_output().unwrap();
        assert_eq!(output.get_when(), 1_795_216_248_364);
        assert_eq!(output.get_bytes().unwrap(), [0, 1, 254, 255]);
        assert_eq!(output.get_nested().unwrap().get_x(), -0.1);

        let mut request = raw.root.probe_callback_request();
        request.get().set_callback(callback(Some("heard:")));
        let response = request.send().promise.await.unwrap();
        assert_eq!(response.get().unwrap().get_reply().unwrap(), "heard: server-called");
    });
}

/// S36: authenticate, createShare, sync and a read, pipelined, take one round trip.
#[test]
fn authenticate_create_sync_and_read_take_one_round_trip() {
    run(async {
        let scene = Scene::builder().access(keys().as_ref().clone()).build();
        let way = Duration::from_millis(40);
        let end = scene.host().connect(None, true).await.unwrap();
        let raw = Raw::over(with_delay(end, way));
        let begun = Instant::now();

        let mut authenticate = raw.root.authenticate_request();
        authenticate.get().set_token(ANNS_KEY);
        let authenticated = authenticate.send();
        let mut create = authenticated.pipeline.get_rpc().create_share_request();
        create.get().set_session_id("ses_1");
        let created = create.send();
        let share = created.pipeline.get_share();
        let synced = sync_request(&share, &change("p", "pipelined")).send();
        let mut read = view(&share).read_request();
        read.get().set_since(0);
        let read = read.send();

        let read = read.promise.await.unwrap();
        assert_eq!(begun.elapsed(), 2 * way);
        let chunk = read_chunk(read.get().unwrap().get_result().unwrap()).unwrap();
        assert_eq!((chunk.revision.0, chunk.changes.len()), (1, 1));
        let authenticated = authenticated.promise.await.unwrap();
        let result = authenticated.get().unwrap().get_result().unwrap();
        assert!(
            matches!(result.which().unwrap(), authenticate_result::Which::Account(Ok(account)) if account == "ann")
        );
        let created = created.promise.await.unwrap();
        assert!(matches!(
            created.get().unwrap().get_result().unwrap().which().unwrap(),
            create_result::Which::Created(_)
        ));
        let synced = synced.promise.await.unwrap();
        assert_eq!(read_synced(synced.get().unwrap().get_result().unwrap()).unwrap().sync_count, 1);
        assert_eq!(begun.elapsed(), 2 * way);
    });
}

/// S36: calls on one capability arrive in order, also by id on a host that has yet to load the share.
#[test]
fn calls_are_applied_in_the_order_in_which_they_were_made() {
    run(async {
        let scene = Scene::new();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        for (host, seed) in [(scene.clone(), 1), (Scene::builder().store(scene.store().clone()).seed(2).build(), 2)] {
            let raw = Raw::connect(host.host(), None).await;
            let calls: Vec<_> = (1..=50)
                .map(|n| {
                    let mut request = raw.root.sync_share_request();
                    request.get().set_share_id(share.id().as_str());
                    request.get().set_secret(share.secret().unwrap().reveal());
                    let changes = change("p", &format!("{seed} {n}"));
                    capshare::__internal::contract::convert::write_items(&changes, request.get().init_data(1));
                    request.send().promise
                })
                .collect();
            let mut counts = Vec::new();
            for call in calls {
                let response = call.await.unwrap();
                counts.push(read_synced(response.get().unwrap().get_result().unwrap()).unwrap().sync_count);
            }
            let first = counts[0];
            assert_eq!(counts, (first..first + 50).collect::<Vec<_>>());
        }
    });
}

/// S36: calls by id arrive in order, also when the first has to wait for a secret that another host has made.
#[test]
fn a_call_that_waits_for_its_secret_is_not_overtaken() {
    run(async {
        let here = Scene::new();
        let there = Scene::builder().store(here.store().clone()).seed(2).build();
        let known = here.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let unknown = there.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let raw = Raw::connect(here.host(), None).await;
        let calls: Vec<_> = [unknown.secret().unwrap(), known.secret().unwrap(), unknown.secret().unwrap()]
            .map(|secret| {
                let mut request = raw.root.sync_share_request();
                request.get().set_share_id(known.id().as_str());
                request.get().set_secret(secret.reveal());
                request.send().promise
            })
            .into();
        let mut counts = Vec::new();
        for call in calls {
            let response = call.await.unwrap();
            counts.push(read_synced(response.get().unwrap().get_result().unwrap()).unwrap().sync_count);
        }
        assert_eq!(counts, [1, 2, 3]);
    });
}

/// S36: a refusal reaches the calls that depend on it.
#[test]
fn a_refusal_reaches_the_calls_that_depend_on_it() {
    run(async {
        let scene = Scene::builder().access(keys().as_ref().clone()).build();
        let raw = Raw::connect(scene.host(), None).await;
        let mut authenticate = raw.root.authenticate_request();
        authenticate.get().set_token("not-the-key-0123456");
        let authenticated = authenticate.send();
        let mut create = authenticated.pipeline.get_rpc().create_share_request();
        create.get().set_session_id("ses_1");
        let created = create.send();
        let synced = sync_request(&created.pipeline.get_share(), &change("p", "x")).send();
        let read = view(&created.pipeline.get_share()).read_request().send();
        let unauthorized = |refusal: Refusal| assert!(matches!(refusal, Refusal::Unauthorized { .. }), "{refusal:?}");
        let response = authenticated.promise.await.unwrap();
        unauthorized(refusal_in!(authenticate_result, response.get().unwrap().get_result().unwrap()));
        let response = created.promise.await.unwrap();
        unauthorized(refusal_in!(create_result, response.get().unwrap().get_result().unwrap()));
        let response = synced.promise.await.unwrap();
        unauthorized(refusal_in!(sync_result, response.get().unwrap().get_result().unwrap()));
        let response = read.promise.await.unwrap();
        unauthorized(refusal_in!(read_result, response.get().unwrap().get_result().unwrap()));
    });
}

/// S5: in-band authenticate returns an authorised capability; without it no protected method can be reached.
/// S75: a credential error comes before a shape error.
#[test]
fn without_authenticate_no_protected_method_can_be_reached() {
    run(async {
        let scene = Scene::builder().access(keys().as_ref().clone()).build();
        let share = scene.client_builder().token(ANNS_KEY).build_local().unwrap();
        let share = share.create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let raw = Raw::connect(scene.host(), None).await;
        let unauthorized = |refusal: Refusal| assert!(matches!(refusal, Refusal::Unauthorized { .. }), "{refusal:?}");

        let mut request = raw.root.create_share_request();
        request.get().set_session_id("../not a session id");
        request.get().init_initial_data(1).get(0).set_message("no json");
        let response = request.send().promise.await.unwrap();
        unauthorized(refusal_in!(create_result, response.get().unwrap().get_result().unwrap()));

        let mut request = raw.root.sync_share_request();
        request.get().set_share_id(share.id().as_str());
        request.get().set_secret(share.secret().unwrap().reveal());
        request.get().init_data(1).get(0).set_part("{}");
        let response = request.send().promise.await.unwrap();
        unauthorized(refusal_in!(sync_result, response.get().unwrap().get_result().unwrap()));

        let mut request = raw.root.open_share_request();
        request.get().set_share_id(share.id().as_str());
        request.get().set_secret(share.secret().unwrap().reveal());
        let response = request.send().promise.await.unwrap();
        unauthorized(refusal_in!(open_result, response.get().unwrap().get_result().unwrap()));

        let mut request = raw.root.view_share_request();
        request.get().set_share_id(share.id().as_str());
        let response = request.send().promise.await.unwrap();
        unauthorized(refusal_in!(open_result, response.get().unwrap().get_result().unwrap()));

        let mut request = raw.root.list_shares_request();
        request.get().set_limit(u32::MAX);
        let response = request.send().promise.await.unwrap();
        unauthorized(refusal_in!(list_result, response.get().unwrap().get_result().unwrap()));

        let mut request = raw.root.delete_share_request();
        request.get().set_share_id(share.id().as_str());
        request.get().set_secret(share.secret().unwrap().reveal());
        let response = request.send().promise.await.unwrap();
        unauthorized(refusal_in!(
            capshare::__internal::share_capnp::delete_result,
            response.get().unwrap().get_result().unwrap()
        ));

        // With the wrong secret as well, the shape is not looked at.
        let mut authenticate = raw.root.authenticate_request();
        authenticate.get().set_token(ANNS_KEY);
        let root = authenticate.send().pipeline.get_rpc();
        let mut request = root.sync_share_request();
        request.get().set_share_id(share.id().as_str());
        request.get().set_secret("wrong");
        request.get().init_data(1).get(0).set_part("{}");
        let response = request.send().promise.await.unwrap();
        let refusal = refusal_in!(sync_result, response.get().unwrap().get_result().unwrap());
        assert_eq!(refusal, Refusal::InvalidSecret { id: share.id().clone() });
        assert_eq!(share.info().await.unwrap().sync_count, 0);
    });
}

/// S7: in process, too, a client of another version is refused with ProtocolMismatch before any call of it runs.
#[test]
fn a_hello_of_another_version_shuts_the_connection_off() {
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let mut hello = raw.root.hello_request();
        hello.get().set_contract_version(2);
        let hello = hello.send();
        let mut create = raw.root.create_share_request();
        create.get().set_session_id("ses_1");
        let created = create.send();
        let mismatch = Refusal::ProtocolMismatch { expected: "capshare.1".into(), got: "capshare.2".into() };
        let response = hello.promise.await.unwrap();
        assert_eq!(refusal_in!(hello_result, response.get().unwrap().get_result().unwrap()), mismatch);
        let response = created.promise.await.unwrap();
        assert_eq!(refusal_in!(create_result, response.get().unwrap().get_result().unwrap()), mismatch);
        assert!(scene.client().list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap().shares.is_empty());
    });
}

/// S37: dropping a pending call cancels its handler only; a disconnect cancels all of that connection.
#[test]
fn dropping_a_call_cancels_its_handler_and_a_disconnect_all_of_them() {
    run(async {
        let scene = Scene::new();
        let in_flight = || scene.host().hub().metrics().calls_in_flight.get();
        let (raw, other) = (Raw::connect(scene.host(), None).await, Raw::connect(scene.host(), None).await);
        let pending = |raw: &Raw| {
            let mut request = raw.root.probe_callback_request();
            request.get().set_callback(callback(None));
            request.send()
        };
        let mut calls: Vec<_> = (0..3).map(|_| pending(&raw)).collect();
        let others = pending(&other);
        while in_flight() < 4 {
            tokio::task::yield_now().await;
        }
        drop(calls.pop());
        while in_flight() > 3 {
            tokio::task::yield_now().await;
        }
        // The others go on, and so does the connection.
        raw.root.probe_value_request().send().promise.await.unwrap();
        assert_eq!(in_flight(), 3);
        raw.cut();
        while in_flight() > 1 {
            tokio::task::yield_now().await;
        }
        for call in calls {
            assert_eq!(call.promise.await.err().unwrap().kind, capnp::ErrorKind::Disconnected);
        }
        other.root.probe_value_request().send().promise.await.unwrap();
        assert_eq!(in_flight(), 1);
        drop(others);
    });
}

/// A writer may write and nothing else, a view read and nothing else, and an expired view nothing at all.
#[test]
fn a_narrowed_capability_does_less() {
    use capnp::capability::FromClientHook as _;
    run(async {
        let scene = Scene::new();
        let raw = Raw::connect(scene.host(), None).await;
        let mut request = raw.root.create_share_request();
        request.get().set_session_id("ses_1");
        let share = request.send().pipeline.get_share();

        let writer = share.narrow_to_write_request().send().pipeline.get_writer();
        let as_share: capshare::__internal::share_capnp::share::Client = writer.clone().cast_to();
        sync_request(&as_share, &change("p", "written")).send().promise.await.unwrap();
        let error = view(&as_share).info_request().send().promise.await.err().unwrap();
        assert_eq!(error.kind, capnp::ErrorKind::Unimplemented);
        let error = as_share.remove_request().send().promise.await.err().unwrap();
        assert_eq!(error.kind, capnp::ErrorKind::Unimplemented);

        let now = capshare::testing::BEGINNING.0;
        let mut request = share.narrow_to_read_request();
        request.get().set_until(now + 60_000);
        let reader = request.send().pipeline.get_view();
        let as_share: capshare::__internal::share_capnp::share::Client = reader.clone().cast_to();
        let error = sync_request(&as_share, &change("p", "x")).send().promise.await.err().unwrap();
        assert_eq!(error.kind, capnp::ErrorKind::Unimplemented);
        let response = reader.info_request().send().promise.await.unwrap();
        assert!(matches!(response.get().unwrap().get_result().unwrap().which().unwrap(), open_result::Which::Info(_)));
        tokio::time::sleep(Duration::from_secs(61)).await;
        let response = reader.info_request().send().promise.await.unwrap();
        let refusal = refusal_in!(open_result, response.get().unwrap().get_result().unwrap());
        assert!(matches!(refusal, Refusal::Unauthorized { .. }));
    });
}

/// S17: no public read, frame, log line or metric holds a secret or a token. (The web page does not exist yet.)
#[tokio::test]
async fn no_secret_and_no_token_is_seen_anywhere() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).expect("a process of its own");
    let served = Served::with_keys().await;
    let client = served.client(Some(ANNS_KEY));
    let share = client.create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
    share.sync(part("p", "y")).await.unwrap();
    let wrong = capshare::share::secret::Secret::from("a-wrong-secret-that-was-shown");
    let refused = client.open(share.id(), &wrong).await.err().unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let seen = [
        crate::support::door::next_json(&mut viewer).await.to_string(),
        format!("{:?}", client.info(share.id()).await.unwrap()),
        format!("{:?}", client.list_page(ListScope::OwnAccount, PageRequest::first()).await.unwrap()),
        format!("{:?}", client.snapshot(share.id()).await.unwrap()),
        format!("{share:?} {client:?} {refused} {refused:?}"),
        served.request("GET /metrics HTTP/1.1").await,
        served.refused("/rpc/share", &[("Authorization", "Bearer another-key-0123456")]).await.1.to_string(),
        served.request(&format!("GET /share/{} HTTP/1.1", share.id())).await,
    ];
    share.delete().await.unwrap();
    served.host.shutdown().await;
    let log = log.text();
    assert!(log.contains("admitted"), "the log is read: {log}");
    for text in seen.iter().chain([&log]) {
        for secret in [share.secret().unwrap().reveal(), ANNS_KEY, wrong.reveal(), "another-key-0123456", "capsec_"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// Log lines, kept.
#[derive(Clone, Default)]
pub(crate) struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
