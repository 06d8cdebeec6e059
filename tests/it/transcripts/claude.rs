//! Faults that were found with real transcripts of Claude Code, each with its smallest input: how it should be.

use capshare::transcripts::{Reader, read_item_line};
use serde_json::{Value, json};

use super::support::{Held, STAYS, agent_of, answer, branch, claude, read, read_into, user};

/// S106: what the program says to the model is in no share.
#[test]
fn instructions_and_private_files_are_counted_and_left_out() {
    let attached = |kind: &str| json!({ "type": "attachment", "uuid": kind, "parentUuid": "u1", "attachment": { "type": kind, "content": "PRIVATE" } });
    let text = claude(
        "s",
        &[
            user("u1", Value::Null, "hi"),
            attached("instructions"),
            attached("prompt_snapshot"),
            attached("of_next_year"),
            json!({ "type": "api-request", "uuid": "r", "params": { "system": "PRIVATE" } }),
            json!({ "type": "system-prompt-of-next-year", "uuid": "n", "content": "PRIVATE" }),
            answer("a1", "of_next_year", "hello"),
        ],
    );
    let shared = read(&text);
    assert_eq!(shared.held.conversation(), ["user: hi", "assistant: hello"]);
    assert!(!shared.held.text().contains("PRIVATE"));
    let counts: Vec<_> = shared.report.context.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    let attachments = ["attachment.instructions", "attachment.of_next_year", "attachment.prompt_snapshot"];
    assert_eq!(counts, [("api-request", 1), (attachments[0], 1), (attachments[1], 1), (attachments[2], 1)]);
    assert_eq!(shared.report.unknown["system-prompt-of-next-year"], 1);
    let said = shared.report.to_string();
    assert!(said.contains("1 attachment.instructions") && said.contains("type that is not known here"), "{said}");
}

/// What an editor's extension puts beside a person's words, and reminders behind what was read, are nobody's words.
#[test]
fn what_an_editor_adds_and_reminders_behind_a_file_are_left_out() {
    let opened = "<ide_opened_file>The user opened the file /home/ann/PRIVATE in the IDE.</ide_opened_file>";
    let selected = "<ide_selection>The user selected the lines 1 to 2 from /a:\nPRIVATE</ide_selection>\nmend it";
    let mut asked = user("u1", Value::Null, "");
    asked["message"]["content"] = json!([{ "type": "text", "text": opened }, { "type": "text", "text": selected }]);
    let call = json!([{ "type": "tool_use", "id": "c", "name": "Read", "input": { "file_path": "/a" } }]);
    let said = "    1→one\n\n<system-reminder>\nPRIVATE\n</system-reminder>\n";
    let result = json!([{ "type": "tool_result", "tool_use_id": "c", "content": said }]);
    let text = claude(
        "s",
        &[
            asked,
            json!({ "type": "assistant", "uuid": "a", "parentUuid": "u1", "message": { "id": "m", "content": call } }),
            json!({ "type": "user", "uuid": "r", "parentUuid": "a", "message": { "content": result } }),
        ],
    );
    let held = read(&text).held;
    assert_eq!(held.conversation(), ["user: mend it", "assistant: read completed     1→one"]);
    assert!(held.session()["title"] == "mend it" && !held.text().contains("PRIVATE"), "{}", held.text());
}

/// S107: a branch that was abandoned is not part of the conversation.
#[test]
fn what_the_user_went_back_behind_is_not_in_the_share_of_claude() {
    let text = claude("s-branch", &branch());
    assert_eq!(read(&text).held.conversation(), STAYS);
    // A follower's share had it, and has it no more.
    let before: String = text.lines().take(4).map(|line| format!("{line}\n")).collect();
    let mut reader = Reader::new(agent_of(&text), "/a");
    let mut held = Held::default();
    for line in before.lines() {
        held.take(reader.line(line.as_bytes()));
        held.take(reader.pause());
    }
    assert_eq!(held.conversation()[2..], ["user: taken back", "assistant: two"]);
    for line in text.lines().skip(4) {
        held.take(reader.line(line.as_bytes()));
        held.take(reader.pause());
    }
    held.take(reader.end());
    assert_eq!(held.items, read(&text).held.items);
    // So is a first prompt that was changed, and its title.
    let again = claude("s", &[&branch()[..2], &[user("u9", Value::Null, "anew"), answer("a9", "u9", "nine")]].concat());
    let again = read(&again).held;
    assert_eq!(
        (again.conversation().join(" "), &again.session()["title"]),
        ("user: anew assistant: nine".to_owned(), &json!("anew"))
    );
}

