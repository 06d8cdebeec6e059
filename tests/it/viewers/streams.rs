//! Commands of those who take server-sent events.

use serde_json::json;

use crate::support::door::Served;
use crate::support::sse::{Sse, post};

/// A command that is about a stream is posted with the name of its channel; another share's, or one that has ended, is none.
#[tokio::test]
async fn a_posted_command_finds_its_stream_by_its_channel() {
    let served = Served::open().await;
    let client = served.client(None);
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let other = client.create(&"ses_2".parse().unwrap(), None).await.unwrap();
    let mut stream = Sse::open(&served, share.id().as_str(), &[]).await;
    let channel = stream.until("ready").await.data["channel"].as_str().unwrap().to_owned();
    assert_eq!(channel.len(), 32);
    let named =
        json!({ "id": 1, "procedure": "share.presence", "input": { "name": "Ann" }, "channel": channel }).to_string();
    let path = format!("/events/{}", share.id());
    let (_, answer) = post(&served, &path, &[], &named).await;
    assert_eq!(answer["data"], json!({ "viewers": 1, "names": ["Ann"] }));
    while stream.until("presence").await.data["names"] != json!(["Ann"]) {}
    let (_, answer) = post(&served, &format!("/events/{}", other.id()), &[], &named).await;
    assert_eq!(answer["error"]["code"], "InvalidInput", "another share's");
    let (_, answer) = post(&served, &path, &[], r#"{"id":1,"procedure":"share.presence","input":{"name":"x"}}"#).await;
    assert_eq!(answer["error"]["code"], "InvalidInput", "nobody's");
    let (_, answer) =
        post(&served, &path, &[], r#"{"id":1,"procedure":"share.authenticate","input":{"token":"x"}}"#).await;
    assert_eq!(answer["error"]["code"], "InvalidInput", "not on a socket");
    let (_, answer) = post(&served, &path, &[], r#"{"id":1,"procedure":"share.presence"}"#).await;
    assert_eq!(answer["data"], json!({ "viewers": 1, "names": ["Ann"] }), "whoever may see the share may ask");
    drop(stream);
    while served.host.hub().connections().registry().taken() > 1 {
        tokio::task::yield_now().await;
    }
    let (_, answer) = post(&served, &path, &[], &named).await;
    assert_eq!(answer["error"]["code"], "InvalidInput", "it has ended");
}
