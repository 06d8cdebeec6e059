//! Cline and Continue, which write a session as one document, again and again: however a document grows, its share ends as that of the last.

use std::fs;

use capshare::share::limits::TRANSCRIPT_SUBAGENTS_MAX;
use capshare::transcripts::{Agent, Form, LeftOut, Reader, recognise};
use serde_json::{Value, json};

use super::recordings::{agents, markdown};
use super::support::Held;

const CLINE: &str =
    include_str!("../../data/agents/cline-3.0.65/1796015281859_on752/1796015281859_on752.messages.json");
const CLINE_ABOUT: &str = include_str!("../../data/agents/cline-3.0.65/1796015281859_on752/1796015281859_on752.json");
const CLINE_BELOW: &str =
    include_str!("../../data/agents/cline-3.0.65/1796015281859_on752/agent_1796015285636_ng6r68.messages.json");
const CONTINUE: &str = include_str!("../../data/agents/continue-1.5.47/1b6850bc-fd28-420f-b5b3-008d33746000.json");

const HELPER: &str = "agent_1796015285636_ng6r68";

/// A session: its agent, the list in its document, and what else is read with it.
struct Session {
    name: &'static str,
    agent: Agent,
    document: &'static str,
    list: &'static str,
    about: Option<&'static str>,
    below: Option<(&'static str, &'static str)>,
}

const SESSIONS: [Session; 2] = [
    Session {
        name: "cline-full",
        agent: Agent::Cline,
        document: CLINE,
        list: "messages",
        about: Some(CLINE_ABOUT),
        below: Some((HELPER, CLINE_BELOW)),
    },
    Session {
        name: "continue-full",
        agent: Agent::Continue,
        document: CONTINUE,
        list: "history",
        about: None,
        below: None,
    },
];

/// The document as it was when its list was shorter.
fn until(session: &Session, length: usize) -> String {
    let mut document: Value = serde_json::from_str(session.document).unwrap();
    document[session.list].as_array_mut().unwrap().truncate(length);
    document.to_string()
}

fn length(session: &Session) -> usize {
    serde_json::from_str::<Value>(session.document).unwrap()[session.list].as_array().unwrap().len()
}

/// Reads documents one after the other, with what belongs to the last.
fn feed(session: &Session, documents: &[String], mut held: Held) -> (Held, String) {
    let mut reader = Reader::new(session.agent, "/a/file");
    reader.held(held.keys());
    for document in documents {
        if let Some(about) = session.about {
            held.take(reader.about(about.as_bytes()));
        }
        held.take(reader.document(document.as_bytes()));
        if let Some((name, below)) = session.below
            && reader.begin_subagent(name, None)
        {
            held.take(reader.subagent_document(name, below.as_bytes()));
            held.take(reader.pause());
        }
    }
    held.take(reader.end());
    (held, reader.report().to_string())
}

/// S106: a recorded session becomes the conversation that its user saw.
#[test]
fn each_recorded_document_is_the_conversation_that_its_user_saw() {
    let writes = std::env::var("CAPSHARE_TEST_GOLDEN").is_ok_and(|wish| wish == "write");
    for session in &SESSIONS {
        assert_eq!(recognise(session.document.as_bytes()), Some((session.agent, Form::Document)));
        assert_eq!(recognise(&session.document.as_bytes()[..600]), Some((session.agent, Form::Document)));
        let (held, report) = feed(session, &[session.document.to_owned()], Held::default());
        let told = format!("{}\n\nLeft out: {report}\n", markdown(&held).trim_end());
        let is_number = |line: &str| line.trim_end().parse::<u64>().is_ok_and(|number| number > 3);
        let told: String = told.split_inclusive('\n').filter(|line| !is_number(line)).collect();
        let golden = agents().join("golden").join(format!("{}.md", session.name));
        if writes {
            fs::write(golden, told).unwrap();
        } else {
            assert_eq!(fs::read_to_string(&golden).unwrap_or_default(), told, "{}", session.name);
        }
    }
}

