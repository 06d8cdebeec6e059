//! Bad input: each has its status, its code and what to do; and every limit is hit.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;

use capshare::__internal::access::SingleAccount;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use super::http::{Api, Begun, Shared, part};
use crate::support::door::Served;

async fn share() -> (Served, Api, Shared) {
    let served = Served::open().await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    (served, api, share)
}

/// S14, S75: a wrong secret, an unknown id and what is no item are told apart, each with its facts; nothing of it is applied.
#[tokio::test]
async fn what_cannot_be_right_is_refused_with_the_reason() {
    let (_served, api, share) = share().await;
    let wrong = Shared { secret: "capsec_wrong".to_owned(), ..share.clone() };
    assert_eq!(api.sync(&wrong, json!([{ "type": "message" }])).await.refused(403, "InvalidSecret")["id"], share.id);
    api.delete(&wrong).await.refused(403, "InvalidSecret");
    for id in ["abcdefghijklmnopqrstuvwxyz", "no-id", "..%2f..%2fetc", &share.id[..8]] {
        let unknown = Shared { id: id.to_owned(), ..share.clone() };
        api.sync(&unknown, json!([])).await.refused(404, "NotFound");
        api.delete(&unknown).await.refused(404, "NotFound");
        api.data(&unknown).await.refused(404, "NotFound");
    }
    for session in ["../../etc/passwd", "", "a/b", ".hidden", &"x".repeat(129)] {
        let body = json!({ "sessionID": session }).to_string();
        let error = api.send("POST", "/api/share", body).await.refused(400, "InvalidInput");
        assert!(error["reason"].as_str().unwrap().starts_with("invalid session id: it must be 1 to 128"), "{error}");
    }
    let good = json!({ "type": "session", "data": { "id": "ses_1" } });
    for item in [
        json!({ "session": {} }),
        json!({ "type": "message", "data": { "role": "user" } }),
        json!({ "type": "message", "data": { "id": "" } }),
        json!({ "type": "part", "data": { "id": "p" } }),
        json!({ "type": "part", "data": { "messageID": "m" } }),
        json!({ "type": "model", "data": [{ "name": "no id" }] }),
        json!({ "type": "session", "data": [] }),
        json!({ "type": "session_diff", "data": {} }),
        json!({ "type": "messages", "data": [] }),
        json!({ "type": "messages", "data": { "messages": [{ "text": "no id" }] } }),
        json!({ "type": "remove", "data": "nothing/at/all" }),
        json!({ "type": "message" }),
        json!([]),
        json!(null),
    ] {
        let error = api.sync(&share, json!([good, item])).await.refused(400, "InvalidInput");
        assert_eq!(error["index"], 1, "{item}: {error}");
    }
    assert_eq!(api.data(&share).await.ok(), json!([]));
}

