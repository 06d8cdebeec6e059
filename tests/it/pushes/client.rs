//! The linked client's handler.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use capshare::__internal::connections::outlet::PushError;
use capshare::__internal::connections::push::{Action, PushOptions};
use capshare::__internal::wire::duplex;
use capshare::client::{Answer, Connection, ConnectionState, Dial, DialError, DialRequest, Push};
use capshare::host::Host;
use capshare::testing::{Scene, run};
use futures::future::LocalBoxFuture;
use tokio_util::sync::CancellationToken;

use crate::support::door::Served;
use crate::support::sink::named;

/// Connects to a host in this process, and can be cut.
#[derive(Debug)]
struct Cuttable {
    host: Arc<Host>,
    cut: Mutex<CancellationToken>,
}

impl Dial for Cuttable {
    fn dial<'a>(&'a self, _: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async move {
            let mut host = self.host.connect(None, false).await?.into_inner();
            let (near, far) = duplex::pair(64 << 10);
            let mut near = near.into_inner();
            let cut = CancellationToken::new();
            *self.cut.lock().unwrap() = cut.clone();
            tokio::task::spawn_local(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut host, &mut near) => {}
                    () = cut.cancelled() => {}
                }
            });
            let (reader, writer) = far.split();
            Ok(Connection::of_stream(reader, writer))
        })
    }
}

fn custom(data: &str) -> Action {
    Action::custom("echo", data)
}

async fn echo(push: Push) -> Result<Answer, String> {
    match push {
        Push::Custom { data, .. } if data == "\"panic\"" => panic!("as it was told"),
        Push::Custom { data, .. } if data == "\"throw\"" => Err("its own words".into()),
        Push::Custom { data, .. } if data == "\"done\"" => Ok(Answer::Done),
        Push::Custom { data, .. } => Ok(Answer::Custom(data)),
        _ => Ok(Answer::Done),
    }
}

/// S27, S76: a handler stays over reconnects: the client offers it again on every new connection.
#[test]
fn a_handler_is_kept_when_the_connection_is_not() {
    run(async {
        let scene = Scene::new();
        let dialer = Arc::new(Cuttable { host: Arc::clone(scene.host()), cut: Mutex::default() });
        let client = capshare::Client::builder("").dialer(dialer.clone()).build_local().unwrap();
        client.on_push(echo).await.unwrap();
        let mut last = String::new();
        for round in 0..5 {
            let mut state = client.state();
            let connected = |state: &ConnectionState| match state {
                ConnectionState::Connected(hello) => hello.connection_id != last,
                _ => false,
            };
            let ConnectionState::Connected(hello) = state.wait_for(connected).await.unwrap().clone() else {
                panic!("connected")
            };
            last.clone_from(&hello.connection_id);
            let id = named(scene.host(), &last);
            let entry = scene.host().hub().connections().registry().get(id.as_str()).unwrap();
            while !entry.outlet.is_open() {
                tokio::task::yield_now().await;
            }
            let data = round.to_string();
            let answer = scene.host().push(&id, custom(&data), PushOptions::default()).await;
            assert_eq!(answer, Ok(Answer::Custom(data)));
            dialer.cut.lock().unwrap().cancel();
        }
    });
}

/// S29: over a WebSocket: answers, the client's own error, a panic, a wrong shape, and pings that the client answers itself.
#[tokio::test]
async fn a_handler_answers_fails_and_is_taken_back() {
    let served = Served::open().await;
    let client = served.client(None);
    client.on_push(echo).await.unwrap();
    let id = named(&served.host, &client.hello().await.unwrap().connection_id);
    let push = |action: Action| served.host.push(&id, action, PushOptions::default());
    assert_eq!(push(custom(r#"{"a": 1}"#)).await, Ok(Answer::custom(r#"{"a": 1}"#)));
    assert_eq!(push(Action::Ping(u64::MAX)).await, Ok(Answer::Pong(u64::MAX)));
    assert_eq!(push(Action::Notice("x".into())).await, Ok(Answer::Done));
    assert_eq!(push(custom("\"throw\"")).await, Err(PushError::ClientError("its own words".into())));
    assert_eq!(push(custom("\"panic\"")).await, Err(PushError::ClientError("internal error".into())));
    assert!(matches!(push(custom("\"done\"")).await, Err(PushError::InvalidAnswer { .. })));
    // A second handler takes the place of the first, without a moment between them.
    client.on_push(|_| std::future::ready(Ok::<_, String>(Answer::custom("\"second\"")))).await.unwrap();
    assert_eq!(push(custom("1")).await, Ok(Answer::custom("\"second\"")));
    client.stop_pushes().await.unwrap();
    while push(custom("1")).await != Err(PushError::NoReturnPath) {}
    client.on_push(echo).await.unwrap();
    assert_eq!(push(custom("1")).await, Ok(Answer::custom("1")));
    assert_eq!(id, named(&served.host, &client.hello().await.unwrap().connection_id), "all on one connection");
}

/// From any thread, at once, each to its own answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_from_any_thread_get_their_own_answers() {
    let served = Arc::new(Served::open().await);
    let mut pushing = Vec::new();
    let mut clients = Vec::new();
    for number in 0..4_u32 {
        let client = served.client(None);
        let answer = move |push| async move {
            let Push::Custom { data, .. } = push else { return Err("what?") };
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Answer::custom(format!("[{number},{data}]")))
        };
        client.on_push(answer).await.unwrap();
        let id = named(&served.host, &client.hello().await.unwrap().connection_id);
        clients.push(client);
        for n in 0..16_u32 {
            let (served, id) = (Arc::clone(&served), id.clone());
            pushing.push(tokio::spawn(async move {
                let answer = served.host.push(&id, custom(&n.to_string()), PushOptions::default()).await;
                assert_eq!(answer, Ok(Answer::custom(format!("[{number},{n}]"))));
            }));
        }
    }
    for push in pushing {
        push.await.unwrap();
    }
}
