//! Questions of a share's owner to those who watch.

use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::access::{Credential, Principal, Scopes};
use capshare::__internal::rooms::audience::{Notice, Told};
use capshare::__internal::rooms::ballot::{Question, Verdict};
use capshare::__internal::rooms::pass::Pass;
use capshare::__internal::share_capnp::{AskOutcome, ask_result};
use capshare::client::ClientError;
use capshare::share::ask::{self, Outcome};
use capshare::share::error::Refusal;
use capshare::testing::{Scene, run};
use serde_json::{Value, json};

use crate::support::door::{ANNS_KEY, BOBS_KEY, Served, next_frame};
use crate::support::raw::Raw;
use crate::support::sse::{Sse, post};

type Socket = async_tungstenite::WebSocketStream<async_tungstenite::tokio::ConnectStream>;

async fn until(viewer: &mut Socket, fact: impl Fn(&Value) -> bool) -> Value {
    loop {
        let frame = next_frame(viewer).await;
        if fact(&frame) {
            return frame;
        }
    }
}

async fn call(viewer: &mut Socket, procedure: &str, input: Value) -> Value {
    let frame = json!({ "id": procedure, "procedure": procedure, "input": input }).to_string();
    viewer.send(Message::text(frame)).await.unwrap();
    until(viewer, |frame| frame.get("ok").is_some()).await
}

fn question(needed: u64, within_ms: u64) -> Value {
    json!({ "question": "Deploy?", "choices": ["approve", "deny"], "needed": needed, "withinMs": within_ms })
}

/// The owner asks, those who watch answer, each once, and two of them settle it; whoever comes later is told what is open.
#[tokio::test]
async fn two_of_those_who_watch_settle_a_question() {
    let served = Served::with_keys().await;
    let share = served.client(Some(ANNS_KEY)).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let path = format!("/ws/{}", share.id());
    let bearer = |key: &str| [("Authorization", format!("Bearer {key}"))];
    let open = async |key: Option<&str>| {
        let headers = key.map(bearer);
        let headers: Vec<_> = headers.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
        served.knock(&path, &headers).await.unwrap()
    };
    let (mut ann, mut bob, mut nobody) = (open(Some(ANNS_KEY)).await, open(Some(BOBS_KEY)).await, open(None).await);
    for viewer in [&mut bob, &mut nobody] {
        let refused = call(viewer, "share.ask", question(2, 60_000)).await;
        assert_eq!(refused["error"]["code"], "Unauthorized", "{refused}");
    }
    let ask = call(&mut ann, "share.ask", question(2, 60_000)).await["data"]["ask"].clone();
    let told = until(&mut nobody, |frame| frame["event"] == "ask").await;
    assert_eq!((&told["payload"]["ask"], &told["payload"]["counts"]), (&ask, &json!({ "approve": 0, "deny": 0 })));
    assert_eq!((&told["payload"]["needed"], &told["payload"]["choices"]), (&json!(2), &json!(["approve", "deny"])));
    let answer = |choice: &str| json!({ "ask": ask, "choice": choice });

    // It changes its mind, and counts once.
    assert_eq!(call(&mut nobody, "share.answer", answer("deny")).await["data"]["counts"]["deny"], 1);
    let counts = call(&mut nobody, "share.answer", answer("approve")).await;
    assert_eq!(counts["data"]["counts"], json!({ "approve": 1, "deny": 0 }));
    assert_eq!(call(&mut nobody, "share.answer", answer("maybe")).await["error"]["code"], "InvalidInput");
    // Whoever nobody knows takes the answer along.
    drop(nobody);
    until(&mut ann, |frame| frame["event"] == "ask" && frame["payload"]["counts"]["approve"] == 0).await;
    // An account has one, however many connections.
    assert_eq!(call(&mut bob, "share.answer", answer("approve")).await["data"]["counts"]["approve"], 1);
    let mut again = open(Some(BOBS_KEY)).await;
    assert_eq!(call(&mut again, "share.answer", answer("approve")).await["data"]["counts"]["approve"], 1);

    // One that comes later is told, takes server-sent events, and settles it.
    let mut stream = Sse::open(&served, share.id().as_str(), &[]).await;
    let channel = stream.until("ready").await.data["channel"].clone();
    assert_eq!(stream.until("ask").await.data["counts"], json!({ "approve": 1, "deny": 0 }));
    let posted =
        json!({ "id": 1, "procedure": "share.answer", "input": answer("approve"), "channel": channel }).to_string();
    let events = format!("/events/{}", share.id());
    let (_, counts) = post(&served, &events, &[], &posted).await;
    assert_eq!(counts["data"]["counts"], json!({ "approve": 2, "deny": 0 }));
    let settled =
        json!({ "ask": ask, "outcome": "agreed", "choice": "approve", "counts": { "approve": 2, "deny": 0 } });
    assert_eq!(stream.until("settled").await.data, settled);
    assert_eq!(until(&mut bob, |frame| frame["event"] == "settled").await["payload"], settled);
    assert_eq!(call(&mut bob, "share.answer", answer("deny")).await["error"]["code"], "InvalidInput", "it is over");

    // By the share's secret, posted; and its time is over.
    let mut asked = question(1, 100);
    asked["secret"] = json!(share.secret().unwrap().reveal());
    let (_, brief) =
        post(&served, &events, &[], &json!({ "id": 2, "procedure": "share.ask", "input": asked }).to_string()).await;
    let over = until(&mut bob, |frame| frame["event"] == "settled").await;
    assert_eq!(
        (&over["payload"]["ask"], &over["payload"]["outcome"], &over["payload"]["choice"]),
        (&brief["data"]["ask"], &json!("expired"), &Value::Null)
    );
    let mut wrong = question(1, 100);
    wrong["secret"] = json!("capsec_wrong");
    let (_, refused) =
        post(&served, &events, &[], &json!({ "id": 3, "procedure": "share.ask", "input": wrong }).to_string()).await;
    assert_eq!(refused["error"]["code"], "InvalidSecret");
}

