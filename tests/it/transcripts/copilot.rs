//! Copilot CLI: a file that a rewind replaced, subagents among the session's own events, interrupts, and what is nobody's word.

use capshare::transcripts::Reader;
use serde_json::{Value, json};

use super::support::{Held, agent_of, read};

/// Lines of a session of Copilot CLI: its start, and events of a type with their data.
fn copilot(events: &[(&str, Value)]) -> String {
    let start = json!({ "sessionId": "s-copilot", "copilotVersion": "1.0.102", "context": { "cwd": "/p" } });
    let all = [("session.start", start)];
    let line = |(n, (kind, data)): (usize, &(&str, Value))| {
        let time = format!("2026-11-30T10:00:{n:02}Z");
        let mut line =
            json!({ "type": kind, "id": format!("e{n}"), "timestamp": time, "parentId": null, "data": data });
        if let Some(agent) = data.get("agentId") {
            line["agentId"] = agent.clone();
        }
        format!("{line}\n")
    };
    all.iter().chain(events).enumerate().map(line).collect()
}

fn user(id: &str, text: &str) -> (&'static str, Value) {
    (
        "user.message",
        json!({ "messageId": id, "content": text, "transformedContent": "Private time.", "delivery": "idle" }),
    )
}

fn answer(id: &str, text: &str, calls: &[Value]) -> (&'static str, Value) {
    (
        "assistant.message",
        json!({ "messageId": id, "content": text, "toolRequests": calls, "model": "m", "apiCallId": id }),
    )
}

fn call(id: &str, name: &str, arguments: Value) -> Value {
    json!({ "toolCallId": id, "name": name, "arguments": arguments })
}

