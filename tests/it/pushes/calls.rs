//! What the service around the host serves to its clients, and how it calls them back meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use capshare::__internal::connections::calls::{CallContext, CallFailure};
use capshare::__internal::connections::outlet::PushError;
use capshare::__internal::connections::push::Action;
use capshare::__internal::share_capnp::call_result;
use capshare::client::{Answer, CallError, ClientError, Push};
use capshare::share::error::Refusal;
use capshare::testing::{Scene, run};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::support::door::{ANNS_KEY, Served, keys};
use crate::support::raw::{Raw, refusal_in};
use crate::support::sink::{Does, Peer};

/// S28: a handler pushes to its caller on the same connection while the caller's own call is open, and counts only
/// acknowledged pushes.
async fn pushes_back(client: &capshare::Client) {
    client
        .on_push(|push| async move {
            match push {
                Push::Custom { data, .. } if data == "2" => Err("not two"),
                Push::Custom { data, .. } => Ok(Answer::custom(data)),
                _ => Ok(Answer::Done),
            }
        })
        .await
        .unwrap();
    let answer = client.call("count", json!([1, 2, 3])).await.unwrap();
    assert_eq!(answer, r#"{"acknowledged":[1,3],"failed":["not two"]}"#);
}

async fn count(context: CallContext, data: Value) -> Result<Value, CallFailure> {
    let (mut acknowledged, mut failed) = (Vec::new(), Vec::new());
    for item in data.as_array().unwrap() {
        match context.push_back(Action::custom("item", item)).await {
            Ok(answer) => acknowledged.push(serde_json::from_str::<Value>(answer.json().unwrap()).unwrap()),
            Err(PushError::ClientError(words)) => failed.push(words),
            Err(error) => panic!("{error}"),
        }
    }
    Ok(json!({"acknowledged": acknowledged, "failed": failed}))
}

/// S28: over a pipe.
#[test]
fn a_handler_pushes_to_its_caller_while_the_call_is_open() {
    run(async {
        let scene = Scene::new();
        scene.host().on_call("count", count);
        pushes_back(&scene.client()).await;
    });
}

/// S28: over a WebSocket.
#[tokio::test]
async fn a_handler_pushes_to_its_caller_over_a_websocket() {
    let served = Served::with_keys().await;
    served.host.on_call("count", count);
    pushes_back(&served.client(Some(ANNS_KEY))).await;
}

/// S30: a remote caller can only shorten the deadline, and what is pushed back to it.
#[test]
fn a_caller_shortens_the_deadline_and_never_lengthens_it() {
    run(async {
        let scene = Scene::builder().settings(|settings| settings.hub.call_within = Duration::from_secs(20)).build();
        let pushed = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&pushed);
        scene.host().on_call("ask", move |context: CallContext, _| {
            let seen = Arc::clone(&seen);
            async move {
                let began = Instant::now();
                let error = context.push_back(Action::custom("a", 1)).await.unwrap_err();
                seen.lock().unwrap().push((began.elapsed().as_secs(), error));
                std::future::pending().await
            }
        });
        let peer = Peer::connect(&scene, None, Does::Hangs).await;
        for (within_ms, pushed_after, called_after) in [(0, 10, 20), (60_000, 10, 20), (15_000, 10, 15)] {
            let began = Instant::now();
            let mut request = peer.raw.root.call_request();
            request.get().set_procedure("ask");
            request.get().set_data("null");
            request.get().set_within_ms(within_ms);
            let response = request.send().promise.await.unwrap();
            let result = response.get().unwrap().get_result().unwrap();
            let call_result::Which::Failed(failed) = result.which().unwrap() else { panic!("an answer") };
            assert_eq!(failed.get_code().unwrap(), "timeout");
            assert_eq!(began.elapsed(), Duration::from_secs(called_after));
            let error = PushError::Timeout { after: Duration::from_secs(10) };
            assert_eq!(pushed.lock().unwrap().pop(), Some((pushed_after, error)));
        }
        // Shorter than a push may take, it shortens that too: neither outlasts it.
        let mut request = peer.raw.root.call_request();
        request.get().set_procedure("ask");
        request.get().set_data("null");
        request.get().set_within_ms(3_000);
        let began = Instant::now();
        request.send().promise.await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(3));
        let error = PushError::Timeout { after: Duration::from_secs(3) };
        assert_eq!(pushed.lock().unwrap().pop(), Some((3, error)));
    });
}

/// S46: typed state of a connection can be set, read and cleared, and dies with the connection. S45: the handler sees the
/// connection's id and identity.
#[test]
fn a_connections_state_is_set_read_cleared_and_dies_with_it() {
    #[derive(Debug, PartialEq, Clone)]
    struct Cursor(u64);

    run(async {
        let access = (*keys()).clone();
        let scene = Scene::builder().access(access).build();
        scene.host().on_call("set", async |context: CallContext, data: Value| {
            context.states().set("cursor", Cursor(data.as_u64().unwrap())).unwrap();
            Ok(Value::Null)
        });
        scene.host().on_call("get", async |context: CallContext, _| {
            let cursor = context.states().get::<Cursor>("cursor").map(|cursor| cursor.0);
            let who = context.principal().account.as_str().to_owned();
            Ok(json!({"cursor": cursor, "connection": context.connection().as_str(), "account": who}))
        });
        scene.host().on_call("clear", async |context: CallContext, _| Ok(context.states().clear("cursor").into()));
        let [one, other] = [(); 2].map(|()| scene.client_builder().token(ANNS_KEY).build_local().unwrap());
        let get = async |client: &capshare::Client| {
            let got: Value = serde_json::from_str(&client.call("get", "null").await.unwrap()).unwrap();
            assert_eq!(got["connection"], client.hello().await.unwrap().connection_id);
            assert_eq!(got["account"], "ann");
            got["cursor"].as_u64()
        };
        one.call("set", 7).await.unwrap();
        assert_eq!((get(&one).await, get(&other).await), (Some(7), None));
        one.call("set", 8).await.unwrap();
        assert_eq!(get(&one).await, Some(8));
        assert_eq!(one.call("clear", "null").await.unwrap(), "true");
        assert_eq!((get(&one).await, one.call("clear", "null").await.unwrap()), (None, "false".to_owned()));

        one.call("set", 9).await.unwrap();
        let entries = scene.host().hub().connections().registry().matching(|entry| entry.states.has("cursor"));
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        let cursor = entry.states.get::<Cursor>("cursor").unwrap();
        assert_eq!(*cursor, Cursor(9));
        one.close().await;
        while scene.host().hub().connections().registry().get(entry.id.as_str()).is_some() {
            tokio::task::yield_now().await;
        }
        assert!(!entry.states.has("cursor"));
        assert_eq!(Arc::strong_count(&cursor), 1, "the value went with it");
    });
}

