//! `capshare push` of what other agents leave on disk: each format, what it becomes, what has no place in it.

mod alone;
mod follow;
mod latest;
mod opencode;
mod others;
mod recordings;
mod threads;
mod vibe;
mod ways_in;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::program::{Home, Running};

const CLAUDE: &str = include_str!("../../data/transcripts/claude.jsonl");
const CODEX: &str = include_str!("../../data/transcripts/codex.jsonl");
const GEMINI: &str = include_str!("../../data/transcripts/gemini.jsonl");
const GEMINI_DOCUMENT: &str = include_str!("../../data/transcripts/gemini.json");
const TERMINAL: &str = include_str!("../../data/transcripts/terminal.cast");

/// A host, and a user who pushes to it.
struct Scene {
    home: Home,
    _host: super::program::Served,
    _host_home: Home,
}

/// What a push said of itself, and what its share holds then, by key.
struct Shared {
    said: Value,
    synced: Value,
    stderr: String,
    held: BTreeMap<String, Value>,
}

impl Scene {
    fn new() -> Self {
        let host_home = Home::new();
        let host = host_home.serve(&[]);
        let home = Home::new().set("CAPSHARE_TO", &host.url);
        Self { home, _host: host, _host_home: host_home }
    }

    fn push(&self, arguments: &[&str]) -> Shared {
        let mut all = vec!["push", "--json"];
        all.extend(arguments);
        let ran = self.home.run(&all).ends_with(0);
        let [said, synced] = ran.objects().try_into().unwrap();
        let held = self.held(said["id"].as_str().unwrap());
        Shared { said, synced, stderr: ran.stderr, held }
    }

    fn file(&self, name: &str, text: &str) -> Shared {
        self.push(&[&self.home.write(name, text)])
    }

    fn held(&self, id: &str) -> BTreeMap<String, Value> {
        let mut watch = self.home.start(&["watch", id]);
        let first: Value = serde_json::from_str(&watch.stdout.wait_for(|line| line.contains("snapshot"))).unwrap();
        assert_eq!(first["payload"]["more"], false);
        let changes = first["payload"]["changes"].as_array().unwrap().iter();
        changes.map(|change| (change["key"].as_str().unwrap().to_owned(), change["value"].clone())).collect()
    }
}

impl Shared {
    /// The parts of a message, in the order of their keys.
    fn parts(&self, message: &str) -> Vec<&Value> {
        let begin = format!("part/{message}/");
        self.held.iter().filter(|(key, _)| key.starts_with(&begin)).map(|(_, part)| part).collect()
    }

    /// The one call of a tool.
    #[track_caller]
    fn call(&self, tool: &str) -> &Value {
        let found: Vec<_> = self.held.values().filter(|value| value["tool"] == tool).collect();
        assert_eq!(found.len(), 1, "{tool}");
        &found[0]["state"]
    }

    fn keys(&self, begin: &str) -> Vec<&str> {
        self.held.keys().map(String::as_str).filter(|key| key.starts_with(begin)).collect()
    }
}

