//! The documents of a share, over real sockets: what is in them, who may have them, and how they travel.

mod hostile;
mod large;
mod who;

use std::collections::BTreeMap;

use capshare::client::{Items, Share};
use serde_json::{Value, json};

use crate::cli::program::{EXPORT, RECORDING};
use crate::support::door::Served;
use crate::support::http::{Answer, ask};
use crate::support::items::items;

/// The endings of a share's documents; the page has none.
const FORMS: [&str; 4] = ["", ".json", ".md", ".png"];

impl Served {
    async fn get(&self, path: &str) -> Answer {
        ask(self.address, "GET", path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.address, "GET", path, headers).await
    }

    async fn share_of(&self, of: &[(&str, &str)]) -> Share {
        self.client(None).create(&"ses_1".parse().unwrap(), Some(items(of))).await.unwrap()
    }
}

fn path(share: &Share, form: &str) -> String {
    format!("/share/{}{form}", share.id())
}

/// The items of an OpenCode export.
fn exported() -> Items {
    let export: Value = serde_json::from_str(&std::fs::read_to_string(EXPORT).unwrap()).unwrap();
    let mut items = Items::new();
    items.put_value("session", &export["info"]).unwrap();
    for message in export["messages"].as_array().unwrap() {
        items.put_value("message", &message["info"]).unwrap();
        for part in message["parts"].as_array().unwrap() {
            items.put_value("part", part).unwrap();
        }
    }
    items
}

/// The recording, played to its end.
async fn recorded(share: &Share) {
    for line in std::fs::read_to_string(RECORDING).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut items = Items::new();
        for item in line["body"]["data"].as_array().unwrap_or(&Vec::new()) {
            items.sync_data(&item.to_string()).unwrap();
        }
        share.sync(items).await.unwrap();
    }
}

/// What the recording's last syncs say of each message and part, by its id.
fn folded() -> BTreeMap<String, Value> {
    let mut folded = BTreeMap::new();
    for line in std::fs::read_to_string(RECORDING).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for item in line["body"]["data"].as_array().unwrap_or(&Vec::new()) {
            if item["type"] == "message" || item["type"] == "part" {
                folded.insert(item["data"]["id"].as_str().unwrap().to_owned(), item["data"].clone());
            }
        }
    }
    folded
}

#[tokio::test]
async fn the_json_document_of_an_export_is_that_export() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(exported())).await.unwrap();
    let answer = served.get(&path(&share, ".json")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let export: Value = serde_json::from_str(&std::fs::read_to_string(EXPORT).unwrap()).unwrap();
    assert!(answer.is_whole);
    assert_eq!(answer.json(), export);
}

