//! pi and GitHub Copilot CLI: forks, rewinds, and files that are pushed into a session that is named.

use std::fs;

use super::{Scene, id_of};

const PI: &str = include_str!("../../../data/agents/pi-1.6.0/full-continued.jsonl");
const FORK: &str = include_str!("../../../data/agents/pi-1.6.0/fork.jsonl");
const BEFORE: &str = include_str!("../../../data/agents/copilot-cli-1.0.102/before-a-rewind.jsonl");
const AFTER: &str = include_str!("../../../data/agents/copilot-cli-1.0.102/after-the-rewind-and-a-compaction.jsonl");

/// S107: a rewind replaces the file of a session of Copilot CLI, and what the new one does not say is removed.
#[test]
fn a_follower_of_copilot_takes_back_what_a_rewind_took() {
    let scene = Scene::new();
    let file = scene.home.write("events.jsonl", BEFORE);
    let mut push = scene.home.start(&["push", "--json", "--follow", &file]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |words: &str| watch.stdout.wait_for(|line| line.contains(words));
    sees("to be abandoned");
    let shorter = scene.home.write("new", AFTER);
    fs::rename(shorter, &file).unwrap();
    push.stderr.wait_for(|line| line.contains("another file now"));
    sees("\"removed\":true");
    push.signal("-INT");
    push.wait().ends_with(0);
    let fresh = scene.push(&[&file, "--session", "fresh"]).held;
    assert_eq!(scene.held(&id), fresh);
    assert!(!fresh.values().any(|item| item.to_string().contains("to be abandoned")));
}

#[test]
fn a_fork_of_a_session_of_pi_that_is_followed_is_named() {
    let scene = Scene::new();
    let name = "2026-11-30T04-46-31-057Z_01a22ac6-a48c-7718-ba44-9fb76f0b129b.jsonl";
    let file = scene.home.write(name, PI);
    let mut push = scene.home.start(&["push", "--json", "--follow", &file]);
    id_of(&mut push);
    scene.home.write("another.jsonl", &FORK.replace(name, "another-one.jsonl"));
    scene.home.write("fork.jsonl", FORK);
    let named = push.stderr.wait_for(|line| line.contains("is a branch of this session"));
    assert!(named.contains("/fork.jsonl"), "{named}");
    push.signal("-INT");
    push.wait().ends_with(0);
}

/// A session that is named gets the conversation, too, and nothing of what the program said to its model.
#[test]
fn a_transcript_that_is_pushed_into_a_named_session_is_the_conversation() {
    let scene = Scene::new();
    for (name, text, said) in [("pi.jsonl", PI, "All done: the notes"), ("copilot.jsonl", AFTER, "[[three]] stays")] {
        let file = scene.home.write(name, text);
        let shared = scene.push(&[&file, "--session", name]);
        assert!(shared.held.values().any(|item| item["text"].as_str().is_some_and(|text| text.starts_with(said))));
        assert!(shared.held.keys().all(|key| !key.starts_with("other/")), "{name}");
    }
}
