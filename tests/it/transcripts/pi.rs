//! pi: going back and coming back in its tree, compactions, interrupts, what calls gave, and what its program says to the model.

use capshare::transcripts::{LeftOut, recognise};
use serde_json::{Value, json};

use super::support::{STAYS, read, read_into};

/// Lines of a session of pi: a header, and entries that each hang on the one before, unless they say another one.
fn pi(entries: &[Value]) -> String {
    let header =
        json!({ "type": "session", "version": 3, "id": "s-pi", "timestamp": "2026-11-30T10:00:00Z", "cwd": "/p" });
    let mut before = Value::Null;
    let mut lines = vec![header];
    for (n, entry) in entries.iter().enumerate() {
        let mut line = json!({ "parentId": before, "timestamp": format!("2026-11-30T10:00:{n:02}Z") });
        line.as_object_mut().unwrap().extend(entry.as_object().unwrap().clone());
        before = line["id"].clone();
        lines.push(line);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn message(id: &str, message: Value) -> Value {
    json!({ "type": "message", "id": id, "message": message })
}

fn user(id: &str, text: &str) -> Value {
    message(id, json!({ "role": "user", "content": text }))
}

fn answer(id: &str, text: &str) -> Value {
    let content = json!([{ "type": "text", "text": text }]);
    message(id, json!({ "role": "assistant", "content": content, "stopReason": "stop", "model": "m", "provider": "p" }))
}

fn result(id: &str, call: &str, text: &str) -> Value {
    let content = json!([{ "type": "text", "text": text }]);
    message(id, json!({ "role": "toolResult", "toolCallId": call, "content": content, "isError": false }))
}

fn on(mut entry: Value, parent: &str) -> Value {
    entry["parentId"] = json!(parent);
    entry
}

fn branch() -> Vec<Value> {
    vec![
        user("u1", "first"),
        answer("a1", "one"),
        user("u2", "taken back"),
        answer("a2", "two"),
        on(user("u3", "stays"), "a1"),
        answer("a3", "three"),
    ]
}

#[test]
fn what_was_taken_back_in_pi_is_not_there() {
    assert_eq!(read(&pi(&branch())).held.conversation(), STAYS);
    // A follower had sent it.
    let before = read(&pi(&branch()[..4])).held;
    assert_eq!(before.conversation().len(), 4);
    assert_eq!(read_into(before, &pi(&branch())).held.conversation(), STAYS);
    // Going back to before the first question.
    let mut anew = branch();
    anew.push(json!({ "type": "label", "id": "l", "targetId": "u1", "parentId": null }));
    anew.push(user("u4", "anew"));
    assert_eq!(read(&pi(&anew)).held.conversation(), ["user: anew"]);
}

/// Who goes back to a branch that was left finds all of it there again.
#[test]
fn a_branch_of_pi_that_was_left_comes_back() {
    let mut entries = branch();
    entries.push(on(user("u4", "on with it"), "a2"));
    let shared = read(&pi(&entries));
    let told = ["user: first", "assistant: one", "user: taken back", "assistant: two", "user: on with it"];
    assert_eq!(shared.held.conversation(), told);
    assert_eq!(shared.held.session()["title"], "first");
    assert!(shared.report.is_empty(), "{}", shared.report);
}

/// Going back to between the results of two calls leaves the second one without its result.
#[test]
fn going_back_in_pi_to_between_two_results_leaves_one() {
    let call = |id: &str| json!({ "type": "toolCall", "id": id, "name": "bash", "arguments": { "command": id } });
    let both = message("a1", json!({ "role": "assistant", "content": [call("c1"), call("c2")] }));
    let entries = [user("u1", "go"), both, result("r1", "c1", "one"), result("r2", "c2", "two")];
    let told = read(&pi(&entries)).held.conversation();
    assert_eq!(told[1..], ["assistant: bash completed 0 one", "assistant: bash completed 0 two"]);
    let entries: Vec<_> = entries.into_iter().chain([on(user("u2", "other"), "r1")]).collect();
    let told = ["user: go", "assistant: bash completed 0 one", "assistant: bash running ", "user: other"];
    assert_eq!(read(&pi(&entries)).held.conversation(), told);
}

#[test]
fn what_the_program_says_to_its_model_in_pi_is_counted_and_not_shown() {
    let skill = "<skill name=\"review\" location=\"/home/ann/SKILL.md\">\nPrivate steps:\n</skill>\nPrivate ones.\n</skill>\n\nthis file";
    let files = "<file name=\"/p/a.txt\">\nPrivate: </file> Private.\n</file>\n<file name=\"/p/b.png\"></file>\nlook at <file name=\"c\">";
    let entries = [
        message("s1", json!({ "role": "system", "content": "Private prompt." })),
        user("u1", skill),
        user("u2", files),
        json!({ "type": "custom_message", "id": "x1", "customType": "memo", "content": "Private memo.", "display": true }),
        json!({ "type": "branch_summary", "id": "x2", "fromId": "u1", "summary": "Private summary." }),
        json!({ "type": "compaction", "id": "x3", "summary": "Private summary.", "firstKeptEntryId": "u1" }),
        json!({ "type": "newest_thing", "id": "x4" }),
        message("x5", json!({ "role": "newest_role", "content": "Private words." })),
        message("b1", json!({ "role": "bashExecution", "command": "false", "output": "", "exitCode": 1 })),
        json!({ "type": "session_info", "id": "x6", "name": "A name" }),
    ];
    let shared = read(&pi(&entries));
    let told = [
        "user: /skill:review this file",
        "user: look at <file name=\"c\">",
        "assistant: compacted",
        "user: bash completed 1 ",
    ];
    assert_eq!(shared.held.conversation(), told);
    assert!(!shared.held.text().contains("Private"));
    assert_eq!(
        (&shared.held.session()["title"], &shared.held.session()["directory"]),
        (&json!("A name"), &json!("/p"))
    );
    let counted: Vec<_> = shared.report.context.keys().chain(shared.report.unknown.keys()).collect();
    assert_eq!(counted, ["branch_summary", "custom_message", "message.system", "message.newest_role", "newest_thing"]);
}

#[test]
fn tokens_and_dollars_of_pi_are_those_that_somebody_counted() {
    let with = |mut entry: Value, usage: Value| {
        entry["message"]["usage"] = usage;
        entry
    };
    let usage =
        |cost: f64| json!({ "input": 10, "output": 8, "cacheRead": 3, "reasoning": 2, "cost": { "total": cost } });
    let none = json!({ "input": 0, "output": 0, "cost": { "total": 0 } });
    let entries = [user("u1", "go"), with(answer("a1", "one"), usage(0.25)), with(answer("a2", "two"), none)];
    let shared = read(&pi(&entries)).held;
    let tokens = json!({ "input": 10, "output": 6, "reasoning": 2, "cache": { "read": 3, "write": 0 } });
    let first = &shared.items["message/a1"];
    assert_eq!((&first["tokens"], &first["cost"]), (&tokens, &json!(0.25)));
    let second = &shared.items["message/a2"];
    assert!(second.get("tokens").is_none() && second.get("cost").is_none(), "{second}");
    assert_eq!(shared.session()["cost"], 0.25);
    // What a branch cost that was left then was spent all the same.
    let back = [&entries[..], &[on(user("u2", "other"), "u1")]].concat();
    let shared = read(&pi(&back)).held;
    assert_eq!((&shared.session()["cost"], shared.session().get("tokens")), (&json!(0.25), None));
}

#[test]
fn an_answer_of_pi_that_was_cut_says_why() {
    let ended = |id: &str, why: &str, words: &str| {
        let mut entry = answer(id, "half");
        entry["message"]["stopReason"] = json!(why);
        entry["message"]["errorMessage"] = json!(words);
        entry
    };
    let shared =
        read(&pi(&[user("u1", "go"), ended("a1", "aborted", "Operation aborted"), ended("a2", "error", "429")]));
    let told = ["user: go", "assistant: half", "assistant! Operation aborted", "assistant: half", "assistant! 429"];
    assert_eq!(shared.held.conversation(), told);
    assert_eq!(shared.held.items["message/a1"]["error"]["name"], "MessageAbortedError");
}

/// The bound of the records that are kept for those who come back to a branch.
#[test]
fn a_branch_of_pi_whose_records_were_too_large_to_be_kept_is_said_to_be_missing() {
    let large = || "x".repeat(3 << 20);
    let mut entries = vec![user("u1", "first"), answer("a1", "left"), on(user("u2", "other"), "u1")];
    entries.extend((0..6).map(|n| answer(&format!("b{n}"), &large())));
    entries.push(on(user("u3", "again"), "a1"));
    let shared = read(&pi(&entries));
    assert_eq!(shared.held.conversation(), ["user: first", "user: again"]);
    assert_eq!(shared.report.left_out[&LeftOut::TooLarge], 1);
}

/// Version 1 of the format has no ids: its records are told in their order, and twice they are the same.
#[test]
fn a_session_of_pi_without_ids_is_read_too() {
    let mut lines = pi(&[user("u1", "first"), answer("a1", "one"), user("u2", "second")]);
    for id in ["u1", "a1", "u2"] {
        lines = lines.replace(&format!("\"id\":\"{id}\","), "").replace(&format!(",\"parentId\":\"{id}\""), "");
    }
    let told = ["user: first", "assistant: one", "user: second"];
    let first = read(&lines);
    assert_eq!(first.held.conversation(), told);
    assert_eq!(read_into(first.held.clone(), &lines).held, first.held);
}

#[test]
fn a_session_of_pi_is_known_by_an_entry_too_and_other_files_are_not_taken_for_one() {
    let text = pi(&branch());
    assert!(text.lines().all(|line| recognise(line.as_bytes()).is_some()));
    assert_eq!(recognise(br#"{"type":"session","id":"s","data":{"id":"s"}}"#), None);
}