/// Waits for the line that says that a share is there; its id.
fn id_of(push: &mut Running) -> String {
    let shared = push.stdout.wait_for(|line| line.contains("\"shared\""));
    serde_json::from_str::<Value>(&shared).unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn claude_code_becomes_messages_thoughts_and_calls_with_their_results() {
    let scene = Scene::new();
    let shared = scene.file("whatever.jsonl", CLAUDE);
    assert_eq!((&shared.said["agent"], &shared.said["session"]), (&json!("claude"), &shared.held["session"]["id"]));
    let session = &shared.held["session"];
    assert_eq!((&session["title"], &session["version"]), (&json!("Empty lines in the parser"), &json!("2.1.44")));
    assert_eq!((&session["agent"], &session["directory"]), (&json!("claude"), &json!("/home/ann/parser")));
    assert_eq!(session["time"], json!({ "created": 1_795_165_201_500_i64, "updated": 1_795_165_233_500_i64 }));

    // Three records of one answer are one message, whose tokens count once.
    let answer = &shared.held["message/msg_01Aa"];
    assert_eq!((&answer["role"], &answer["modelID"]), (&json!("assistant"), &json!("claude-opus-4-6")));
    assert_eq!(answer["parentID"], "00000000-0000-4000-8000-000000000002");
    assert_eq!(answer["tokens"]["output"], 61);
    assert_eq!(session["tokens"]["output"], 61 + 80 + 52 + 33 + 20 + 15 + 18 + 9);
    assert_eq!(session["tokens"]["cache"]["read"], 8 * 9_000);
    assert_eq!(answer["time"], json!({ "created": 1_795_165_202_500_i64, "completed": 1_795_165_204_500_i64 }));
    let parts = shared.parts("msg_01Aa");
    let kinds: Vec<_> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "text", "tool"]);
    assert_eq!(shared.keys("model/"), ["model/anthropic/claude-opus-4-6"]);

    let read = shared.call("read");
    assert_eq!(
        (&read["status"], &read["input"]["filePath"]),
        (&json!("completed"), &json!("/home/ann/parser/src/lib.rs"))
    );
    assert!(read["output"].as_str().unwrap().contains("fn parse"));
    assert_eq!(read["time"], json!({ "start": 1_795_165_204_500_i64, "end": 1_795_165_205_500_i64 }));
    let edit = shared.call("edit");
    assert_eq!((&edit["input"]["oldString"], &edit["input"]["replaceAll"]), (&json!("todo!()"), &json!(false)));
    let diff = edit["metadata"]["diff"].as_str().unwrap();
    assert!(
        diff.contains("\n@@ -1,3 +1,3 @@\n") && diff.contains("\n-    todo!()\n+    Item::of(line.trim())\n"),
        "{diff}"
    );
    // Two calls of one answer, whose results came the other way round.
    let bash = shared.call("bash");
    assert_eq!((&bash["status"], &bash["metadata"]["exit"]), (&json!("error"), &json!(101)));
    assert!(bash["error"].as_str().unwrap().ends_with("no function `of`"));
    assert_eq!(shared.call("grep")["output"], "src/lib.rs:9:// empty");
    assert_eq!(shared.call("todowrite")["input"]["todos"][1]["status"], "in_progress");
    let task = shared.call("task");
    assert_eq!(
        (&task["input"]["subagent_type"], &task["attachments"][0]["mime"]),
        (&json!("Explore"), &json!("image/png"))
    );
    // A tool of somebody else keeps its arguments.
    assert_eq!(shared.call("mcp__tracker__get_issue")["input"]["file_path"], "not ours");

    let seen: Vec<_> = shared.held.values().filter(|value| value["type"] == "file").collect();
    assert_eq!(seen[0]["url"], "data:image/png;base64,iVBORw0KGgo=");
    // What the program says to its model, and writes for itself, is counted and not shared.
    let context = json!({ "file-history-snapshot": 1, "progress": 1, "system.turn_duration": 1, "user.meta": 1 });
    assert_eq!((&shared.synced["context"], &shared.synced["left_out"]), (&context, &json!({})));
    assert_eq!(shared.keys("other/"), [""; 0]);
    assert!(
        shared.stderr.contains("4 records of the program's own") && shared.stderr.contains("1 user.meta"),
        "{}",
        shared.stderr
    );
    // Unless it is asked for.
    let file = scene.home.write("whatever.jsonl", CLAUDE);
    let all = scene.push(&[&file, "--include-context"]);
    let other = json!({
        "claude.file-history-snapshot": 1, "claude.progress": 1, "claude.system.turn_duration": 1, "claude.user.meta": 1,
    });
    assert_eq!((&all.synced["other"], &all.synced["context"]), (&other, &json!({})));
    let progress = &all.held[all.keys("other/claude.progress")[0]];
    assert_eq!((&progress["data"]["type"], &progress["toolUseID"]), (&json!("hook_progress"), &json!("toolu_01Bash")));
    // And what an earlier push brought goes with the next one that does not say it.
    assert_eq!(scene.file("whatever.jsonl", CLAUDE).held, shared.held);
}

