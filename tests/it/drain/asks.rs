//! Questions to the viewers of a share while the host drains.

use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::access::SingleAccount;
use capshare::client::ClientError;
use capshare::share::ask::{Outcome, Question};
use capshare::share::error::Refusal;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use crate::support::door::{Served, next_json};
use crate::support::patience::within;
use crate::support::sse::post;

type Socket = async_tungstenite::WebSocketStream<async_tungstenite::tokio::ConnectStream>;

const WITHIN: Duration = Duration::from_secs(10);

/// A host over these objects that sends its clients to another one.
async fn served(objects: &Arc<dyn ObjectStore>, other: Option<&Served>) -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::clone(objects), access, |settings| {
        settings.hub.hosts.others =
            other.iter().map(|other| format!("http://{}", other.address).parse().unwrap()).collect();
    })
    .await
}

async fn until(viewer: &mut Socket, event: &str) -> Value {
    within(event, async {
        loop {
            let mut frame = next_json(viewer).await;
            if frame["event"] == event {
                return frame["payload"].take();
            }
        }
    })
    .await
}

async fn call(viewer: &mut Socket, procedure: &str, input: Value) -> Value {
    let frame = json!({ "id": procedure, "procedure": procedure, "input": input }).to_string();
    viewer.send(Message::text(frame)).await.unwrap();
    within("an answer", async {
        loop {
            let frame = next_json(viewer).await;
            if frame.get("ok").is_some() {
                return frame;
            }
        }
    })
    .await
}

fn deploy() -> Question {
    Question::new("Deploy?", ["yes", "no"]).within(Duration::from_secs(3_600))
}

/// S103: a host that drains withdraws its open questions, and says why to those who were asked; who asked is answered at once, and asks
/// again at the host that its client has moved to, whose viewers answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_withdrawn_with_a_reason_and_asked_again_at_the_next_host() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let next = served(&objects, None).await;
    let draining = served(&objects, Some(&next)).await;
    let share = draining.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let path = format!("/ws/{}", share.id());
    let mut viewer = draining.knock(&path, &[]).await.unwrap();
    let asking = tokio::spawn({
        let share = share.clone();
        async move { share.ask(deploy()).await }
    });
    let asked = until(&mut viewer, "ask").await;
    // One that nobody waits for.
    let secret = share.secret().unwrap().reveal();
    let posted = json!({ "question": "And?", "choices": ["yes"], "needed": 1, "withinMs": 60_000, "secret": secret });
    let command = json!({ "id": 1, "procedure": "share.ask", "input": posted }).to_string();
    let (_, taken) = post(&draining, &format!("/events/{}", share.id()), &[], &command).await;
    assert_eq!(until(&mut viewer, "ask").await["ask"], taken["data"]["ask"]);

    draining.host.drain(WITHIN).unwrap();
    for ask in [&asked["ask"], &taken["data"]["ask"]] {
        let settled = until(&mut viewer, "settled").await;
        assert_eq!((&settled["outcome"], &settled["reason"]), (&json!("withdrawn"), &json!("draining")), "{settled}");
        assert_eq!(settled["ask"], *ask);
    }
    let settled = within("the answer of who asked", asking).await.unwrap().unwrap();
    assert_eq!(settled.outcome, Outcome::Withdrawn);
    assert_eq!(settled.counts, [("yes".to_owned(), 0), ("no".to_owned(), 0)].into());
    let refused = call(&mut viewer, "share.ask", posted).await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["transient"]), (&json!("Unavailable"), &json!(true)));

    // The viewer goes where it is sent, and is asked there.
    assert_eq!(until(&mut viewer, "moving").await["urls"], json!([format!("http://{}", next.address)]));
    let mut viewer = next.knock(&path, &[]).await.unwrap();
    until(&mut viewer, "ready").await;
    let again = within("a host that takes questions", async {
        loop {
            match share.ask(deploy()).await {
                Err(ClientError::Refused(Refusal::Unavailable { .. })) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                settled => return settled.unwrap(),
            }
        }
    });
    let answers = async {
        let asked = until(&mut viewer, "ask").await;
        call(&mut viewer, "share.answer", json!({ "ask": asked["ask"], "choice": "yes" })).await
    };
    let (settled, answered) = tokio::join!(again, answers);
    assert_eq!((settled.outcome, &answered["ok"]), (Outcome::Agreed("yes".to_owned()), &json!(true)));
}

/// A host whose drain was taken back takes questions again.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_takes_questions_again_when_its_drain_is_taken_back() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let host = served(&objects, None).await;
    let share = host.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut viewer = host.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    host.host.drain(Duration::from_secs(3_600)).unwrap();
    let refused = within("a refusal", async {
        loop {
            // The host may have heard of its drain a moment later.
            match share.ask(deploy()).await {
                Ok(settled) => assert_eq!(settled.outcome, Outcome::Withdrawn),
                Err(error) => return error,
            }
        }
    })
    .await;
    assert!(matches!(refused, ClientError::Refused(Refusal::Unavailable { .. })), "{refused}");
    host.host.undrain();
    // Another question, since the viewer may have been asked one before the host had heard of its drain.
    let asking = async {
        loop {
            let refused = share.ask(Question::new("And now?", ["yes"]).within(WITHIN)).await.unwrap_err();
            assert!(matches!(refused, ClientError::Refused(Refusal::Unavailable { .. })), "{refused}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let asked = async { while until(&mut viewer, "ask").await["question"] != "And now?" {} };
    within("a host that takes questions", async {
        tokio::select! {
            () = asking => {}
            () = asked => {}
        }
    })
    .await;
}