/// The results of parallel calls hang each on its own call, and the next message on the last: none of them is lost.
#[test]
fn results_of_parallel_calls_are_no_branch() {
    let call = |id: &str, parent: &str| {
        let block =
            json!([{ "type": "tool_use", "id": format!("c-{id}"), "name": "Bash", "input": { "command": id } }]);
        json!({ "type": "assistant", "uuid": id, "parentUuid": parent, "message": { "id": "m", "content": block } })
    };
    let result = |id: &str, of: &str| {
        let block = json!([{ "type": "tool_result", "tool_use_id": format!("c-{of}"), "content": id }]);
        json!({ "type": "user", "uuid": id, "parentUuid": of, "message": { "content": block } })
    };
    let records = [
        user("u1", Value::Null, "go"),
        call("x", "u1"),
        call("y", "x"),
        result("of-y", "y"),
        result("of-x", "x"),
        answer("a1", "of-x", "both"),
        user("u2", json!("a1"), "more"),
    ];
    let told = [
        "user: go",
        "assistant: bash completed 0 of-x",
        "assistant: bash completed 0 of-y",
        "assistant: both",
        "user: more",
    ];
    assert_eq!(read(&claude("s", &records)).held.conversation(), told);
}

fn queued() -> Vec<Value> {
    let prompt = json!({
        "type": "queued_command", "prompt": "no, the other file", "commandMode": "prompt", "origin": { "kind": "human" },
        "humanTurn": true,
    });
    vec![
        user("u1", Value::Null, "first"),
        json!({ "type": "attachment", "uuid": "q1", "parentUuid": "u1", "attachment": prompt }),
        answer("a1", "q1", "I take the other one."),
    ]
}

#[test]
fn what_the_user_says_while_claude_works_stands_at_its_place() {
    let told = ["user: first", "user: no, the other file", "assistant: I take the other one."];
    assert_eq!(read(&claude("s-queued", &queued())).held.conversation(), told);
    // A record of the user's that says it once more, before the model says anything, is the same message.
    let mut twice = queued();
    twice.insert(2, user("u2", json!("q1"), "no, the other file"));
    assert_eq!(read(&claude("s-queued", &twice)).held.conversation(), told);
}