#[tokio::test]
async fn every_document_of_a_recorded_session_has_what_was_said_and_done() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    recorded(&share).await;
    let json = served.get(&path(&share, ".json")).await.json();
    let mut told = BTreeMap::new();
    for message in json["messages"].as_array().unwrap() {
        let mut tell = |item: &Value| drop(told.insert(item["id"].as_str().unwrap().to_owned(), item.clone()));
        tell(&message["info"]);
        for part in message["parts"].as_array().unwrap() {
            assert_eq!(part["messageID"], message["info"]["id"]);
            tell(part);
        }
    }
    assert_eq!(told, folded());
    assert_eq!(json["info"]["title"], "Scripted session notes");
    assert_eq!(json["models"][0]["id"], "fake");
    assert_eq!((&json["session_diff"], &json["other"]), (&json!([]), &Value::Null));

    let page = served.get(&path(&share, "")).await;
    let markdown = served.get(&path(&share, ".md")).await;
    assert_eq!(
        (page.header("content-type"), markdown.header("content-type")),
        ("text/html; charset=utf-8", "text/markdown; charset=utf-8")
    );
    let texts = told.values().filter(|item| item["type"] == "text").map(|item| item["text"].as_str().unwrap());
    let (mut count, flat) = (0, |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let (page_flat, markdown_flat) = (flat(page.text()), flat(markdown.text()));
    for text in texts {
        // The page has it as HTML.
        let start: String = text.trim_matches('"').chars().take_while(|c| c.is_alphanumeric() || *c == ' ').collect();
        assert!(page_flat.contains(&flat(&start)), "{start}");
        assert!(markdown_flat.contains(&flat(text)), "{text}");
        count += 1;
    }
    assert!(count > 20, "{count}");
    for document in [page.text(), markdown.text()] {
        assert!(
            document.contains("ls -la &amp;&amp; wc -c notes-0.md") || document.contains("ls -la && wc -c notes-0.md")
        );
        assert!(document.contains("Check step 4") && document.contains("☑ Write the notes"));
        assert!(document.contains("+line 3 (edited at step 3): snapshot only since"));
        assert!(document.contains("fake/fake") && document.contains("26 messages"));
    }
    assert!(page.text().contains(r#"<span class="added">+line 3 (edited at step 3)"#));
    for id in told.keys().filter(|id| id.starts_with("msg_")) {
        assert!(page.text().contains(&format!(r#" id="{id}""#)), "{id}");
    }
    assert!(page.text().contains(&format!(
        r#"<body data-share="{}" data-host="http://{}" data-revision="{}">"#,
        share.id(),
        served.address,
        json_revision(&page)
    )));
}

fn json_revision(page: &Answer) -> String {
    page.header("etag").trim_start_matches("W/\"").split('-').next().unwrap().to_owned()
}

#[tokio::test]
async fn what_has_no_place_in_an_export_stands_beside_it() {
    let served = Served::open().await;
    let share = served
        .share_of(&[
            ("part", r#"{"id":"prt_early","messageID":"msg_1","type":"text","text":"before its message"}"#),
            ("part", r#"{"id":"prt_lost","messageID":"msg_9","type":"text","text":"without a message"}"#),
            ("message", r#"{"id":"msg_2","role":"assistant","time":{"created":2}}"#),
            ("message", r#"{"id":"msg_1","role":"user","time":{"created":1}}"#),
            ("a \"new\" type", r#"{"id":"x","deep":[1]}"#),
            ("session_diff", r#"[{"file":"a.rs","before":"x\ny\n","after":"x\nz\n","additions":1,"deletions":1}]"#),
        ])
        .await;
    let json = served.get(&path(&share, ".json")).await.json();
    assert_eq!(json["info"], Value::Null);
    // By the time that they say, whatever came first.
    assert_eq!(
        (&json["messages"][0]["info"]["id"], &json["messages"][1]["info"]["id"]),
        (&json!("msg_1"), &json!("msg_2"))
    );
    assert_eq!(json["messages"][0]["parts"][0]["id"], "prt_early");
    assert_eq!(json["other"][0], json!({ "type": "a \"new\" type", "data": { "id": "x", "deep": [1] } }));
    assert_eq!((&json["other"][1]["type"], &json["other"][1]["data"]["id"]), (&json!("part"), &json!("prt_lost")));
    assert_eq!(json["session_diff"][0]["file"], "a.rs");
    for form in ["", ".md"] {
        let document = served.get(&path(&share, form)).await;
        for said in ["without a message", "before its message", "a.rs", "+z", "-y"] {
            assert!(document.text().contains(said), "{form} {said}: {}", document.text());
        }
    }
}

#[tokio::test]
async fn links_are_previewed_by_title_description_and_picture_and_nothing_is_indexed() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(exported())).await.unwrap();
    let page = served.get(&path(&share, "")).await;
    for said in [
        "<title>Scripted session notes · capshare</title>",
        r#"<meta property="og:title" content="Scripted session notes">"#,
        r#"<meta property="og:description" content="“write the notes and check them” — fake/fake · 27 messages"#,
        &format!(r#"<meta property="og:url" content="{}">"#, share.url()),
        &format!(r#"<meta property="og:image" content="{}.png">"#, share.url()),
        r#"<meta name="robots" content="noindex">"#,
    ] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    let picture = served.get(&path(&share, ".png")).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/png"));
    assert!(picture.body.starts_with(b"\x89PNG\r\n\x1a\n"));
    // The width and the height, of its first chunk.
    assert_eq!(picture.body[16..24], [0, 0, 4, 176, 0, 0, 2, 118]);
    for form in FORMS {
        let answer = served.get(&path(&share, form)).await;
        assert_eq!(answer.header("x-robots-tag"), "noindex", "{form}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{form}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{form}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{form}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{form} {policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{form} {policy}");
    }
}

#[tokio::test]
async fn who_has_a_document_is_told_so_until_it_changes_or_is_gone() {
    let served = Served::open().await;
    let share = served.share_of(&[("session", r#"{"id":"ses_1","title":"First title"}"#)]).await;
    for (n, form) in FORMS.iter().enumerate() {
        let path = path(&share, form);
        let first = served.get(&path).await;
        let etag = first.header("etag").to_owned();
        assert_eq!((first.status, etag.is_empty()), (200, false), "{form}");
        let again = served.get_with(&path, &[("If-None-Match", &etag)]).await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, etag.as_str()), "{form}");
        let head = ask(served.address, "HEAD", &path, &[]).await;
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, etag.as_str()), "{form}");
        assert_eq!(head.header("content-type"), first.header("content-type"), "{form}");
        assert_ne!(head.header("content-length"), "0", "{form}: it is not empty");

        share
            .sync(items(&[("session", &json!({ "id": "ses_1", "title": format!("Title {n}") }).to_string())]))
            .await
            .unwrap();
        let changed = served.get_with(&path, &[("If-None-Match", &etag)]).await;
        assert_eq!(changed.status, 200, "{form}");
        assert_ne!(changed.header("etag"), etag, "{form}");
        assert_ne!(changed.body, first.body, "{form}");
    }
    let etag = served.get(&path(&share, "")).await.header("etag").to_owned();
    share.delete().await.unwrap();
    for form in FORMS {
        let gone = served.get_with(&path(&share, form), &[("If-None-Match", &etag)]).await;
        assert_eq!((gone.status, gone.header("cache-control")), (404, "no-store"), "{form}");
        assert!(!gone.everything().contains("Title 3"), "{form}");
        if form.is_empty() {
            assert!(gone.text().contains("This share is gone") && !gone.text().contains("<script"), "{}", gone.text());
        } else {
            assert_eq!(gone.json()["error"]["code"], "NotFound", "{form}");
        }
    }
}

#[tokio::test]
async fn a_browser_at_the_root_is_told_what_this_is_and_a_last_stroke_is_no_other_path() {
    let served = Served::open().await;
    let share = served.share_of(&[("session", r#"{"id":"ses_1"}"#)]).await;
    let moved = served.get(&format!("{}/", path(&share, ""))).await;
    assert_eq!((moved.status, moved.header("location")), (308, format!("../{}", share.id()).as_str()));
    assert_eq!(served.get("/share/no-id/").await.status, 404);
    let root = served.get_with("/", &[("Accept", "text/html,*/*;q=0.8")]).await;
    assert_eq!((root.status, root.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(root.text().contains(&format!("CAPSHARE_TO=http://{}", served.address)), "{}", root.text());
    assert!(
        !root.text().contains(share.id().as_str())
            && root.header("content-security-policy").contains("default-src 'none'")
    );
    let program = served.get("/").await;
    assert_eq!((program.status, program.json()["error"]["code"].as_str()), (404, Some("RouteMismatch")));
}

#[tokio::test]
async fn what_is_no_share_is_refused_in_a_page_for_browsers_and_in_json_for_programs() {
    let served = Served::open().await;
    let unknown = "abcdefghijklmnopqrstuvwxyz";
    for name in [unknown, "no-id", "..%2f..%2fetc%2fpasswd", "%00", "%ff", "..", "<script>alert(1)"] {
        let name = name.replace('<', "%3C").replace('>', "%3E");
        let page = served.get(&format!("/share/{name}")).await;
        assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"), "{name}");
        assert!(!page.text().contains("<script"), "{name}");
        let json = served.get(&format!("/share/{name}.json")).await;
        assert_eq!((json.status, json.json()["error"]["code"].as_str()), (404, Some("NotFound")), "{name}");
    }
    let agent = served.get_with(&format!("/share/{unknown}"), &[("Accept", "application/json")]).await;
    assert_eq!((agent.status, agent.json()["error"]["code"].as_str()), (404, Some("NotFound")));
    let post = ask(served.address, "POST", &format!("/share/{unknown}"), &[]).await;
    assert_eq!(post.json()["error"]["code"], "RouteMismatch");
    let token = served.get(&format!("/share/{unknown}?token=captok_x")).await;
    assert_eq!(token.status, 401);
    assert!(!token.text().contains("captok_x") && token.text().contains("ends up in logs"), "{}", token.text());
}

#[tokio::test]
async fn an_agent_that_asks_for_markdown_or_json_gets_it_from_the_link_itself() {
    let served = Served::open().await;
    let share = served.share_of(&[("session", r#"{"id":"ses_1","title":"T"}"#)]).await;
    let asked = async |accept: &str| served.get_with(&path(&share, ""), &[("Accept", accept)]).await;
    let markdown = asked("text/markdown, */*;q=0.1").await;
    assert_eq!(
        (markdown.header("content-type"), markdown.text().starts_with("# T\n")),
        ("text/markdown; charset=utf-8", true)
    );
    assert_eq!(asked("application/json").await.json()["info"]["title"], "T");
    assert!(asked("text/html,*/*").await.text().starts_with("<!doctype html>"));
    assert!(markdown.header("vary").contains("accept"));
}

#[tokio::test]
async fn a_page_travels_packed_to_those_who_take_that_and_is_the_same() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(exported())).await.unwrap();
    let plain = served.get(&path(&share, "")).await;
    let packed = served.get_with(&path(&share, ""), &[("Accept-Encoding", "br, gzip")]).await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"));
    assert!(packed.body.len() * 3 < plain.body.len(), "{} {}", packed.body.len(), plain.body.len());
    assert!(packed.header("vary").contains("accept-encoding"));
    assert_eq!(plain.header("etag"), packed.header("etag"));
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    let refused = served.get_with(&path(&share, ""), &[("Accept-Encoding", "gzip;q=0")]).await;
    assert_eq!(refused.header("content-encoding"), "");
}
