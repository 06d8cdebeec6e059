//! Kimi Code and kimi-cli: what they write, and what of it their users saw.

use capshare::share::limits::TRANSCRIPT_SUBAGENTS_MAX;
use capshare::transcripts::{Agent, Form, LeftOut, Reader, recognise};
use serde_json::{Value, json};

use super::support::{Held, read};

/// Lines of a wire of Kimi Code's main agent.
fn wire(records: &[Value]) -> String {
    let first = json!({ "type": "metadata", "protocol_version": "1.5", "created_at": 1_796_014_551_675_i64 });
    let line = |(n, record): (usize, &Value)| {
        let mut line = json!({ "agentId": "main", "time": 1_796_014_552_000_i64 + n as i64 });
        line.as_object_mut().unwrap().extend(record.as_object().unwrap().clone());
        format!("{line}\n")
    };
    format!("{first}\n{}", records.iter().enumerate().map(line).collect::<String>())
}

fn message(id: &str, text: &str, origin: Value) -> Value {
    let message = json!({ "role": "user", "id": id, "content": [{ "type": "text", "text": text }], "toolCalls": [], "origin": origin });
    json!({ "type": "context.append_message", "message": message })
}

fn user(id: &str, text: &str) -> Value {
    message(id, text, json!({ "kind": "user" }))
}

fn event(event: Value) -> Value {
    json!({ "type": "context.append_loop_event", "event": event })
}

/// A whole step, with a text.
fn step(id: &str, text: &str) -> [Value; 3] {
    [
        event(json!({ "type": "step.begin", "uuid": id })),
        event(
            json!({ "type": "content.part", "stepUuid": id, "uuid": format!("{id}-text"), "part": { "type": "text", "text": text } }),
        ),
        event(
            json!({ "type": "step.end", "uuid": id, "finishReason": "end_turn", "usage": { "inputOther": 3, "output": 2, "inputCacheRead": 1, "inputCacheCreation": 0 } }),
        ),
    ]
}

fn call(step: &str, id: &str, name: &str, arguments: Value) -> Value {
    event(json!({ "type": "tool.call", "stepUuid": step, "toolCallId": id, "name": name, "args": arguments }))
}

fn result(id: &str, output: &str, is_error: bool) -> Value {
    event(
        json!({ "type": "tool.result", "toolCallId": id, "result": { "output": output, "isError": is_error, "durationMs": 7 } }),
    )
}

fn talk(more: &[Value]) -> Vec<Value> {
    let begun =
        [&[user("u1", "first")], &step("a1", "one")[..], &[user("u2", "second")], &step("a2", "two")[..]].concat();
    [&begun[..], more].concat()
}

/// S107: what is undone is removed, and nothing that a compaction summed up can be.
#[test]
fn an_undo_of_kimi_code_takes_its_turns_back_as_far_as_the_last_compaction() {
    let undo = |count: u64| json!({ "type": "context.undo", "count": count });
    let one = read(&wire(&talk(&[undo(1), user("u3", "stays")])));
    assert_eq!(one.held.conversation(), ["user: first", "assistant: one", "user: stays"]);
    assert_eq!(read(&wire(&talk(&[undo(2)]))).held.conversation(), [""; 0]);
    assert_eq!(read(&wire(&talk(&[undo(9), user("u3", "stays")]))).held.conversation(), ["user: stays"]);
    let compacted = [
        json!({ "type": "full_compaction.begin", "source": "auto" }),
        json!({ "type": "context.apply_compaction", "summary": "PRIVATE", "contextSummary": "PRIVATE" }),
        user("u3", "third"),
        undo(3),
    ];
    let shared = read(&wire(&talk(&compacted)));
    let kept = ["user: first", "assistant: one", "user: second", "assistant: two", "assistant: compacted by itself"];
    assert_eq!(
        (shared.held.conversation(), shared.held.text().contains("PRIVATE")),
        (kept.map(str::to_owned).to_vec(), false)
    );
    // What the user ran goes with the turn that it was run in, and is no turn by itself.
    let ran = message("s1", "<bash-input>\nls\n</bash-input>", json!({ "kind": "shell_command", "phase": "input" }));
    assert_eq!(read(&wire(&talk(&[ran, undo(1)]))).held.conversation(), ["user: first", "assistant: one"]);
}

