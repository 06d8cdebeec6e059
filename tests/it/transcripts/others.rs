//! Faults that were found with real transcripts of Codex, Gemini, Qwen and asciinema, each with its smallest input: how it should be.

use capshare::transcripts::{Reader, Report, base_of, recognise};
use serde_json::{Value, json};

use super::support::{Held, STAYS, agent_of, branch, claude, read, user};

fn gemini(records: &[Value]) -> String {
    let header = json!({
        "sessionId": "s-context", "projectHash": "0", "startTime": "2026-11-30T10:00:00Z", "lastUpdated": "2026-11-30T10:00:00Z",
        "kind": "main",
    });
    let context =
        "<session_context>\nThis is the Gemini CLI. Private notes of GEMINI.md stand here.\n</session_context>";
    let context = json!({ "$set": { "messages": [said("c0", 0, "user", context)] } });
    let records = [header, context].into_iter().chain(records.iter().cloned());
    records.map(|record| format!("{record}\n")).collect()
}

fn said(id: &str, second: u32, kind: &str, text: &str) -> Value {
    json!({ "id": id, "timestamp": format!("2026-11-30T10:00:{second:02}Z"), "type": kind, "content": [{ "text": text }] })
}

#[test]
fn a_session_of_gemini_is_titled_by_its_users_first_words() {
    let shared = read(&gemini(&[said("u1", 1, "user", "look twice")]));
    assert_eq!(shared.held.session()["title"], "look twice");
    assert_eq!(shared.held.conversation(), ["user: look twice"]);
    assert!(!shared.held.text().contains("Private") && shared.report.context["user.session_context"] == 1);
}

/// S107: a compression takes nothing back, and its summary is nobody's word.
#[test]
fn a_compression_of_gemini_empties_nothing() {
    let mut first = said("g1", 2, "gemini", "I look.");
    first["model"] = json!("m");
    first["tokens"] = json!({ "input": 5, "output": 3, "cached": 0, "thoughts": 0 });
    let set = json!({ "$set": { "messages": [
        said("c0", 30, "user", "<session_context>\nThis is the Gemini CLI.\n</session_context>"),
        said("n1", 30, "user", "<state_snapshot>what was done</state_snapshot>"),
        said("n2", 30, "gemini", "Got it. Thanks for the additional context!"),
        said("n3", 30, "user", "look twice"),
        said("n4", 30, "gemini", "I look."),
    ] } });
    let text = gemini(&[said("u1", 1, "user", "look twice"), first, set, said("u2", 40, "user", "and again")]);
    let shared = read(&text);
    let told = ["user: look twice", "assistant: I look.", "assistant: compacted", "user: and again"];
    assert_eq!(shared.held.conversation(), told);
    assert_eq!(shared.held.items["message/g1"]["tokens"]["output"], 3);
    // Going back to a message by the name that it has since then.
    let back = format!("{text}{}\n", json!({ "$rewindTo": "n4" }));
    assert_eq!(read(&back).held.conversation(), ["user: look twice"]);
}

/// A message that holds results only is no message of the conversation. Who goes back to it does not take back all that was said.
#[test]
fn going_back_to_the_results_of_gemini_does_not_empty_the_share() {
    let mut results = said("r1", 3, "user", "");
    results["content"] = json!([{ "functionResponse": { "id": "c", "response": { "output": "x" } } }]);
    let text = gemini(&[said("u1", 1, "user", "look twice"), said("g1", 2, "gemini", "I look."), results]);
    let back = |to: &str| read(&format!("{text}{}\n", json!({ "$rewindTo": to }))).held;
    assert_eq!(back("r1").conversation(), ["user: look twice", "assistant: I look."]);
    assert_eq!(back("u1").conversation(), [""; 0]);
}

/// What hooks and editors add to a message is the program's.
#[test]
fn what_hooks_and_editors_say_to_gemini_is_not_the_users() {
    let mut asked = said("u1", 2, "user", "look twice");
    asked["content"] = json!([{ "text": "look twice" }, { "text": "<hook_context>PRIVATE</hook_context>" }]);
    let editor =
        "Here is the user's editor context as a JSON object. This is for your information only.\n{\"PRIVATE\": 1}";
    let shared = read(&gemini(&[said("e1", 1, "user", editor), asked]));
    assert_eq!(shared.held.conversation(), ["user: look twice"]);
    assert!(!shared.held.text().contains("PRIVATE"), "{}", shared.held.text());
}

