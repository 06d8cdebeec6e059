//! The manifest says what is accepted and what is sent.

use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::viewer::command::Command;
use capshare::__internal::viewer::manifest::manifest;
use capshare::__internal::viewer::typescript;
use serde_json::{Value, json};

use crate::support::door::{Served, next_frame};
use crate::support::items::{items, part};
use crate::support::sse::Sse;

/// A schema of the manifest, which refers to its definitions.
fn validator(manifest: &Value, schema: &Value) -> jsonschema::Validator {
    let mut schema = schema.clone();
    if let Some(name) = schema["$ref"].as_str().map(str::to_owned) {
        schema = json!({ "allOf": [{ "$ref": name }] });
    }
    schema["$defs"] = manifest["$defs"].clone();
    jsonschema::validator_for(&schema).unwrap()
}

fn check(validator: &jsonschema::Validator, value: &Value) {
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{value}\n{errors:?}");
}

fn input(name: &str, share: &capshare::client::Share) -> Value {
    match name {
        "share.ask" => {
            json!({ "question": "?", "choices": ["a"], "needed": 1, "withinMs": 60_000, "secret": share.secret().unwrap().reveal() })
        }
        "share.presence" => json!({ "name": "Ann" }),
        "share.history" => json!({ "from": 1, "limit": 2 }),
        "share.items" => json!({ "keys": ["part/m/p"] }),
        _ => json!({}),
    }
}

/// S72: the manifest lists every command, event and channel with its schema, and matches what the host accepts: each command in
/// it is served, none besides is, and every frame of a real channel is one that it describes.
#[tokio::test]
async fn the_manifest_is_what_the_host_does() {
    let served = Served::open().await;
    let answer = served.request("GET /manifest.json HTTP/1.1").await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let manifest: Value = serde_json::from_str(body).unwrap();
    assert_eq!(manifest, self::manifest());
    let down = validator(&manifest, &manifest["down"]);
    let up = validator(&manifest, &manifest["up"]);

    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
    share.sync(part("p", "y")).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let (mut seen, mut asked) = (std::collections::BTreeSet::new(), Value::Null);
    let commands = manifest["commands"].as_object().unwrap();
    assert_eq!(
        commands.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
        Command::NAMES.iter().copied().collect()
    );
    // `share.ask` first, so that there is something to answer.
    let mut names: Vec<_> = commands.keys().collect();
    names.sort_by_key(|name| *name != "share.ask");
    for name in names {
        let mut input = input(name, &share);
        if name == "share.answer" {
            input = json!({ "ask": asked, "choice": "a" });
        } else if name == "share.authenticate" {
            input = json!({ "token": "any will do at this host" });
        }
        let frame = json!({ "id": name, "procedure": name, "input": input });
        check(&up, &frame);
        check(&validator(&manifest, &commands[name]["input"]), &input);
        viewer.send(Message::text(frame.to_string())).await.unwrap();
        loop {
            let frame = next_frame(&mut viewer).await;
            check(&down, &frame);
            seen.extend(frame["event"].as_str().map(str::to_owned));
            if frame["id"] == json!(name) {
                assert_eq!(frame["ok"], true, "{frame}");
                check(&validator(&manifest, &commands[name]["output"]), &frame["data"]);
                if name == "share.ask" {
                    asked = frame["data"]["ask"].clone();
                }
                break;
            }
        }
    }
    share.sync(items(&[("note", "null"), ("note", "{\"id\":\"n\"}")])).await.unwrap();
    let mut gone = capshare::client::Items::new();
    gone.remove("part/m/p").unwrap();
    share.sync(gone).await.unwrap();
    // A share that is deleted at once might tell its end before its last changes.
    for last in ["changes", "__error"] {
        if last == "__error" {
            share.delete().await.unwrap();
        }
        while !seen.contains(last) {
            let frame = next_frame(&mut viewer).await;
            check(&down, &frame);
            seen.extend(frame["event"].as_str().map(str::to_owned));
        }
    }
    let share = served.client(None).create(&"ses_2".parse().unwrap(), None).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    served.host.drain(Duration::from_secs(1)).unwrap();
    while !seen.contains("moving") {
        let frame = next_frame(&mut viewer).await;
        check(&down, &frame);
        seen.extend(frame["event"].as_str().map(str::to_owned));
    }
    assert_eq!(seen, manifest["events"].as_object().unwrap().keys().cloned().collect(), "every event came");

    for name in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/schema/viewer")).unwrap() {
        let frame = std::fs::read_to_string(name.unwrap().path()).unwrap();
        check(&down, &serde_json::from_str(&frame).unwrap());
    }
    for wrong in [json!({ "event": "other", "payload": {} }), json!({ "event": "ready", "payload": {} }), json!({})] {
        assert!(!down.is_valid(&wrong), "{wrong}");
    }
    let unknown = json!({ "id": 1, "procedure": "share.pong", "input": {} });
    assert!(!up.is_valid(&unknown));
}

/// The types of TypeScript name every command and event, and what each carries.
#[test]
fn the_types_of_typescript_are_those_of_the_manifest() {
    let types = typescript::types(&manifest());
    for name in Command::NAMES {
        assert!(types.contains(&format!("\"{name}\": {{ input: ")), "{name}\n{types}");
    }
    for line in [
        "  ready: Ready;",
        "  __error: Error;",
        "  \"share.history\": { input: HistoryInput; output: History };",
        "  resync?: Resync | null;",
        "  first?: number | null;",
        "  counts: Record<string, number>;",
        "  changes: Change[];",
        "  patch?: Operation[] | null;",
        "  append?: Append | null;",
        "export type Append = string | unknown[];",
    ] {
        assert!(types.contains(line), "{line}\n{types}");
    }
    assert_eq!(types.matches('{').count(), types.matches('}').count());
}

/// A stream's payloads are the same as a socket's.
#[tokio::test]
async fn a_stream_tells_payloads_of_the_manifest() {
    let served = Served::open().await;
    let manifest = manifest();
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
    let mut stream = Sse::open(&served, share.id().as_str(), &[]).await;
    share.delete().await.unwrap();
    while let Some(told) = stream.next().await {
        if !told.event.is_empty() {
            check(&validator(&manifest, &manifest["events"][&told.event]["payload"]), &told.data);
        }
    }
}
