//! Sessions that have several files: segments of one thread, and transcripts of subagents.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use serde_json::{Value, json};

use super::super::program::Running;
use super::{Scene, id_of};

/// A session of Codex in two files: a question was taken back, and the second file goes on before it.
const FIRST: &str = include_str!(
    "../../../data/agents/codex-0.171.0/rollout-2026-11-30T05-03-28-01a22ad6-2a3e-7723-9116-f40f1ce2e888.jsonl"
);
const SECOND: &str = include_str!(
    "../../../data/agents/codex-0.171.0/rollout-2026-11-30T05-03-46-01a22ad6-2a3e-7723-9116-f40f1ce2e888_01a22ad6-72cc-7051-b8d0-8b7d05a4519a.jsonl"
);
const FIRST_NAME: &str = "rollout-2026-11-30T05-03-28-01a22ad6-2a3e-7723-9116-f40f1ce2e888.jsonl";
const SECOND_NAME: &str =
    "rollout-2026-11-30T05-03-46-01a22ad6-2a3e-7723-9116-f40f1ce2e888_01a22ad6-72cc-7051-b8d0-8b7d05a4519a.jsonl";

const CLAUDE_MAIN: &str = include_str!("../../../data/agents/claude-code-2.1.332/full.jsonl");
const CLAUDE_BELOW: &str =
    include_str!("../../../data/agents/claude-code-2.1.332/full/subagents/agent-a4f36a8c710e3f289.jsonl");
const CLAUDE_ABOUT: &str =
    include_str!("../../../data/agents/claude-code-2.1.332/full/subagents/agent-a4f36a8c710e3f289.meta.json");