/// Lines of a rollout of Codex.
fn codex(first: u64, records: &[(&str, Value)]) -> String {
    let line = |(n, (kind, payload)): (usize, &(&str, Value))| {
        let ordinal = first + n as u64;
        let time = format!("2026-11-30T10:00:{ordinal:02}Z");
        format!("{}\n", json!({ "timestamp": time, "ordinal": ordinal, "type": kind, "payload": payload }))
    };
    records.iter().enumerate().map(line).collect()
}

fn meta(id: &str, more: Value) -> (&'static str, Value) {
    let mut meta =
        json!({ "session_id": id, "id": id, "cwd": "/p", "cli_version": "0.171.0", "model_provider": "local" });
    meta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("session_meta", meta)
}

fn message(role: &str, text: &str) -> (&'static str, Value) {
    let kind = if role == "user" { "input_text" } else { "output_text" };
    ("response_item", json!({ "type": "message", "role": role, "content": [{ "type": kind, "text": text }] }))
}

fn first_segment() -> String {
    let talk = [("user", "first"), ("assistant", "one"), ("user", "taken back"), ("assistant", "two")];
    let talk = talk.map(|(role, text)| message(role, text));
    codex(0, &[&[meta("t1", json!({}))], &talk[..]].concat())
}

fn second_segment(id: &str, more: Value) -> String {
    let mut about = json!({ "history_base": { "thread_id": "t1", "end_ordinal_exclusive": 3, "end_byte_offset": 0 } });
    about.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    codex(3, &[meta(id, about), message("user", "stays"), message("assistant", "three")])
}

/// Reads a segment with what it goes on from, as who opens files does.
fn read_segment(held: Held, base: &str, own: &str) -> (Held, Report) {
    let (first, rest) = own.split_once('\n').unwrap();
    let part = base_of(first.as_bytes()).unwrap();
    let mut reader = Reader::new(agent_of(own), "/a/file");
    let mut held = held;
    reader.held(held.keys());
    held.take(reader.line(first.as_bytes()));
    let mut end = 0;
    for line in base.split_inclusive('\n') {
        end += line.len() as u64;
        if part.has(line.trim_end().as_bytes(), end) {
            held.take(reader.line(line.trim_end().as_bytes()));
        }
    }
    rest.lines().for_each(|line| held.take(reader.line(line.as_bytes())));
    held.take(reader.end());
    (held, reader.report().clone())
}

/// S107: ids are the records' own, so the files of one thread meet.
#[test]
fn a_thread_of_codex_goes_on_in_its_next_file_without_what_was_taken_back() {
    let first = read(&first_segment());
    assert_eq!(first.held.conversation(), ["user: first", "assistant: one", "user: taken back", "assistant: two"]);
    let second = second_segment("t1", json!({}));
    let base = base_of(second.lines().next().unwrap().as_bytes()).unwrap();
    assert_eq!((base.segment.as_str(), base.before_ordinal), ("t1", Some(3)));
    assert_eq!(base_of(first_segment().lines().next().unwrap().as_bytes()), None);
    let fresh = read_segment(Held::default(), &first_segment(), &second).0;
    assert_eq!(fresh.conversation(), STAYS);
    assert_eq!(fresh.session()["title"], "first");
    let again = read_segment(first.held, &first_segment(), &second).0;
    assert_eq!((again.conversation(), &again.items), (fresh.conversation(), &fresh.items));
}

/// Versions that do not name the pieces of a message put instructions beside a person's words, and an editor puts its own before them.
#[test]
fn what_is_put_in_beside_the_words_of_codexs_user_is_left_out() {
    let instructions = "# AGENTS.md instructions for /p\n\n<INSTRUCTIONS>\nPRIVATE\n</INSTRUCTIONS>";
    let words = "# Context from my IDE setup:\n\n## Active file: PRIVATE\n\n## My request for Codex:\nmend it\n";
    let pieces = [instructions, words].map(|text| json!({ "type": "input_text", "text": text }));
    let asked = ("response_item", json!({ "type": "message", "role": "user", "content": pieces }));
    let shared = read(&codex(0, &[meta("t", json!({})), asked]));
    assert_eq!(
        (shared.held.conversation(), &shared.held.session()["title"]),
        (vec!["user: mend it".to_owned()], &json!("mend it"))
    );
    assert!(!shared.held.text().contains("PRIVATE"), "{}", shared.held.text());
}

#[test]
fn a_fork_of_codex_has_the_history_that_it_was_made_of() {
    let fork = second_segment("t2", json!({ "forked_from_id": "t1" }));
    let (held, _) = read_segment(Held::default(), &first_segment(), &fork);
    assert_eq!((held.conversation(), &held.session()["id"]), (STAYS.map(str::to_owned).to_vec(), &json!("t2")));
}

