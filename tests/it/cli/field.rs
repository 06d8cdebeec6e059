//! What people reported of programs that show sessions, as inputs of our own (`tests/data/field`), each pushed by the program: what the
//! host's documents make of it. `expected.json` says what every document is to tell, in this order, and what none is to show; the web
//! page is held to the same table (`tests/real/browser/scenes/field.mjs`).

use serde_json::Value;

use super::program::Home;
use crate::support::http::ask;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/field");

/// S112: the documents of a share say what was said, in one order, and nothing that was not.
#[tokio::test]
async fn each_input_comes_out_right_in_every_document_of_the_host() {
    let home = Home::new();
    let host = home.serve(&[]);
    let home = home.set("CAPSHARE_TO", &host.url);
    let address = host.url.trim_start_matches("http://").parse().unwrap();
    let table = std::fs::read_to_string(format!("{FOLDER}/expected.json")).unwrap();
    let table: Vec<Value> = serde_json::from_str(&table).unwrap();
    for case in &table {
        let file = format!("{FOLDER}/{}", case["file"].as_str().unwrap());
        let said = home.run(&["push", "--json", &file]).ends_with(0).objects();
        let id = said[0]["id"].as_str().unwrap();
        let document =
            async |form: &str| ask(address, "GET", &format!("/share/{id}{form}"), &[]).await.text().to_owned();
        let (markdown, html, json) = (document(".md").await, document("").await, document(".json").await);
        let shown = text_of(&html);
        for (form, text) in [("md", &markdown), ("html", &shown)] {
            tells(case, form, text);
        }
        let exported = home.run(&["export", id]).ends_with(0).stdout;
        is_the_document_for_opencode(&exported, &json, case);
        assert_eq!(home.run(&["export", id, "--format", "markdown"]).ends_with(0).stdout, markdown, "{}", case["what"]);
        if case["order"] == true {
            tells(case, "json", &json);
        }
        if let Some(tokens) = case["tokens"].as_array() {
            let told = format!("{} tokens in, {} out", tokens[0].as_str().unwrap(), tokens[1].as_str().unwrap());
            assert!(markdown.contains(&told) && shown.contains(&told), "{}: {}", case["what"], &markdown[..200]);
        }
        let pictures = case["pictures"].as_u64().unwrap_or_default();
        assert_eq!(html.matches("<img ").count() as u64, pictures, "{}: {html}", case["what"]);
        if case["right_to_left"] == true {
            assert!(
                html.contains("<li dir=\"auto\">") && html.contains("<div class=\"typed\" dir=\"auto\">"),
                "{html}"
            );
            assert!(html.contains("<code>`validateInput()`</code>") && html.contains("<h1 dir=\"auto\">"), "{html}");
        }
        if let Some(title) = case["title"].as_str() {
            assert!(markdown.starts_with(&format!("# {title}\n")) && shown.contains(title), "{}", case["what"]);
        }
    }
    let mut inputs: Vec<_> = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // What is about ways in, and not about documents: tests/it/cli/agents/ways_in.rs.
    inputs.retain(|name| !name.to_str().unwrap().starts_with("exp"));
    assert_eq!(inputs.len(), table.len(), "every input is in the table");
}

/// An export is the document, with OpenCode's ids where the document has others, and subagents beside the session.
#[track_caller]
fn is_the_document_for_opencode(exported: &str, json: &str, case: &Value) {
    let what = &case["what"];
    let [exported, json] = [exported, json].map(|text| serde_json::from_str::<Value>(text).unwrap());
    let messages = |document: &Value, names: &[&str]| -> Vec<Value> {
        names.iter().flat_map(|name| document[*name].as_array().cloned().unwrap_or_default()).collect()
    };
    let (own, all) = (messages(&exported, &["messages"]), messages(&exported, &["messages", "subagents"]));
    let session = exported["info"]["id"].as_str().unwrap();
    assert!(session.starts_with("ses_"), "{what}: {session}");
    assert!(own.iter().all(|message| message["info"]["sessionID"].as_str().is_none_or(|id| id == session)), "{what}");
    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    let before = messages(&json, &["messages"]);
    let is_opencodes = id(&json["info"]).starts_with("ses_")
        && before.iter().all(|message| {
            let parts = message["parts"].as_array().unwrap();
            id(&message["info"]).starts_with("msg_") && parts.iter().all(|part| id(part).starts_with("prt_"))
        });
    if is_opencodes {
        assert_eq!(all, before, "{what}: what is OpenCode's stays");
    } else {
        let ids: Vec<String> = own.iter().map(|message| id(&message["info"])).collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| id.starts_with("msg_") && id.len() == 30), "{what}: {ids:?}");
        for message in &all {
            let parts: Vec<String> = message["parts"].as_array().unwrap().iter().map(id).collect();
            assert!(parts.is_sorted() && parts.iter().all(|id| id.starts_with("prt_")), "{what}: {parts:?}");
        }
    }
    let texts = |messages: &[Value]| {
        let parts = messages.iter().flat_map(|message| message["parts"].as_array().unwrap());
        let mut texts: Vec<String> = parts.filter_map(|part| part["text"].as_str().map(str::to_owned)).collect();
        texts.sort();
        texts
    };
    assert_eq!(texts(&all), texts(&before), "{what}");
    for name in ["models", "session_diff", "other"] {
        assert_eq!(exported[name], json[name], "{what}: {name}");
    }
}

#[track_caller]
fn tells(case: &Value, form: &str, text: &str) {
    let words = |name: &str| case[name].as_array().into_iter().flatten().map(|word| word.as_str().unwrap());
    let mut rest = text;
    for word in words("told") {
        let at = rest
            .find(word)
            .unwrap_or_else(|| panic!("{} ({form}): {word:?} is not told, or too early: {text}", case["what"]));
        rest = &rest[at + word.len()..];
    }
    for word in words("never") {
        assert!(!text.contains(word), "{} ({form}): {word:?} is told: {text}", case["what"]);
    }
    for word in words("once") {
        assert_eq!(text.matches(word).count(), 1, "{} ({form}): {word:?}: {text}", case["what"]);
    }
}

/// What a reader sees of HTML: its text, without tags.
fn text_of(html: &str) -> String {
    let main = html.split_once("<main").map_or(html, |(_, main)| main);
    let mut text = String::new();
    for piece in main.split('<').skip(1) {
        let (tag, after) = piece.split_once('>').unwrap_or(("", piece));
        if tag.starts_with("br") {
            // The line break behind the tag is HTML's own.
            text.push('\n');
            text.push_str(after.trim_start_matches('\n'));
        } else {
            text.push_str(after);
        }
    }
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}
