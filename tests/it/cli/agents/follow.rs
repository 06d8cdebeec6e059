//! Transcripts while an agent writes them.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::Value;

use super::{CLAUDE, GEMINI_DOCUMENT, Scene, TERMINAL, id_of};

fn append(path: &str, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn user(session: &str, uuid: &str) -> String {
    format!(
        "{{\"type\":\"user\",\"sessionId\":\"{session}\",\"uuid\":\"{uuid}\",\"timestamp\":\"2026-11-20T09:00:00Z\",\
        \"message\":{{\"role\":\"user\",\"content\":\"hello\"}}}}\n"
    )
}

#[test]
fn a_transcript_is_followed_as_it_grows_is_cut_and_is_rotated() {
    let scene = Scene::new();
    let file = scene.home.write("live.jsonl", "");
    let mut push = scene.home.start(&["push", "--follow", "--json", "--agent", "claude", &file]);
    let whole: Vec<&str> = CLAUDE.split_inclusive('\n').collect();
    append(&file, &whole[..5].concat());
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |words: &str| watch.stdout.wait_for(|line| line.contains(words));
    // The call is shown while it runs, in a line of two pieces; then with what came of it.
    let running = sees("toolu_01Read");
    assert!(running.contains("\"running\""), "{running}");
    append(&file, &whole[5][..40]);
    append(&file, &whole[5][40..]);
    let done = sees("toolu_01Read");
    assert!(done.contains("\"completed\"") && done.contains("fn parse"), "{done}");
    // Cut, and written anew; then another file under its name.
    std::fs::write(&file, "").unwrap();
    push.stderr.wait_for(|line| line.contains("was cut"));
    append(&file, &user("5b1c0f6e-3d0a-4c57-9b1e-2f6c8a7d9e10", "after-the-cut"));
    sees("message/after-the-cut");
    append(&file, user("s", "no-break-yet").trim_end());
    std::fs::rename(&file, format!("{file}.1")).unwrap();
    std::fs::write(&file, user("s", "after-the-rotation")).unwrap();
    push.stderr.wait_for(|line| line.contains("another file"));
    sees("message/after-the-rotation");
    append(&file, &format!("no JSON\n{}", user("s", "the-last")));
    push.signal("-INT");
    let ended = push.wait().ends_with(0);
    let synced: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(synced["left_out"]["not JSON"], 1);
    sees("message/the-last");
    // What the last file says is what the share holds.
    let held = scene.held(&id);
    let messages: Vec<_> = held.keys().filter(|key| key.starts_with("message/")).collect();
    assert_eq!(messages, ["message/after-the-rotation", "message/the-last"]);
}

#[test]
fn a_document_is_read_anew_and_what_is_gone_from_it_is_gone() {
    let scene = Scene::new();
    let mut document: Value = serde_json::from_str(GEMINI_DOCUMENT).unwrap();
    let all = document["messages"].as_array().unwrap().clone();
    document["messages"] = all[..2].into();
    let file = scene.home.write("session.json", &document.to_string());
    let mut push = scene.home.start(&["push", "--follow", "--json", &file]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |words: &str| watch.stdout.wait_for(|line| line.contains(words));
    sees("message/11111111-0000-4000-8000-000000000002");
    // Half of it is no document: it is not read until it is one.
    document["messages"] = all.clone().into();
    let whole = serde_json::to_string_pretty(&document).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    std::fs::write(&file, &whole).unwrap();
    sees("message/11111111-0000-4000-8000-000000000007");
    document["messages"] = all[..1].into();
    std::fs::write(&file, document.to_string()).unwrap();
    let gone = sees("\"message/11111111-0000-4000-8000-000000000002\"");
    assert!(gone.contains("\"removed\":true"), "{gone}");
    push.signal("-INT");
    push.wait().ends_with(0);
    let held = scene.held(&id);
    let messages: Vec<_> = held.keys().filter(|key| key.starts_with("message/")).collect();
    assert_eq!(messages, ["message/11111111-0000-4000-8000-000000000001"]);
    assert!(held.values().all(|value| value["tool"].is_null()), "{held:?}");
}

/// S107: a document that is pushed again takes along what it does not say any more.
#[test]
fn a_document_that_is_pushed_again_is_all_that_its_share_holds() {
    let scene = Scene::new();
    let mut document: Value = serde_json::from_str(GEMINI_DOCUMENT).unwrap();
    let whole = scene.file("session.json", &document.to_string());
    let first = document["messages"][0].take();
    document["messages"] = vec![first].into();
    let shorter = scene.file("session.json", &document.to_string());
    assert_eq!(whole.said["id"], shorter.said["id"]);
    assert_eq!(shorter.keys("message/"), ["message/11111111-0000-4000-8000-000000000001"]);
    assert!(whole.keys("message/").len() > 1 && shorter.keys("part/").len() == 1, "{:?}", shorter.held);
}

/// What is not a whole line yet may be the beginning of a key, and is not sent.
#[test]
fn of_a_terminal_whole_lines_are_sent_and_the_rest_when_it_ends() {
    let scene = Scene::new();
    let header = TERMINAL.lines().next().unwrap();
    let file = scene.home.write("live.cast", &format!("{header}\n[1,\"o\",\"one\\r\\n$ half\"]\n"));
    let mut push = scene.home.start(&["push", "--follow", "--json", &file]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let first = watch.stdout.wait_for(|line| line.contains("one"));
    assert!(!first.contains("half"), "{first}");
    append(&file, "[2,\"o\",\" a line\\r\\n$ \"]\n[3,\"o\",\"exit\"]\n");
    let second = watch.stdout.wait_for(|line| line.contains("half a line"));
    assert!(!second.contains("exit"), "{second}");
    push.signal("-INT");
    push.wait().ends_with(0);
    watch.stdout.wait_for(|line| line.contains("$ exit"));
}