/// S107: a document that was followed from any length on ends as a fresh push of it, and said twice it is no news.
#[test]
fn a_document_that_grows_or_shrinks_ends_as_a_fresh_push() {
    for session in &SESSIONS {
        let all = length(session);
        let fresh = |length: usize| feed(session, &[until(session, length)], Held::default()).0;
        let whole = fresh(all);
        let grown: Vec<String> = (0..=all).map(|length| until(session, length)).collect();
        let followed = feed(session, &grown, Held::default()).0;
        assert_eq!(
            (followed.conversation(), &followed.items),
            (whole.conversation(), &whole.items),
            "{}",
            session.name
        );
        for cut in 0..=all {
            let after = feed(session, &[until(session, all)], fresh(cut)).0;
            assert_eq!(
                (after.conversation(), &after.items),
                (whole.conversation(), &whole.items),
                "{} {cut}",
                session.name
            );
            if cut > 1 {
                let shrunk = feed(session, &[until(session, all), until(session, cut)], Held::default()).0;
                let fresh = fresh(cut);
                assert_eq!(
                    (shrunk.conversation(), messages(&shrunk)),
                    (fresh.conversation(), messages(&fresh)),
                    "{} {cut}",
                    session.name
                );
            }
        }
        let mut reader = Reader::new(session.agent, "/a");
        assert!(reader.document(session.document.as_bytes()).is_some());
        assert_eq!(reader.document(session.document.as_bytes()), None, "{}", session.name);
    }
}

/// A document without a message is about to be written: what was shared of the session stays.
#[test]
fn a_document_without_messages_empties_no_share() {
    for session in &SESSIONS {
        let whole = feed(session, &[until(session, length(session))], Held::default()).0;
        let emptied = feed(session, &[until(session, length(session)), until(session, 0)], Held::default()).0;
        assert_eq!(emptied.conversation(), whole.conversation(), "{}", session.name);
    }
}

fn messages(held: &Held) -> Vec<&String> {
    held.items.keys().filter(|key| key.starts_with("message/")).collect()
}

/// S108: nothing in Cline's files ties a subagent to its call but what the call asked for.
#[test]
fn a_subagent_of_cline_stands_below_the_call_that_asked_for_it() {
    let held = feed(&SESSIONS[0], &[CLINE.to_owned()], Held::default()).0;
    let session = format!("1796015281859_on752_{HELPER}");
    assert_eq!(held.call("task")["metadata"]["sessionId"], session);
    assert_eq!(held.call("task")["output"], "Helper report: the notes have three lines.");
    let below = held.conversation().into_iter().filter(|line| line.starts_with("below: ")).count();
    assert_eq!(below, 5);
    // By itself it is a session of its own.
    let mut reader = Reader::new(Agent::Cline, "/a");
    let mut alone = Held::default();
    alone.take(reader.document(CLINE_BELOW.as_bytes()));
    assert_eq!(
        (&alone.session()["id"], &alone.session()["parentID"]),
        (&json!(format!("1796015281859_on752__{HELPER}")), &json!("1796015281859_on752"))
    );
}

/// The document of a subagent whose call the user took back stays in the folder: nothing of it is told, and the next one is.
#[test]
fn a_document_of_a_subagent_that_no_call_asked_for_is_not_told() {
    let mut left: Value = serde_json::from_str(CLINE_BELOW).unwrap();
    left["messages"][0]["content"] = json!("PRIVATE: another task");
    let mut reader = Reader::new(Agent::Cline, "/a");
    let mut held = Held::default();
    held.take(reader.document(CLINE.as_bytes()));
    assert!(reader.begin_subagent("agent_1", None) && reader.begin_subagent(HELPER, None));
    assert_eq!(reader.subagent_document("agent_1", left.to_string().as_bytes()), None);
    held.take(reader.subagent_document(HELPER, CLINE_BELOW.as_bytes()));
    held.take(reader.end());
    assert_eq!(held.conversation().iter().filter(|line| line.starts_with("below: ")).count(), 5);
    assert!(!held.text().contains("PRIVATE") && !held.text().contains("agent_1\""), "{}", held.text());
}