/// A producer asks by its own handle, and is answered by whoever watches.
#[tokio::test]
async fn a_linked_client_asks_and_is_told_how_it_ended() {
    let served = Served::with_keys().await;
    let share = served.client(Some(ANNS_KEY)).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let deploy = || ask::Question::new("Deploy?", ["approve", "deny"]);
    let answering = async {
        let asked = until(&mut viewer, |frame| frame["event"] == "ask").await["payload"].clone();
        assert_eq!((&asked["question"], &asked["choices"]), (&json!("Deploy?"), &json!(["approve", "deny"])));
        call(&mut viewer, "share.answer", json!({ "ask": asked["ask"], "choice": "deny" })).await
    };
    let (settled, _) = tokio::join!(share.ask(deploy()), answering);
    let settled = settled.unwrap();
    assert_eq!(settled.outcome, Outcome::Agreed("deny".into()));
    assert_eq!(settled.counts, [("approve".to_owned(), 0), ("deny".to_owned(), 1)].into());

    let settled = share.ask(deploy().within(Duration::from_millis(50))).await.unwrap();
    assert_eq!(settled.outcome, Outcome::Expired);
    until(&mut viewer, |frame| frame["payload"]["outcome"] == "expired").await;
    let refused = share.ask(ask::Question::new("Deploy?", [""; 0])).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::InvalidInput { .. })), "{refused}");
    let refused = share.ask(deploy().within(Duration::MAX)).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::LimitExceeded { .. })), "{refused}");

    // Whoever stops waiting takes the question back.
    tokio::select! {
        settled = share.ask(deploy()) => panic!("{settled:?}"),
        _ = until(&mut viewer, |frame| frame["event"] == "ask") => {}
    }
    let over = until(&mut viewer, |frame| frame["payload"]["outcome"] == "withdrawn").await;
    assert_eq!(over["payload"]["counts"], json!({ "approve": 0, "deny": 0 }));
}

fn ann() -> Principal {
    let account = "ann".parse().unwrap();
    Principal { account, credential: Credential::Key, scopes: Scopes::SHARE, expires_at: None }
}