/// S39: `exceptSelf` skips the caller. S40: by a filter over state.
#[test]
fn a_handler_tells_everybody_but_its_caller() {
    run(async {
        let scene = Scene::new();
        scene.host().on_call("tell", async |context: CallContext, _| {
            let told = context.broadcast_except_self(&Action::Notice("news".into()), |_| true);
            let all = context.broadcast(&Action::Notice("news".into()), |entry| entry.states.has("wants"));
            Ok(json!([told, all]))
        });
        let [a, b, c] = [(); 3].map(|()| Peer::connect(&scene, None, Does::Answers));
        let (a, b, c) = (a.await, b.await, c.await);
        scene.host().hub().connections().registry().get(a.id.as_str()).unwrap().states.set("wants", true).unwrap();
        let mut request = a.raw.root.call_request();
        request.get().set_procedure("tell");
        request.get().set_data("null");
        let response = request.send().promise.await.unwrap();
        let result = response.get().unwrap().get_result().unwrap();
        let call_result::Which::Answer(Ok(answer)) = result.which().unwrap() else { panic!("no answer") };
        assert_eq!(answer, "[2,1]");
        for peer in [&a, &b, &c] {
            peer.raw.root.probe_value_request().send().promise.await.unwrap();
            assert_eq!(peer.script.seen.borrow().len(), 1);
        }
    });
}

/// S75: what a handler fails with goes to its caller as it is, and what breaks in it stays inside.
#[test]
fn a_handlers_error_is_its_callers_alone_and_a_panic_says_nothing() {
    run(async {
        let scene = Scene::new();
        scene.host().on_call("fail", async |_: CallContext, _| Err(CallFailure::new("full", "come back on Monday")));
        scene.host().on_call("panic", async |_: CallContext, data: Value| Ok(json!(data.as_str().unwrap())));
        let client = scene.client();
        let failed = |code: &str, message: &str| CallError::Failed { code: code.into(), message: message.into() };
        assert_eq!(client.call("fail", "1").await, Err(failed("full", "come back on Monday")));
        assert_eq!(client.call("panic", "1").await, Err(failed("internal", "the handler of this call failed")));
        assert_eq!(client.call("nothing", "1").await, Err(CallError::Unknown { name: "nothing".into() }));
        let refused = client.call("fail", "{").await;
        assert!(matches!(refused, Err(CallError::Client(ClientError::Refused(Refusal::InvalidInput { .. })))));
        assert_eq!(client.call("panic", r#""fine""#).await.unwrap(), r#""fine""#);
    });
}

/// S75: a credential error comes before a shape error.
#[test]
fn a_stranger_learns_nothing_of_calls_and_offers_no_sink() {
    run(async {
        let scene = Scene::builder().access((*keys()).clone()).build();
        let raw = Raw::connect(scene.host(), None).await;
        let mut request = raw.root.call_request();
        request.get().set_data("{");
        let response = request.send().promise.await.unwrap();
        let refusal = refusal_in!(call_result, response.get().unwrap().get_result().unwrap());
        assert!(matches!(refusal, Refusal::Unauthorized { .. }), "{refusal:?}");
        let response = raw.root.offer_sink_request().send().promise.await.unwrap();
        let refusal =
            refusal_in!(capshare::__internal::share_capnp::offer_result, response.get().unwrap().get_result().unwrap());
        assert!(matches!(refusal, Refusal::Unauthorized { .. }), "{refusal:?}");
    });
}

/// S37: dropping a pending call cancels its handler; a disconnect cancels all of that connection.
#[test]
fn a_dropped_call_cancels_its_handler() {
    struct Running(Option<oneshot::Sender<()>>);
    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }

    run(async {
        let scene = Scene::new();
        let ends = Arc::new(Mutex::new(Vec::new()));
        let mine = Arc::clone(&ends);
        scene.host().on_call("wait", move |_: CallContext, _| {
            let (ended, end) = oneshot::channel();
            mine.lock().unwrap().push(end);
            let running = Running(Some(ended));
            async move {
                let _running = running;
                std::future::pending().await
            }
        });
        let raw = Raw::connect(scene.host(), None).await;
        let call = || {
            let mut request = raw.root.call_request();
            request.get().set_procedure("wait");
            request.get().set_data("null");
            request.send().promise
        };
        let [first, _second] = [call(), call()];
        while ends.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        let [of_second, mut of_first] = [(); 2].map(|()| ends.lock().unwrap().pop().unwrap());
        drop(first);
        (&mut of_first).await.unwrap();
        let mut of_second = of_second;
        assert!(of_second.try_recv().is_err(), "the other goes on");
        raw.cut();
        of_second.await.unwrap();
    });
}
