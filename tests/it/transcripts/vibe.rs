//! Mistral Vibe: entries that are added and replaced, ends of turns, and what is nobody's word.

use capshare::transcripts::{Form, recognise};
use serde_json::{Value, json};

use super::support::{Read, read};

fn about() -> Value {
    json!({
        "session_id": "s-vibe", "parent_session_id": null, "start_time": "2026-11-30T10:00:00.0+00:00",
        "origin_directory": "/p", "title": null, "config": { "model_name": "m" },
    })
}

fn entry(kind: &str, id: &str, more: Value) -> Value {
    let mut entry = json!({
        "type": kind, "id": id, "turnId": "t1", "sessionId": "s-vibe", "generationStatus": "completed",
        "createdAt": 1_796_000_000_000_i64, "updatedAt": 1_796_000_000_500_i64,
    });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

fn said(role: &str, id: &str, text: &str, source: &str) -> Value {
    entry("message", id, json!({ "role": role, "content": [{ "type": "text", "text": text }], "source": source }))
}

fn effect(id: &str, tool: &str, input: Value, state: Value) -> Value {
    entry("effect", id, json!({ "detail": { "kind": "tool", "toolName": tool, "input": input }, "state": state }))
}

fn journal(kind: &str, payload: Value) -> Value {
    json!({ "recovery_journal_record_version": 1, "type": kind, "sequence": 1, "payload": payload })
}

fn delta(ops: &[(&str, Value)]) -> Value {
    let op = |(op, value): &(&str, Value)| match *op {
        "set_envelope" => json!({ "op": op, "state": value }),
        _ => json!({ "op": op, "id": value["id"], "entry": value }),
    };
    journal("projection_delta", json!({ "delta": ops.iter().map(op).collect::<Vec<_>>() }))
}

fn session(lines: &[Value]) -> Read {
    let lines = [about()].into_iter().chain(lines.iter().cloned());
    read(&lines.map(|line| format!("{line}\n")).collect::<String>())
}

/// The entries of a generation and those of the journal make one conversation; a call is told while it runs, and then replaced.
#[test]
fn a_call_of_vibe_runs_until_its_entry_is_replaced() {
    let input = json!({ "command": "false" });
    let running = effect("e1", "file_system.bash", input.clone(), json!({ "status": "running", "outputText": "" }));
    let mut lines = vec![
        said("user", "u1", "look", "turn_start"),
        entry("reasoning", "r1", json!({ "text": "Hm." })),
        delta(&[("append_entry", said("assistant", "a1", "I look.", "harness")), ("append_entry", running)]),
    ];
    let told = ["user: look", "assistant: (Hm.)", "assistant: I look.", "assistant: bash running "];
    let shared = session(&lines);
    assert_eq!(shared.held.conversation(), told);
    assert_eq!(shared.held.keys().iter().filter(|key| key.as_str().starts_with("message/")).count(), 2);
    let own = json!({ "returncode": 1, "stdout": "out\n", "stderr": "bad\n" });
    let state = json!({ "status": "completed", "output": { "type": "success", "structured_content": own } });
    lines.push(delta(&[("replace_entry", effect("e1", "file_system.bash", input, state))]));
    lines.push(delta(&[("append_entry", said("assistant", "a2", "It fails.", "harness"))]));
    let shared = session(&lines);
    assert_eq!(shared.held.conversation()[3..], ["assistant: bash completed 1 out\nbad\n", "assistant: It fails."]);
    assert_eq!(shared.held.keys().iter().filter(|key| key.as_str().starts_with("message/")).count(), 3);
    assert_eq!((&shared.held.session()["directory"], &shared.held.session()["title"]), (&json!("/p"), &json!("look")));
}

#[test]
fn a_call_of_vibe_that_failed_says_why() {
    let failed = |id: &str, state: Value| delta(&[("append_entry", effect(id, "mcp.ask", json!({}), state))]);
    let told = session(&[
        said("user", "u1", "look", "turn_start"),
        failed("e1", json!({ "status": "failed", "error": { "message": "no such file" } })),
        failed("e2", json!({ "status": "completed", "display": { "success": false, "message": "not allowed" } })),
    ]);
    let told = told.held.conversation();
    assert_eq!(told[1..], ["assistant: mcp.ask error no such file", "assistant: mcp.ask error not allowed"]);
}

#[test]
fn how_a_session_of_vibe_stands_is_its_title_its_tokens_and_the_end_of_its_turn() {
    let stands = |status: &str, title: Value| {
        json!({
            "session": {
                "id": "s-vibe", "title": title, "createdAt": 1_796_000_000_000_i64, "updatedAt": 1_796_000_001_000_i64,
                "tokenUsage": { "inputTokens": 10, "cachedInputTokens": 4, "outputTokens": 3 },
            },
            "latestTurn": { "id": "t1", "status": status, "completedAt": 1_796_000_001_000_i64 },
        })
    };
    let lines = [
        said("user", "u1", "look", "turn_start"),
        said("assistant", "a1", "half", "harness"),
        delta(&[("set_envelope", stands("in_progress", Value::Null))]),
        delta(&[("set_envelope", stands("interrupted", json!("A name")))]),
        delta(&[("set_envelope", stands("interrupted", json!("A name")))]),
    ];
    let shared = session(&lines).held;
    let told = ["user: look", "assistant: half", "assistant! the user interrupted it"];
    assert_eq!(shared.conversation(), told);
    assert_eq!(shared.session()["title"], "A name");
    let tokens = json!({ "input": 6, "output": 3, "reasoning": 0, "cache": { "read": 4, "write": 0 } });
    assert_eq!(shared.session()["tokens"], tokens);
    let failed = delta(&[("set_envelope", stands("failed", Value::Null))]);
    let told = session(&[lines[0].clone(), failed]).held.conversation();
    assert_eq!(told, ["user: look", "assistant! the turn failed"]);
}

#[test]
fn what_the_program_of_vibe_says_is_counted_and_not_shown() {
    let shared = session(&[
        said("user", "u1", "look", "turn_start"),
        said("user", "u2", "Private reminder.", "injected"),
        said("system", "x1", "Private prompt.", "harness"),
        said("user", "u3", "and this", "turn_steer"),
        journal("action_intent", json!({ "request": "Private prompt." })),
        journal("newest_record", json!({})),
        delta(&[("newest_op", json!({ "id": "x" }))]),
        entry("newest_entry", "x2", json!({ "text": "Private." })),
    ]);
    assert_eq!(shared.held.conversation(), ["user: look", "user: and this"]);
    assert!(!shared.held.text().contains("Private"));
    let counted: Vec<_> = shared.report.context.keys().collect();
    assert_eq!(counted, ["action_intent", "message.system", "message.user.injected"]);
    let unknown: Vec<_> = shared.report.unknown.keys().collect();
    assert_eq!(unknown, ["newest_entry", "newest_record", "projection_delta.newest_op"]);
}

/// A subagent has a folder of its own; the call that names its session is the one that it stands below.
#[test]
fn a_call_of_vibe_that_names_a_session_began_a_subagent() {
    let state = json!({ "status": "running", "task": { "childSessionId": "child" } });
    let call = effect("e1", "agents.task", json!({ "prompt": "look" }), state);
    let shared = session(&[said("user", "u1", "look", "turn_start"), call]);
    assert_eq!(shared.held.call("task")["metadata"]["sessionId"], "s-vibe_child");
}

#[test]
fn each_part_of_a_session_of_vibe_is_known() {
    for part in [
        about(),
        said("user", "u1", "look", "turn_start"),
        journal("core_input", json!({})),
        json!({ "projection_state_version": 1, "session_id": "s", "snapshot": {} }),
        json!({ "store_format": "mistral.vibe.unified-session-store/v1", "session_id": "s" }),
    ] {
        let found = recognise(part.to_string().as_bytes());
        assert!(found.is_some_and(|(agent, form)| agent.name() == "vibe" && form == Form::Lines), "{part}");
    }
}
