//! Who may have the documents of a share, and how often.

use capshare::__internal::rooms::pass::Pass;
use capshare::share::grant::{GrantToken, Label, Right};
use capshare::share::visibility::Visibility;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{FORMS, exported, path};
use crate::support::door::{ANNS_KEY, BOBS_KEY, Served};
use crate::support::items::{items, part};

/// S17: no page holds a secret or a token. (Logs, metrics and the channel: tests/it/cli and tests/it/doors.)
#[tokio::test]
async fn no_document_holds_a_secret_or_its_hash() {
    let served = Served::with_keys().await;
    let share = served.client(Some(ANNS_KEY)).create(&"ses_1".parse().unwrap(), Some(exported())).await.unwrap();
    let room = served.host.hub().rooms().view(share.id().as_str()).await.unwrap();
    let grant = served.host.hub().rooms().grant(&room, &Pass::OWNER, Label::default(), None).await.unwrap();
    let secrets = [share.secret().unwrap().reveal(), grant.reveal(), ANNS_KEY];
    for form in FORMS {
        let bearer = format!("Bearer {}", grant.reveal());
        for headers in [&[][..], &[("Authorization", bearer.as_str())]] {
            let answer = served.get_with(&path(&share, form), headers).await;
            assert_eq!(answer.status, 200, "{form}");
            let everything = answer.everything();
            for secret in secrets {
                let hash: String = Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(!everything.contains(secret) && !everything.contains(&hash), "{form}");
            }
            assert!(!everything.contains("capsec_") && !everything.contains(GrantToken::PREFIX), "{form}");
        }
    }
}

#[tokio::test]
async fn a_private_share_shows_nothing_but_to_those_whom_it_is_for() {
    let served = Served::with_keys().await;
    let title = "A confidential title";
    let session = json!({ "id": "ses_1", "title": title }).to_string();
    let share = served
        .client(Some(ANNS_KEY))
        .create(&"ses_1".parse().unwrap(), Some(items(&[("session", &session)])))
        .await
        .unwrap();
    let room = served.host.hub().rooms().view(share.id().as_str()).await.unwrap();
    let token = async |right| {
        let grant =
            served.host.hub().rooms().grant(&room, &Pass::OWNER.narrowed(right, None), Label::default(), None).await;
        format!("Bearer {}", grant.unwrap().reveal())
    };
    let (reads, writes) = (token(Right::Read).await, token(Right::Write).await);
    let (ann, bob) = (format!("Bearer {ANNS_KEY}"), format!("Bearer {BOBS_KEY}"));
    for form in FORMS {
        // Once, so that something is kept that must not be shown.
        assert_eq!(served.get(&path(&share, form)).await.status, 200);
    }
    for (visibility, sees, sees_not) in [
        (Visibility::Account, vec![&reads, &ann, &bob], vec![&writes]),
        (Visibility::Grant, vec![&reads, &ann], vec![&bob, &writes]),
    ] {
        share.set_visibility(visibility).await.unwrap();
        for form in FORMS {
            let path = path(&share, form);
            let nobody = served.get(&path).await;
            assert!(!nobody.everything().contains(title), "{visibility} {form}");
            assert_eq!(nobody.header("cache-control"), "no-store", "{visibility} {form}");
            if form.is_empty() {
                assert_eq!((nobody.status, nobody.header("etag")), (200, ""));
                assert!(nobody.text().contains(r#"<script type="module""#), "{}", nobody.text());
                assert!(
                    nobody.text().contains(&format!(
                        r#"<body data-share="{}" data-host="http://{}">"#,
                        share.id(),
                        served.address
                    )),
                    "{}",
                    nobody.text()
                );
            } else {
                assert_eq!(nobody.json()["error"]["code"], "Unauthorized", "{visibility} {form}");
            }
            for who in &sees_not {
                let refused = served.get_with(&path, &[("Authorization", who)]).await;
                assert_eq!(refused.status, 401, "{visibility} {form}");
                assert!(!refused.everything().contains(title), "{visibility} {form}");
            }
            for who in &sees {
                let seen = served.get_with(&path, &[("Authorization", who)]).await;
                assert_eq!((seen.status, seen.header("cache-control")), (200, "no-store"), "{visibility} {form}");
                assert!(form == ".png" || seen.text().contains(title), "{visibility} {form}");
            }
        }
    }
}

#[tokio::test]
async fn documents_count_to_what_an_address_may_ask_for() {
    let access = capshare::__internal::access::SingleAccount::new("local".parse().unwrap());
    let store = std::sync::Arc::new(object_store::memory::InMemory::new());
    let served = Served::over(store, std::sync::Arc::new(access), |settings| {
        settings.doors.upgrades_per_minute = 3.try_into().unwrap();
    })
    .await;
    // The client's own connection is one.
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
    assert_eq!(served.get(&path(&share, "")).await.status, 200);
    assert_eq!(served.get(&path(&share, ".md")).await.status, 200);
    let refused = served.get(&path(&share, ".json")).await;
    assert_eq!((refused.status, refused.json()["error"]["limit"].as_str()), (429, Some("upgradesPerMinute")));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(served.get(&path(&share, "")).await.status, 429);
}