/// Where records have no ordinals, the position in the file says what belongs to the base.
#[test]
fn what_a_segment_goes_on_from_is_known_by_ordinals_or_by_bytes() {
    let first =
        json!({ "type": "session_meta", "payload": { "history_base": { "thread_id": "t", "end_byte_offset": 10 } } });
    let base = base_of(first.to_string().as_bytes()).unwrap();
    assert!(base.has(b"{}", 10) && !base.has(b"{}", 11) && base.has(b"no JSON", 3));
}

#[test]
fn what_the_user_ran_beside_codex_is_a_call_of_the_users() {
    let ran = json!({ "type": "item_completed", "started_at_ms": 1, "completed_at_ms": 2, "item": {
        "type": "CommandExecution", "id": "x", "command": ["/bin/bash", "-lc", "echo typed"], "source": "user_shell",
        "status": "completed", "aggregated_output": "typed\n", "exit_code": 0,
    } });
    let told = json!({
        "type": "message", "id": "m", "role": "user",
        "content": [{ "type": "input_text", "text": "<user_shell_command>echo typed</user_shell_command>" }],
        "internal_chat_message_metadata_passthrough": { "content_item_kinds": ["shell.user_command"] },
    });
    let text = codex(0, &[meta("t", json!({})), ("event_msg", ran), ("response_item", told)]);
    assert_eq!(read(&text).held.conversation(), ["user: bash completed 0 typed\n"]);
}

/// S109: an item of the screen whose type is not known is counted and named.
#[test]
fn an_item_of_codex_of_an_unknown_type_is_counted() {
    let item = |kind: &str| ("event_msg", json!({ "type": "item_completed", "item": { "type": kind, "id": kind } }));
    let shared = read(&codex(0, &[meta("t", json!({})), message("user", "go"), item("Reasoning"), item("Hologram")]));
    let unknown = &shared.report.unknown;
    assert_eq!((unknown.len(), unknown.get("item_completed.Hologram")), (1, Some(&1)));
    assert_eq!(shared.held.conversation(), ["user: go"]);
}

#[test]
fn a_transcript_of_qwen_is_not_taken_for_claudes() {
    let record = |id: &str, kind: &str, role: &str, text: &str| {
        json!({
            "uuid": id, "parentUuid": null, "sessionId": "s-qwen", "timestamp": "2026-11-30T10:00:00Z", "type": kind,
            "provenance": if kind == "user" { "real_user" } else { "assistant_output" }, "cwd": "/p", "version": "0.24.4",
            "message": { "role": role, "parts": [{ "text": text }] },
        })
    };
    let (asked, said) = (record("u1", "user", "user", "hello"), record("a1", "assistant", "model", "an answer"));
    let shared = read(&format!("{asked}\n{said}\n"));
    assert_eq!(
        (shared.held.session()["agent"].as_str(), shared.held.session()["title"].as_str()),
        (Some("qwen"), Some("hello"))
    );
    assert_eq!(shared.held.conversation(), ["user: hello", "assistant: an answer"]);
}

#[test]
fn a_compaction_says_whether_it_was_asked_for_and_its_summary_is_nobodys() {
    let boundary = |trigger: &str| {
        let about = json!({ "trigger": trigger });
        json!({ "type": "system", "subtype": "compact_boundary", "uuid": "b", "parentUuid": null, "logicalParentUuid": "a1", "compactMetadata": about })
    };
    let mut summary = user("s1", json!("b"), "This session is being continued");
    summary["isCompactSummary"] = json!(true);
    for (trigger, told) in [("manual", "user: compacted"), ("auto", "assistant: compacted by itself")] {
        let records = [&branch()[..2], &[boundary(trigger), summary.clone(), user("u3", json!("s1"), "on")]].concat();
        let shared = read(&claude("s", &records));
        assert_eq!(shared.held.conversation(), ["user: first", "assistant: one", told, "user: on"]);
    }
    let mut output = message("assistant", "what was done").1;
    output["id"] = json!("m9");
    for (attribution, told) in
        [(json!(null), "user: compacted"), (json!({ "turn_id": "x" }), "assistant: compacted by itself")]
    {
        let mut started = json!({ "type": "task_started", "turn_id": "x", "root_turn_id": "x" });
        if attribution.is_object() {
            started["turn_attribution"] = attribution;
        }
        let mut text = codex(0, &[meta("t", json!({})), message("user", "go"), ("event_msg", started)]);
        let summary = json!({
            "timestamp": "2026-11-30T10:00:03Z", "ordinal": 3, "type": "response_item", "payload": output,
            "metadata": { "compaction_output": true },
        });
        text = format!("{text}{summary}\n{}", codex(4, &[("compacted", json!({ "message": "what was done" }))]));
        let shared = read(&text);
        assert_eq!(
            (shared.held.conversation(), shared.held.text().contains("what was done")),
            (vec!["user: go".to_owned(), told.to_owned()], false)
        );
    }
}

