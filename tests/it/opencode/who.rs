//! Who may: credentials, the account of those without, origins, and who may see.

use std::sync::Arc;

use capshare::client::ListScope;
use capshare::share::visibility::Visibility;
use object_store::memory::InMemory;
use serde_json::json;

use super::http::{Api, part};
use crate::support::door::{ANNS_KEY, BOBS_KEY, Served, keys};

/// S3, S75: where credentials are needed, a missing or wrong one gets 401 with what to do, before anything is said of the body.
#[tokio::test]
async fn a_missing_or_wrong_credential_is_refused() {
    let served = Served::with_keys().await;
    let api = Api::at(served.address);
    let share = api.bearing(ANNS_KEY).create("ses_1").await;
    for api in [api.clone(), api.bearing("not-the-key-0123456"), api.with("authorization", "Basic YW5uOmtleQ==")] {
        for (method, path) in [
            ("POST", "/api/share".to_owned()),
            ("POST", "/api/shares".to_owned()),
            ("POST", format!("/api/share/{}/sync", share.id)),
            ("DELETE", format!("/api/share/{}", share.id)),
        ] {
            let answer = api.send(method, &path, "no json").await;
            answer.refused(401, "Unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let error = api.send("POST", "/api/share", "{}").await.refused(401, "Unauthorized");
    assert!(error["message"].as_str().unwrap().contains("--opencode-account ACCOUNT"), "{error}");
    api.send("POST", &format!("/api/share?token={ANNS_KEY}"), "{}").await.refused(401, "Unauthorized");
    let org = api.bearing(ANNS_KEY).with("x-org-id", "org_1");
    assert_eq!(org.send("POST", "/api/shares", r#"{"sessionID":"ses_1"}"#).await.ok()["id"], share.id);
}

/// With an account for them, those without a credential create and write its shares; and see no more than anybody.
#[tokio::test]
async fn those_without_a_credential_are_the_account_that_is_set_for_them() {
    let served = Served::over(Arc::new(InMemory::new()), keys(), |settings| {
        settings.doors.opencode.account = Some("ann".parse().unwrap());
        settings.hub.visibility = Visibility::Account;
    })
    .await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    api.sync(&share, json!([part("p", "x")])).await.ok();
    let listed = served.client(Some(ANNS_KEY)).list(ListScope::OwnAccount).try_next().await.unwrap().unwrap();
    assert_eq!(listed.id.as_str(), share.id);
    // Under the other name clients have tokens, and so they must.
    api.send("POST", "/api/shares", r#"{"sessionID":"ses_1"}"#).await.refused(401, "Unauthorized");
    api.bearing("not-the-key-0123456").send("POST", "/api/share", "{}").await.refused(401, "Unauthorized");
    api.data(&share).await.refused(401, "Unauthorized");
    api.bearing(BOBS_KEY).data(&share).await.ok();
    api.delete(&share).await.ok();
}

/// S4: web pages of other origins may read what anybody may, and write nothing; those that are allowed are told so.
#[tokio::test]
async fn web_pages_write_only_if_their_origin_may() {
    let access = keys();
    let served = Served::over(Arc::new(InMemory::new()), access, |settings| {
        settings.doors.origins.push("https://app.example".to_owned());
    })
    .await;
    let api = Api::at(served.address).bearing(ANNS_KEY);
    let share = api.create("ses_1").await;
    let (app, evil) = (api.with("origin", "https://app.example"), api.with("origin", "https://evil.example"));
    let (sync, data) = (format!("/api/share/{}/sync", share.id), format!("/api/share/{}/data", share.id));
    let allows = |answer: &super::http::Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    for (method, path) in [("POST", "/api/share"), ("POST", &sync), ("DELETE", &format!("/api/share/{}", share.id))] {
        let answer = evil.send(method, path, "{}").await;
        assert_eq!((answer.status, allows(&answer)), (403, None), "{method} {path}");
        let preflight = evil.send("OPTIONS", path, "").await;
        assert_eq!((preflight.status, allows(&preflight)), (403, None));
        let preflight = app.send("OPTIONS", path, "").await;
        assert_eq!((preflight.status, allows(&preflight).as_deref()), (204, Some("https://app.example")));
        assert!(preflight.header("access-control-allow-headers").unwrap().contains("x-org-id"));
        assert!(preflight.header("access-control-allow-methods").unwrap().contains("DELETE"));
        assert_eq!(preflight.header("vary"), Some("origin"));
    }
    let body = json!({ "secret": share.secret, "data": [part("p", "x")] }).to_string();
    let synced = app.send("POST", &sync, body).await;
    synced.ok();
    assert_eq!(allows(&synced).as_deref(), Some("https://app.example"));
    for path in [data.as_str(), "/api/doc"] {
        let read = evil.send("GET", path, "").await;
        assert_eq!((read.status, allows(&read).as_deref()), (200, Some("*")), "{path}");
        assert_eq!(allows(&evil.send("OPTIONS", path, "").await).as_deref(), Some("*"));
        assert_eq!(read.header("access-control-allow-credentials"), None);
    }
}
