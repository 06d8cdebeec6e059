//! `--latest`: which transcript of an agent it is, and that it says so.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{CLAUDE, CODEX, GEMINI, Scene, TERMINAL};

impl Scene {
    /// A file that was written to so many seconds before a certain time.
    pub(super) fn left(&self, path: &str, text: &str, seconds: u64) {
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

    /// A transcript that says that it is of this folder.
    pub(super) fn here(&self, text: &str) -> String {
        text.replace("/home/ann/parser", fs::canonicalize(self.home.path("")).unwrap().to_str().unwrap())
    }

    /// This folder, as Claude Code names it.
    pub(super) fn project(&self) -> String {
        let here = fs::canonicalize(self.home.path("")).unwrap();
        here.to_str().unwrap().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    }
}

/// S110: a session of another folder is shared only when that is asked for.
#[test]
fn of_claude_code_it_is_the_newest_of_this_folder_and_of_another_only_when_asked() {
    let scene = Scene::new();
    scene.left(".claude/projects/-somewhere-else/a.jsonl", CLAUDE, 10);
    scene.left(".claude/projects/-somewhere-else/b.jsonl", CLAUDE, 20);
    let refused = scene.home.run(&["push", "--agent", "claude", "--latest"]).ends_with(1).stderr;
    assert!(refused.contains("a.jsonl: --any-folder shares it") && refused.contains("of this folder"), "{refused}");
    let shared = scene.push(&["--agent", "claude", "--latest", "--any-folder"]);
    assert!(shared.said["file"].as_str().unwrap().ends_with("-somewhere-else/a.jsonl"), "{}", shared.said);
    assert!(
        shared.stderr.contains("a.jsonl is the newest session of Claude Code")
            && shared.stderr.contains("another folder")
    );
    let here = format!(".claude/projects/{}", scene.project());
    scene.left(&format!("{here}/old.jsonl"), &scene.here(CLAUDE), 90);
    scene.left(&format!("{here}/new.jsonl"), &scene.here(CLAUDE), 50);
    // What its own agents write is no session, nor is it one of this folder if it says another.
    scene.left(&format!("{here}/agent-1.jsonl"), &scene.here(CLAUDE), 5);
    scene.left(&format!("{here}/new/subagents/agent-2.jsonl"), &scene.here(CLAUDE), 5);
    scene.left(&format!("{here}/of-a-folder-with-the-same-name.jsonl"), CLAUDE, 5);
    let (file, said) = scene.latest("claude");
    assert_eq!(file, format!("{here}/new.jsonl"));
    assert!(!said.contains("another folder"), "{said}");
}

/// Claude Code cuts a long name of a folder, and adds a dash and six characters.
#[test]
fn of_claude_code_a_folder_with_a_long_name_is_found() {
    let scene = Scene::new();
    let long = "x".repeat(120);
    let inside = format!("{long}/{long}");
    fs::create_dir_all(scene.home.path(&inside)).unwrap();
    let here = fs::canonicalize(scene.home.path(&inside)).unwrap();
    let name: String =
        here.to_str().unwrap().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let said = CLAUDE.replace("/home/ann/parser", here.to_str().unwrap());
    scene.left(&format!(".claude/projects/{}-1a2b3c/s.jsonl", &name[..200]), &said, 9);
    scene.left(&format!(".claude/projects/{}-4d5e6f/s.jsonl", &name[..200]), CLAUDE, 1);
    let mut push = scene.home.command(&["push", "--json", "--agent", "claude", "--latest"]);
    let ran = push.current_dir(&here).output().unwrap();
    let stdout = String::from_utf8(ran.stdout).unwrap();
    assert!(stdout.contains("-1a2b3c/s.jsonl"), "{stdout}{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn of_the_others_it_is_the_newest_of_this_folder_where_they_leave_them() {
    let scene = Scene::new();
    let subagent = CODEX.replacen("\"cwd\"", "\"thread_source\":\"subagent\",\"cwd\"", 1);
    scene.left(".codex/sessions/2026/11/19/rollout-b.jsonl", &scene.here(CODEX), 70);
    scene.left(".codex/sessions/2026/11/20/rollout-a.jsonl", &scene.here(CODEX), 30);
    scene.left(".codex/sessions/2026/11/20/rollout-of-another-folder.jsonl", CODEX, 2);
    scene.left(".codex/sessions/2026/11/20/rollout-helper.jsonl", &scene.here(&subagent), 3);
    scene.left(".codex/sessions/2026/11/20/notes.jsonl", &scene.here(CODEX), 1);
    assert_eq!(scene.latest("codex").0, ".codex/sessions/2026/11/20/rollout-a.jsonl");
    scene.left(".gemini/tmp/elsewhere/chats/session-2.jsonl", GEMINI, 5);
    scene.left(".gemini/tmp/parser/chats/session-1.jsonl", GEMINI, 60);
    // A start of the program leaves a file in which nobody says anything.
    scene.left(".gemini/tmp/parser/chats/session-3.jsonl", GEMINI.lines().next().unwrap(), 1);
    let here = fs::canonicalize(scene.home.path("")).unwrap();
    scene.left(".gemini/tmp/parser/.project_root", here.to_str().unwrap(), 60);
    assert_eq!(scene.latest("gemini").0, ".gemini/tmp/parser/chats/session-1.jsonl");
    let qwen = include_str!("../../../data/agents/qwen-code-0.24.4/rewind-interrupt.jsonl");
    let qwen = qwen.replace("/home/user/project", here.to_str().unwrap());
    scene.left(&format!(".qwen/projects/{}/chats/s.jsonl", scene.project()), &qwen, 8);
    assert_eq!(scene.latest("qwen").0, format!(".qwen/projects/{}/chats/s.jsonl", scene.project()));
    let pi = include_str!("../../../data/agents/pi-0.73.1/full.jsonl");
    scene.left(".pi/agent/sessions/--somewhere-else--/new.jsonl", pi, 1);
    let pi = pi.replace("/home/user/project", here.to_str().unwrap());
    scene.left(".pi/agent/sessions/--a-folder--/old.jsonl", &pi, 8);
    scene.left(".pi/agent/sessions/--a-folder--/newer.jsonl", &pi, 7);
    assert_eq!(scene.latest("pi").0, ".pi/agent/sessions/--a-folder--/newer.jsonl");
    let copilot = include_str!("../../../data/agents/copilot-cli-1.0.102/killed-then-resumed.jsonl");
    scene.left(".copilot/session-state/elsewhere/events.jsonl", copilot, 1);
    let copilot = copilot.replace("/home/user/project", here.to_str().unwrap());
    scene.left(".copilot/session-state/old/events.jsonl", &copilot, 8);
    scene.left(".copilot/session-state/newer/events.jsonl", &copilot, 7);
    assert_eq!(scene.latest("copilot").0, ".copilot/session-state/newer/events.jsonl");
    let vibe = include_str!("../../../data/agents/mistral-vibe-3.0.2/after-the-first-run/meta.json");
    let current = include_str!("../../../data/agents/mistral-vibe-3.0.2/after-the-first-run/CURRENT");
    let sessions = ".vibe/logs/session/unified";
    let mine = vibe.replace("/home/user/project", here.to_str().unwrap());
    let below = mine.replace("\"parent_session_id\": null", "\"parent_session_id\": \"s\"");
    scene.left(&format!("{sessions}/elsewhere/meta.json"), vibe, 1);
    scene.left(&format!("{sessions}/helper/meta.json"), &below, 2);
    scene.left(&format!("{sessions}/other/meta.json"), &mine, 5);
    scene.left(&format!("{sessions}/running/meta.json"), &mine, 8);
    let first = "mistral-vibe-3.0.2/after-the-first-run";
    let agents = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/agents");
    for file in ["generations/0000000000000001/manifest.json", "generations/0000000000000001/projection-state.json"] {
        let text = fs::read_to_string(format!("{agents}/{first}/{file}")).unwrap();
        scene.left(&format!("{sessions}/running/{file}"), &text, 8);
    }
    let current = current.replace("\"0000000000000030\"", "\"0000000000000001\"");
    scene.left(&format!("{sessions}/running/CURRENT"), &current, 8);
    let journal = fs::read_to_string(format!("{agents}/{first}/journal/0000000000000001.jsonl")).unwrap();
    scene.left(&format!("{sessions}/running/journal/0000000000000001.jsonl"), &journal, 4);
    assert_eq!(scene.latest("vibe").0, format!("{sessions}/running/meta.json"));
    scene.left("one.cast", TERMINAL, 9);
    scene.left("two.cast", TERMINAL, 3);
    assert_eq!(scene.latest("asciicast").0, "two.cast");
}

/// S110: their files lie among those of other folders, and say themselves which folder they are of.
#[test]
fn of_kimi_cline_and_continue_it_is_the_newest_of_this_folder() {
    let scene = Scene::new();
    let here = fs::canonicalize(scene.home.path("")).unwrap();
    let own = |text: &str| text.replace("/home/user/project", here.to_str().unwrap());
    let wire = include_str!("../../../data/agents/kimi-code-2.1.0/undo-compaction/agents/main/wire.jsonl");
    let kimi = ".kimi-code/sessions/wd_p_0123456789ab";
    scene.left(&format!("{kimi}/session_a/agents/main/wire.jsonl"), &own(wire), 50);
    scene.left(&format!("{kimi}/session_a/agents/agent-0/wire.jsonl"), &own(wire), 1);
    scene.left(&format!("{kimi}/session_b/agents/main/wire.jsonl"), wire, 5);
    assert_eq!(scene.latest("kimi-code").0, format!("{kimi}/session_a/agents/main/wire.jsonl"));
    assert_eq!(scene.latest("kimi").0, format!("{kimi}/session_a/agents/main/wire.jsonl"));
    let state = json!({ "id": "session_b", "cwd": here, "title": "Its title" });
    scene.left(&format!("{kimi}/session_b/state.json"), &state.to_string(), 5);
    let shared = scene.push(&["--agent", "kimi-code", "--latest"]);
    assert_eq!((&shared.said["session"], &shared.held["session"]["title"]), (&json!("session_b"), &json!("Its title")));

    let old = include_str!("../../../data/agents/kimi-cli-1.51.0/wire.jsonl");
    let id = "1b6850bc-fd28-420f-b5b3-008d33746000";
    let digest = "d41d8cd98f00b204e9800998ecf8427e";
    scene.left(&format!(".kimi/sessions/{digest}/{id}/wire.jsonl"), old, 5);
    let refused = scene.home.run(&["push", "--agent", "kimi-cli", "--latest"]).ends_with(1).stderr;
    assert!(refused.contains("of this folder") && refused.contains(digest), "{refused}");
    let shared = scene.push(&["--agent", "kimi-cli", "--latest", "--any-folder"]);
    assert_eq!(shared.said["session"], id);

    let cline = include_str!("../../../data/agents/cline-3.0.65/1796015281859_on752/1796015281859_on752.messages.json");
    let below =
        include_str!("../../../data/agents/cline-3.0.65/1796015281859_on752/agent_1796015285636_ng6r68.messages.json");
    let about = include_str!("../../../data/agents/cline-3.0.65/1796015281859_on752/1796015281859_on752.json");
    for (name, about, seconds) in [("1_a", own(about), 50), ("2_b", about.to_owned(), 5)] {
        let folder = format!(".cline/data/sessions/{name}");
        scene.left(&format!("{folder}/{name}.messages.json"), cline, seconds);
        scene.left(&format!("{folder}/{name}.json"), &about, seconds);
        scene.left(&format!("{folder}/agent_1.messages.json"), below, 1);
    }
    assert_eq!(scene.latest("cline").0, ".cline/data/sessions/1_a/1_a.messages.json");

    let session = include_str!("../../../data/agents/continue-1.5.47/1b6850bc-fd28-420f-b5b3-008d33746000.json");
    scene.left(".continue/sessions/a.json", &own(session), 50);
    scene.left(".continue/sessions/b.json", session, 5);
    scene.left(".continue/sessions/sessions.json", "[]", 1);
    assert_eq!(scene.latest("continue").0, ".continue/sessions/a.json");
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
    scene.home.run(&["push", "--latest"]).ends_with(2);
    scene.home.run(&["push", "--agent", "claude"]).ends_with(2);
    scene.home.run(&["push", "x.jsonl", "--agent", "claude", "--latest"]).ends_with(2);
    scene.home.run(&["push", "x.jsonl", "--agent", "somebody"]).ends_with(2);
}
