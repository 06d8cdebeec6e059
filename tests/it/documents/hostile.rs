//! Documents of a share whose producer means harm, or whose data is broken.

use serde_json::json;

use super::path;
use crate::support::door::Served;

/// Texts that would run, load or break out, if anything let them.
const HOSTILE: [&str; 8] = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "</title></main></body><iframe src=javascript:alert(1)>",
    "<!--",
    "javascript:alert(1)",
    "]]><style>*{display:none}</style>",
];

/// The tags of a page that are none of ours, or have an attribute that is none of ours.
fn strange(html: &str) -> Vec<&str> {
    let tags = [
        "!doctype",
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "main",
        "header",
        "h1",
        "h2",
        "h3",
        "ul",
        "li",
        "noscript",
        "p",
        "a",
        "article",
        "div",
        "details",
        "summary",
        "span",
        "sup",
        "pre",
        "code",
        "section",
        "img",
        "strong",
        "em",
        "blockquote",
        "ol",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "del",
        "br",
        "hr",
        "h4",
        "h5",
        "h6",
    ];
    let attributes = [
        "lang",
        "charset",
        "name",
        "content",
        "property",
        "rel",
        "href",
        "type",
        "src",
        "data-share",
        "data-host",
        "data-revision",
        "id",
        "class",
        "alt",
        "title",
        "start",
        "dir",
        "align",
        "html",
    ];
    let mut strange = Vec::new();
    for tag in html.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect(tag);
        let mut rest = tag.trim_start_matches('/');
        let end = rest.find(' ').unwrap_or(rest.len());
        if !tags.contains(&&rest[..end]) {
            strange.push(tag);
        }
        rest = rest[end..].trim_start();
        while !rest.is_empty() {
            let (attribute, value) = rest.split_once('=').unwrap_or((rest, ""));
            let Some(value) = value.strip_prefix('"') else {
                if tag != "!doctype html" {
                    strange.push(tag);
                }
                break;
            };
            let (value, after) = value.split_once('"').expect(tag);
            let runs = value.trim_start().to_ascii_lowercase().starts_with("javascript:") && attribute != "content";
            if !attributes.contains(&attribute) || (runs && attribute != "alt" && attribute != "title") {
                strange.push(tag);
            }
            rest = after.trim_start();
        }
    }
    strange
}