fn append(path: &str, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// The texts that users and models said, by the times of their messages.
fn texts(held: &std::collections::BTreeMap<String, Value>) -> Vec<String> {
    let mut messages: Vec<_> = held.iter().filter(|(key, _)| key.starts_with("message/")).collect();
    messages.sort_by_key(|(_, message)| message["time"]["created"].as_i64());
    let said = |message: &Value| {
        let of = |part: &&Value| part["messageID"] == message["id"] && part["type"] == "text";
        held.values().filter(of).map(|part| part["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    messages.into_iter().flat_map(|(_, message)| said(message)).collect()
}

/// S107: the follower of a thread goes on with its next file, and its share ends up as a fresh push of the same files would.
#[test]
fn a_follower_of_codex_goes_on_with_the_next_file_of_its_thread() {
    let scene = Scene::new();
    let folder = ".codex/sessions/2026/11/30";
    fs::create_dir_all(scene.home.path(folder)).unwrap();
    let file = scene.home.write(&format!("{folder}/{FIRST_NAME}"), FIRST);
    let mut push = scene.home.start(&["push", "--json", "--follow", &file]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |words: &str| watch.stdout.wait_for(|line| line.contains(words));
    sees("to be abandoned");
    let lines: Vec<_> = SECOND.split_inclusive('\n').collect();
    let next = scene.home.write(&format!("{folder}/{SECOND_NAME}"), &lines[..20].concat());
    push.stderr.wait_for(|line| line.contains("goes on in") && line.contains("72cc"));
    sees("\"removed\":true");
    append(&next, &lines[20..].concat());
    sees("Both came back.");
    push.signal("-INT");
    push.wait().ends_with(0);
    let followed = scene.held(&id);
    // Under the id of another session it makes a share of its own.
    let fresh = scene.push(&[&next, "--session", "fresh"]).held;
    assert_eq!(followed, fresh);
    let told = texts(&fresh);
    assert!(
        told.contains(&"[[three]] the question that stays".to_owned())
            && !told.iter().any(|text| text.contains("abandoned")),
        "{told:?}"
    );
    assert!(told[0].contains("first question"), "{told:?}");
}

/// A segment whose base is not there is shared as what it is, and nothing that the share has is removed.
#[test]
fn a_segment_without_what_it_goes_on_from_removes_nothing() {
    let scene = Scene::new();
    let before = scene.file("first.jsonl", FIRST);
    fs::remove_file(scene.home.path("first.jsonl")).unwrap();
    let after = scene.file("second.jsonl", SECOND);
    assert!(after.stderr.contains("goes on from a file that is not beside it"), "{}", after.stderr);
    assert!(before.held.keys().all(|key| after.held.contains_key(key)));
    // With it, under whatever name, what was taken back goes.
    scene.home.write("a-copy.jsonl", FIRST);
    let whole = scene.file("second.jsonl", SECOND);
    assert!(!texts(&whole.held).iter().any(|text| text.contains("abandoned")), "{:?}", texts(&whole.held));
}

/// S108: a subagent's session is in its caller's share, below its call, live; and by itself it is a session of its own.
#[test]
fn a_subagent_of_claude_is_shared_with_its_caller_as_it_works() {
    let scene = Scene::new();
    let lines: Vec<_> = CLAUDE_MAIN.split_inclusive('\n').collect();
    let at = lines.iter().position(|line| line.contains("\"id\":\"toolu_00050\"")).unwrap() + 1;
    let file = scene.home.write("full.jsonl", &lines[..at].concat());
    let mut push = scene.home.start(&["push", "--json", "--follow", &file]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |words: &str| watch.stdout.wait_for(|line| line.contains(words));
    sees("toolu_00050");
    fs::create_dir_all(scene.home.path("full/subagents")).unwrap();
    scene.home.write("full/subagents/agent-a4f36a8c710e3f289.meta.json", CLAUDE_ABOUT);
    let below = scene.home.write("full/subagents/agent-a4f36a8c710e3f289.jsonl", "");
    let helped: Vec<_> = CLAUDE_BELOW.split_inclusive('\n').collect();
    append(&below, &helped[..14].concat());
    sees("[[sub]] Look at the notes and report");
    append(&below, &helped[14..].concat());
    sees("Helper report: the notes have three lines.");
    append(&file, &lines[at..].concat());
    sees("[[three]] Third time");
    push.signal("-INT");
    push.wait().ends_with(0);
    let followed = scene.held(&id);
    let fresh = scene.push(&[&file, "--session", "fresh"]);
    assert_eq!(followed, fresh.held);
    let call = fresh.call("task");
    assert_eq!(call["output"], "Helper report: the notes have three lines.");
    let session = call["metadata"]["sessionId"].as_str().unwrap();
    let of_helper: Vec<_> =
        fresh.held.values().filter(|item| item["sessionID"] == session && !item["role"].is_null()).collect();
    assert_eq!((of_helper.len(), &of_helper[0]["agent"]), (3, &json!("subagent")));
    // In a document its messages stand behind the call.
    let markdown = scene.home.run(&["export", &id, "--format", "markdown"]).ends_with(0).stdout;
    let place = |words: &str| markdown.find(words).unwrap_or_else(|| panic!("{words}: {markdown}"));
    let places = [
        place("A helper looks as well."),
        place("## Subagent · User"),
        place("The helper reads."),
        place("All done: the notes"),
    ];
    assert!(places.is_sorted(), "{places:?}");
    // By itself it is a session of its own, and its caller's share stays as it is.
    let alone = scene.push(&[&below]);
    assert_eq!(
        (alone.said["id"] == fresh.said["id"], alone.held["session"]["title"].as_str()),
        (false, Some("[[sub]] Look at the notes and report"))
    );
    assert_eq!(scene.held(&id), followed);
}

#[test]
fn the_subagents_of_the_others_are_found_where_they_leave_them() {
    let scene = Scene::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/agents");
    for (file, words) in [
        ("codex-0.171.0/rollout-2026-11-30T04-33-07-01a22aba-613f-75e1-bf32-d1784fb7046e.jsonl", "The helper reads."),
        ("gemini-cli-0.61.0/full.jsonl", "The helper reads."),
        ("qwen-code-0.24.4/full-continued-compressed.jsonl", "The helper reads."),
        ("kimi-code-2.1.0/full-continued/agents/main/wire.jsonl", "The helper reads."),
        ("kimi-cli-1.51.0/wire.jsonl", "The helper reads."),
        ("cline-3.0.65/1796015281859_on752/1796015281859_on752.messages.json", "The helper reads."),
    ] {
        let shared = scene.push(&[&format!("{data}/{file}")]);
        let said = shared.held.values().find(|item| item["text"] == words).unwrap_or_else(|| panic!("{file}"));
        let call = shared.call("task");
        assert_eq!(call["metadata"]["sessionId"], said["sessionID"], "{file}");
        assert!(shared.held["session"]["id"] != said["sessionID"], "{file}");
    }
}

/// S107, S108: a session of Cline grows in documents that are written anew, its subagents' among them.
#[test]
fn a_follower_of_cline_reads_its_subagents_and_what_stands_beside_it() {
    let scene = Scene::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/agents/cline-3.0.65/1796015281859_on752");
    let read = |name: &str| fs::read_to_string(format!("{data}/{name}")).unwrap();
    let whole: Value = serde_json::from_str(&read("1796015281859_on752.messages.json")).unwrap();
    let until = |length: usize| {
        let mut document = whole.clone();
        document["messages"].as_array_mut().unwrap().truncate(length);
        document.to_string()
    };
    let file = scene.home.write("s.messages.json", &until(10));
    let mut push = scene.home.start(&["push", "--json", "--follow", &file]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |words: &str| watch.stdout.wait_for(|line| line.contains(words));
    sees("A helper looks as well.");
    scene.home.write("agent_1.messages.json", &read("agent_1796015285636_ng6r68.messages.json"));
    sees("The helper reads.");
    scene
        .home
        .write("s.json", &json!({ "cwd": "/p", "metadata": { "title": "Its title", "totalCost": 0.5 } }).to_string());
    sees("Its title");
    fs::write(&file, whole.to_string()).unwrap();
    sees("All done: the notes");
    push.signal("-INT");
    push.wait().ends_with(0);
    let followed = scene.held(&id);
    let fresh = scene.push(&[&file, "--session", "fresh"]);
    assert_eq!(followed, fresh.held);
    assert_eq!((&fresh.held["session"]["cost"], &fresh.held["session"]["directory"]), (&json!(0.5), &json!("/p")));
    let session = &fresh.call("task")["metadata"]["sessionId"];
    assert_eq!(session, "1796015281859_on752_agent_1");
    assert_eq!(scene.push(&[&file, "--session", "fresh"]).held, followed);
}

/// A session of Claude Code that is followed and was read to its end: its file, who follows it, and the share's id.
fn followed(scene: &Scene) -> (String, Running, String) {
    let file = scene.home.write("live.jsonl", CLAUDE_MAIN);
    let mut push = scene.home.start(&["push", "--json", "--follow", &file]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    watch.stdout.wait_for(|line| line.contains("[[three]] Third time"));
    (file, push, id)
}

#[test]
fn a_session_that_is_deleted_is_called_gone_and_its_share_stays() {
    let scene = Scene::new();
    let (file, push, id) = followed(&scene);
    fs::remove_file(&file).unwrap();
    let ended = push.wait().ends_with(1);
    assert!(ended.stderr.contains("is gone: its session was deleted or moved"), "{}", ended.stderr);
    assert!(scene.held(&id).len() > 10);
}

/// A text as zstd packs it when it finds nothing to make shorter.
fn packed(text: &str) -> Vec<u8> {
    const BLOCK_BYTES: usize = 128 << 10;
    // No flags; a window of 128 KiB.
    let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    let blocks = text.as_bytes().chunks(BLOCK_BYTES);
    let last = blocks.len() - 1;
    for (n, block) in blocks.enumerate() {
        let head = (block.len() as u32) << 3 | u32::from(n == last);
        packed.extend_from_slice(&head.to_le_bytes()[..3]);
        packed.extend_from_slice(block);
    }
    packed
}

/// Codex packs its older sessions: a session whose files are, in part or all, is the same share.
#[test]
fn a_session_of_codex_that_was_packed_is_read_with_what_it_goes_on_from() {
    let scene = Scene::new();
    let folder = ".codex/sessions/2026/11/30";
    fs::create_dir_all(scene.home.path(folder)).unwrap();
    let path = |name: &str| scene.home.path(&format!("{folder}/{name}"));
    fs::write(path(FIRST_NAME), FIRST).unwrap();
    fs::write(path(SECOND_NAME), SECOND).unwrap();
    let plain = scene.push(&[path(SECOND_NAME).to_str().unwrap()]).held;
    fs::remove_file(path(FIRST_NAME)).unwrap();
    fs::write(path(&format!("{FIRST_NAME}.zst")), packed(FIRST)).unwrap();
    let half = scene.push(&[path(SECOND_NAME).to_str().unwrap()]);
    assert!(!half.stderr.contains("not beside it"), "{}", half.stderr);
    assert_eq!(half.held, plain);
    fs::remove_file(path(SECOND_NAME)).unwrap();
    fs::write(path(&format!("{SECOND_NAME}.zst")), packed(SECOND)).unwrap();
    let all = scene.push(&["--agent", "codex", "--latest", "--any-folder", "--session", "packed"]);
    assert!(all.said["file"].as_str().unwrap().ends_with(&format!("{SECOND_NAME}.zst")), "{}", all.said);
    assert_eq!(all.held, plain);
    // A helper's rollout lies beside its caller's.
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/agents/codex-0.171.0");
    let names = [
        "rollout-2026-11-30T04-33-07-01a22aba-613f-75e1-bf32-d1784fb7046e.jsonl",
        "rollout-2026-11-30T04-33-07-01a22aba-6204-7342-95b5-818327685c24.jsonl",
    ];
    for name in names {
        let text = fs::read_to_string(format!("{data}/{name}")).unwrap();
        fs::write(scene.home.path(&format!("{name}.zst")), packed(&text)).unwrap();
    }
    let whole = scene.push(&[&format!("{data}/{}", names[0])]).held;
    let unpacked = scene.push(&[scene.home.path(&format!("{}.zst", names[0])).to_str().unwrap(), "--session", "other"]);
    assert!(whole.values().any(|item| item["text"] == "The helper reads."));
    assert_eq!(unpacked.held, whole);
}

/// `/clear` begins another session in a file of its own. Notes of the program may stand there before it is known which it is.
#[test]
fn a_session_that_was_begun_by_clear_is_named_and_is_not_taken_for_the_one_that_is_followed() {
    let scene = Scene::new();
    let (file, mut push, id) = followed(&scene);
    let before = scene.held(&id);
    let note = json!({ "type": "progress", "sessionId": "new", "uuid": "p1" });
    let new = scene.home.write("new.jsonl", &format!("{note}\n"));
    let said = |uuid: &str, words: &str| {
        let message = json!({ "role": "user", "content": words });
        json!({ "type": "user", "sessionId": "new", "uuid": uuid, "message": message }).to_string()
    };
    // Another look at the folder comes between.
    scene.home.write(
        "other.jsonl",
        "{\"type\":\"user\",\"forkedFrom\":{\"sessionId\":\"be9d6cd7-bd22-42c2-9074-a02dfa67f112\"}}\n",
    );
    push.stderr.wait_for(|line| line.contains("is a branch of this session"));
    append(
        &new,
        &format!("{}\n", said("u1", "<command-name>/clear</command-name>\n<command-message>clear</command-message>")),
    );
    let named = push.stderr.wait_for(|line| line.contains("begun by /clear"));
    assert!(named.contains("new.jsonl") && named.contains("it has ended"), "{named}");
    append(&new, &format!("{}\n", said("u2", "something else")));
    // The session may be resumed, in its own file.
    append(
        &file,
        &format!("{}\n", said("u3", "and on").replace("\"new\"", "\"be9d6cd7-bd22-42c2-9074-a02dfa67f112\"")),
    );
    let mut watch = scene.home.start(&["watch", &id]);
    watch.stdout.wait_for(|line| line.contains("and on"));
    push.signal("-INT");
    let told = push.wait().ends_with(0).stderr;
    assert_eq!(told.matches("begun by /clear").count(), 1, "{told}");
    let after = scene.held(&id);
    assert!(before.keys().all(|key| after.contains_key(key)) && !after.contains_key("message/u2"), "{after:?}");
    // By itself it is what its user says in it.
    assert_eq!(scene.push(&[&new]).held["session"]["title"], "something else");
}

#[test]
fn a_branch_of_a_session_that_is_followed_is_named() {
    let scene = Scene::new();
    let (_, mut push, _) = followed(&scene);
    let from = json!({ "sessionId": "be9d6cd7-bd22-42c2-9074-a02dfa67f112" });
    scene.home.write("other.jsonl", &CLAUDE_MAIN.replace("be9d6cd7", "00000000"));
    let first = CLAUDE_MAIN.lines().nth(5).unwrap();
    scene.home.write("branch.jsonl", &format!("{{\"forkedFrom\":{from},{}\n", &first[1..]));
    let named = push.stderr.wait_for(|line| line.contains("is a branch of this session"));
    assert!(named.contains("branch.jsonl"), "{named}");
    push.signal("-INT");
    push.wait().ends_with(0);
}
