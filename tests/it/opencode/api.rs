//! What the API does, seen from the client, from a linked client and in the bucket.

use std::sync::Arc;

use capshare::client::Items;
use futures::TryStreamExt as _;
use object_store::ObjectStore as _;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use super::http::{Api, Shared, part};
use crate::support::door::{ANNS_KEY, BOBS_KEY};
use crate::support::door::{Served, keys, next_json};

/// S9, S12, S13: a share is created, synced, read and deleted, under both names of the API; a second delete, a sync and a
/// read after it are NotFound.
#[tokio::test]
async fn a_share_lives_and_goes() {
    let served = Served::open().await;
    let api = Api::at(served.address);
    for family in ["/api/share", "/api/shares"] {
        let created = api.send("POST", family, r#"{"sessionID":"ses_1"}"#).await.ok();
        let (id, secret) = (created["id"].as_str().unwrap(), &created["secret"]);
        assert_eq!(created["url"], format!("http://{}/share/{id}", served.address));
        let sync = |data: Value| json!({ "secret": secret, "data": data }).to_string();
        let path = format!("{family}/{id}");
        let data = json!([
            { "type": "part", "data": { "id": "p", "messageID": "m", "type": "text", "text": "before its message" } },
            { "type": "message", "data": { "id": "m", "role": "user" } },
            { "type": "session", "data": { "id": "ses_1", "title": "A session" } },
            { "type": "session_diff", "data": [{ "file": "a", "patch": "@@", "additions": 1, "deletions": 0 }] },
        ]);
        let synced = api.send("POST", &format!("{path}/sync"), sync(data.clone())).await.ok();
        assert_eq!(synced, json!({ "success": true, "syncCount": 1, "revision": 1 }));
        let read = api.send("GET", &format!("{path}/data"), "").await;
        assert_eq!(read.ok(), data);
        assert_eq!(read.header("cache-control"), Some("private, no-store"));
        assert_eq!(read.header("content-type"), Some("application/json"));
        let delete = json!({ "secret": secret }).to_string();
        assert_eq!(api.send("DELETE", &path, delete.clone()).await.ok(), json!({ "success": true }));
        for (method, path, body) in [
            ("DELETE", path.clone(), delete),
            ("POST", format!("{path}/sync"), sync(data)),
            ("GET", format!("{path}/data"), String::new()),
        ] {
            api.send(method, &path, body).await.refused(404, "NotFound");
        }
        assert_eq!(served.refused(&format!("/ws/{id}"), &[]).await.0, 404);
    }
}

/// S9: a create that comes twice at once, or again soon, gets one answer; another account gets a share of its own, and what
/// is created after a deletion is new.
#[tokio::test]
async fn creates_that_come_twice_get_one_answer() {
    let served = Served::with_keys().await;
    let (ann, bob) = (Api::at(served.address).bearing(ANNS_KEY), Api::at(served.address).bearing(BOBS_KEY));
    let (one, two, three) = tokio::join!(ann.create("ses_1"), ann.create("ses_1"), bob.create("ses_1"));
    assert_eq!(one, two);
    assert_eq!(ann.create("ses_1").await, one);
    assert_ne!(one.id, three.id);
    assert_ne!(ann.create("ses_2").await.id, one.id);
    ann.sync(&one, json!([part("p", "old")])).await.ok();
    ann.delete(&one).await.ok();
    let anew = ann.create("ses_1").await;
    assert!(anew.id != one.id && anew.secret != one.secret);
    assert_eq!(ann.data(&anew).await.ok(), json!([]));
}

/// S16: both doors give the same share of a session, and a secret of one opens it at the other.
#[tokio::test]
async fn the_rpc_door_and_this_one_are_doors_to_the_same_shares() {
    let served = Served::with_keys().await;
    let (api, client) = (Api::at(served.address).bearing(ANNS_KEY), served.client(Some(ANNS_KEY)));
    let here = api.create("ses_1").await;
    let there = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    assert_eq!(there.id().as_str(), here.id);
    api.sync(&here, json!([part("p", "here")])).await.ok();
    let mut items = Items::new();
    items.put("message", r#"{"id":"m","role":"user"}"#).unwrap();
    assert_eq!(there.sync(items).await.unwrap().sync_count, 2);
    let secret = there.secret().unwrap().reveal().to_owned();
    let theirs = Shared { secret, ..here.clone() };
    assert_eq!(api.sync(&theirs, json!([])).await.ok()["syncCount"], 3);
    let opened = client.open(there.id(), &here.secret.as_str().into()).await.unwrap();
    assert_eq!(opened.info().await.unwrap().item_count, 2);
}

/// S12: models upsert, one by one and as lists, and are read as one list; both forms of diffs replace; a removal removes, with
/// its parts; an unknown type is kept as it came.
#[tokio::test]
async fn items_are_merged_by_key() {
    let served = Served::open().await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let model = |id: &str, name: &str| json!({ "id": id, "providerID": "p", "name": name });
    let old_diff = json!({ "file": "a", "before": "x", "after": "y", "additions": 1, "deletions": 1 });
    let new_diff = json!({ "file": "a", "patch": "@@", "additions": 1, "deletions": 1 });
    for data in [
        json!([{ "type": "model", "data": [model("a", "A"), model("b", "B")] }, { "type": "session_diff", "data": [old_diff] }]),
        json!([{ "type": "model", "data": [model("b", "B, renamed")] }, { "type": "kilo_meta", "data": { "platform": "x" } }]),
        json!([{ "type": "message", "data": { "id": "m" } }, part("p", "x"), part("q", "y")]),
        json!([{ "type": "session_diff", "data": [new_diff] }, { "type": "remove", "data": "message/m" }]),
    ] {
        api.sync(&share, data).await.ok();
    }
    let expected = json!([
        { "type": "session_diff", "data": [new_diff] },
        { "type": "kilo_meta", "data": { "platform": "x" } },
        { "type": "model", "data": [model("a", "A"), model("b", "B, renamed")] },
    ]);
    assert_eq!(api.data(&share).await.ok(), expected);
}

/// S12: the newer clients' list of all messages is kept message by message, says which are gone, and is read as a list.
#[tokio::test]
async fn a_list_of_messages_replaces_the_messages_of_the_session() {
    let served = Served::open().await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let session = json!({ "type": "session", "data": { "id": "ses_1", "location": { "directory": "/x" } } });
    let message = |id: &str, text: &str| json!({ "id": id, "type": "user", "text": text });
    let list = |messages: Value| json!({ "type": "messages", "data": { "sessionID": "ses_1", "messages": messages } });
    let both = list(json!([message("m1", "one"), message("m2", "two")]));
    api.sync(&share, json!([session, both])).await.ok();
    assert_eq!(api.data(&share).await.ok(), json!([session, both]));
    // A viewer is told what is new, and what went; not the whole list.
    let mut viewer = served.knock(&format!("/ws/{}", share.id), &[]).await.unwrap();
    while next_json(&mut viewer).await["event"] != "ready" {}
    let later = list(json!([message("m2", "two"), message("m3", "three")]));
    api.sync(&share, json!([later])).await.ok();
    let changes = next_json(&mut viewer).await["payload"]["changes"].clone();
    let keys: Vec<_> = changes.as_array().unwrap().iter().map(|change| change["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["message/m3", "message/m1"]);
    assert_eq!(changes[1]["removed"], true);
    assert_eq!(api.data(&share).await.ok(), json!([session, later]));
}

/// The newer clients' messages hold what others have in parts: documents show it, and the document of data leaves it as it came.
#[tokio::test]
async fn a_list_of_messages_is_shown_as_a_session() {
    let served = Served::open().await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let at = |created: u64| json!({ "created": created });
    let tool = json!({
        "type": "tool", "id": "call_1", "name": "bash", "time": { "created": 3, "ran": 1_000, "completed": 3_500 },
        "state": {
            "status": "completed", "input": { "command": "cargo test" }, "structured": {},
            "content": [{ "type": "text", "text": "3 <passed>" }, { "type": "file", "mime": "image/png", "name": "plot.png", "uri": "data:image/png;base64,AA==" }],
        },
    });
    let failed = json!({
        "type": "tool", "id": "call_2", "name": "read", "time": { "created": 3 },
        "state": { "status": "error", "input": { "path": "gone.rs" }, "structured": {}, "content": [], "error": { "type": "unknown", "message": "no such file" } },
    });
    let messages = json!([
        { "id": "msg_1", "type": "user", "text": "Mend the *queue*", "time": at(1) },
        { "id": "msg_2", "type": "assistant", "agent": "build", "model": { "id": "m-9", "providerID": "p" }, "time": at(2),
          "content": [{ "type": "reasoning", "id": "r", "text": "Where is it?" }, tool, failed, { "type": "text", "id": "t", "text": "It was **here**." }] },
        { "id": "msg_3", "type": "shell", "callID": "c", "command": "git status", "output": "clean", "time": at(3) },
        { "id": "msg_4", "type": "system", "text": "for the model alone", "time": at(4) },
        { "id": "msg_5", "type": "compaction", "reason": "auto", "summary": "What was done", "time": at(5) },
        { "id": "msg_6", "type": "hologram", "beam": 7, "time": at(6) },
    ]);
    let session =
        json!({ "type": "session", "data": { "id": "ses_1", "title": "T", "location": { "directory": "/x" } } });
    let list = json!({ "type": "messages", "data": { "sessionID": "ses_1", "messages": messages } });
    api.sync(&share, json!([session, list])).await.ok();
    let get = async |form: &str| api.send("GET", &format!("/share/{}{form}", share.id), "").await;
    let markdown = get(".md").await.text;
    for shown in [
        "## User\n\nMend the *queue*\n",
        "## Assistant · p/m-9\n\n> _Reasoning_\n>\n> Where is it?\n",
        "### Tool `bash` · cargo test (completed, 2.5 s)\n\n```sh\ncargo test\n```\n\n```\n3 <passed>\n```\n",
        "_Attached:_ `plot.png` (image/png",
        "### Tool `read` · gone.rs (error)",
        "**Error:**\n\n```\nno such file\n```",
        "It was **here**.",
        "```sh\ngit status\n```\n\n```\nclean\n```",
        "_The conversation was compacted by itself_\n\nWhat was done",
        "\"beam\": 7",
    ] {
        assert!(markdown.contains(shown), "{shown}\n\n{markdown}");
    }
    assert!(!markdown.contains("for the model alone"), "{markdown}");
    let page = get("").await.text;
    for shown in [
        r#"<div class="typed" dir="auto">Mend the *queue*</div>"#,
        "<strong>here</strong>",
        "3 &lt;passed&gt;",
        "no such file",
        "What was done",
        "“Mend the *queue*”",
    ] {
        assert!(page.contains(shown), "{shown}\n\n{page}");
    }
    let data = get(".json").await.json();
    assert_eq!(data["messages"][1], json!({ "info": messages[1], "parts": [] }));
}

/// A part that is sent again each second while it grows costs the viewers and the bucket what is new to them.
#[tokio::test]
async fn values_that_are_sent_again_are_dropped() {
    let served = Served::open().await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let queue = json!([part("p", "the same"), part("q", "the same")]);
    assert_eq!(api.sync(&share, queue.clone()).await.ok()["revision"], 1);
    let again = api.sync(&share, queue).await.ok();
    assert_eq!((&again["syncCount"], &again["revision"]), (&json!(2), &json!(1)));
}

/// S13: after an unshare the bucket holds nothing of the share but the mark that it is gone.
#[tokio::test]
async fn nothing_is_left_in_the_bucket() {
    let store = Arc::new(InMemory::new());
    let served = Served::over(store.clone(), keys(), |_| {}).await;
    let api = Api::at(served.address).bearing(ANNS_KEY);
    let share = api.create("ses_1").await;
    api.sync(&share, json!([part("p", "this is to be gone")])).await.ok();
    api.delete(&share).await.ok();
    served.host.shutdown().await;
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    for object in objects {
        let bytes = store.get_opts(&object.location, Default::default()).await.unwrap().bytes().await.unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("gone"), "{}", object.location);
    }
}

/// S17: a public read shows no secret.
#[tokio::test]
async fn what_is_read_holds_no_secret() {
    let served = Served::open().await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    api.sync(&share, json!([part("p", "x")])).await.ok();
    let read = api.data(&share).await;
    assert!(!read.text.contains(&share.secret) && !format!("{:?}", read.headers).contains(&share.secret));
    assert!(!read.text.contains("capsec_"));
}
