//! `--latest`: which transcript of an agent it is, and that it says so.

use std::fs;
use std::time::{Duration, SystemTime};

use super::{CLAUDE, CODEX, GEMINI, Scene, TERMINAL};

impl Scene {
    /// A file that was written to so many seconds before a certain time.
    fn left(&self, path: &str, text: &str, seconds: u64) {
        fs::create_dir_all(self.home.path(path).parent().unwrap()).unwrap();
        let file = self.home.write(path, text);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000 - seconds);
        fs::File::options().append(true).open(file).unwrap().set_modified(time).unwrap();
    }

    /// Pushes the latest of an agent; the path inside the home, and what was said of it.
    #[track_caller]
    fn latest(&self, agent: &str) -> (String, String) {
        let shared = self.push(&["--agent", agent, "--latest"]);
        let home = fs::canonicalize(self.home.path("")).unwrap();
        let file = fs::canonicalize(shared.said["file"].as_str().unwrap()).unwrap();
        (file.strip_prefix(home).unwrap().to_str().unwrap().to_owned(), shared.stderr)
    }

    /// This folder, as Claude Code names it.
    fn project(&self) -> String {
        let here = fs::canonicalize(self.home.path("")).unwrap();
        here.to_str().unwrap().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    }
}

#[test]
fn of_claude_code_it_is_the_newest_of_this_folder_else_of_any_and_says_so() {
    let scene = Scene::new();
    scene.left(".claude/projects/-somewhere-else/a.jsonl", CLAUDE, 10);
    scene.left(".claude/projects/-somewhere-else/b.jsonl", CLAUDE, 20);
    let (file, said) = scene.latest("claude");
    assert_eq!(file, ".claude/projects/-somewhere-else/a.jsonl");
    assert!(said.contains("a.jsonl is the newest session of Claude Code") && said.contains("another folder"), "{said}");
    let here = format!(".claude/projects/{}", scene.project());
    scene.left(&format!("{here}/old.jsonl"), CLAUDE, 90);
    scene.left(&format!("{here}/new.jsonl"), CLAUDE, 50);
    // What its own agents write is no session.
    scene.left(&format!("{here}/agent-1.jsonl"), CLAUDE, 5);
    scene.left(&format!("{here}/new/subagents/agent-2.jsonl"), CLAUDE, 5);
    let (file, said) = scene.latest("claude");
    assert_eq!(file, format!("{here}/new.jsonl"));
    assert!(!said.contains("another folder"), "{said}");
}

#[test]
fn of_codex_gemini_and_asciinema_it_is_the_newest_where_they_leave_them() {
    let scene = Scene::new();
    scene.left(".codex/sessions/2026/11/19/rollout-b.jsonl", CODEX, 70);
    scene.left(".codex/sessions/2026/11/20/rollout-a.jsonl", CODEX, 30);
    scene.left(".codex/sessions/2026/11/20/notes.jsonl", CODEX, 1);
    assert_eq!(scene.latest("codex").0, ".codex/sessions/2026/11/20/rollout-a.jsonl");
    scene.left(".gemini/tmp/elsewhere/chats/session-2.jsonl", GEMINI, 5);
    scene.left(".gemini/tmp/parser/chats/session-1.jsonl", GEMINI, 60);
    let here = fs::canonicalize(scene.home.path("")).unwrap();
    scene.left(".gemini/tmp/parser/.project_root", here.to_str().unwrap(), 60);
    assert_eq!(scene.latest("gemini").0, ".gemini/tmp/parser/chats/session-1.jsonl");
    scene.left("one.cast", TERMINAL, 9);
    scene.left("two.cast", TERMINAL, 3);
    assert_eq!(scene.latest("asciicast").0, "two.cast");
}

#[test]
fn where_there_is_none_it_says_where_it_looked_and_the_command_line_is_checked() {
    let scene = Scene::new();
    let none = scene.home.run(&["push", "--agent", "codex", "--latest"]).ends_with(1);
    assert!(
        none.stderr.contains("no session of Codex CLI in") && none.stderr.contains(".codex/sessions"),
        "{}",
        none.stderr
    );
    scene.home.run(&["push"]).ends_with(2);
    scene.home.run(&["push", "--latest"]).ends_with(2);
    scene.home.run(&["push", "--agent", "claude"]).ends_with(2);
    scene.home.run(&["push", "x.jsonl", "--agent", "claude", "--latest"]).ends_with(2);
    scene.home.run(&["push", "x.jsonl", "--agent", "somebody"]).ends_with(2);
}