/// S75: bodies that are none say so without repeating any of it.
#[tokio::test]
async fn bodies_that_are_none_are_refused() {
    let (_served, api, share) = share().await;
    let path = format!("/api/share/{}/sync", share.id);
    let whole = json!({ "secret": share.secret, "data": [part("p", "hush")] }).to_string();
    let no_data = json!({ "secret": share.secret }).to_string();
    for body in ["", "{", "null", "[]", "{}", r#"{"secret":7,"data":[]}"#, &no_data, r#"{"data":[]}"#] {
        api.send("POST", &path, body.to_owned()).await.refused(400, "InvalidInput");
    }
    for body in [whole.as_bytes()[..whole.len() / 2].to_vec(), b"\xff\xfe".to_vec()] {
        let answer = api.send("POST", &path, body).await;
        answer.refused(400, "InvalidInput");
        assert!(!answer.text.contains("hush") && !answer.text.contains(&share.secret), "{}", answer.text);
    }
    let not_a_list = json!({ "secret": share.secret, "data": { "session": {} } }).to_string();
    api.send("POST", &path, not_a_list).await.refused(400, "InvalidInput");
    api.send("POST", "/api/share", r#"{"session":"ses_1"}"#).await.refused(400, "InvalidInput");
    api.send("DELETE", &format!("/api/share/{}", share.id), "{}").await.refused(400, "InvalidInput");
    assert_eq!(api.data(&share).await.ok(), json!([]));
}

/// A body that ends before its end is refused, and nothing of it is applied.
#[tokio::test]
async fn a_body_cut_in_half_is_refused() {
    let (served, api, share) = share().await;
    let body = json!({ "secret": share.secret, "data": [part("p", "x")] }).to_string();
    let mut begun = Begun::sync(served.address, &share, body.len()).await;
    begun.send(&body[..body.len() / 2]).await;
    let answer = begun.end().await;
    // The host may leave before it has said so.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(api.data(&share).await.ok(), json!([]));
    assert_eq!(api.sync(&share, json!([part("p", "x")])).await.ok()["syncCount"], 1);
}

/// S74: an item of 6 MB is left out and named, and the others are in.
#[tokio::test]
async fn an_item_past_its_limit_is_left_out_and_the_others_are_applied() {
    let (_served, api, share) = share().await;
    let picture = format!("data:image/png;base64,{}", "A".repeat(6_000_000));
    let too_deep: Value = serde_json::from_str(&format!("{}1{}", "[".repeat(101), "]".repeat(101))).unwrap();
    let data = json!([
        part("before", "x"),
        { "type": "part", "data": { "id": "picture", "messageID": "m", "type": "file", "mime": "image/png", "url": picture } },
        part("after", "x"),
        { "type": "deep", "data": too_deep },
    ]);
    let error = api.sync(&share, data).await.refused(413, "LimitExceeded");
    assert_eq!((&error["limit"], &error["max"]), (&json!("itemBytesMax"), &json!(4_128_768)));
    assert_eq!((&error["applied"], &error["leftOut"]), (&json!(2), &json!([1, 3])));
    assert_eq!(api.data(&share).await.ok(), json!([part("before", "x"), part("after", "x")]));
}

/// S74: 20,000 items at once are applied; more than a share may hold are not, and nothing of them; and what stops on its way
/// says where.
#[tokio::test]
async fn a_whole_session_comes_in_one_request() {
    let (_served, api, share) = share().await;
    // As text, because there are many.
    let items = |name: &str, count: usize| {
        let items: Vec<_> = (0..count).map(|at| format!(r#"{{"type":"{name}{at}","data":{at}}}"#)).collect();
        format!("[{}]", items.join(","))
    };
    let path = format!("/api/share/{}/sync", share.id);
    let sync = async |data: String| {
        let body = format!(r#"{{"secret":"{}","data":{data}}}"#, share.secret);
        api.send("POST", &path, body).await
    };
    let synced = sync(items("a", 20_000)).await.ok();
    assert_eq!((&synced["syncCount"], &synced["revision"]), (&json!(10), &json!(10)));
    assert!(api.data(&share).await.text == items("a", 20_000));
    let error = sync(items("b", 100_001)).await.refused(413, "LimitExceeded");
    assert_eq!((&error["limit"], &error["got"]), (&json!("requestItemsMax"), &json!(100_001)));
    let error = sync(items("b", 81_000)).await.refused(413, "LimitExceeded");
    assert_eq!((&error["limit"], &error["applied"]), (&json!("shareItemsMax"), &json!(80_000)));
    assert_eq!(api.data(&share).await.text.matches("\"type\"").count(), 100_000);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// S74: packed bodies are read; one that unpacks to more than a body may have is refused, and so is a large one before it is sent.
#[tokio::test]
async fn packed_bodies_are_read_within_bounds() {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let served = Served::over(Arc::new(InMemory::new()), access, |settings| {
        settings.doors.opencode.request_bytes_max = 1 << 20;
    })
    .await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let path = format!("/api/share/{}/sync", share.id);
    let body = |length: usize| json!({ "secret": share.secret, "data": [part("p", &"x".repeat(length))] }).to_string();
    let packing = api.with("content-encoding", "gzip");
    packing.send("POST", &path, gzip(body(1_000_000).as_bytes())).await.ok();
    let bomb = gzip(body(1_100_000).as_bytes());
    assert!(bomb.len() < 100_000);
    let error = packing.send("POST", &path, bomb).await.refused(413, "LimitExceeded");
    assert_eq!((&error["limit"], &error["max"]), (&json!("requestBytesMax"), &json!(1_048_576)));
    let packed = gzip(body(1_000).as_bytes());
    packing.send("POST", &path, packed[..packed.len() / 2].to_vec()).await.refused(400, "InvalidInput");
    api.with("content-encoding", "br").send("POST", &path, packed).await.refused(400, "InvalidInput");
    let head = format!("POST {path} HTTP/1.1\r\nContent-Length: 1048577");
    let answer = served.request(&head).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("requestBytesMax"), "{answer}");
}

/// S8: more requests than an address may make get 429 with `Retry-After`.
#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let served = Served::over(Arc::new(InMemory::new()), access, |settings| {
        settings.doors.opencode.requests_per_minute = NonZeroU32::new(3).unwrap();
    })
    .await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    api.sync(&share, json!([])).await.ok();
    api.data(&share).await.ok();
    for answer in [api.data(&share).await, api.sync(&share, json!([])).await] {
        assert_eq!(answer.refused(429, "LimitExceeded")["limit"], "apiRequestsPerMinute");
        assert_eq!(answer.header("retry-after"), Some("20"));
    }
}