#[test]
fn the_words_of_the_program_are_nobodys() {
    let record = |id: &str, text: &str, more: Value| {
        let mut record = user(id, json!("before"), text);
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let synthetic = json!([{ "type": "text", "text": "No response requested." }]);
    let notice = "<task-notification>\n<status>completed</status>\n</task-notification>";
    let records = [
        &queued()[..],
        &[
            record("n1", notice, json!({ "promptSource": "system", "turnOrigin": "task_notification" })),
            record("n2", "of a kind that comes next year", json!({ "turnOrigin": "weather_report" })),
            record("i1", "[Request interrupted by user]", json!({})),
            record("i2", "<system-reminder>x</system-reminder>", json!({ "isMeta": true })),
            json!({ "type": "assistant", "uuid": "a2", "message": { "id": "m2", "model": "<synthetic>", "content": synthetic } }),
            record("c1", "<command-name>/compact</command-name>\n<command-args></command-args>", json!({})),
            record("c2", "<local-command-stdout>\u{1b}[2mCompacted\u{1b}[22m</local-command-stdout>", json!({})),
            record("c3", "<command-message>review</command-message>\n<command-name>/review</command-name>\n<command-args>a b</command-args>", json!({})),
            record("b1", "<bash-input>ls nowhere</bash-input>", json!({})),
            record("b2", "<bash-stdout>one</bash-stdout><bash-stderr>two</bash-stderr>", json!({ "turnOrigin": "human" })),
            record("u9", "<system-reminder>x</system-reminder>\nthe words", json!({ "turnOrigin": "human" })),
        ],
    ]
    .concat();
    let told = read(&claude("s-queued", &records)).held.conversation();
    let expected = [
        "user: first",
        "user: no, the other file",
        "assistant: I take the other one.",
        "assistant! the user interrupted it",
        "user: /review a b",
        "user: bash completed one\ntwo",
        "user: the words",
    ];
    assert_eq!(told, expected);
}

/// S107: a subagent whose call was taken back is not in the share, whether it was read before that or after.
#[test]
fn a_subagent_goes_with_the_call_that_began_it() {
    let call = json!([{ "type": "tool_use", "id": "c1", "name": "Task", "input": { "prompt": "helper's prompt" } }]);
    let result = json!([{ "type": "tool_result", "tool_use_id": "c1", "content": "reported" }]);
    let message = json!({ "id": "m-c1", "content": call });
    let mut records = branch();
    records.insert(3, json!({ "type": "assistant", "uuid": "b1", "parentUuid": "u2", "message": message }));
    records.insert(4, json!({ "type": "user", "uuid": "b2", "parentUuid": "b1", "message": { "content": result } }));
    let main = claude("s-branch", &records);
    let helper = claude("s-branch", &[user("x1", Value::Null, "helper's prompt")]);
    for before in [5, records.len()] {
        let mut reader = Reader::new(agent_of(&main), "/a");
        let mut held = Held::default();
        main.lines().take(before).for_each(|line| held.take(reader.line(line.as_bytes())));
        assert!(reader.begin_subagent("h", Some("c1")));
        helper.lines().for_each(|line| held.take(reader.subagent_line("h", line.as_bytes())));
        held.take(reader.pause());
        assert_eq!(held.items.contains_key("message/x1"), before == 5);
        main.lines().skip(before).for_each(|line| held.take(reader.line(line.as_bytes())));
        held.take(reader.end());
        assert_eq!(held.conversation(), STAYS);
    }
}

/// S108: by itself a subagent's transcript is a session of its own, and never gets into its caller's.
#[test]
fn a_subagents_transcript_by_itself_is_a_session_of_its_own() {
    let mut helper = user("x1", Value::Null, "helper's prompt");
    helper.as_object_mut().unwrap().extend(json!({ "isSidechain": true, "agentId": "a" }).as_object().unwrap().clone());
    let shared = read(&claude("s-branch", &[helper]));
    assert_eq!(shared.session, "s-branch_a");
    assert_eq!(shared.held.conversation(), ["user: helper's prompt"]);
    assert_eq!(shared.held.session()["parentID"], "s-branch");
}

/// S108: below the call that began it, in its caller's share, with its report as the call's result.
#[test]
fn a_subagent_of_claude_stands_below_its_call() {
    let main = include_str!("../../data/agents/claude-code-2.1.332/full.jsonl");
    let below = include_str!("../../data/agents/claude-code-2.1.332/full/subagents/agent-a4f36a8c710e3f289.jsonl");
    let mut reader = Reader::new(agent_of(main), "/a");
    let mut held = Held::default();
    let mut main = main.lines();
    let mut feed = |reader: &mut Reader, held: &mut Held, until: &str| {
        for line in main.by_ref() {
            held.take(reader.line(line.as_bytes()));
            if line.contains(until) {
                break;
            }
        }
        held.take(reader.pause());
    };
    // The call is told, and what the helper does is told while it works; its call is known from beside the transcripts.
    feed(&mut reader, &mut held, "\"id\":\"toolu_00050\"");
    assert!(reader.begin_subagent("a4f36a8c710e3f289", Some("toolu_00050")));
    below.lines().take(14).for_each(|line| held.take(reader.subagent_line("a4f36a8c710e3f289", line.as_bytes())));
    held.take(reader.pause());
    let call = held.call("task").clone();
    assert_eq!((&call["status"], call["output"].as_str()), (&json!("running"), None));
    assert!(held.conversation().contains(&"below: user: [[sub]] Look at the notes and report".to_owned()));
    let session = call["metadata"]["sessionId"].as_str().unwrap();
    assert_eq!(held.items["message/78f4c43f-f7d9-454b-9dac-d8fb580d0a68"]["sessionID"], session);
    below.lines().skip(14).for_each(|line| held.take(reader.subagent_line("a4f36a8c710e3f289", line.as_bytes())));
    feed(&mut reader, &mut held, "there is no such line");
    let call = held.call("task");
    assert_eq!(
        (&call["status"], &call["output"]),
        (&json!("completed"), &json!("Helper report: the notes have three lines."))
    );
    assert!(!held.text().contains("internal metadata"));
}

/// Before version 2.1 the helper's records stood in its caller's file.
#[test]
fn an_aside_in_the_file_of_its_caller_is_not_the_users_words() {
    let shared = read(include_str!("../../data/field/sidechain-claude.jsonl"));
    let told = [
        "user: use an agent",
        "assistant: task completed agent result",
        "below: user: look around",
        "below: assistant: sub answer",
        "assistant: main answer",
    ];
    assert_eq!(shared.held.conversation(), told);
}

/// S109: what a file lacks is said with its size.
#[test]
fn of_a_result_that_claude_cut_the_longest_part_is_shown_and_what_is_missing_is_said() {
    let call = json!([{ "type": "tool_use", "id": "c", "name": "Bash", "input": { "command": "seq 1 30000" } }]);
    let result = json!([{ "type": "tool_result", "tool_use_id": "c", "content": "<persisted-output>\nOutput too large (164.9KB)." }]);
    let text = claude(
        "s",
        &[
            user("u1", Value::Null, "count"),
            json!({ "type": "assistant", "uuid": "a1", "parentUuid": "u1", "message": { "id": "m", "content": call } }),
            json!({
                "type": "user", "uuid": "r1", "parentUuid": "a1", "message": { "content": result },
                "toolUseResult": { "stdout": "1\n2\n3\n", "stderr": "", "persistedOutputSize": 168_894 },
            }),
        ],
    );
    let shared = read(&text);
    let output = shared.held.call("bash")["output"].as_str().unwrap();
    assert_eq!(output, "1\n2\n3\n… 168888 of 168894 bytes are missing: the agent did not keep them here");
}

#[test]
fn what_claude_thought_and_what_it_cost_are_counted() {
    let mut said = answer("a1", "u1", "one");
    said["message"]["usage"] =
        json!({ "input_tokens": 7, "output_tokens": 50, "output_tokens_details": { "thinking_tokens": 20 } });
    let cost = json!({ "type": "cost-state", "totalCostUSD": 0.5 });
    let shared = read(&claude("s", &[user("u1", Value::Null, "first"), said, cost]));
    let session = shared.held.session();
    assert_eq!(
        (&session["tokens"]["output"], &session["tokens"]["reasoning"], &session["cost"]),
        (&json!(30), &json!(20), &json!(0.5))
    );
    // What nobody counted is no zero.
    let plain = read(&claude("s", &branch()));
    assert!(plain.held.session().get("cost").is_none() && plain.held.session().get("tokens").is_none());
    assert!(plain.held.items["message/m-a1"].get("cost").is_none());
}

#[test]
fn records_that_come_again_count_once() {
    let shared = read(include_str!("../../data/field/replayed-claude.jsonl"));
    let tokens = &shared.held.session()["tokens"];
    assert_eq!((&tokens["input"], &tokens["output"]), (&json!(210), &json!(105)));
    assert_eq!(shared.held.conversation().iter().filter(|line| *line == "user: question 0").count(), 1);
}

/// F15: a result in another shape is its words, else its JSON.
#[test]
fn a_result_in_any_shape_has_words() {
    for (content, words) in [
        (json!([{ "type": "resource", "resource": { "uri": "file:///a", "text": "of a resource" } }]), "of a resource"),
        (json!([{ "type": "tool_reference", "tool_name": "later" }]), "later"),
        (json!({ "answer": 42 }), r#"{"answer":42}"#),
        (json!([{ "type": "hologram", "rays": 1 }]), r#"{"rays":1,"type":"hologram"}"#),
    ] {
        let call = json!([{ "type": "tool_use", "id": "c", "name": "x", "input": {} }]);
        let result = json!([{ "type": "tool_result", "tool_use_id": "c", "content": content }]);
        let text = claude(
            "s",
            &[
                json!({ "type": "assistant", "uuid": "a", "message": { "id": "m", "content": call } }),
                json!({ "type": "user", "uuid": "r", "message": { "content": result } }),
            ],
        );
        assert_eq!(read(&text).held.call("x")["output"], words);
    }
}

/// F2: a picture that no share can hold takes neither the words beside it nor the call along.
#[test]
fn a_file_that_is_too_large_is_named_with_its_size() {
    let picture = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "A".repeat(8 << 20) } });
    let call = json!([{ "type": "tool_use", "id": "c", "name": "x", "input": {} }]);
    let result = json!([{ "type": "tool_result", "tool_use_id": "c", "content": [{ "type": "text", "text": "the picture follows" }, picture] }]);
    let text = claude(
        "s",
        &[
            json!({ "type": "user", "uuid": "u", "message": { "content": [{ "type": "text", "text": "see" }, picture] } }),
            json!({ "type": "assistant", "uuid": "a", "message": { "id": "m", "content": call } }),
            json!({ "type": "user", "uuid": "r", "message": { "content": result } }),
        ],
    );
    let shared = read(&text);
    let words = "[image (image/png, 6291456 bytes) is not in the share: it is larger than a share takes]";
    assert_eq!(shared.held.items["part/u/u-1"]["text"], words);
    let call = shared.held.call("x");
    assert_eq!(
        (call["output"].as_str().unwrap(), &call["status"]),
        (format!("the picture follows\n{words}").as_str(), &json!("completed"))
    );
    assert_eq!((shared.report.made_smaller, shared.report.left_out.len()), (2, 0));
}