fn cline(messages: Value) -> Held {
    let document = json!({
        "version": 1, "agent": "lead", "sessionId": "s", "origin": { "version": "3.0.65" }, "messages": messages, "system_prompt": "PRIVATE",
    });
    let session = Session { about: None, below: None, ..SESSIONS[0] };
    feed(&session, &[document.to_string()], Held::default()).0
}

fn text(id: &str, role: &str, words: &str) -> Value {
    json!({ "id": id, "role": role, "ts": 1_796_015_282_158_i64, "content": [{ "type": "text", "text": words }] })
}

/// S106: tags, notices and the contents of files that stand around a person's words are the program's.
#[test]
fn only_what_clines_user_typed_is_the_users() {
    let notice = "<mode_notice>PRIVATE: the user switched.</mode_notice><user_input mode=\"act\">mend it</user_input>\n<file_content path=\"a\">\nPRIVATE </file_content> PRIVATE\n</file_content>\n<file_content path=\"b\">\nPRIVATE\n</file_content>";
    let held = cline(json!([
        text("u1", "user", notice),
        text("u2", "user", "<user_command slash=\"team\">look twice</user_command>"),
        text("u3", "user", "say <user_input> as it is"),
        text("u4", "user", "<file_content path=\"a\">PRIVATE</file_content>"),
        { "role": "user", "content": "no id yet" },
        text("e1", "error", "the model is away"),
    ]));
    let told = [
        "user: no id yet",
        "user: mend it",
        "user: /team look twice",
        "user: say <user_input> as it is",
        "assistant! the model is away",
    ];
    assert_eq!(held.conversation(), told);
    assert!(!held.text().contains("PRIVATE") && held.items.contains_key("message/s-000004"), "{}", held.text());
}

#[test]
fn calls_of_cline_have_their_exit_codes_and_run_until_they_have_a_result() {
    let made = |id: &str, input: Value| json!({ "type": "tool_use", "id": id, "name": "run_commands", "input": input });
    let calls = json!([
        made("c1", json!({ "commands": ["make", "make test"] })),
        made("c2", json!({ "commands": ["exit 3"] }))
    ]);
    let failed =
        json!([{ "query": "exit 3", "result": "[Command exited with code 3]\n\n[stderr]\nbad\n", "success": false }]);
    let held = cline(json!([
        { "id": "a1", "role": "assistant", "content": calls, "metrics": { "inputTokens": 9, "outputTokens": 2, "cacheReadTokens": 4 } },
        { "id": "r2", "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c2", "content": failed }] },
    ]));
    assert_eq!(held.conversation(), ["assistant: bash running ", "assistant: bash error 3 bad\n"]);
    assert_eq!(held.items["part/a1/c1"]["state"]["input"]["command"], "make\nmake test");
    assert_eq!(
        held.items["message/a1"]["tokens"],
        json!({ "input": 5, "output": 2, "reasoning": 0, "cache": { "read": 4, "write": 0 } })
    );
}

fn history(items: Value) -> String {
    json!({ "sessionId": "s", "title": "Untitled Session", "workspaceDirectory": "file:///p", "history": items })
        .to_string()
}

fn item(role: &str, words: &str) -> Value {
    json!({ "message": { "role": role, "content": words }, "contextItems": [] })
}