#[test]
fn codex_becomes_turns_and_what_its_events_repeat_is_there_once() {
    let scene = Scene::new();
    let shared = scene.file("rollout.jsonl", CODEX);
    assert_eq!(shared.said["session"], "01a0714e-cbc4-7d23-9f9d-02d710c07ed7");
    let session = &shared.held["session"];
    assert_eq!((&session["title"], &session["version"]), (&json!("Empty lines"), &json!("0.147.0")));
    assert_eq!(shared.keys("message/").len(), 4);
    let texts: Vec<_> = shared.held.values().filter(|value| value["type"] == "text").collect();
    assert_eq!(texts.len(), 5, "{texts:?}");
    // The second turn's message was ended by its user. Records without ids have names that stand for their texts.
    let answers: Vec<_> = shared.held.values().filter(|value| value["role"] == "assistant").collect();
    let (turn, ended) = match answers[..] {
        [one, other] if one["error"].is_null() => (one, other),
        [one, other] => (other, one),
        _ => panic!("{answers:?}"),
    };
    assert_eq!((&turn["id"], &turn["modelID"], &turn["error"]), (&json!("rs_1-turn"), &json!("gpt-5.6"), &Value::Null));
    let asked = &shared.held[&format!("message/{}", turn["parentID"].as_str().unwrap())];
    assert_eq!(asked["role"], "user");
    assert_eq!(
        turn["tokens"],
        json!({ "input": 1_000, "output": 60, "reasoning": 30, "cache": { "read": 2_000, "write": 0 } })
    );
    assert_eq!((&turn["tokens"], &ended["error"]["name"]), (&session["tokens"], &json!("MessageAbortedError")));
    assert_eq!(turn["time"]["completed"], 1_795_168_814_000_i64);

    let thoughts: Vec<_> = shared.held.values().filter(|value| value["type"] == "reasoning").collect();
    assert_eq!(thoughts[0]["text"], "**Looking at the parser**");
    let runs: Vec<_> =
        shared.held.values().filter(|value| value["tool"] == "bash").map(|value| &value["state"]).collect();
    assert_eq!(
        (&runs[0]["input"]["command"], &runs[0]["output"]),
        (&json!("cat src/lib.rs"), &json!("fn parse() {}\n"))
    );
    assert_eq!((&runs[1]["input"]["command"], &runs[1]["output"]), (&json!("cargo test"), &json!("test failed\n")));
    assert_eq!((&runs[0]["metadata"]["exit"], &runs[1]["metadata"]["exit"]), (&json!(0), &json!(101)));
    let patch = shared.call("apply_patch");
    assert!(patch["input"]["patchText"].as_str().unwrap().starts_with("*** Begin Patch\n"));
    assert_eq!(patch["output"], "Success. Updated the following files:\nM src/lib.rs\n");
    assert_eq!(shared.call("todowrite")["input"]["todos"][1], json!({ "content": "Test", "status": "in_progress" }));
    assert_eq!(shared.call("websearch")["input"]["query"], "rust trim");
    assert_eq!(shared.call("capy_search")["output"], "nothing found");
    let file = shared.held.values().find(|value| value["type"] == "file").unwrap();
    assert_eq!((&file["mime"], &file["messageID"]), (&json!("image/png"), &ended["parentID"]));
    let context = json!({ "message.developer": 1, "message.user": 1, "reasoning": 1, "world_state": 1 });
    assert_eq!((&shared.synced["context"], &shared.synced["unknown"]), (&context, &json!({})));
}