/// S73: hostile content is escaped, in the page as it is without JavaScript. (That the page is live, and shows all of a
/// session in a real browser: tests/it/browser.)
#[tokio::test]
async fn nothing_that_a_producer_sends_becomes_markup_anywhere_in_a_page() {
    let served = Served::open().await;
    for (n, hostile) in HOSTILE.into_iter().enumerate() {
        let tool = |tool: &str, state: serde_json::Value| json!({ "id": format!("prt_{tool}{hostile}"), "messageID": "msg_1", "type": "tool", "tool": tool, "state": state });
        let file = json!({ "mime": hostile, "filename": hostile, "url": format!("data:{hostile}") });
        let picture =
            json!({ "mime": "image/png", "filename": hostile, "url": format!("data:image/png;base64,{hostile}") });
        let parts = [
            json!({ "id": "prt_1", "messageID": "msg_1", "type": "text", "text": hostile }),
            json!({ "id": "prt_2", "messageID": "msg_1", "type": "text", "text": format!("[x]({hostile}) ![y]({hostile}) <{hostile}>") }),
            json!({ "id": "prt_3", "messageID": "msg_1", "type": "text", "text": format!("```{hostile}\n{hostile}\n```") }),
            json!({ "id": "prt_4", "messageID": "msg_1", "type": "reasoning", "text": hostile }),
            json!({ "id": "prt_5", "messageID": "msg_1", "type": hostile, "x": hostile }),
            json!({ "id": "prt_6", "messageID": "msg_1", "type": "patch", "files": [hostile] }),
            json!({ "id": "prt_7", "messageID": "msg_1", "type": "subtask", "agent": hostile, "description": hostile }),
            json!({ "id": "prt_8", "messageID": "msg_1", "type": "file", "mime": hostile, "filename": hostile, "url": hostile }),
            json!({ "id": "prt_9", "messageID": "msg_1", "type": "file", "mime": "image/png", "filename": hostile, "url": picture["url"] }),
            tool(
                "bash",
                json!({ "status": hostile, "input": { "command": hostile }, "output": hostile, "title": hostile }),
            ),
            tool(
                "edit",
                json!({ "input": { "filePath": hostile }, "metadata": { "diff": format!("+{hostile}\n-{hostile}\n@@ {hostile}") } }),
            ),
            tool("edit", json!({ "input": { "oldString": hostile, "newString": "a" } })),
            tool("todowrite", json!({ "input": { "todos": [{ "content": hostile, "status": hostile }] } })),
            tool(hostile, json!({ "input": { hostile: hostile }, "error": hostile, "attachments": [file, picture] })),
        ];
        let message = json!({
            "id": "msg_1", "role": "assistant", "modelID": hostile, "providerID": hostile,
            "error": { "name": hostile, "data": { "message": hostile } },
        });
        let session = json!({ "id": "ses_1", "title": hostile, "version": hostile, "model": { "id": hostile } });
        let diff = json!([{ "file": hostile, "patch": format!("+{hostile}"), "additions": 1 }]);
        let mut of = vec![
            ("session", session.to_string()),
            ("message", message.to_string()),
            ("session_diff", diff.to_string()),
            ("model", json!({ "id": hostile, "providerID": hostile }).to_string()),
            (hostile, json!({ "id": hostile }).to_string()),
        ];
        of.extend(parts.iter().map(|part| ("part", part.to_string())));
        let of: Vec<_> = of.iter().map(|(kind, json)| (*kind, json.as_str())).collect();
        let share = served.client(None).create(&format!("ses_{n}").parse().unwrap(), None).await.unwrap();
        share.sync(crate::support::items::items(&of)).await.unwrap();

        let page = served.get(&path(&share, "")).await;
        assert_eq!(page.status, 200, "{hostile}");
        let strange = strange(page.text());
        assert!(strange.is_empty(), "{hostile}: {strange:?}");
        assert_eq!(page.text().matches("<script").count(), 1, "{hostile}");
        assert_eq!(page.text().matches("</main>").count(), 1, "{hostile}");
        for form in [".json", ".md", ".png"] {
            let answer = served.get(&path(&share, form)).await;
            assert_eq!((answer.status, answer.is_whole), (200, true), "{form} {hostile}");
        }
        assert_eq!(served.get(&path(&share, ".json")).await.json()["info"]["title"], hostile);
    }
}

#[tokio::test]
async fn ids_of_a_producer_name_no_element_of_the_page_but_its_own_messages_and_parts() {
    let served = Served::open().await;
    let share = served
        .share_of(&[
            ("message", r#"{"id":"app","role":"user"}"#),
            ("message", r#"{"id":"msg_good-1","role":"user"}"#),
            ("part", r#"{"id":"prt_ a","messageID":"app","type":"text","text":"x"}"#),
            ("part", r#"{"id":"capshare","messageID":"app","type":"text","text":"[a](x) <b id=y>"}"#),
        ])
        .await;
    let page = served.get(&path(&share, "")).await;
    let ids: Vec<_> = page.text().split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(ids, ["app", "msg_good-1"], "the first is main's own");
}

#[tokio::test]
async fn broken_items_are_shown_as_what_they_are() {
    let served = Served::open().await;
    let share = served
        .share_of(&[
            ("session", r#"{"id":"","title":{"a":1},"time":"never","cost":"x","model":[],"summary":9}"#),
            ("message", r#"{"id":"msg_1","role":3,"time":{"created":{}},"error":17,"tokens":"x"}"#),
            ("part", r#"{"id":"prt_1","messageID":"msg_1","type":{"x":1}}"#),
            ("part", r#"{"id":"prt_2","messageID":"msg_1","type":"tool","tool":"bash","state":"gone"}"#),
            ("part", r#"{"id":"prt_3","messageID":"msg_1","type":"tool","tool":"todowrite","state":{"input":{"todos":[1,null,{}]}}}"#),
            ("part", r#"{"id":"prt_4","messageID":"msg_1","type":"tool","tool":"x","state":{"time":{"start":9e300,"end":-9e300},"input":[]}}"#),
            ("session_diff", r#"[1,null,{"file":3},{"before":"a"}]"#),
            ("model", r#"{"id":"m","providerID":""}"#),
            ("nothing", "null"),
        ])
        .await;
    for form in super::FORMS {
        let answer = served.get(&path(&share, form)).await;
        assert_eq!((answer.status, answer.is_whole), (200, true), "{form}");
    }
    let page = served.get(&path(&share, "")).await;
    assert!(page.text().contains("<title>A shared session · capshare</title>"), "{}", page.text());
}
