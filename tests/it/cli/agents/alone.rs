//! `capshare push` alone: the newest session of the folder, of any agent, is shared when somebody says yes.

use std::io::Write as _;

use serde_json::json;

use super::opencode::database;
use super::{CLAUDE, CODEX, Scene, TERMINAL};

impl Scene {
    /// Leaves sessions of two agents in this folder, the newest of which is Codex's, and one of another folder.
    fn two_agents(&self) {
        self.left(&format!(".claude/projects/{}/s.jsonl", self.project()), &self.here(CLAUDE), 50);
        self.left(".codex/sessions/2026/11/20/rollout-a.jsonl", &self.here(CODEX), 30);
        self.left(".codex/sessions/2026/11/20/rollout-elsewhere.jsonl", CODEX, 1);
    }
}

/// S110: what is taken is said before it is shared, and without a yes nothing is shared.
#[test]
fn without_a_terminal_nothing_is_shared_unless_yes_was_said_before() {
    let scene = Scene::new();
    let none = scene.home.run(&["push"]).ends_with(1).stderr;
    assert!(none.contains("no session of this folder") && none.contains("--agent AGENT --latest"), "{none}");
    scene.two_agents();
    let refused = scene.home.run(&["push"]).ends_with(2);
    let told = &refused.stderr;
    assert!(told.contains("add --yes to share it, or name a file") && refused.stdout.is_empty(), "{told}");
    for fact in ["of Codex CLI", "\"Empty lines\"", "2026-11-18T", "/rollout-a.jsonl"] {
        assert!(told.contains(fact), "{fact}: {told}");
    }
    assert!(scene.home.run(&["ls"]).ends_with(0).stdout.is_empty());
    let shared = scene.push(&["--yes"]);
    assert_eq!(shared.said["agent"], "codex");
    assert!(shared.said["file"].as_str().unwrap().ends_with("/rollout-a.jsonl"), "{}", shared.said);
    assert!(shared.stderr.contains("of Codex CLI"), "{}", shared.stderr);
}

#[test]
fn on_a_terminal_it_asks_and_shares_at_a_yes_alone() {
    let scene = Scene::new();
    scene.two_agents();
    for (typed, code, shares) in [("\n", 1, 0), ("n\n", 1, 0), ("\u{4}", 1, 0), ("Yes\n", 0, 1)] {
        let (mut push, mut terminal) = scene.home.start_typing(&["push"]);
        push.stderr.wait_for(|line| line.contains("/rollout-a.jsonl"));
        terminal.write_all(typed.as_bytes()).unwrap();
        let ran = push.wait().ends_with(code);
        assert!(ran.stderr.contains("share it? [y/N]"), "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("nothing was shared"), shares == 0, "{}", ran.stderr);
        assert_eq!(ran.stdout.contains("/share/"), shares == 1, "{}", ran.stdout);
        assert_eq!(scene.home.run(&["ls", "--json"]).ends_with(0).objects().len(), shares);
    }
    // A program reads what is printed, and does not answer.
    let (push, _terminal) = scene.home.start_typing(&["push", "--json"]);
    let refused = push.wait().ends_with(2);
    assert!(refused.error()["message"].as_str().unwrap().contains("--yes"), "{}", refused.stderr);
    // A question is no obstacle to being stopped.
    let (mut push, _terminal) = scene.home.start_typing(&["push"]);
    push.stderr.wait_for(|line| line.contains("/rollout-a.jsonl"));
    push.signal("-TERM");
    assert_eq!(push.wait().ends_with(0).stdout, "");
}

/// A database holds sessions of many folders; a recording of a terminal lies in its folder and has no title.
#[test]
fn a_session_in_opencodes_database_and_a_recorded_terminal_are_among_them() {
    let scene = Scene::new();
    scene.two_agents();
    let database = database(&scene.home);
    let row = "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated) \
               VALUES (?1, 'p', 'slug', ?2, ?3, '1', 1, ?4)";
    let here = std::fs::canonicalize(scene.home.path("")).unwrap();
    let written = 1_795_000_000_000_i64;
    database.execute(row, ("ses_here", here.to_str().unwrap(), "In the \u{1b}database", written - 20_000)).unwrap();
    database.execute(row, ("ses_elsewhere", "/somewhere/else", "Another", written)).unwrap();
    let shared = scene.push(&["--yes"]);
    assert_eq!((&shared.said["agent"], &shared.said["session"]), (&json!("opencode"), &json!("ses_here")));
    assert!(shared.stderr.contains("of OpenCode") && shared.stderr.contains("ses_here in "), "{}", shared.stderr);
    assert!(shared.stderr.contains("In the") && !shared.stderr.contains('\u{1b}'), "{}", shared.stderr);
    scene.left("one.cast", TERMINAL, 10);
    assert_eq!(scene.push(&["--yes"]).said["agent"], "asciicast");
}