/// S106: only what a person typed or ran is the user's.
#[test]
fn only_what_kimi_codes_user_typed_is_the_users() {
    let skill = json!({ "kind": "skill_activation", "skillName": "review", "skillArgs": "the parser", "trigger": "user-slash" });
    let records = [
        user("u1", "go"),
        message("i1", "<system-reminder>PRIVATE</system-reminder>", json!({ "kind": "injection", "variant": "x" })),
        message("k1", "PRIVATE instructions of the skill", skill),
        message("k2", "PRIVATE", json!({ "kind": "skill_activation", "skillName": "x", "trigger": "model-tool" })),
        message("t1", "PRIVATE", json!({ "kind": "task", "taskId": "t", "status": "completed" })),
        message("c1", "PRIVATE", json!({ "kind": "system_trigger", "name": "goal_continuation" })),
        message(
            "s1",
            "<bash-input>\nls &lt; a &amp;&amp; exit 1\n</bash-input>",
            json!({ "kind": "shell_command", "phase": "input" }),
        ),
        message(
            "s2",
            "<bash-stdout>one</bash-stdout><bash-stderr> &gt; two</bash-stderr>",
            json!({ "kind": "shell_command", "phase": "output", "isError": true }),
        ),
        json!({ "type": "turn.steer", "input": [{ "type": "text", "text": "no, the other" }], "origin": { "kind": "user" } }),
        user("u2", "no, the other"),
    ];
    let shared = read(&wire(&records));
    assert_eq!(
        shared.held.conversation(),
        ["user: go", "user: /review the parser", "user: bash error one > two", "user: no, the other"]
    );
    assert_eq!(shared.held.call("bash")["input"]["command"], "ls < a && exit 1");
    assert!(!shared.held.text().contains("PRIVATE"), "{}", shared.held.text());
    assert_eq!(shared.report.context["context.append_message.injection"], 1);
    assert!(shared.report.unknown.is_empty(), "{}", shared.report);
}

#[test]
fn an_interrupt_and_a_failure_of_kimi_code_are_told() {
    let begun = [
        user("u1", "go"),
        event(json!({ "type": "step.begin", "uuid": "a1" })),
        call("a1", "c1", "Bash", json!({ "command": "sleep 9" })),
    ];
    let ended =
        |reason: &str, error: Value| json!({ "type": "turn.ended", "turnId": 0, "reason": reason, "error": error });
    let cancelled =
        [json!({ "type": "turn.cancel", "turnId": 0, "target": "active" }), ended("cancelled", Value::Null)];
    let shared = read(&wire(&[&begun[..], &cancelled].concat()));
    let told = [
        "user: go",
        "assistant: bash error it was interrupted: there is no result",
        "assistant! the user interrupted it",
    ];
    assert_eq!(shared.held.conversation(), told);
    // A prompt that waited and was cancelled is no interrupt.
    let queued = json!({ "type": "turn.cancel", "target": "queued" });
    assert_eq!(
        read(&wire(&[&begun[..], &[queued]].concat())).held.conversation(),
        ["user: go", "assistant: bash running "]
    );
    let failed = ended("failed", json!({ "message": "the model is away" }));
    let shared = read(&wire(&[user("u1", "go"), failed]));
    assert_eq!(shared.held.conversation(), ["user: go", "assistant! the model is away"]);
    // A call that a kill left without a result has none when the next step begins.
    let shared = read(&wire(&[&begun[..], &step("a2", "on")].concat()));
    assert_eq!(
        shared.held.conversation()[1..],
        ["assistant: bash error it was interrupted: there is no result", "assistant: on"]
    );
}

#[test]
fn results_of_kimi_code_are_told_without_what_is_around_them() {
    let cut = "Tool output exceeded 50000 characters; the full output was saved to a file.\ntool_name: Bash\noutput_size_bytes: 168894\n\n\
               [preview: chars [0, 6)]\none\n\n[elided: chars [6, 90)]\n\n[preview: chars [90, 96)]\ntwo\n\n\nCommand failed with exit code: 2.\ntask_id: b";
    let launched = "task_id: t\nstatus: running\nagent_id: agent-0\n\nresume_hint: x";
    let records = [
        event(json!({ "type": "step.begin", "uuid": "a1" })),
        call("a1", "c1", "Bash", json!({ "command": "make" })),
        result("c1", "bad\nCommand failed with exit code: 3.", true),
        call("a1", "c2", "Bash", json!({ "command": "seq" })),
        result("c2", cut, true),
        call("a1", "c3", "Agent", json!({ "description": "look", "prompt": "look", "run_in_background": true })),
        json!({ "type": "subagent.spawned", "subagentId": "agent-0", "parentToolCallId": "c3", "runInBackground": true }),
        result("c3", launched, false),
    ];
    let shared = read(&wire(&records));
    let told = shared.held.conversation();
    assert_eq!(told[0], "assistant: bash error 3 bad\n");
    assert!(told[1].starts_with("assistant: bash error 2 one\n\n…\n\ntwo\n… 168"), "{told:?}");
    assert_eq!(told[2], "assistant: task running ");
    let session = format!("{}_agent-0", shared.session);
    assert_eq!(shared.held.call("task")["metadata"]["sessionId"], session);
    let ended = json!({ "type": "subagent.completed", "subagentId": "agent-0", "resultSummary": "three lines" });
    let shared = read(&wire(&[&records[..], &[ended]].concat()));
    assert_eq!(shared.held.conversation()[2], "assistant: task completed three lines");
}

/// S109: what is not known is counted by the agent's own name, and loses nothing else.
#[test]
fn a_record_of_kimi_code_that_is_not_known_is_counted_and_named() {
    let records = [json!({ "type": "hologram.shown" }), event(json!({ "type": "step.sung" })), user("u1", "go")];
    let shared = read(&wire(&records));
    assert_eq!(shared.held.conversation(), ["user: go"]);
    let unknown: Vec<_> = shared.report.unknown.keys().collect();
    assert_eq!(unknown, ["context.append_loop_event.step.sung", "hologram.shown"]);
}