/// A newer version is named when it writes what is not known.
#[test]
fn a_newer_version_is_named_when_it_writes_what_is_not_known() {
    let record = |version: &str, kind: &str| {
        let mut said = user("u", Value::Null, "hi");
        said["version"] = json!(version);
        claude("s", &[said, json!({ "type": kind, "uuid": "x", "version": version })])
    };
    let newer = read(&record("2.10.1", "hologram")).report;
    assert_eq!(newer.newer.as_ref().map(|newer| newer.version.as_str()), Some("2.10.1"));
    assert!(
        newer.to_string().contains("is of version 2.10.1, and this program was tried with versions up to 2.1.332"),
        "{newer}"
    );
    for known in [record("2.10.1", "progress"), record("2.1.332", "hologram"), record("2.1.4", "hologram")] {
        assert_eq!(read(&known).report.newer, None);
    }
}

/// What a session's share holds and its file does not say any more is removed; a file without a message removes nothing.
#[test]
fn a_share_becomes_what_the_file_says_now() {
    let all = read(&claude("s", &branch()[..4]));
    let shorter = claude("s", &branch()[..2]);
    let again = read_into(all.held.clone(), &shorter);
    assert_eq!(
        (again.held.conversation(), &again.held.items),
        (read(&shorter).held.conversation(), &read(&shorter).held.items)
    );
    // What another program put into the share stays, what an earlier push with the context put there goes.
    let mut noted = all.held.clone();
    for kind in ["note", "claude.mode"] {
        noted.take(read_item_line(&json!({ "type": kind, "data": { "id": "n" } }).to_string()).ok());
    }
    let again = read_into(noted, &shorter).held.items;
    assert!(again.contains_key("other/note/n") && !again.contains_key("other/claude.mode/n"), "{again:?}");
    let empty = claude("s", &[json!({ "type": "mode", "mode": "normal" })]);
    assert_eq!(read_into(all.held.clone(), &empty).held.conversation(), all.held.conversation());
}
