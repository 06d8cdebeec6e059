//! Sessions of every agent, exported from their shares and imported by the real client: it shows them as they were, and goes on with them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cli::User;
use super::model::Model;
use crate::cli::program::Home;
use crate::support::door::Served;

/// A recording of each agent, with subagents where its files have them.
const RECORDINGS: [&str; 12] = [
    "claude-code-2.1.332/full.jsonl",
    "codex-0.171.0/rollout-2026-11-30T04-32-26-01a22ab9-c29a-7522-893c-0190cef251a1.jsonl",
    "gemini-cli-0.61.0/full.jsonl",
    "qwen-code-0.24.4/full-continued-compressed.jsonl",
    "pi-1.6.0/tree-bash-name-abort-compaction.jsonl",
    "copilot-cli-1.0.102/full-continued.jsonl",
    "mistral-vibe-3.0.2/after-the-second-run",
    "kimi-code-2.1.0/full-continued/agents/main/wire.jsonl",
    "kimi-cli-1.51.0/wire.jsonl",
    "cline-3.0.65/1796015281859_on752/1796015281859_on752.messages.json",
    "continue-1.5.47/1b6850bc-fd28-420f-b5b3-008d33746000.json",
    "asciinema-3.2.0/appended.cast",
];

/// What of a session is to come back: of each message, in their order, its id, role and parts.
fn told(export: &Value) -> Vec<Value> {
    let part = |part: &Value| {
        let (state, own) = (&part["state"], |name: &str| part[name].clone());
        let of_call = ["status", "input", "output", "error", "metadata", "time"].map(|name| state[name].clone());
        let members = ["id", "messageID", "sessionID", "type", "text", "tool", "mime", "url", "time"].map(own);
        serde_json::json!([members, of_call])
    };
    let messages = export["messages"].as_array().unwrap().iter();
    let message = |message: &Value| {
        let info = &message["info"];
        let members = ["id", "sessionID", "role", "parentID", "modelID", "tokens", "time", "error"]
            .map(|name| info[name].clone());
        let parts: Vec<Value> = message["parts"].as_array().unwrap().iter().map(part).collect();
        serde_json::json!([members, parts])
    };
    messages.map(message).collect()
}

/// S106: a session of any agent goes into OpenCode, by its file and by its URL, with its subagents' as sessions of their own.
#[tokio::test(flavor = "multi_thread")]
async fn the_sessions_of_every_agent_are_imported_as_they_are_exported() {
    let served = Served::open().await;
    let host = format!("http://{}", served.address);
    let model = Model::start(0).await;
    let (user, friend) = (User::who_does_not_share(&model), User::who_does_not_share(&model));
    let home = Home::new().set("CAPSHARE_TO", &host);
    let mut subagents = BTreeMap::new();
    let mut one = String::new();
    for (n, recording) in RECORDINGS.into_iter().enumerate() {
        let file = format!("{}/tests/data/agents/{recording}", env!("CARGO_MANIFEST_DIR"));
        let pushed = tokio::task::block_in_place(|| home.run(&["push", "--json", &file]).ends_with(0)).objects();
        let (id, url) = (pushed[0]["id"].as_str().unwrap(), pushed[0]["url"].as_str().unwrap());
        let path = user.home.path("exported.json");
        let export = |more: &[&str]| -> Value {
            let all = [&["export", id, "-o", path.to_str().unwrap()], more].concat();
            tokio::task::block_in_place(|| drop(home.run(&all).ends_with(0)));
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
        };
        let exported = export(&[]);
        let session = exported["info"]["id"].as_str().unwrap().to_owned();
        assert!(!exported["messages"].as_array().unwrap().is_empty(), "{recording}");
        user.run(&["import", path.to_str().unwrap()]).await;
        let imported = user.export(&session).await;
        assert_eq!(imported["info"]["title"], exported["info"]["title"], "{recording}");
        similar(&told(&imported), &told(&exported), recording);
        // Each start of the client takes seconds.
        if n % 4 == 0 {
            friend.run(&["import", url]).await;
            similar(&told(&friend.export(&session).await), &told(&exported), recording);
        }
        let below = exported["subagents"].as_array().cloned().unwrap_or_default();
        let mut sessions: Vec<&str> =
            below.iter().map(|message| message["info"]["sessionID"].as_str().unwrap()).collect();
        sessions.dedup();
        for child in sessions {
            let exported = export(&["--session", child]);
            user.run(&["import", path.to_str().unwrap()]).await;
            let imported = user.export(child).await;
            assert_eq!(imported["info"]["parentID"], exported["info"]["parentID"], "{recording}");
            similar(&told(&imported), &told(&exported), recording);
            *subagents.entry(recording).or_insert(0) += 1;
        }
        if n == 0 {
            one = session;
        }
    }
    assert!(subagents.len() >= 5, "{subagents:?}");
    // The model that the agent had is not one of this user's. The answer comes after everything that was imported.
    model.allow(usize::MAX);
    user.run(&["run", "--session", &one, "--model", "scripted/scripted", "Go"]).await;
    let gone_on = user.export(&one).await;
    let messages = gone_on["messages"].as_array().unwrap();
    let last = messages.last().unwrap();
    assert_eq!((&last["info"]["role"], &last["info"]["finish"]), (&Value::from("assistant"), &Value::from("stop")));
    assert!(last["parts"].to_string().contains("All steps are done."), "{last}");
}

#[track_caller]
fn similar(imported: &[Value], exported: &[Value], recording: &str) {
    for (imported, exported) in imported.iter().zip(exported) {
        assert_eq!(imported, exported, "{recording}");
    }
    assert_eq!(imported.len(), exported.len(), "{recording}");
}