/// The session is named by its folder, or by the file beside the agents' folder; a subagent's wire by itself is a session of its own.
#[test]
fn a_session_of_kimi_code_is_named_by_its_folder_or_its_state() {
    let text = wire(&[user("u1", "go")]);
    let named = |origin: &str, about: Option<Value>, text: &str| {
        let mut reader = Reader::new(Agent::KimiCode, origin);
        let mut held = Held::default();
        if let Some(about) = about {
            held.take(reader.about(about.to_string().as_bytes()));
        }
        text.lines().for_each(|line| held.take(reader.line(line.as_bytes())));
        held.take(reader.end());
        held.session().clone()
    };
    let path = "/h/.kimi-code/sessions/wd_p_1/session_x/agents/main/wire.jsonl";
    assert_eq!(named(path, None, &text)["id"], "session_x");
    let state = json!({ "id": "session_y", "title": "Its title", "isCustomTitle": true, "cwd": "/p" });
    let session = named(path, Some(state.clone()), &text);
    assert_eq!(
        (&session["id"], &session["title"], &session["directory"]),
        (&json!("session_y"), &json!("Its title"), &json!("/p"))
    );
    assert_eq!(named("/a", None, &text)["id"], named("/b", None, &text)["id"]);
    let below = text.replace("\"main\"", "\"agent-0\"");
    let session = named(path, Some(state), &below);
    assert_eq!(
        (&session["id"], &session["parentID"], &session["title"]),
        (&json!("session_y_agent-0"), &json!("session_y"), &json!("go"))
    );
}

/// Lines of a wire of kimi-cli.
fn old(events: &[(&str, Value)]) -> String {
    let line = |(n, (kind, payload)): (usize, &(&str, Value))| {
        let record =
            json!({ "timestamp": 1_796_014_693.5 + n as f64, "message": { "type": kind, "payload": payload } });
        format!("{record}\n")
    };
    let first = json!({ "type": "metadata", "protocol_version": "1.10" });
    format!("{first}\n{}", events.iter().enumerate().map(line).collect::<String>())
}

fn asked(text: &str) -> (&'static str, Value) {
    ("TurnBegin", json!({ "user_input": text }))
}

fn said(text: &str) -> (&'static str, Value) {
    ("ContentPart", json!({ "type": "text", "text": text }))
}

#[test]
fn what_is_typed_interrupted_and_compacted_in_kimi_cli_is_told() {
    let begin = ("StepBegin", json!({ "n": 1 }));
    let made =
        ("ToolCall", json!({ "id": "c", "function": { "name": "Shell", "arguments": "{\"command\": \"sleep 9\"}" } }));
    let events = [
        asked("go"),
        begin.clone(),
        said("I go."),
        made,
        ("SteerInput", json!({ "user_input": [{ "type": "text", "text": "no, the other" }] })),
        ("StepInterrupted", json!({})),
        asked("/compact"),
        ("CompactionBegin", json!({})),
        ("CompactionEnd", json!({})),
        asked("on"),
        begin,
        ("CompactionBegin", json!({})),
        ("CompactionEnd", json!({})),
        said("On."),
        ("Notification", json!({ "title": "PRIVATE" })),
        ("Hologram", json!({})),
    ];
    let shared = read(&old(&events));
    let told = [
        "user: go",
        "assistant: I go.",
        "assistant: bash error it was interrupted: there is no result",
        "assistant! it was interrupted",
        "user: no, the other",
        "user: /compact",
        "user: compacted",
        "user: on",
        "assistant: compacted by itself",
        "assistant: On.",
    ];
    assert_eq!(shared.held.conversation(), told);
    assert_eq!((shared.report.context["Notification"], shared.report.unknown["Hologram"]), (1, 1));
    assert!(!shared.held.text().contains("PRIVATE"));
}

#[test]
fn each_of_the_two_is_known_by_its_first_line_and_by_any_other() {
    for (text, agent) in [(wire(&talk(&[])), Agent::KimiCode), (old(&[asked("go"), said("on")]), Agent::KimiCli)] {
        for line in text.lines() {
            assert_eq!(recognise(line.as_bytes()), Some((agent, Form::Lines)), "{line}");
        }
    }
}

#[test]
fn a_subagent_of_kimi_cli_past_those_that_are_read_is_counted_once() {
    let mut reader = Reader::new(Agent::KimiCli, "/a/file");
    let event = |n: usize, kind: &str| {
        let payload = json!({ "parent_tool_call_id": format!("call{n}"), "event": { "type": kind, "payload": {} } });
        json!({ "timestamp": 1_796_000_000.5, "message": { "type": "SubagentEvent", "payload": payload } }).to_string()
    };
    for n in 0..TRANSCRIPT_SUBAGENTS_MAX + 2 {
        for kind in ["TurnBegin", "StepBegin", "TurnEnd"] {
            reader.line(event(n, kind).as_bytes());
        }
    }
    assert_eq!(reader.report().left_out.get(&LeftOut::Subagents), Some(&2));
}