fn below(agent: &str, (kind, mut data): (&'static str, Value)) -> (&'static str, Value) {
    data["agentId"] = json!(agent);
    (kind, data)
}

/// S107: a rewind replaces the file, and the follower's share is what a fresh push of the new one makes.
#[test]
fn a_rewind_of_copilot_takes_back_what_the_new_file_does_not_say() {
    let [before, after] = [
        include_str!("../../data/agents/copilot-cli-1.0.102/before-a-rewind.jsonl"),
        include_str!("../../data/agents/copilot-cli-1.0.102/after-the-rewind-and-a-compaction.jsonl"),
    ];
    let mut held = Held::default();
    let mut reader = Reader::new(agent_of(before), "/a/file");
    before.lines().for_each(|line| held.take(reader.line(line.as_bytes())));
    held.take(reader.pause());
    assert!(held.text().contains("to be abandoned"));
    held.take(reader.restart(None));
    after.lines().for_each(|line| held.take(reader.line(line.as_bytes())));
    held.take(reader.end());
    assert_eq!(held.items, read(after).held.items);
    assert!(!held.text().contains("to be abandoned"));
}

#[test]
fn what_the_program_of_copilot_says_is_counted_and_not_shown() {
    let injected = json!({ "messageId": "u2", "content": "Private skill.", "source": "skill-pdf" });
    let goes_on = json!({ "messageId": "u3", "content": "Private nudge.", "isAutopilotContinuation": true });
    let attached = json!({
        "messageId": "u4", "content": "see", "delivery": "steering",
        "attachments": [{ "type": "blob", "mimeType": "image/png", "data": "aGk=", "displayName": "a.png" }],
    });
    let shared = read(&copilot(&[
        user("u1", "first"),
        ("system.message", json!({ "content": "Private prompt." })),
        ("user.message", injected),
        ("user.message", goes_on),
        ("user.message", attached),
        ("session.newest_thing", json!({ "content": "Private." })),
        ("session.compaction_complete", json!({ "success": false, "trigger": "manual" })),
        (
            "session.compaction_complete",
            json!({ "success": true, "trigger": "threshold", "summaryContent": "Private." }),
        ),
    ]));
    let told = ["user: first", "user: see", "user: file a.png", "assistant: compacted by itself"];
    assert_eq!(shared.held.conversation(), told);
    assert!(!shared.held.text().contains("Private"));
    assert_eq!((&shared.held.session()["directory"], &shared.held.session()["title"]), (&json!("/p"), &json!("first")));
    assert_eq!(shared.report.unknown.keys().collect::<Vec<_>>(), ["session.newest_thing"]);
    let counted: Vec<_> = shared.report.context.keys().collect();
    assert_eq!(
        counted,
        ["session.compaction_complete", "system.message", "user.message.autopilot", "user.message.skill"]
    );
}

/// A newer version says so where its records are not known.
#[test]
fn a_newer_version_of_copilot_is_told_with_what_is_not_known() {
    let text = copilot(&[user("u1", "first"), ("newest", json!({}))]).replace("1.0.102", "1.1.0");
    assert_eq!(read(&text).report.newer.unwrap().version, "1.1.0");
}

#[test]
fn calls_of_copilot_are_told_while_they_run_and_say_what_came_of_them() {
    let calls = [
        call("c1", "bash", json!({ "command": "false" })),
        call("c2", "apply_patch", json!("{\"patch\": \"*** Begin Patch\"}")),
        call("c3", "view", json!({ "path": "/p/a" })),
    ];
    let done = |id: &str, more: Value| {
        let mut data = json!({ "toolCallId": id, "success": true });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("tool.execution_complete", data)
    };
    let bash = json!({
        "shellExecution": { "exitCode": 1 }, "result": { "content": "bad\n<shellId: 2 completed with exit code 1>" },
    });
    let failed = json!({ "success": false, "error": { "message": "no such patch" } });
    let shown = json!({ "result": { "content": "a", "detailedContent": "\ndiff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n a\n" } });
    let mut events = vec![user("u1", "go"), answer("a1", "", &calls)];
    let running = read(&copilot(&events)).held;
    assert_eq!(
        running.conversation()[1..],
        ["assistant: bash running ", "assistant: apply_patch running ", "assistant: read running "]
    );
    events.extend([done("c1", bash), done("c2", failed), done("c3", shown)]);
    let shared = read(&copilot(&events)).held;
    let told = [
        "assistant: bash completed 1 bad\n",
        "assistant: apply_patch error no such patch",
        "assistant: read completed a",
    ];
    assert_eq!(shared.conversation()[1..], told);
    assert_eq!(shared.call("apply_patch")["input"]["patchText"], "*** Begin Patch");
    assert!(shared.call("read")["metadata"].get("diff").is_none());
    assert_eq!(shared.call("read")["input"]["filePath"], "/p/a");
}

#[test]
fn tokens_of_copilot_come_before_an_answer_or_after_it_and_requests_are_no_dollars() {
    let usage = |id: &str| {
        let usage = json!({
            "apiCallId": id, "inputTokens": 10, "cacheReadTokens": 4, "outputTokens": 8, "reasoningTokens": 3, "cost": 1.0,
        });
        ("session.usage_record", json!({ "usage": usage }))
    };
    let events = [user("u1", "go"), usage("a1"), answer("a1", "one", &[]), answer("a2", "two", &[]), usage("a2")];
    let shared = read(&copilot(&events)).held;
    let tokens = json!({ "input": 6, "output": 5, "reasoning": 3, "cache": { "read": 4, "write": 0 } });
    assert_eq!((&shared.items["message/a1"]["tokens"], &shared.items["message/a2"]["tokens"]), (&tokens, &tokens));
    assert!(shared.session().get("cost").is_none() && shared.items["message/a1"].get("cost").is_none());
    assert_eq!(shared.session()["tokens"]["output"], 10);
}

/// The report of a subagent that works in the background is the result of its call, and comes when it has ended.
#[test]
fn a_subagent_of_copilot_in_the_background_reports_when_it_has_ended() {
    let started = json!({ "toolCallId": "c1", "agentName": "explore", "executionMode": "background" });
    let launched =
        json!({ "toolCallId": "c1", "success": true, "result": { "content": "Agent started in background." } });
    let mut events = vec![
        user("u1", "go"),
        answer("a1", "", &[call("c1", "task", json!({ "agent_type": "explore", "prompt": "look" }))]),
        below("x", ("subagent.started", started)),
        ("tool.execution_complete", launched),
        below("x", ("user.message", json!({ "messageId": "u2", "content": "look", "source": "agent-s" }))),
        below("x", answer("a2", "three lines", &[])),
        answer("a3", "meanwhile", &[]),
    ];
    let running = read(&copilot(&events)).held;
    let told = [
        "user: go",
        "assistant: task running ",
        "below: user: look",
        "below: assistant: three lines",
        "assistant: meanwhile",
    ];
    assert_eq!(running.conversation(), told);
    assert_eq!(running.call("task")["metadata"]["sessionId"], running.items["message/a2"]["sessionID"]);
    assert_eq!(running.session()["title"], "go");
    events.push(below("x", ("subagent.completed", json!({ "toolCallId": "c1", "agentName": "explore" }))));
    let ended = read(&copilot(&events)).held;
    assert_eq!(ended.conversation()[1], "assistant: task completed three lines");
    let failed = below("x", ("subagent.failed", json!({ "toolCallId": "c1", "error": "out of turns" })));
    *events.last_mut().unwrap() = failed;
    assert_eq!(read(&copilot(&events)).held.conversation()[1], "assistant: task error out of turns");
}

#[test]
fn an_interrupt_of_copilot_marks_the_answer_and_a_command_of_the_users_is_a_call() {
    let shared = read(&copilot(&[
        user("u1", "go"),
        answer("a1", "half", &[]),
        ("abort", json!({ "reason": "user_initiated" })),
        ("tool.user_requested", json!({ "toolCallId": "c1", "toolName": "bash", "arguments": { "command": "ls" } })),
        ("tool.execution_start", json!({ "toolCallId": "c1", "toolName": "bash", "arguments": { "command": "ls" } })),
        ("tool.execution_complete", json!({ "toolCallId": "c1", "success": true, "result": { "content": "a" } })),
        ("session.error", json!({ "errorType": "quota", "message": "no more requests" })),
    ]));
    let told = [
        "user: go",
        "assistant: half",
        "assistant! the user interrupted it",
        "user: bash completed a",
        "assistant! no more requests",
    ];
    assert_eq!(shared.held.conversation(), told);
    assert!(shared.report.is_empty(), "{}", shared.report);
}