#[test]
fn a_codex_file_from_before_there_was_an_envelope_is_read() {
    let scene = Scene::new();
    let shared = scene.file(
        "rollout.jsonl",
        "{\"id\":\"old-1\",\"timestamp\":\"2025-06-01T10:00:00.000Z\",\"instructions\":null}\n\
        {\"record_type\":\"state\"}\n\
        {\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hello\"}]}\n\
        {\"type\":\"local_shell_call\",\"call_id\":\"c\",\"status\":\"completed\",\"action\":{\"type\":\"exec\",\"command\":[\"ls\",\"-l\"]}}\n\
        {\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":{\"content\":\"denied\",\"success\":false}}\n",
    );
    assert_eq!((&shared.said["session"], &shared.held["session"]["title"]), (&json!("old-1"), &json!("hello")));
    let call = shared.call("bash");
    assert_eq!((&call["input"]["command"], &call["error"]), (&json!("ls -l"), &json!("denied")));
}

#[test]
fn gemini_is_the_same_from_its_lines_and_from_its_document() {
    let scene = Scene::new();
    let lines = scene.file("session.jsonl", GEMINI);
    assert_eq!(
        (&lines.said["agent"], &lines.held["session"]["title"]),
        (&json!("gemini"), &json!("Empty lines in the parser"))
    );
    // What was taken back is not there.
    assert_eq!(lines.keys("message/").len(), 4);
    assert_eq!(lines.held["session"]["tokens"]["output"], 40);
    let answer = &lines.held["message/11111111-0000-4000-8000-000000000002"];
    assert_eq!((&answer["modelID"], &answer["tokens"]["input"]), (&json!("gemini-3-pro"), &json!(400)));
    // The texts of files that were put in for the model are not the user's.
    assert_eq!(lines.parts("11111111-0000-4000-8000-000000000001").len(), 1);
    let edit = lines.call("edit");
    assert_eq!(
        (&edit["status"], &edit["input"]["newString"]),
        (&json!("completed"), &json!("fn parse(line: &str) {}"))
    );
    assert!(edit["metadata"]["diff"].as_str().unwrap().contains("\n-fn parse() {}\n"));
    assert_eq!((&lines.call("bash")["status"], &lines.call("bash")["error"]), (&json!("error"), &json!("exit 101")));
    assert_eq!(lines.call("todowrite")["input"]["todos"][0]["content"], "Test");
    assert_eq!(lines.synced["context"], json!({ "info": 1 }));

    let document = scene.home.write("session.json", GEMINI_DOCUMENT);
    let document = scene.push(&[&document, "--session", "the-document"]);
    assert_ne!(document.said["id"], lines.said["id"]);
    assert_eq!(document.held, lines.held);
}

/// Records that no version has yet, lines that are none, items that are too large: none of them ends a push.
#[test]
fn what_is_not_known_is_counted_by_name_and_what_is_no_record_too() {
    let scene = Scene::new();
    let large = "x".repeat(5 << 20);
    let session = "\"sessionId\":\"s-1\",\"timestamp\":\"2026-11-20T09:00:00Z\"";
    let text = format!(
        "{{\"type\":\"user\",{session},\"uuid\":\"u1\",\"message\":{{\"role\":\"user\",\"content\":\"hi\"}}}}\n\
        not JSON \u{1b}[2J\n\
        {{\"type\":\"holo\\u001b[2Jgram\",{session},\"uuid\":\"u2\",\"rays\":[1,2]}}\n\
        {{\"type\":\"hologram\",{session},\"id\":7}}\n\
        [1,2]\n\
        {{}}\n\
        {{\"type\":\"user\",{session},\"uuid\":\"u3\",\"message\":{{\"role\":\"user\",\"content\":[{{\"type\":\"smell\"}}]}}}}\n\
        {{\"type\":\"assistant\",{session},\"uuid\":\"u4\",\"message\":{{\"id\":\"a1\",\"content\":[\
            {{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"Write\",\"input\":{{\"content\":\"{large}\"}}}},\
            {{\"type\":\"text\",\"text\":\"{large}\"}}]}}}}\n\
        {{\"type\":\"user\",{session},\"uuid\":\"u5\",\"message\":{{\"content\":[{{\"type\":\"tool_result\",\"tool_use_id\":\"nobody\"}}]}}}}\n\
        {{\"type\":\"user\",{session},\"uuid\":\"u6\",\"mess"
    );
    let file = scene.home.write("odd.jsonl", &text);
    let all = scene.push(&[&file, "--include-context"]);
    let other = json!({
        "claude.holo__2Jgram": 1, "claude.hologram": 1, "claude.unknown": 2, "claude.user.smell": 1, "claude.user.tool_result": 1,
    });
    assert_eq!(all.synced["other"], other);
    assert_eq!(all.held["other/claude.holo__2Jgram/u2"]["rays"], json!([1, 2]));
    assert!(all.keys("other/claude.hologram/").len() == 1);
    let shared = scene.push(&[&file]);
    let unknown = json!({ "holo__2Jgram": 1, "hologram": 1, "unknown": 2, "user.smell": 1, "user.tool_result": 1 });
    assert_eq!((&shared.synced["unknown"], shared.keys("other/").len()), (&unknown, 0));
    assert_eq!((&shared.synced["left_out"], &shared.synced["made_smaller"]), (&json!({ "not JSON": 2 }), &json!(1)));
    // Arguments that no item can hold are cut, and the call is there.
    let cut = shared.call("write")["input"]["content"].as_str().unwrap();
    assert!(cut.len() < 1 << 20 && cut.ends_with("bytes more"), "{}", cut.len());
    // A text that is too long is cut, and says so.
    let parts = shared.parts("a1");
    let text = parts.iter().find_map(|part| part["text"].as_str()).unwrap();
    assert!(text.len() < 600 << 10 && text.ends_with("bytes more"), "{}", text.len());
    assert!(!shared.stderr.contains('\u{1b}') && shared.stderr.contains("2 not JSON"), "{}", shared.stderr);
}

#[test]
fn what_has_no_place_does_not_fill_a_share() {
    let scene = Scene::new();
    let first = "{\"type\":\"user\",\"sessionId\":\"s-2\",\"uuid\":\"u\",\"message\":{\"content\":\"hi\"}}\n";
    let noise: String = (0..10_005).map(|n| format!("{{\"type\":\"progress\",\"uuid\":\"p{n}\"}}\n")).collect();
    let shared = scene.push(&[&scene.home.write("noise.jsonl", &format!("{first}{noise}")), "--include-context"]);
    assert_eq!(shared.synced["other"], json!({ "claude.progress": 10_000 }));
    assert_eq!(shared.synced["left_out"]["more than the other lane may have"], 5);
}

#[test]
fn a_transcript_that_is_pushed_again_makes_nothing_twice() {
    let scene = Scene::new();
    for (name, text) in [
        ("a.jsonl", CLAUDE),
        ("b.jsonl", CODEX),
        ("c.jsonl", GEMINI),
        ("d.json", GEMINI_DOCUMENT),
        ("e.cast", TERMINAL),
    ] {
        let first = scene.file(name, text);
        let again = scene.file(name, text);
        assert_eq!((&again.said["existed"], &again.said["id"]), (&json!(true), &first.said["id"]), "{name}");
        assert_eq!(again.held, first.held, "{name}");
    }
}

/// S17: what is known for a credential by its form is masked here as in every push.
#[test]
fn a_key_in_a_transcript_does_not_leave_the_machine() {
    let scene = Scene::new();
    let key = format!("{}_{}", "ghp", "abcdefghijklmnopqrstuvwxyz0123456789");
    for (name, text) in [
        ("a.jsonl", CLAUDE.replace("no function `of`", &key)),
        ("b.jsonl", CODEX.replace("test failed", &key)),
        ("c.json", GEMINI_DOCUMENT.replace("exit 101", &key)),
        (
            "d.cast",
            TERMINAL.replace(
                "a minute later",
                &format!("{}\"],[130.1,\"o\",\"{}", &key[..9], &key[9..]).replace("],[", "]\n["),
            ),
        ),
    ] {
        assert!(text.contains(&key[9..]));
        let shared = scene.file(name, &text);
        let held = format!("{:?}", shared.held);
        assert!(held.contains("[redacted:github-token]") && !held.contains(&key[9..]), "{name}: {held}");
        assert!(shared.synced["masked"]["github-token"].as_u64() > Some(0), "{}", shared.synced);
    }
}

#[test]
fn what_an_agent_wrote_is_a_document_to_be_read_and_an_export_to_be_taken_in() {
    let scene = Scene::new();
    let shared = scene.file("a.jsonl", CLAUDE);
    let id = shared.said["id"].as_str().unwrap();
    let markdown = scene.home.run(&["export", id, "--format", "markdown"]).ends_with(0).stdout;
    for words in [
        "# Empty lines in the parser",
        "## User",
        "Make the parser accept empty lines.",
        "cargo test",
        "Empty lines are items now.",
    ] {
        assert!(markdown.contains(words), "{words}: {markdown}");
    }
    let lines = scene.home.run(&["export", id, "--format", "jsonl"]).ends_with(0).stdout;
    let again = scene.push(&[&scene.home.write("again.jsonl", &lines), "--session", "again"]);
    assert_eq!(again.held, shared.held);
    // With OpenCode's ids, by which it is the same session each time.
    let exported = scene.home.run(&["export", id]).ends_with(0).stdout;
    assert_eq!(scene.home.run(&["export", id]).ends_with(0).stdout, exported);
    let again = scene.push(&[&scene.home.write("again.json", &exported), "--session", "again-as-opencodes"]);
    let count = |shared: &Shared| ["message/", "part/", "model/", "other/"].map(|kind| shared.keys(kind).len());
    assert_eq!(count(&again), count(&shared));
    assert!(again.keys("message/").iter().all(|key| key.starts_with("message/msg_")), "{:?}", again.keys("message/"));
}