/// S107: a compaction replaces the history by a summary: what the share has of it stays, and the summary is nobody's word.
#[test]
fn a_compaction_of_continue_empties_nothing() {
    let session = &SESSIONS[1];
    let before = history(json!([
        item("user", "first"),
        item("assistant", "one"),
        item("user", "second"),
        item("assistant", "two")
    ]));
    let mut summary = item("assistant", "PRIVATE");
    summary["conversationSummary"] = json!("PRIVATE");
    let after = history(json!([summary, item("user", "third"), item("assistant", "three")]));
    let told = [
        "user: first",
        "assistant: one",
        "user: second",
        "assistant: two",
        "assistant: compacted",
        "user: third",
        "assistant: three",
    ];
    let followed = feed(session, &[before.clone(), after.clone()], Held::default()).0;
    assert_eq!(
        (followed.conversation(), followed.text().contains("PRIVATE")),
        (told.map(str::to_owned).to_vec(), false)
    );
    let again = feed(session, std::slice::from_ref(&after), feed(session, &[before], Held::default()).0).0;
    assert_eq!(again.conversation(), told);
    assert_eq!(feed(session, &[after], again.clone()).0, again);
    assert_eq!((&again.session()["title"], &again.session()["directory"]), (&json!("third"), &json!("/p")));
}

#[test]
fn calls_of_continue_are_told_by_their_states_or_by_messages_with_results() {
    let made = |id: &str| json!({ "id": id, "type": "function", "function": { "name": "Bash", "arguments": "{\"command\":\"ls\"}" } });
    let state = |id: &str, status: &str, output: &str| json!({ "toolCallId": id, "status": status, "parsedArgs": { "command": "ls" }, "output": [{ "content": output }] });
    let mut answer = item("assistant", "");
    answer["message"]["toolCalls"] = json!([made("c1"), made("c2"), made("c3"), made("c4"), made("c5")]);
    answer["toolCallStates"] = json!([
        state("c1", "done", "a"),
        state("c2", "errored", "Error executing tool Bash: Error (exit code 3): bad\n"),
        state("c3", "canceled", ""),
        { "toolCallId": "c4", "status": "calling", "parsedArgs": { "command": "ls" } },
    ]);
    let result = json!({ "message": { "role": "tool", "toolCallId": "c5", "content": "b" } });
    let text = history(json!([item("system", "PRIVATE"), item("user", "go"), answer, result]));
    let held = feed(&SESSIONS[1], &[text], Held::default()).0;
    let told = [
        "user: go",
        "assistant: bash completed 0 a",
        "assistant: bash error 3 bad\n",
        "assistant: bash error it was cancelled",
        "assistant: bash running ",
        "assistant: bash completed 0 b",
    ];
    assert_eq!((held.conversation(), held.text().contains("PRIVATE")), (told.map(str::to_owned).to_vec(), false));
}

/// Whoever follows a document reads all of it again whenever it has changed.
#[test]
fn what_is_not_known_is_counted_once_however_often_a_document_is_written() {
    let said = |n: usize| json!({ "id": format!("m{n}"), "role": "user", "content": [{ "type": "text", "text": "hi" }, { "type": "riddle" }] });
    let oracle = json!({ "id": "m0", "role": "oracle", "content": "yes" });
    let mut reader = Reader::new(Agent::Cline, "/a/file");
    for length in 1..=5 {
        let messages: Vec<_> = std::iter::once(oracle.clone()).chain((1..=length).map(said)).collect();
        reader.document(json!({ "sessionId": "s", "origin": {}, "messages": messages }).to_string().as_bytes());
    }
    let counts: Vec<_> = reader.report().unknown.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(counts, [("message.oracle", 1), ("user.riddle", 5)]);
}

/// Whoever follows a session finds the files of all of its subagents twice a second.
#[test]
fn a_subagent_past_those_that_are_read_is_counted_once() {
    let mut reader = Reader::new(Agent::Cline, "/a/file");
    reader.document(br#"{"sessionId": "s", "origin": {}, "messages": []}"#);
    for _ in 0..3 {
        for n in 0..TRANSCRIPT_SUBAGENTS_MAX + 2 {
            assert_eq!(reader.begin_subagent(&n.to_string(), None), n < TRANSCRIPT_SUBAGENTS_MAX);
        }
    }
    assert_eq!(reader.report().left_out.get(&LeftOut::Subagents), Some(&2));
}
