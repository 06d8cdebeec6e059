//! Who watches, on sockets and streams alike.

use async_tungstenite::tungstenite::Message;
use serde_json::{Value, json};

use crate::support::door::{Served, next_frame};
use crate::support::sse::Sse;

/// Viewers are counted whatever they came on, and named if they wish; whoever leaves is not counted any more. Names are
/// bounded.
#[tokio::test]
async fn viewers_are_counted_and_named_if_they_wish() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut one = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let told = async |socket: &mut _, viewers: u64, names: Value| {
        loop {
            let frame = next_frame(socket).await;
            if frame["event"] == "presence" && frame["payload"] == json!({ "viewers": viewers, "names": names }) {
                return;
            }
        }
    };
    told(&mut one, 1, json!([])).await;
    let mut stream = Sse::open(&served, share.id().as_str(), &[]).await;
    assert_eq!(stream.until("presence").await.data["viewers"], 2);
    let mut two = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    told(&mut two, 3, json!([])).await;
    let name = |name: Value| {
        Message::text(json!({ "id": 1, "procedure": "share.presence", "input": { "name": name } }).to_string())
    };
    two.send(name(json!(" Bob "))).await.unwrap();
    told(&mut one, 3, json!(["Bob"])).await;
    one.send(name(json!("Ann"))).await.unwrap();
    told(&mut two, 3, json!(["Ann", "Bob"])).await;
    while stream.until("presence").await.data["names"] != json!(["Ann", "Bob"]) {}
    for wrong in [json!(""), json!("a\nb"), json!("x".repeat(65)), json!(7)] {
        one.send(name(wrong.clone())).await.unwrap();
        loop {
            let frame = next_frame(&mut one).await;
            if frame.get("ok").is_some_and(|ok| ok == false) {
                break;
            }
        }
    }
    one.send(name(Value::Null)).await.unwrap();
    told(&mut one, 3, json!(["Bob"])).await;
    drop(stream);
    told(&mut one, 2, json!(["Bob"])).await;
    drop(two);
    told(&mut one, 1, json!([])).await;
}