#[test]
fn a_command_of_gemini_has_its_plain_output_and_its_exit_code() {
    let output = "<untrusted_context>\nOutput: bad\nExit Code: 3\nProcess Group PGID: 5711\n</untrusted_context>";
    let mut made = said("g1", 2, "gemini", "");
    made["content"] = json!("");
    made["thoughts"] = json!([{ "subject": "", "description": "a thought" }]);
    let call = |display: Value| {
        json!({
            "id": "c", "name": "run_shell_command", "args": { "command": "exit 3" }, "status": "success", "resultDisplay": display,
            "result": [{ "functionResponse": { "id": "c", "response": { "output": output } } }],
        })
    };
    for display in [json!("bad"), Value::Null] {
        made["toolCalls"] = json!([call(display)]);
        let shared = read(&gemini(&[made.clone()]));
        assert_eq!(shared.held.conversation(), ["assistant: (a thought)", "assistant: bash completed 3 bad"]);
    }
}

#[test]
fn each_end_of_a_terminals_recording_has_its_exit_code() {
    let shared = read(include_str!("../../data/agents/asciinema-3.2.0/appended.cast"));
    assert_eq!(
        shared.held.conversation(),
        ["assistant: bash completed 3 first\nred\n", "assistant: bash completed 0 appended\n"]
    );
    assert!(shared.report.is_empty(), "{}", shared.report);
}

/// F1: agents cut texts by UTF-16 units. Half a character is one character that cannot be read, and loses nothing else.
#[test]
fn half_an_emoji_loses_no_record() {
    let shared = read(include_str!("../../data/field/half-emoji-claude.jsonl"));
    let told = [
        "user: question one",
        "assistant: an answer that was cut in an emoji \u{FFFD}",
        "assistant: bash completed 0 important output \u{FFFD}\n... truncated",
        "assistant: last answer",
    ];
    assert_eq!((shared.held.conversation(), shared.report.is_empty()), (told.map(str::to_owned).to_vec(), true));
    let half = |text: &str| text.replace("HALF", "\\ud83d");
    let codex = codex(0, &[meta("t", json!({})), message("user", "q HALF"), message("assistant", "a HALF")]);
    assert_eq!(read(&half(&codex)).held.conversation(), ["user: q \u{FFFD}", "assistant: a \u{FFFD}"]);
    let gemini = gemini(&[said("u1", 1, "user", "q HALF")]);
    assert_eq!(read(&half(&gemini)).held.conversation(), ["user: q \u{FFFD}"]);
    assert!(recognise(half(r#"{"sessionId": "s", "projectHash": "HALF"}"#).as_bytes()).is_some());
}

/// Before a thread went on in another file, going back was a mark in its own.
#[test]
fn a_rollback_of_codex_takes_its_turns_back() {
    let talk = ["first", "one", "taken back", "two"]
        .map(|text| message(if matches!(text, "one" | "two") { "assistant" } else { "user" }, text));
    let back = ("event_msg", json!({ "type": "thread_rolled_back", "num_turns": 1 }));
    let more = [back, message("user", "stays"), message("assistant", "three")];
    let text = codex(0, &[&[meta("t1", json!({}))], &talk[..], &more[..]].concat());
    assert_eq!(read(&text).held.conversation(), STAYS);
}

/// A command that goes on in the background has ended when its item says so.
#[test]
fn a_command_of_codex_runs_until_its_item_says_that_it_has_ended() {
    let call =
        json!({ "type": "function_call", "name": "exec_command", "arguments": "{\"cmd\":\"make\"}", "call_id": "c" });
    let output = "Chunk ID: 1\nWall time: 10.0 seconds\nProcess running with session ID 7\nOutput:\nhalf\n";
    let output = json!({ "type": "function_call_output", "call_id": "c", "output": output });
    let said = json!({ "type": "item_completed", "item": { "type": "AgentMessage", "id": "m", "content": [] } });
    let ended = json!({ "type": "item_completed", "item": {
        "type": "CommandExecution", "id": "c", "status": "completed", "aggregated_output": "half\nwhole\n", "exit_code": 0,
    } });
    let begun = [meta("t", json!({})), ("event_msg", said), ("response_item", call), ("response_item", output)];
    assert_eq!(read(&codex(0, &begun)).held.conversation(), ["assistant: bash running "]);
    let all = [&begun[..], &[("event_msg", ended)]].concat();
    assert_eq!(read(&codex(0, &all)).held.conversation(), ["assistant: bash completed 0 half\nwhole\n"]);
}