/// A question ends with whoever waits for it, at its deadline on the host's clock, and their number is bounded; so is what
/// they say.
#[test]
fn questions_are_bounded_and_end() {
    run(async {
        let scene = Scene::new();
        let hub = scene.host().hub();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        let choices = ["yes".to_owned(), "no".to_owned()];
        let ask = |within| hub.rooms().ask(&room, Question::new("Well?", &choices, 1, within).unwrap(), &Pass::OWNER);
        let day = 24 * 60 * 60 * 1_000;
        let mut open: Vec<_> = (0..8).map(|_| ask(day).unwrap()).collect();
        assert_eq!(ask(day).unwrap_err().to_string(), "past the limit asksOpenMax of 8: there were 9");
        drop(open.pop());
        let before = tokio::time::Instant::now();
        let settled = ask(5_000).unwrap().settled().await;
        assert_eq!((settled.outcome, before.elapsed()), (Verdict::Expired, Duration::from_secs(5)));
        let asking = ask(day).unwrap();
        let (seat, name) = (room.join_audience(), asking.name().to_string());
        let counts = hub.rooms().answer(&seat, &[ann()], &name, "no").unwrap();
        assert_eq!((counts["yes"], counts["no"]), (0, 1));
        assert_eq!(asking.settled().await.outcome, Verdict::Agreed("no".to_owned()));

        let long = |count: usize| "x".repeat(count);
        let many: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        for (text, choices, needed, within) in [
            ("", &choices[..], 1, 1),
            (&long(2049), &choices, 1, 1),
            ("q", &[], 1, 1),
            ("q", &many, 1, 1),
            ("q", &[long(65)], 1, 1),
            ("q", &["a".to_owned(), "a".to_owned()], 1, 1),
            ("q", &choices, 0, 1),
            ("q", &choices, 10_001, 1),
            ("q", &choices, 1, 0),
            ("q", &choices, 1, day + 1),
        ] {
            assert!(Question::new(text, choices, needed, within).is_err(), "{text} {choices:?} {needed} {within}");
        }
        assert!(Question::new(&long(2048), &many[..8], 10_000, day).is_ok());
    });
}

/// A producer asks over its capability and waits for the end; dropping the call takes the question back.
#[test]
fn a_producer_asks_and_is_answered_by_its_call() {
    run(async {
        let scene = Scene::new();
        let hub = scene.host().hub();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        let (seat, mut told) = (room.join_audience(), Told::default());
        let mut notices = async || {
            loop {
                match seat.look(&mut told) {
                    Some(Notice::Watching(_)) => {}
                    Some(notice) => return notice,
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        let raw = Raw::connect(scene.host(), None).await;
        let mut open = raw.root.open_share_request();
        open.get().set_share_id(share.id().as_str());
        open.get().set_secret(share.secret().unwrap().reveal());
        let capability = open.send().pipeline.get_share();
        let ask = |needed| {
            let mut ask = capability.ask_request();
            ask.get().set_question("Deploy?");
            let mut choices = ask.get().init_choices(2);
            choices.set(0, "yes");
            choices.set(1, "no");
            ask.get().set_needed(needed);
            ask.get().set_within_ms(60_000);
            tokio::task::spawn_local(ask.send().promise)
        };
        let asking = ask(1);
        let Notice::Asked(asked) = notices().await else { panic!() };
        assert_eq!((asked.question.as_str(), asked.needed), ("Deploy?", 1));
        hub.rooms().answer(&seat, &[], &asked.ask, "yes").unwrap();
        let answer = asking.await.unwrap().unwrap();
        let ask_result::Which::Settled(settled) = answer.get().unwrap().get_result().unwrap().which().unwrap() else {
            panic!()
        };
        assert_eq!(settled.get_outcome().unwrap(), AskOutcome::Agreed);
        assert_eq!(settled.get_choice().unwrap(), "yes");
        let counts = settled.get_counts().unwrap();
        let counts: Vec<_> =
            counts.iter().map(|one| (one.get_choice().unwrap().to_string().unwrap(), one.get_count())).collect();
        assert_eq!(counts, [("no".to_owned(), 0), ("yes".to_owned(), 1)]);
        assert!(matches!(notices().await, Notice::Settled(_)));

        let asking = ask(1);
        let Notice::Asked(_) = notices().await else { panic!() };
        asking.abort();
        let Notice::Settled(settled) = notices().await else { panic!() };
        assert_eq!(settled.outcome, Verdict::Withdrawn);
        let refused = ask(0).await.unwrap().unwrap();
        assert!(refused.get().unwrap().get_result().unwrap().has_refused());
    });
}
